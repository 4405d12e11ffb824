/** The functions NAME_over_time: one number, or histogram, of all samples in a range. */
import type { NativeHistogram } from '../../store/queryable.ts';
import type { CallContext, RangeFunction } from '../functions.ts';
import { addHistograms, divideHistogram, subtractHistograms, type Incompatible } from '../native_histograms.ts';
import type { RangeWindow } from '../values.ts';
import { noteIgnoredHistograms, positionOf, warnIncompatible, warnMixed } from './annotate.ts';
import { createMean, kahanAdd, kahanTotal } from './kahan.ts';
import { invalidQuantile, quantileOf } from './quantile.ts';

const overTime = (name: string, evaluate: RangeFunction['evaluate']): RangeFunction => ({
  kind: 'range',
  name,
  arguments: ['matrix'],
  variadic: 0,
  returns: 'vector',
  keepsName: name === 'last_over_time',
  evaluate,
});

const avgOverTime = overTime('avg_over_time', (window, context) => {
  if (isMixed(window, context)) return undefined;
  if (window.histogramCount > 0) return checked(meanHistogram(window), window, context);
  const mean = createMean(window.values[window.from]!);
  for (let row = window.from + 1; row < window.to; row++) mean.add(window.values[row]!);
  return mean.mean();
});

const sumOverTime = overTime('sum_over_time', (window, context) => {
  if (isMixed(window, context)) return undefined;
  if (window.histogramCount > 0) return checked(sumHistograms(window), window, context);
  const sum = { sum: 0, rest: 0 };
  for (let row = window.from; row < window.to; row++) kahanAdd(sum, window.values[row]!);
  return kahanTotal(sum);
});

const countOverTime = overTime('count_over_time', ({ from, to }) => to - from);

const presentOverTime = overTime('present_over_time', () => 1);

const lastOverTime = overTime(
  'last_over_time',
  ({ values, histograms, to }) => histograms?.[to - 1] ?? values[to - 1]!,
);

const maxOverTime = overTime('max_over_time', (window, context) =>
  extreme(window, context, (value, best) => value > best || Number.isNaN(best)),
);

const minOverTime = overTime('min_over_time', (window, context) =>
  extreme(window, context, (value, best) => value < best || Number.isNaN(best)),
);

const stddevOverTime = overTime('stddev_over_time', (window, context) => {
  const result = variance(window, context);
  return result === undefined ? undefined : Math.sqrt(result);
});

const stdvarOverTime = overTime('stdvar_over_time', variance);

const quantileOverTime: RangeFunction = {
  kind: 'range',
  name: 'quantile_over_time',
  arguments: ['scalar', 'matrix'],
  variadic: 0,
  returns: 'vector',
  keepsName: false,
  evaluate(window, context) {
    const count = window.to - window.from - window.histogramCount;
    if (count === 0) return undefined;
    const quantile = context.arguments[0] as number;
    const complaint = invalidQuantile(quantile);
    if (complaint !== undefined) context.annotations.warn(complaint, positionOf(context, 0));
    noteIgnoredHistograms(window, context);
    context.spend(count);
    return quantileOf(quantile, floatsOf(window, count));
  },
};

export const overTimeFunctions = [
  avgOverTime,
  countOverTime,
  lastOverTime,
  maxOverTime,
  minOverTime,
  presentOverTime,
  quantileOverTime,
  stddevOverTime,
  stdvarOverTime,
  sumOverTime,
] as const;

function isMixed(window: RangeWindow, context: CallContext): boolean {
  const { from, to, histogramCount } = window;
  if (histogramCount === 0 || histogramCount === to - from) return false;
  warnMixed(window, context);
  return true;
}

function checked(
  result: NativeHistogram | Incompatible,
  window: RangeWindow,
  context: CallContext,
): NativeHistogram | undefined {
  if (typeof result !== 'string') return result;
  warnIncompatible(result, window, context);
  return undefined;
}

function sumHistograms({ histograms, from, to }: RangeWindow): NativeHistogram | Incompatible {
  let sum = histograms![from]!;
  for (let row = from + 1; row < to; row++) {
    const next = addHistograms(sum, histograms![row]!);
    if (typeof next === 'string') return next;
    sum = next;
  }
  return sum;
}

/** A running mean, without Kahan's summation: so Prometheus 3.5 does it for histograms. */
function meanHistogram({ histograms, from, to }: RangeWindow): NativeHistogram | Incompatible {
  let mean = histograms![from]!;
  for (let row = from + 1; row < to; row++) {
    const next = updatedMean(mean, histograms![row]!, row - from + 1);
    if (typeof next === 'string') return next;
    mean = next;
  }
  return mean;
}

/** The mean of `count` histograms, of that of all but the last and the last. */
function updatedMean(mean: NativeHistogram, last: NativeHistogram, count: number): NativeHistogram | Incompatible {
  const change = subtractHistograms(divideHistogram(last, count), divideHistogram(mean, count));
  return typeof change === 'string' ? change : addHistograms(mean, change);
}

function extreme(
  window: RangeWindow,
  context: CallContext,
  isBetter: (value: number, best: number) => boolean,
): number | undefined {
  const { values, histograms, from, to } = window;
  let best: number | undefined;
  for (let row = from; row < to; row++) {
    if (histograms?.[row] !== undefined) continue;
    const value = values[row]!;
    if (best === undefined || isBetter(value, best)) best = value;
  }
  if (best !== undefined) noteIgnoredHistograms(window, context);
  return best;
}

/** By Welford's method. */
function variance(window: RangeWindow, context: CallContext): number | undefined {
  const { values, histograms, from, to } = window;
  if (window.histogramCount === to - from) return undefined;
  noteIgnoredHistograms(window, context);
  let count = 0;
  const mean = { sum: 0, rest: 0 };
  const squares = { sum: 0, rest: 0 };
  for (let row = from; row < to; row++) {
    if (histograms?.[row] !== undefined) continue;
    count++;
    const value = values[row]!;
    const difference = value - (mean.sum + mean.rest);
    kahanAdd(mean, difference / count);
    kahanAdd(squares, difference * (value - (mean.sum + mean.rest)));
  }
  return (squares.sum + squares.rest) / count;
}

function floatsOf({ values, histograms, from, to }: RangeWindow, count: number): Float64Array {
  if (histograms === undefined) return values.slice(from, to);
  const floats = new Float64Array(count);
  let position = 0;
  for (let row = from; row < to; row++) if (histograms[row] === undefined) floats[position++] = values[row]!;
  return floats;
}
