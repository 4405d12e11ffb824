/** Metric batches to `io.prometheus.write.v2.Request` (remote write 2.0-rc.4). */
import {
  NO_RECORDED_VALUE,
  type ExponentialHistogramPoint,
  type HistogramPoint,
  type MetricBatch,
} from '../../src/model/batch.ts';
import type { Layout } from '../../src/model/layout.ts';
import { sharedWriter as writer } from '../../src/model/otlp/writer.ts';
import { flatten } from '../../src/prometheus/distributions.ts';
import type { Labels } from '../../src/prometheus/labels.ts';
import { edgeSeries, type DistributionSample, type EdgeMemory } from './edges.ts';
import { timedExemplars, writeExemplars, type TimedExemplar } from './exemplars.ts';
import { nativeHistogram, writeHistogram } from './native_histograms.ts';
import { identityOf, type Entry, type Plan, type Planner } from './plan.ts';
import { milliseconds, SERIES, startOf, writeLabels, writeMetadata, writeSample, type Sample } from './samples.ts';
import { Symbols } from './symbols.ts';
import { Template, type Slots } from './template.ts';

export interface EncoderOptions {
  readonly plan: Planner;
  readonly labels: Labels;
  readonly edges: EdgeMemory;
  readonly hasExemplars: boolean;
  /** Told of every row that is left out. */
  readonly drop: (reason: string, count: number, example: string) => void;
}

export interface EncodedBatch {
  readonly body: Uint8Array;
  /** Rows that are in it. */
  readonly count: number;
}

export type Encoder = (batch: MetricBatch) => EncodedBatch;

/**
 * An agent measures the same series again and again, and in the encoded message only times and values differ, both of
 * fixed width. So the message of a layout that comes a second time is kept, and from then on encoding is patching it.
 */
export function createEncoder({ plan: planOf, labels, edges, hasExemplars, drop }: EncoderOptions): Encoder {
  const seen = new WeakSet<Layout>();
  const templates = new WeakMap<Layout, Template>();

  function encode(batch: MetricBatch): EncodedBatch {
    const plan = planOf(batch.series);
    let count = batch.count;
    for (const [reason, dropped] of plan.dropped) {
      drop(reason, dropped.count, dropped.example);
      count -= dropped.count;
    }
    const isPlain = plan.isPlain && batch.flags === undefined && (batch.exemplars === undefined || !hasExemplars);
    if (!isPlain) {
      const left = renderAll(batch, plan, (reason, example) => drop(reason, 1, example));
      return { body: writer.take(), count: count - left };
    }
    const template = templates.get(batch.series);
    if (template?.fits(batch)) return { body: template.fill(batch), count };
    if (!seen.has(batch.series)) {
      // Most layouts of what other agents send come once: a template would only cost memory.
      seen.add(batch.series);
      renderPlain(batch, plan, undefined);
      return { body: writer.take(), count };
    }
    const slots: Slots = { rows: [], positions: [] };
    renderPlain(batch, plan, slots);
    const body = writer.take();
    const made = Template.of(body, slots, batch);
    if (made !== undefined) templates.set(batch.series, made);
    return { body: made === undefined ? body : Buffer.from(body), count };
  }

  /** Every row is one sample of its own series. */
  function renderPlain(batch: MetricBatch, { entries, symbols }: Plan, slots: Slots | undefined): void {
    begin(symbols);
    for (const entry of entries) {
      const row = entry.rows[0]!;
      const { start, expected } = beginSeries(entry);
      writeLabels(writer, entry);
      const position = writeSample(writer, sampleOf(batch, row, entry));
      writeMetadata(writer, entry);
      const shift = writer.end(start, expected);
      slots?.rows.push(row);
      slots?.positions.push(position + shift);
    }
  }

  /** Returns how many rows it had to leave out. */
  function renderAll(batch: MetricBatch, plan: Plan, leaveOut: (reason: string, example: string) => void): number {
    const symbols = new Symbols(plan.symbols);
    begin(plan.symbols);
    const base = writer.position;
    let left = 0;
    const refuse = (reason: string, entry: Entry): void => {
      left++;
      leaveOut(reason, entry.name);
    };
    for (const entry of plan.entries) {
      const rows = rowsInTime(batch, entry, refuse);
      if (entry.form === 'number') renderNumber(batch, entry, rows, symbols);
      else if (entry.form === 'native') renderNative(batch, entry, rows, symbols, refuse);
      else renderEdges(batch, entry, rows, symbols, refuse);
    }
    insertSymbols(symbols, base);
    return left;
  }

  function renderNumber(batch: MetricBatch, entry: Entry, rows: readonly number[], symbols: Symbols): void {
    const { start, expected } = beginSeries(entry);
    writeLabels(writer, entry);
    for (const row of rows) writeSample(writer, sampleOf(batch, row, entry));
    // Those of gauges have no place in Prometheus.
    if (entry.type === 'counter') writeExemplars(writer, exemplarsOf(batch, rows), labels, symbols);
    writeMetadata(writer, entry);
    writer.end(start, expected);
  }

  function renderNative(
    batch: MetricBatch,
    entry: Entry,
    rows: readonly number[],
    symbols: Symbols,
    refuse: (reason: string, entry: Entry) => void,
  ): void {
    const before = writer.position;
    const { start, expected } = beginSeries(entry);
    writeLabels(writer, entry);
    const taken: number[] = [];
    for (const row of rows) {
      const histogram = isEnded(batch, row) ? 'stale' : nativeHistogramOf(batch, row);
      if (typeof histogram === 'string' && histogram !== 'stale') {
        refuse(histogram, entry);
        continue;
      }
      taken.push(row);
      const time_ms = timeOf(batch, row);
      const start_ms = histogram === 'stale' ? 0 : startOf(entry, batch.series[row]!.startTime, time_ms);
      writeHistogram(writer, histogram, time_ms, start_ms);
    }
    if (taken.length === 0) {
      writer.position = before;
      return;
    }
    writeExemplars(writer, exemplarsOf(batch, taken), labels, symbols);
    writeMetadata(writer, entry);
    writer.end(start, expected);
  }

  function renderEdges(
    batch: MetricBatch,
    entry: Entry,
    rows: readonly number[],
    symbols: Symbols,
    refuse: (reason: string, entry: Entry) => void,
  ): void {
    const points: DistributionSample[] = [];
    for (const row of rows) {
      const point = batch.points?.[row];
      const hasEnded = isEnded(batch, row);
      const distribution = hasEnded || point === undefined ? undefined : flatten(point);
      if (!hasEnded && distribution === undefined) {
        refuse('invalid_point', entry);
        continue;
      }
      const time_ms = timeOf(batch, row);
      const start_ms = startOf(entry, batch.series[row]!.startTime, time_ms);
      points.push({ distribution, time_ms, start_ms, exemplars: exemplarsOf(batch, [row]) });
    }
    if (points.length === 0) return;
    const identity = identityOf(entry);
    for (const { name, label, samples, exemplars } of edgeSeries(entry, points, edges.recall(identity))) {
      const edge = label && ([symbols.ref(label[0]), symbols.ref(label[1])] as const);
      const { start, expected } = beginSeries(entry);
      writeLabels(writer, entry, symbols.ref(name), edge);
      for (const sample of samples) writeSample(writer, sample);
      writeExemplars(writer, exemplars, labels, symbols);
      writeMetadata(writer, entry);
      writer.end(start, expected);
    }
    const last = points.at(-1)!.distribution;
    if (last === undefined) edges.forget(identity);
    else edges.remember(identity, last.edges);
  }

  function exemplarsOf({ exemplars, times, time }: MetricBatch, rows: readonly number[]): readonly TimedExemplar[] {
    if (exemplars === undefined || !hasExemplars) return [];
    const all = rows.flatMap((row) => timedExemplars(exemplars[row], milliseconds(times?.[row] ?? time)));
    return rows.length > 1 ? all.sort((a, b) => a.time_ms - b.time_ms) : all;
  }

  return encode;
}

/** Begins a request with the strings of its layout. */
function begin(symbols: Symbols): void {
  // What an encoder that threw left behind.
  writer.position = 0;
  symbols.write(writer);
}

/** Puts the strings that came up while the series were written behind those of the layout, which end at `base`. */
function insertSymbols(symbols: Symbols, base: number): void {
  if (!symbols.isLarger) return;
  const end = writer.position;
  symbols.write(writer);
  const added = Buffer.from(writer.bytes.subarray(end, writer.position));
  writer.bytes.copyWithin(base + added.length, base, end);
  added.copy(writer.bytes, base);
}

/** A right guess of the width of its length saves moving a series: a sample, metadata and its label references. */
function beginSeries({ refs }: Entry): { readonly start: number; readonly expected: number } {
  const expected = 36 + refs.length + (refs.length >> 1);
  return { start: writer.begin(SERIES, expected), expected };
}

function timeOf({ times, time }: MetricBatch, row: number): number {
  return milliseconds(times?.[row] ?? time);
}

function isEnded({ flags }: MetricBatch, row: number): boolean {
  return flags !== undefined && (flags[row]! & NO_RECORDED_VALUE) !== 0;
}

function sampleOf(batch: MetricBatch, row: number, entry: Entry): Sample {
  const time_ms = timeOf(batch, row);
  if (isEnded(batch, row)) return { value: 'stale', time_ms, start_ms: 0 };
  return { value: batch.values[row]!, time_ms, start_ms: startOf(entry, batch.series[row]!.startTime, time_ms) };
}

function nativeHistogramOf({ points }: MetricBatch, row: number): ReturnType<typeof nativeHistogram> {
  const point = points?.[row] as ExponentialHistogramPoint | HistogramPoint | undefined;
  return point === undefined ? 'invalid_point' : nativeHistogram(point);
}

/** The rows of a series in the order of their times; of two within one millisecond, the later. */
function rowsInTime(
  batch: MetricBatch,
  entry: Entry,
  refuse: (reason: string, entry: Entry) => void,
): readonly number[] {
  const { rows } = entry;
  if (rows.length === 1) return rows;
  const at = (row: number): bigint => batch.times?.[row] ?? batch.time;
  const sorted = rows.toSorted((a, b) => (at(a) < at(b) ? -1 : at(a) > at(b) ? 1 : a - b));
  return sorted.filter((row, i) => {
    const next = sorted[i + 1];
    const isLast = next === undefined || milliseconds(at(next)) !== milliseconds(at(row));
    if (!isLast) refuse('duplicate_timestamp', entry);
    return isLast;
  });
}
