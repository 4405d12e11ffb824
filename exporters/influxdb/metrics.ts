/** Metric batches to lines. */
import { NO_RECORDED_VALUE, type Exemplar, type Metric, type MetricBatch, type Series } from '../../src/model/batch.ts';
import { perLayout, perSeries, type Layout } from '../../src/model/layout.ts';
import type { LineWriter } from '../../src/text/line_writer.ts';
import type { Dialect } from './escape.ts';
import type { Bodies } from './items.ts';
import type { Head, Schema } from './schemas.ts';
import { createTagWriter, NO_TAGS } from './tags.ts';
import type { Clock } from './times.ts';

/** Why points are left out: nothing in line protocol says the same. */
export type Reason = 'bad_time' | 'ended' | 'malformed' | 'not_representable' | 'too_large' | 'unnamed';

export interface MetricEncoderOptions {
  readonly schema: Schema;
  readonly dialect: Dialect;
  readonly clock: Clock;
  readonly drop: (reason: Reason, count: number) => void;
}

/** What was derived of a series. */
interface Line {
  readonly head: Head;
  /** All up to the value of a number. */
  readonly prefix: Uint8Array;
}

const LETTER_I = 0x69;
const SPACE = 0x20;
const TWO_63 = 2 ** 63;

export function createMetricEncoder({ schema, dialect, clock, drop }: MetricEncoderOptions) {
  const exemplarTags = createTagWriter(dialect, false);
  const makeLine = (series: Series): Line | undefined => {
    const head = schema.head(series);
    return head && { head, prefix: Buffer.from(`${head.series} ${head.fields}${head.value}=`) };
  };
  const keptLine = perSeries(makeLine);
  const keptLines = perLayout((layout) => layout.map(keptLine));
  // What other agents send comes in layouts, of metrics, that are new each time: keeping their lines would only cost memory.
  const seenLayouts = new WeakSet<Layout>();
  const seenMetrics = new WeakSet<Metric>();

  function linesOf(layout: Layout): readonly (Line | undefined)[] {
    if (seenLayouts.has(layout)) return keptLines(layout);
    seenLayouts.add(layout);
    const lines = layout.map((series) => (seenMetrics.has(series.metric) ? keptLine(series) : makeLine(series)));
    for (const { metric } of layout) seenMetrics.add(metric);
    return lines;
  }

  /** Writes every point of a batch that can be written. */
  return function encode(batch: MetricBatch, bodies: Bodies): void {
    const { series, flags, times, exemplars } = batch;
    const { writer } = bodies;
    const lines = linesOf(series);
    let time = clock.stamp(batch.time);
    for (let row = 0; row < series.length; row++) {
      if (flags !== undefined && (flags[row]! & NO_RECORDED_VALUE) !== 0) {
        drop('ended', 1);
        continue;
      }
      const line = lines[row];
      if (line === undefined) {
        drop('unnamed', 1);
        continue;
      }
      if (times !== undefined) time = clock.stamp(times[row]!);
      if (time === undefined) {
        drop('bad_time', 1);
        continue;
      }
      const one = series[row]!;
      const point = batch.points?.[row];
      let count = 1;
      if (point !== undefined) {
        const texts = schema.lines(one, line.head, point);
        if (texts === undefined) {
          drop('malformed', 1);
          continue;
        }
        count = writeLines(writer, texts, time);
      } else if (!writeNumber(writer, line.prefix, one, batch, row, time)) {
        drop('not_representable', 1);
        continue;
      }
      const some = exemplars?.[row];
      if (some !== undefined) {
        for (const exemplar of some) if (writeExemplar(writer, one, exemplar, time)) count++;
      }
      bodies.end(count);
    }
  };

  function writeExemplar(writer: LineWriter, series: Series, exemplar: Exemplar, pointTime: Uint8Array): boolean {
    const { value, traceId, spanId, filteredAttributes } = exemplar;
    const isDouble = typeof value === 'number';
    // The library leaves out those that lead nowhere.
    if (traceId === '' || spanId === '' || (isDouble && !Number.isFinite(value))) return false;
    const attributes = { ...filteredAttributes, trace_id: traceId, span_id: spanId };
    const measurement = dialect.measurement(`${series.metric.name}_exemplar`);
    writer.text(` ${measurement}${exemplarTags.text(NO_TAGS, attributes, (key) => key === 'gauge')} gauge=`);
    if (isDouble) writer.double(value);
    else {
      writer.integer(value);
      writer.byte(LETTER_I);
    }
    writer.raw(clock.stamp(exemplar.time) ?? pointTime);
    return true;
  }
}

/** Returns false where no field can hold the value. */
function writeNumber(
  writer: LineWriter,
  prefix: Uint8Array,
  { metric }: Series,
  { values, exactValues }: MetricBatch,
  row: number,
  time: Uint8Array,
): boolean {
  const value = values[row]!;
  if (!Number.isFinite(value)) return false;
  if (metric.valueType === 'double') {
    writer.raw(prefix);
    writer.double(value);
  } else {
    const exact = exactValues?.get(row) ?? Math.round(value);
    if (typeof exact === 'number' && (exact < -TWO_63 || exact >= TWO_63)) return false;
    writer.raw(prefix);
    writer.integer(exact);
    writer.byte(LETTER_I);
  }
  writer.raw(time);
  return true;
}

/** Lines after the first begin with a space: they belong to it. */
function writeLines(writer: LineWriter, lines: readonly string[], time: Uint8Array): number {
  for (let i = 0; i < lines.length; i++) {
    if (i > 0) writer.byte(SPACE);
    writer.text(lines[i]!);
    writer.raw(time);
  }
  return lines.length;
}
