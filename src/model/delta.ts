/**
 * Turns cumulative streams into delta streams (OpenTelemetry metrics data model, "Temporality" and "Resets and gaps"):
 * monotonic sums, histograms and exponential histograms. Everything else passes unchanged.
 */
import { NO_RECORDED_VALUE, Series, type DistributionPoint, type Metric, type MetricBatch } from './batch.ts';
import { subtractPoint } from './delta_points.ts';
import { selectRows } from './select.ts';

export interface DeltaOptions {
  /** Which of the metrics that can be converted are; all unless given. */
  readonly includes?: (metric: Metric) => boolean;
  /**
   * What the first point of a stream with a known start counts: all since that start (`keep`, the default), nothing
   * (`drop`), or all if it started after `since` and else nothing (`auto`), because a counter that runs since boot would
   * be counted again after each restart of the agent. A stream with an unknown start (0, or the point's own time) counts
   * nothing.
   */
  readonly initialValue?: 'keep' | 'drop' | 'auto';
  /** Unix nanoseconds, for `auto`: when the conversion began. */
  readonly since?: bigint;
  /** A stream without points for so long is forgotten (an hour unless given), so that memory stays bounded. */
  readonly maxStaleness_ms?: number;
  /** Milliseconds that only rise. */
  readonly now?: () => number;
}

export interface DeltaConverter {
  /**
   * The batch with deltas since the points before; the same object where nothing in it is converted. Rows that only set
   * a baseline, and rows not newer than the point before, are left out: the batch has so many fewer.
   */
  convert(batch: MetricBatch): MetricBatch;
  /** Number of streams remembered. */
  readonly size: number;
}

/** What a point says. */
interface Current {
  readonly value: number;
  /** The value where a double cannot hold it. */
  readonly exact: bigint | undefined;
  readonly point: DistributionPoint | undefined;
}

/** What a point adds to its stream, and since when. */
interface Increment extends Current {
  readonly startTime: bigint;
}

/** The last point of a stream. */
interface Last extends Current {
  readonly startTime: bigint;
  readonly time: bigint;
  seen_ms: number;
}

const HOUR_MS = 3_600_000;

export function createDeltaConverter(options: DeltaOptions = {}): DeltaConverter {
  const { includes = () => true, initialValue = 'keep', since = 0n, maxStaleness_ms = HOUR_MS } = options;
  const now = options.now ?? (() => performance.now());
  const streams = new Map<string, Last>();
  let swept_ms = now();

  /** The delta twin of a metric; undefined for one that stays as it is. */
  const twins = new WeakMap<Metric, { readonly metric: Metric | undefined }>();
  function twinOf(metric: Metric): Metric | undefined {
    let twin = twins.get(metric);
    if (twin === undefined) {
      const isConverted = isConvertible(metric) && includes(metric);
      twin = { metric: isConverted ? { ...metric, temporality: 'delta' } : undefined };
      twins.set(metric, twin);
    }
    return twin.metric;
  }

  function convert(batch: MetricBatch): MetricBatch {
    const { series } = batch;
    if (!series.some(({ metric }) => twinOf(metric) !== undefined)) return batch;
    forgetStale();
    const rows: number[] = [];
    const layout: Series[] = [];
    const increments: (Increment | undefined)[] = [];
    for (let row = 0; row < batch.count; row += 1) {
      const from = series[row]!;
      const metric = twinOf(from.metric);
      if (metric === undefined) {
        rows.push(row);
        layout.push(from);
        increments.push(undefined);
        continue;
      }
      const hasEnded = ((batch.flags?.[row] ?? 0) & NO_RECORDED_VALUE) !== 0;
      const increment = hasEnded ? endOf(from) : advance(from, batch, row);
      if (increment === undefined) continue;
      rows.push(row);
      layout.push(new Series(from.resource, from.scope, metric, from.attributes, increment.startTime));
      increments.push(increment);
    }
    return withIncrements(selectRows(batch, rows, layout), increments);
  }

  /** The stream ends: its marker goes on, and a series that comes back begins anew. */
  function endOf(series: Series): Increment | undefined {
    const last = streams.get(series.key);
    if (last === undefined) return undefined;
    streams.delete(series.key);
    return { startTime: last.time, value: NaN, exact: undefined, point: undefined };
  }

  function advance(series: Series, batch: MetricBatch, row: number): Increment | undefined {
    const { key, startTime } = series;
    const time = batch.times?.[row] ?? batch.time;
    const current = { value: batch.values[row]!, exact: batch.exactValues?.get(row), point: batch.points?.[row] };
    if (current.point === undefined && Number.isNaN(current.value)) return undefined;
    const last = streams.get(key);
    if (last === undefined) {
      streams.set(key, { ...current, startTime, time, seen_ms: now() });
      const isCounted = initialValue === 'keep' || (initialValue === 'auto' && startTime >= since);
      return isCounted && startTime !== 0n && startTime < time ? { ...current, startTime } : undefined;
    }
    last.seen_ms = now();
    if (time <= last.time) return undefined;
    const increment = continueRun(last, current, startTime, time);
    Object.assign(last, current, { startTime, time });
    return increment;
  }

  function forgetStale(): void {
    const now_ms = now();
    if (now_ms - swept_ms < maxStaleness_ms / 4) return;
    swept_ms = now_ms;
    for (const [key, { seen_ms }] of streams) if (now_ms - seen_ms > maxStaleness_ms) streams.delete(key);
  }

  return {
    convert,
    get size() {
      return streams.size;
    },
  };
}

function isConvertible({ kind, isMonotonic, temporality }: Metric): boolean {
  if (temporality !== 'cumulative') return false;
  return kind === 'sum' ? isMonotonic : kind === 'histogram' || kind === 'exponential_histogram';
}

function continueRun(last: Last, current: Current, startTime: bigint, time: bigint): Increment | undefined {
  if (startTime !== last.startTime) {
    // A new run whose true start nobody knows: a baseline, as a first point is.
    if (startTime === time) return undefined;
    if (startTime >= last.time) return { ...current, startTime };
    // Else the same run under a start that moved a little, as when a clock is set: only a fall is a reset.
  }
  return { ...(difference(current, last) ?? current), startTime: last.time };
}

/** Undefined where the stream fell: it began anew, and all it holds is new. */
function difference(current: Current, last: Last): Current | undefined {
  if (current.point !== undefined) {
    const point = last.point === undefined ? undefined : subtractPoint(current.point, last.point);
    return point === undefined ? undefined : { value: NaN, exact: undefined, point };
  }
  if (current.exact !== undefined || last.exact !== undefined) {
    const exact = exactOf(current) - exactOf(last);
    if (exact < 0n) return undefined;
    const isSafe = exact <= Number.MAX_SAFE_INTEGER;
    return { value: Number(exact), exact: isSafe ? undefined : exact, point: undefined };
  }
  const value = current.value - last.value;
  return value < 0 ? undefined : { value, exact: undefined, point: undefined };
}

function exactOf({ exact, value }: Current): bigint {
  return exact ?? BigInt(Math.trunc(value));
}

/** `batch` with the increments in place of the totals; undefined marks a row that stays. */
function withIncrements(batch: MetricBatch, increments: readonly (Increment | undefined)[]): MetricBatch {
  const { values } = batch;
  const exactValues = new Map(batch.exactValues);
  const points = batch.points === undefined ? undefined : [...batch.points];
  for (const [row, increment] of increments.entries()) {
    if (increment === undefined) continue;
    values[row] = increment.value;
    if (increment.exact === undefined) exactValues.delete(row);
    else exactValues.set(row, increment.exact);
    if (points !== undefined) points[row] = increment.point;
  }
  const { exactValues: _, ...rest } = batch;
  return { ...rest, ...(exactValues.size > 0 && { exactValues }), ...(points !== undefined && { points }) };
}
