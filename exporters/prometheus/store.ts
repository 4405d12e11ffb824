/** The latest value of every series that a scrape answers with. */
import {
  NO_RECORDED_VALUE,
  type DistributionPoint,
  type Exemplar,
  type MetricBatch,
  type Series,
} from '../../src/model/batch.ts';

/** Series with their latest values. As long as they stay the same series, `series` is the very same array. */
export interface Source {
  readonly series: readonly Series[];
  readonly values: Float64Array;
  readonly points: readonly (DistributionPoint | undefined)[] | undefined;
  readonly exemplars: readonly (readonly Exemplar[] | undefined)[] | undefined;
}

export interface StoreOptions {
  /** Pushed series, and receivers, that were silent for longer are forgotten. */
  readonly expiration_ms: number;
  /** Most series that are kept of what is pushed. */
  readonly max_pushed: number;
}

export interface Refused {
  /** Beyond `max_pushed`. */
  series_limit: number;
  /** Pushed deltas: each would be taken for the whole. */
  delta_temporality: number;
}

export interface Store {
  /** Takes a batch in; returns how many rows it did not, by reason. */
  consume(batch: MetricBatch, now_ms: number): Refused;
  /** What there is, without what expired. Receivers in order of their first batch, then what was pushed. */
  sources(now_ms: number): readonly Source[];
  /** Another number whenever `sources` gives anything else than before. */
  readonly version: number;
}

interface Collected {
  source: Source;
  at_ms: number;
  period_ms: number;
}

interface Pushed {
  series: Series;
  value: number;
  point: DistributionPoint | undefined;
  exemplars: readonly Exemplar[] | undefined;
  at_ms: number;
}

export function createStore({ expiration_ms, max_pushed }: StoreOptions): Store {
  const collected = new Map<string, Collected>();
  const pushed = new Map<string, Pushed>();
  /** Undefined when a pushed series came, went or began a new run. */
  let pushedSeries: readonly Series[] | undefined = [];
  let pushedSource: Source | undefined;
  let oldestPush_ms = Infinity;
  let version = 0;

  /** `way` is a receiver and the pipeline it came by: by another one it may have other attributes. */
  function collect(way: string, batch: MetricBatch, now_ms: number): void {
    const before = collected.get(way);
    const source = withoutEnded(batch, before?.source.series);
    const period_ms = before === undefined ? 0 : now_ms - before.at_ms;
    collected.set(way, { source, at_ms: now_ms, period_ms });
  }

  function push(batch: MetricBatch, now_ms: number): Refused {
    const refused = { series_limit: 0, delta_temporality: 0 };
    for (let row = 0; row < batch.count; row++) {
      const series = batch.series[row]!;
      if (series.metric.temporality === 'delta') {
        refused.delta_temporality++;
        continue;
      }
      if (isEnded(batch, row)) {
        if (pushed.delete(series.key)) pushedSeries = undefined;
        continue;
      }
      const known = pushed.get(series.key);
      const value = batch.values[row]!;
      const point = batch.points?.[row];
      const exemplars = batch.exemplars?.[row];
      if (known === undefined) {
        if (pushed.size >= max_pushed) {
          refused.series_limit++;
          continue;
        }
        pushed.set(series.key, { series, value, point, exemplars, at_ms: now_ms });
        pushedSeries = undefined;
        continue;
      }
      // The first object stays, so that what was derived from it is found again; a new run says so by its start.
      if (known.series.startTime !== series.startTime) {
        known.series = series;
        pushedSeries = undefined;
      }
      known.value = value;
      known.point = point;
      known.exemplars = exemplars ?? known.exemplars;
      known.at_ms = now_ms;
    }
    oldestPush_ms = Math.min(oldestPush_ms, now_ms);
    pushedSource = undefined;
    return refused;
  }

  function expire(now_ms: number): void {
    for (const [way, { at_ms, period_ms }] of collected) {
      // A receiver that is slower than the expiration on purpose is late only after missing a few turns.
      if (now_ms - at_ms <= Math.max(expiration_ms, 3 * period_ms)) continue;
      collected.delete(way);
      version++;
    }
    if (now_ms - oldestPush_ms <= expiration_ms) return;
    oldestPush_ms = Infinity;
    for (const [key, { at_ms }] of pushed) {
      if (now_ms - at_ms <= expiration_ms) oldestPush_ms = Math.min(oldestPush_ms, at_ms);
      else {
        pushed.delete(key);
        pushedSeries = pushedSource = undefined;
        version++;
      }
    }
  }

  function sourceOfPushed(): Source {
    const entries = [...pushed.values()];
    pushedSeries ??= entries.map(({ series }) => series);
    return {
      series: pushedSeries,
      values: Float64Array.from(entries, ({ value }) => value),
      points: entries.map(({ point }) => point),
      exemplars: entries.map(({ exemplars }) => exemplars),
    };
  }

  return {
    consume(batch, now_ms) {
      version++;
      if (batch.collection === undefined) return push(batch, now_ms);
      const { receiver, pipeline = '' } = batch.collection;
      collect(`${pipeline} ${receiver}`, batch, now_ms);
      return { series_limit: 0, delta_temporality: 0 };
    },
    sources(now_ms) {
      expire(now_ms);
      const sources = [...collected.values()].map(({ source }) => source);
      if (pushed.size > 0) sources.push((pushedSource ??= sourceOfPushed()));
      return sources;
    },
    get version() {
      return version;
    },
  };
}

function isEnded(batch: MetricBatch, row: number): boolean {
  return batch.flags !== undefined && (batch.flags[row]! & NO_RECORDED_VALUE) !== 0;
}

/** A collection without the rows that only say that a series ended. */
function withoutEnded(batch: MetricBatch, before: readonly Series[] | undefined): Source {
  const { series, values, points, exemplars } = batch;
  if (batch.flags === undefined) return { series: sameLayout(series, before), values, points, exemplars };
  const kept: number[] = [];
  for (let row = 0; row < batch.count; row++) if (!isEnded(batch, row)) kept.push(row);
  return {
    series: sameLayout(
      kept.map((row) => series[row]!),
      before,
    ),
    values: Float64Array.from(kept, (row) => values[row]!),
    points: points && kept.map((row) => points[row]),
    exemplars: exemplars && kept.map((row) => exemplars[row]),
  };
}

/** The earlier array if it has the same series in it, so that no text is derived anew. */
function sameLayout(series: readonly Series[], before: readonly Series[] | undefined): readonly Series[] {
  if (before === undefined || before === series || before.length !== series.length) return series;
  return before.every((one, i) => one === series[i]) ? before : series;
}
