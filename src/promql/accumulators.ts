/** What an aggregation keeps of one group during a step. The formulas are Prometheus', so that the last digits agree. */
import type { Labels, NativeHistogram } from '../store/queryable.ts';
import { kahanAdd, kahanTotal, type KahanSum } from './functions/kahan.ts';
import { quantileOf } from './functions/quantile.ts';
import {
  addHistograms,
  compactHistogram,
  divideHistogram,
  subtractHistograms,
  type Incompatible,
} from './native_histograms.ts';

/** One group; reused from step to step. */
export class Accumulator implements KahanSum {
  readonly labels: Labels;
  /** The step in which it was last begun. */
  step = 0;
  count = 0;
  sum = 0;
  rest = 0;
  /** Mean, minimum, maximum or the sum of squares. */
  value = 0;
  isIncremental = false;
  hasFloat = false;
  histogram: NativeHistogram | undefined;
  isIncompatible = false;
  readonly numbers: number[] = [];

  constructor(labels: Labels) {
    this.labels = labels;
  }

  begin(step: number): void {
    this.step = step;
    this.count = 0;
    this.sum = 0;
    this.rest = 0;
    this.value = 0;
    this.isIncremental = false;
    this.hasFloat = false;
    this.histogram = undefined;
    this.isIncompatible = false;
    this.numbers.length = 0;
  }
}

export interface AccumulatorKind {
  add(group: Accumulator, value: number): void;
  /** Absent: histograms are ignored, with an annotation. */
  addHistogram?(group: Accumulator, histogram: NativeHistogram): Incompatible | undefined;
  /** @param parameter Of quantile */
  result(group: Accumulator, parameter: number): number | NativeHistogram;
}

export const ACCUMULATORS: Readonly<
  Record<'sum' | 'avg' | 'min' | 'max' | 'count' | 'group' | 'stddev' | 'stdvar' | 'quantile', AccumulatorKind>
> = {
  sum: {
    add(group, value) {
      if (group.count++ === 0) group.sum = value;
      else kahanAdd(group, value);
      group.hasFloat = true;
    },
    addHistogram(group, histogram) {
      group.count++;
      return combine(group, histogram, addHistograms);
    },
    result: (group) => (group.histogram === undefined ? kahanTotal(group) : compactHistogram(group.histogram)),
  },
  avg: {
    add: addToMean,
    addHistogram(group, histogram) {
      const count = ++group.count;
      return combine(group, histogram, (mean, next) => {
        const change = subtractHistograms(divideHistogram(next, count), divideHistogram(mean, count));
        return typeof change === 'string' ? change : addHistograms(mean, change);
      });
    },
    result(group) {
      if (group.histogram !== undefined) return compactHistogram(group.histogram);
      if (group.isIncremental) return group.value + group.rest;
      return group.sum / group.count + group.rest / group.count;
    },
  },
  min: {
    add(group, value) {
      if (group.count++ === 0 || group.value > value || Number.isNaN(group.value)) group.value = value;
    },
    result: ({ value }) => value,
  },
  max: {
    add(group, value) {
      if (group.count++ === 0 || group.value < value || Number.isNaN(group.value)) group.value = value;
    },
    result: ({ value }) => value,
  },
  count: { add: (group) => void group.count++, addHistogram: countHistogram, result: ({ count }) => count },
  group: { add: (group) => void group.count++, addHistogram: countHistogram, result: () => 1 },
  stddev: { add: addToVariance, result: ({ value, count }) => Math.sqrt(value / count) },
  stdvar: { add: addToVariance, result: ({ value, count }) => value / count },
  quantile: {
    add: (group, value) => void group.numbers.push(value),
    result: ({ numbers }, quantile) => quantileOf(quantile, Float64Array.from(numbers)),
  },
};

function countHistogram(group: Accumulator): undefined {
  group.count++;
}

function combine(
  group: Accumulator,
  histogram: NativeHistogram,
  how: (left: NativeHistogram, right: NativeHistogram) => NativeHistogram | Incompatible,
): Incompatible | undefined {
  if (group.histogram === undefined) {
    group.histogram = histogram;
    return undefined;
  }
  const combined = how(group.histogram, histogram);
  if (typeof combined !== 'string') {
    group.histogram = combined;
    return undefined;
  }
  group.isIncompatible = true;
  return combined;
}

/** By the sum as long as that is finite; from there on as a running mean. */
function addToMean(group: Accumulator, value: number): void {
  group.hasFloat = true;
  const count = ++group.count;
  if (count === 1) {
    group.sum = value;
    return;
  }
  if (!group.isIncremental) {
    const { sum, rest } = group;
    kahanAdd(group, value);
    if (Math.abs(group.sum) !== Infinity) return;
    group.isIncremental = true;
    group.value = sum / (count - 1);
    group.rest = rest / (count - 1);
  }
  const weight = (count - 1) / count;
  const mean: KahanSum = { sum: weight * group.value, rest: weight * group.rest };
  kahanAdd(mean, value / count);
  group.value = mean.sum;
  group.rest = mean.rest;
}

/** Welford's: `sum` holds the mean, `value` the sum of squared differences. */
function addToVariance(group: Accumulator, value: number): void {
  const count = ++group.count;
  if (count === 1) {
    group.sum = value;
    group.value = Number.isFinite(value) ? 0 : Number.NaN;
    return;
  }
  const difference = value - group.sum;
  group.sum += difference / count;
  group.value += difference * (value - group.sum);
}
