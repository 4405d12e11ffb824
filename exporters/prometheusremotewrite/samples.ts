/** Writes the parts of `io.prometheus.write.v2.TimeSeries` (remote write 2.0-rc.4), fields in the order of their numbers. */
import { varintSize, type Writer } from '../../src/model/otlp/writer.ts';
import type { PrometheusType } from '../../src/prometheus/metrics.ts';
import type { Entry } from './plan.ts';

/** Says that a series has ended: this very NaN, which no measured value may be ("Stale markers"). */
const STALE_BITS = 0x7ff0_0000_0000_0002n;
/** The NaN that is a value (`NormalNaN` in Prometheus). */
export const NAN_BITS = 0x7ff8_0000_0000_0001n;

/** `Request.timeseries`. */
export const SERIES = 0x2a;
const LABELS_REFS = 0x0a;
const SAMPLE = 0x12;
const METADATA = 0x2a;

const TYPES: Readonly<Record<PrometheusType, number>> = {
  unknown: 0,
  counter: 1,
  gauge: 2,
  histogram: 3,
  summary: 5,
  info: 6,
};

/** A value, or that there is none any more. */
export type Value = number | 'stale';

export interface Sample {
  readonly value: Value;
  readonly time_ms: number;
  /** 0 where unknown. */
  readonly start_ms: number;
}

export function milliseconds(time: bigint): number {
  return Number(time / 1_000_000n);
}

/** Since when a point counts; 0 for what counts nothing. */
export function startOf({ type }: Entry, startTime: bigint, time_ms: number): number {
  if (startTime === 0n || type === 'gauge' || type === 'unknown' || type === 'info') return 0;
  const start_ms = milliseconds(startTime);
  return start_ms <= time_ms ? start_ms : 0;
}

/** `refs` as they are, or with another name of the series and one label more. */
export function writeLabels(writer: Writer, entry: Entry, name?: number, edge?: readonly [number, number]): void {
  const { refs, nameAt, edgeAt } = entry;
  const start = writer.begin(LABELS_REFS);
  for (let i = 0; i < refs.length; i++) {
    if (edge !== undefined && i === edgeAt) writeEdge(writer, edge);
    writer.varint(name !== undefined && i === nameAt ? name : (refs[i] as number));
  }
  if (edge !== undefined && edgeAt === refs.length) writeEdge(writer, edge);
  writer.end(start);
}

function writeEdge(writer: Writer, [label, value]: readonly [number, number]): void {
  writer.varint(label);
  writer.varint(value);
}

/** Writes a sample, and returns the position of its value, which the time follows 9 bytes later. */
export function writeSample(writer: Writer, { value, time_ms, start_ms }: Sample): number {
  writer.varint(SAMPLE);
  writer.varint(10 + varintSize(time_ms) + (start_ms === 0 ? 0 : 1 + varintSize(start_ms)));
  writer.varint(0x09);
  const position = writer.position;
  writeDouble(writer, value);
  writer.uint(0x10, time_ms);
  if (start_ms !== 0) writer.uint(0x18, start_ms);
  return position;
}

/** 8 bytes without a tag. */
export function writeDouble(writer: Writer, value: Value): void {
  if (value === 'stale') writer.rawFixed64(STALE_BITS);
  else if (Number.isNaN(value)) writer.rawFixed64(NAN_BITS);
  else writer.rawDouble(value);
}

export function writeMetadata(writer: Writer, { type, help, unit }: Entry): void {
  const start = writer.begin(METADATA);
  if (type !== 'unknown') writer.uint(0x08, TYPES[type]);
  if (help !== 0) writer.uint(0x18, help);
  if (unit !== 0) writer.uint(0x20, unit);
  writer.end(start);
}
