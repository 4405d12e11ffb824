/** What is held of one series: its latest point, what its deltas add up to, or the statistics of a gauge. */
import { Amount } from '../../src/model/amount.ts';
import { Series, type DistributionPoint, type Exemplar, type Metric, type MetricBatch } from '../../src/model/batch.ts';
import type { Source } from './window.ts';

export type Statistic = 'last' | 'avg' | 'min' | 'max';

export class Entry {
  readonly key: string;
  readonly source: Source;
  readonly isDelta: boolean;
  /** Of the latest point; of deltas, the run that all of them are. */
  series: Series;
  /** Whether a point came in this window. */
  hasPoint = false;
  /** Time at which the series ended in this window. */
  endTime: bigint | undefined;
  /** Whether it was forgotten. */
  isGone = false;
  time = 0n;
  value = 0;
  exact: bigint | undefined;
  point: DistributionPoint | undefined;
  exemplars: readonly Exemplar[] | undefined;
  readonly amount = new Amount();
  sum = 0;
  count = 0;
  min = Infinity;
  max = -Infinity;

  constructor(series: Series, source: Source) {
    this.series = series;
    this.key = series.key;
    this.source = source;
    this.isDelta = series.metric.temporality === 'delta';
  }

  begin(): void {
    this.hasPoint = false;
    this.endTime = undefined;
    this.exemplars = undefined;
    this.amount.clear();
    this.sum = this.count = 0;
    this.min = Infinity;
    this.max = -Infinity;
  }

  /** Returns false where a delta cannot be added to those before. */
  take(batch: MetricBatch, row: number): boolean {
    const series = batch.series[row]!;
    const value = batch.values[row]!;
    const exact = batch.exactValues?.get(row);
    const point = batch.points?.[row];
    const time = batch.times?.[row] ?? batch.time;
    if (this.isDelta) {
      if (!this.amount.add(value, exact, point, series.metric.valueType === 'int')) return false;
      this.#widen(series);
    }
    const isLate = this.hasPoint && time < this.time;
    if (!isLate) {
      this.time = time;
      this.value = value;
      this.exact = exact;
      this.point = point;
      if (!this.isDelta) this.series = series;
    }
    this.exemplars = batch.exemplars?.[row] ?? this.exemplars;
    if (!Number.isNaN(value)) {
      this.sum += value;
      this.count++;
      if (value < this.min) this.min = value;
      if (value > this.max) this.max = value;
    }
    this.hasPoint = true;
    return true;
  }

  /** Deltas together began when the first of them did. */
  #widen(series: Series): void {
    const { startTime } = this.series;
    if (!this.hasPoint || (series.startTime !== 0n && series.startTime < startTime)) this.series = series;
  }

  /** Of a gauge. An integer beyond 2^53 is exact as the last value alone. */
  statistic(statistic: Statistic): { readonly value: number; readonly exact?: bigint | undefined } {
    if (statistic === 'last') return { value: this.value, exact: this.exact };
    if (this.count === 0) return { value: NaN };
    return { value: statistic === 'avg' ? this.sum / this.count : this[statistic] };
  }
}

/**
 * The series of a statistic of a gauge: a single one has the gauge's name; of several, all but `last` have the statistic
 * behind it. A mean of integers is none.
 */
export function statisticSeries(statistic: Statistic, isSingle: boolean): (series: Series) => Series {
  const metrics = new WeakMap<Metric, Metric>();
  return (series) => {
    if (statistic === 'last') return series;
    const { resource, scope, metric, attributes, startTime } = series;
    if (isSingle && (statistic !== 'avg' || metric.valueType === 'double')) return series;
    let own = metrics.get(metric);
    if (own === undefined) {
      const name = isSingle ? metric.name : `${metric.name}.${statistic}`;
      own = { ...metric, name, valueType: statistic === 'avg' ? 'double' : metric.valueType };
      metrics.set(metric, own);
    }
    return new Series(resource, scope, own, attributes, startTime);
  };
}
