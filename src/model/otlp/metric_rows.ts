/** Collects what is decoded, row by row, into the columns of a metric batch. */
import type { DistributionPoint, Exemplar, MetricBatch, Series } from '../batch.ts';
import type { DecodedPoint } from './decode_points.ts';
import type { Distribution, Places } from './recurring.ts';

/** Columns that grow; those that most batches lack are made when a row needs them. */
export class MetricRows {
  readonly #series: Series[] = [];
  readonly #values: number[] = [];
  readonly #times: bigint[] = [];
  #hasTimes = false;
  #flags: number[] | undefined;
  #exactValues: Map<number, bigint> | undefined;
  #points: (DistributionPoint | undefined)[] | undefined;
  #exemplars: (readonly Exemplar[] | undefined)[] | undefined;
  readonly #timesAt: number[] = [];
  readonly #valuesAt: number[] = [];
  readonly #distributions: Distribution[] = [];
  #canRecur = true;

  get count(): number {
    return this.#series.length;
  }

  /** Undefined if the message cannot come again: exemplars come and go. */
  get places(): Places | undefined {
    return this.#canRecur
      ? { times: this.#timesAt, values: this.#valuesAt, distributions: this.#distributions }
      : undefined;
  }

  addNumber(
    series: Series,
    value: number | bigint,
    valueAt: number,
    time: bigint,
    timeAt: number,
    flags: number,
    exemplars: readonly Exemplar[] | undefined,
  ): void {
    const row = this.count;
    if (typeof value === 'bigint') (this.#exactValues ??= new Map()).set(row, value);
    if (exemplars !== undefined) this.#canRecur = false;
    this.#valuesAt.push(valueAt);
    this.#timesAt.push(timeAt);
    this.#add(series, Number(value), time, flags, exemplars);
  }

  addDistribution(series: Series, { time, flags, exemplars, point }: DecodedPoint, distribution: Distribution): void {
    (this.#points ??= [])[this.count] = point;
    this.#distributions.push(distribution);
    this.#valuesAt.push(0);
    this.#timesAt.push(0);
    this.#add(series, Number.NaN, time, flags, exemplars);
  }

  #add(series: Series, value: number, time: bigint, flags: number, exemplars: readonly Exemplar[] | undefined): void {
    const row = this.#series.length;
    this.#series.push(series);
    this.#values.push(value);
    this.#times.push(time);
    if (!this.#hasTimes && time !== this.#times[0]) this.#hasTimes = true;
    if (flags !== 0) (this.#flags ??= [])[row] = flags;
    if (exemplars !== undefined) (this.#exemplars ??= [])[row] = exemplars;
  }

  finish(): MetricBatch {
    const count = this.#series.length;
    const batch = { signal: 'metrics', count, series: this.#series, values: Float64Array.from(this.#values) } as const;
    return {
      ...batch,
      time: this.#times[0] ?? 0n,
      ...(this.#hasTimes && { times: BigUint64Array.from(this.#times) }),
      ...(this.#flags && { flags: Uint32Array.from({ length: count }, (_, row) => this.#flags?.[row] ?? 0) }),
      ...(this.#exactValues && { exactValues: this.#exactValues }),
      ...(this.#points && { points: dense(this.#points, count) }),
      ...(this.#exemplars && { exemplars: dense(this.#exemplars, count) }),
    };
  }
}

function dense<T>(sparse: readonly (T | undefined)[], count: number): readonly (T | undefined)[] {
  return Array.from({ length: count }, (_, row) => sparse[row]);
}
