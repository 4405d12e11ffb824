/** Metric batches to bodies of lines, or pickled messages. */
import type { Payload } from '../../src/component.ts';
import {
  NO_RECORDED_VALUE,
  type DistributionPoint,
  type Metric,
  type MetricBatch,
  type Series,
} from '../../src/model/batch.ts';
import { perLayout, perSeries, type Layout } from '../../src/model/layout.ts';
import { flatten } from '../../src/prometheus/distributions.ts';
import { LineWriter, plainDecimal } from '../../src/text/line_writer.ts';
import type { Format } from './formats.ts';
import type { Paths, PathsOf } from './paths.ts';

/** Why points are left out. */
export type Reason = 'bad_time' | 'ended' | 'malformed' | 'not_representable' | 'too_large' | 'unnamed';

export interface EncoderOptions {
  readonly format: Format;
  readonly pathsOf: PathsOf;
  readonly max_bytes: number;
  /** Most bytes that one line may have. */
  readonly max_line_bytes: number;
  readonly drop: (reason: Reason, count: number) => void;
  /** Called with a path that two series of a layout have. */
  readonly onSamePath: (path: string) => void;
}

/** What was derived of a series. */
interface Line {
  readonly paths: Paths;
  readonly path: Uint8Array;
}

/** So many layouts show what a template does not tell apart. */
const CHECKED_LAYOUTS = 100;

export function createEncoder(options: EncoderOptions): (batch: MetricBatch) => readonly Payload[] {
  const { format, pathsOf, max_bytes, max_line_bytes, drop } = options;
  const writer = new LineWriter();
  const makeLine = (series: Series): Line | undefined => {
    const paths = pathsOf(series);
    return paths && { paths, path: format.path(paths.own) };
  };
  const keptLine = perSeries(makeLine);
  const keptLines = perLayout((layout) => layout.map(keptLine));
  // What other agents send comes in layouts, of metrics, that are new each time: keeping their lines would only cost memory.
  const seenLayouts = new WeakSet<Layout>();
  const seenMetrics = new WeakSet<Metric>();
  let checks = 0;

  function linesOf(layout: Layout): readonly (Line | undefined)[] {
    if (seenLayouts.has(layout)) return keptLines(layout);
    seenLayouts.add(layout);
    const lines = layout.map((series) => (seenMetrics.has(series.metric) ? keptLine(series) : makeLine(series)));
    for (const { metric } of layout) seenMetrics.add(metric);
    if (checks++ < CHECKED_LAYOUTS) {
      const same = findTwice(lines);
      if (same !== undefined) options.onSamePath(same);
    }
    return lines;
  }

  /** Writes one point; the reason where it cannot be written. */
  function writePoint(batch: MetricBatch, row: number, line: Line | undefined): Reason | undefined {
    if (batch.flags !== undefined && (batch.flags[row]! & NO_RECORDED_VALUE) !== 0) return 'ended';
    if (line === undefined) return 'unnamed';
    const time_s = Number((batch.times?.[row] ?? batch.time) / 1_000_000_000n);
    if (time_s === 0) return 'bad_time';
    const point = batch.points?.[row];
    if (point !== undefined) return writeDistribution(line.paths, point, time_s);
    const value = valueOf(batch.series[row]!, batch, row);
    if (value !== value) return 'not_representable';
    const start = writer.position;
    format.write(writer, line.path, value, time_s);
    return writer.position - start > max_line_bytes ? 'too_large' : undefined;
  }

  function writeDistribution(paths: Paths, point: DistributionPoint, time_s: number): Reason | undefined {
    const lines = distributionLines(paths, point);
    if (lines === undefined) return 'malformed';
    for (const [path, value] of lines) {
      const start = writer.position;
      format.write(writer, format.path(path), value, time_s);
      if (writer.position - start > max_line_bytes) return 'too_large';
    }
    return undefined;
  }

  return (batch) => {
    const { series } = batch;
    const lines = linesOf(series);
    const payloads: Payload[] = [];
    let count = 0;
    const cut = (): void => {
      format.end(writer);
      payloads.push({ body: writer.take(), count });
      count = 0;
      format.begin(writer);
    };
    // What an encoder that threw left behind.
    writer.position = 0;
    format.begin(writer);
    const empty = writer.position;
    for (let row = 0; row < series.length; row++) {
      const start = writer.position;
      const reason = writePoint(batch, row, lines[row]);
      if (reason !== undefined) {
        writer.position = start;
        drop(reason, 1);
        continue;
      }
      if (writer.position + format.endSize > max_bytes) {
        const point = writer.take(start);
        if (count > 0) cut();
        if (empty + point.length + format.endSize > max_bytes) {
          drop('too_large', 1);
          continue;
        }
        writer.raw(point);
      }
      count++;
    }
    if (count > 0) cut();
    return payloads;
  };
}

/** An integer with all its digits, also one that a double holds beyond 2^53. */
function valueOf({ metric }: Series, { values, exactValues }: MetricBatch, row: number): number | bigint {
  const value = values[row]!;
  if (metric.valueType === 'double' || Number.isSafeInteger(value)) return value;
  return exactValues?.get(row) ?? (Number.isInteger(value) ? BigInt(value) : value);
}

/** A number for each of what the point holds; those that are no numbers are left out. */
function distributionLines(
  paths: Paths,
  point: DistributionPoint,
): readonly [path: string, value: number][] | undefined {
  const distribution = flatten(point);
  if (distribution === undefined) return undefined;
  const { edges, values, sum, count } = distribution;
  const lines: [string, number][] = [[paths.below('count'), count]];
  if (sum !== undefined) lines.push([paths.below('sum'), sum]);
  if (point.type === 'summary') {
    edges.forEach((edge, index) => {
      lines.push([paths.below('quantile', { key: 'quantile', value: plainDecimal(edge) }), values[index]!]);
    });
  } else {
    if (point.min !== undefined) lines.push([paths.below('min'), point.min]);
    if (point.max !== undefined) lines.push([paths.below('max'), point.max]);
    const hasBuckets = point.type !== 'histogram' || point.bucketCounts.length > 0;
    edges.forEach((edge, index) => {
      lines.push([paths.below('bucket', { key: 'le', value: plainDecimal(edge) }), values[index]!]);
    });
    if (hasBuckets) lines.push([paths.below('bucket', { key: 'le', value: '+Inf' }), count]);
  }
  return lines.filter(([, value]) => !Number.isNaN(value));
}

/** A path that stands there twice. */
function findTwice(lines: readonly (Line | undefined)[]): string | undefined {
  const seen = new Set<string>();
  for (const line of lines) {
    if (line === undefined) continue;
    const { own } = line.paths;
    if (seen.has(own)) return own;
    seen.add(own);
  }
  return undefined;
}
