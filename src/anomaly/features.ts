/** What of a data point is looked at: the value of a gauge, the rate of a counter, both rates of a histogram. */
import { attributesKey } from '../model/attributes.ts';
import { type MetricBatch, NO_RECORDED_VALUE, type Series, streamKey } from '../model/batch.ts';
import { perSeries } from '../model/layout.ts';

export type Feature = 'value' | 'rate' | 'count_rate' | 'sum_rate';

/** How the numbers of a series add up to its feature. */
type Accumulation = 'mean' | 'difference' | 'sum';

export interface FeatureDefinition {
  readonly feature: Feature;
  readonly accumulation: Accumulation;
  /** Smallest change in an interval; 0 for what has none. */
  grain(interval_s: number): number;
}

const NO_GRAIN = (): number => 0;
const ONE = (): number => 1;
const ONE_IN_INTERVAL = (interval_s: number): number => 1 / interval_s;

/** The features of a series. How long something has run, which a start makes nothing, has none. */
export function featuresOf({ metric }: Series): readonly FeatureDefinition[] {
  if (metric.name.endsWith('.uptime')) return [];
  const isDelta = metric.temporality === 'delta';
  const isInteger = metric.valueType === 'int';
  const accumulation = isDelta ? 'sum' : 'difference';
  switch (metric.kind) {
    case 'gauge':
      return [{ feature: 'value', accumulation: 'mean', grain: isInteger ? ONE : NO_GRAIN }];
    case 'sum':
      if (!isDelta && !metric.isMonotonic) {
        return [{ feature: 'value', accumulation: 'mean', grain: isInteger ? ONE : NO_GRAIN }];
      }
      return [{ feature: 'rate', accumulation, grain: isInteger ? ONE_IN_INTERVAL : NO_GRAIN }];
    default:
      return [
        { feature: 'count_rate', accumulation, grain: ONE_IN_INTERVAL },
        { feature: 'sum_rate', accumulation, grain: NO_GRAIN },
      ];
  }
}

/** The number of a row that a feature is made from; NaN where there is none. */
export function readFeature(batch: MetricBatch, row: number, feature: Feature): number {
  if (((batch.flags?.[row] ?? 0) & NO_RECORDED_VALUE) !== 0) return NaN;
  if (feature === 'value' || feature === 'rate') return batch.values[row]!;
  const point = batch.points?.[row];
  if (point === undefined) return NaN;
  return feature === 'count_rate' ? Number(point.count) : (point.sum ?? NaN);
}

/** A number that is the same for the same series, whatever its run and the process: 52 bits of its text. */
export const seriesId = perSeries((series) => hash52(`${streamKey(series)}${attributesKey(series.attributes)}`));

/** cyrb53 by bryc, public domain: two multiplicative hashes of 32 bits, mixed. */
export function hash52(text: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2_654_435_761);
    b = Math.imul(b ^ code, 1_597_334_677);
  }
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
  b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909);
  return 4_294_967_296 * (1_048_575 & b) + (a >>> 0);
}

/** Makes one number an interval of those that come, as its feature says. */
export class Sampler {
  readonly #definition: FeatureDefinition;
  readonly #interval_s: number;
  #sum = 0;
  #count = 0;
  #lastValue = NaN;
  #lastTime_s = NaN;
  #startTime = 0n;

  constructor(definition: FeatureDefinition, interval_s: number) {
    this.#definition = definition;
    this.#interval_s = interval_s;
  }

  /** @returns the number, where an interval is over; else NaN */
  take(time_s: number, value: number, startTime: bigint): number {
    if (Number.isNaN(value)) return NaN;
    if (this.#definition.accumulation === 'difference') return this.#takeCounter(time_s, value, startTime);
    this.#sum += value;
    this.#count++;
    const elapsed_s = time_s - this.#lastTime_s;
    const isFirst = Number.isNaN(this.#lastTime_s);
    if (!isFirst && !this.#isOver(elapsed_s)) return NaN;
    // A gauge is what it is; how long the first delta took nobody knows.
    const result = this.#definition.accumulation === 'mean' ? this.#sum / this.#count : this.#sum / elapsed_s;
    this.#lastTime_s = time_s;
    this.#sum = 0;
    this.#count = 0;
    return result;
  }

  #takeCounter(time_s: number, value: number, startTime: bigint): number {
    const elapsed_s = time_s - this.#lastTime_s;
    const isNewRun = startTime !== this.#startTime || value < this.#lastValue;
    if (!isNewRun && !Number.isNaN(this.#lastTime_s) && !this.#isOver(elapsed_s)) return NaN;
    const rate = isNewRun ? NaN : (value - this.#lastValue) / elapsed_s;
    this.#lastValue = value;
    this.#lastTime_s = time_s;
    this.#startTime = startTime;
    return rate;
  }

  /** Clocks are not exact: what is a little early is in time. */
  #isOver(elapsed_s: number): boolean {
    return elapsed_s >= this.#interval_s * 0.9;
  }
}
