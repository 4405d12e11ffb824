/** Requests of remote write as protobufjs and snappyjs read them, and the rules that every request must keep to. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { expect } from 'vitest';
import { uncompress } from 'snappyjs';

/** A compressed body as snappyjs reads it. */
export { uncompress };

// Values are read as bits, for JavaScript does not tell one NaN from another.
const schema = readFileSync(join(import.meta.dirname, 'remote_write.proto'), 'utf8').replaceAll(
  /double (value|sum) =/g,
  'fixed64 $1 =',
);
const { root } = protobuf.parse(schema, { keepCase: true });
root.resolveAll();

const Request = root.lookupType('prw.Request');
const WriteRequest = root.lookupType('prw.WriteRequest');

/** `stale` for a stale marker. */
export type ReadValue = number | 'stale';

export interface ReadHistogram {
  readonly count: number;
  readonly sum: ReadValue;
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  /** Count of each filled bucket, by Prometheus' number. */
  readonly negative: Readonly<Record<number, number>>;
  readonly positive: Readonly<Record<number, number>>;
  readonly bounds: readonly number[];
  readonly time_ms: number;
  readonly start_ms: number;
}

export interface ReadSeries {
  /** `name{a="b"}`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Value, time, start time. */
  readonly samples: readonly (readonly [value: ReadValue, time_ms: number, start_ms: number])[];
  readonly histograms: readonly ReadHistogram[];
  readonly exemplars: readonly { labels: Readonly<Record<string, string>>; value: ReadValue; time_ms: number }[];
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

interface WireHistogram {
  count_int: string;
  sum: string;
  schema: number;
  zero_threshold: number;
  zero_count_int: string;
  negative_spans: { offset: number; length: number }[];
  negative_deltas: string[];
  positive_spans: { offset: number; length: number }[];
  positive_deltas: string[];
  custom_values: number[];
  timestamp: string;
  start_timestamp?: string;
}
interface WireSample {
  value: string;
  timestamp: string;
  start_timestamp?: string;
}
interface WireExemplar {
  labels_refs: number[];
  labels: { name: string; value: string }[];
  value: string;
  timestamp: string;
}

const asObject = (type: protobuf.Type, body: Uint8Array): unknown =>
  type.toObject(type.decode(body), { longs: String, enums: String, arrays: true, defaults: true });

/** Reads a request of remote write 2.0, and checks it. */
export function readVersion2(body: Uint8Array): ReadSeries[] {
  const request = asObject(Request, body) as {
    symbols: string[];
    timeseries: {
      labels_refs: number[];
      samples: WireSample[];
      histograms: WireHistogram[];
      exemplars: WireExemplar[];
      metadata: { type: string; help_ref: number; unit_ref: number };
    }[];
  };
  const { symbols } = request;
  expect(symbols[0]).toBe('');
  expect(new Set(symbols).size).toBe(symbols.length);
  const pairs = (refs: number[]): [string, string][] => {
    expect(refs.length % 2).toBe(0);
    expect(Math.max(0, ...refs)).toBeLessThan(symbols.length);
    return Array.from({ length: refs.length / 2 }, (_, i) => [symbols[refs[2 * i]!]!, symbols[refs[2 * i + 1]!]!]);
  };
  const series = request.timeseries.map(({ labels_refs, samples, histograms, exemplars, metadata }) => ({
    ...named(pairs(labels_refs)),
    samples: samples.map(readSample),
    histograms: histograms.map(readHistogram),
    exemplars: exemplars.map((one) => readExemplar(pairs(one.labels_refs), one)),
    type: metadata.type,
    help: symbols[metadata.help_ref]!,
    unit: symbols[metadata.unit_ref]!,
  }));
  check(series);
  return series;
}

/** Reads a request of remote write 1.0, and checks it; each series with the metadata of its metric. */
export function readVersion1(body: Uint8Array): {
  series: Omit<ReadSeries, 'type' | 'help' | 'unit'>[];
  metadata: Record<string, { type: string; help: string; unit: string }>;
} {
  const request = asObject(WriteRequest, body) as {
    timeseries: {
      labels: { name: string; value: string }[];
      samples: WireSample[];
      histograms: WireHistogram[];
      exemplars: WireExemplar[];
    }[];
    metadata: { type: string; metric_family_name: string; help: string; unit: string }[];
  };
  const pairs = (labels: { name: string; value: string }[]): [string, string][] =>
    labels.map(({ name, value }) => [name, value]);
  const series = request.timeseries.map(({ labels, samples, histograms, exemplars }) => ({
    ...named(pairs(labels)),
    samples: samples.map(readSample),
    histograms: histograms.map(readHistogram),
    exemplars: exemplars.map((one) => readExemplar(pairs(one.labels), one)),
  }));
  check(series);
  const metadata = request.metadata.map(
    ({ metric_family_name, type, help, unit }) => [metric_family_name, { type, help, unit }] as const,
  );
  expect(new Set(metadata.map(([name]) => name)).size).toBe(metadata.length);
  return { series, metadata: Object.fromEntries(metadata) };
}

/** The bytes are what protobufjs would write: fields in order, and nothing that it does not know. */
export function isCanonical(version: '1.0' | '2.0', body: Uint8Array): boolean {
  const type = version === '2.0' ? Request : WriteRequest;
  const again = type.encode(type.decode(body)).finish();
  return Buffer.from(again).equals(body);
}

function check(all: readonly Omit<ReadSeries, 'type' | 'help' | 'unit'>[]): void {
  const names = all.map(({ name }) => name);
  expect(new Set(names).size, `a series twice in ${names.join(' ')}`).toBe(names.length);
  for (const { samples, histograms, exemplars } of all) {
    expect(samples.length + histograms.length).toBeGreaterThan(0);
    expect(Math.min(samples.length, histograms.length)).toBe(0);
    const times = [...samples.map(([, time_ms]) => time_ms), ...histograms.map(({ time_ms }) => time_ms)];
    for (let i = 1; i < times.length; i++) expect(times[i]).toBeGreaterThan(times[i - 1]!);
    expect(exemplars.map(({ time_ms }) => time_ms)).toEqual(
      exemplars.map(({ time_ms }) => time_ms).sort((a, b) => a - b),
    );
  }
}

function named(pairs: readonly [string, string][]) {
  checkLabels(pairs);
  const { __name__: metric, ...labels } = Object.fromEntries(pairs);
  expect(metric).toBeTypeOf('string');
  const text = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return { name: text.length === 0 ? metric! : `${metric}{${text.join()}}`, labels: Object.fromEntries(pairs) };
}

function checkLabels(pairs: readonly [string, string][]): void {
  const bytes = pairs.map(([name]) => Buffer.from(name));
  for (let i = 1; i < bytes.length; i++) expect(Buffer.compare(bytes[i - 1]!, bytes[i]!)).toBe(-1);
  for (const [name, value] of pairs) {
    expect(name).not.toBe('');
    expect(value).not.toBe('');
  }
}

function readValue(bits: string): ReadValue {
  if (BigInt(bits) === 0x7ff0000000000002n) return 'stale';
  const value = new DataView(BigUint64Array.of(BigInt(bits)).buffer).getFloat64(0, true);
  if (Number.isNaN(value)) expect(BigInt(bits)).toBe(0x7ff8000000000001n);
  return value;
}

function readSample({ value, timestamp, start_timestamp }: WireSample) {
  return [readValue(value), Number(timestamp), Number(start_timestamp ?? 0)] as const;
}

function readExemplar(pairs: readonly [string, string][], { value, timestamp }: WireExemplar) {
  checkLabels(pairs);
  return { labels: Object.fromEntries(pairs), value: readValue(value), time_ms: Number(timestamp) };
}

function readHistogram(wire: WireHistogram): ReadHistogram {
  return {
    count: Number(wire.count_int),
    sum: readValue(wire.sum),
    schema: wire.schema,
    zeroThreshold: wire.zero_threshold,
    zeroCount: Number(wire.zero_count_int ?? 0),
    negative: readBuckets(wire.negative_spans, wire.negative_deltas),
    positive: readBuckets(wire.positive_spans, wire.positive_deltas),
    bounds: wire.custom_values,
    time_ms: Number(wire.timestamp),
    start_ms: Number(wire.start_timestamp ?? 0),
  };
}

function readBuckets(spans: { offset: number; length: number }[], deltas: string[]): Record<number, number> {
  const buckets: Record<number, number> = {};
  let number = 0;
  let count = 0n;
  let at = 0;
  for (const { offset, length } of spans) {
    number += offset;
    for (let i = 0; i < length; i++) {
      count += BigInt(deltas[at++]!);
      if (count !== 0n) buckets[number] = Number(count);
      number++;
    }
  }
  expect(at).toBe(deltas.length);
  return buckets;
}
