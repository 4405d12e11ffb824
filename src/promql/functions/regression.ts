/** deriv() and predict_linear(): the straight line of least squares through the floats of a range. */
import type { CallContext, RangeFunction } from '../functions.ts';
import type { RangeWindow } from '../values.ts';
import { noteIgnoredHistograms } from './annotate.ts';
import { kahanAdd } from './kahan.ts';

const deriv: RangeFunction = {
  kind: 'range',
  name: 'deriv',
  arguments: ['matrix'],
  variadic: 0,
  returns: 'vector',
  keepsName: false,
  evaluate: (window, context) => fitLine(window, context, undefined)?.slope,
};

const predictLinear: RangeFunction = {
  kind: 'range',
  name: 'predict_linear',
  arguments: ['matrix', 'scalar'],
  variadic: 0,
  returns: 'vector',
  keepsName: false,
  evaluate(window, context) {
    const line = fitLine(window, context, context.time_ms);
    return line && line.slope * (context.arguments[1] as number) + line.intercept;
  },
};

export const regressionFunctions = [deriv, predictLinear] as const;

interface Line {
  /** Per second. */
  readonly slope: number;
  /** The value at the time `origin_ms`. */
  readonly intercept: number;
}

/** Times count from `origin_ms`, or the first float: near to them the numbers stay exact. Undefined with less than two floats. */
function fitLine(window: RangeWindow, context: CallContext, origin_ms: number | undefined): Line | undefined {
  const { times, values, histograms, from, to } = window;
  noteIgnoredHistograms(window, context);
  if (to - from - window.histogramCount < 2) return undefined;
  const [sumX, sumY, sumXY, sumX2] = [zero(), zero(), zero(), zero()];
  let count = 0;
  let origin = origin_ms;
  let first: number | undefined;
  let isConstant = true;
  for (let row = from; row < to; row++) {
    if (histograms?.[row] !== undefined) continue;
    const y = values[row]!;
    origin ??= times[row]!;
    if (first === undefined) first = y;
    else if (y !== first) isConstant = false;
    count++;
    const x = (times[row]! - origin) / 1000;
    kahanAdd(sumX, x);
    kahanAdd(sumY, y);
    kahanAdd(sumXY, x * y);
    kahanAdd(sumX2, x * x);
  }
  if (isConstant) {
    const isInfinite = first === Infinity || first === -Infinity;
    return isInfinite ? { slope: Number.NaN, intercept: Number.NaN } : { slope: 0, intercept: first! };
  }
  const [x, y] = [sumX.sum + sumX.rest, sumY.sum + sumY.rest];
  const covariance = sumXY.sum + sumXY.rest - (x * y) / count;
  const slope = covariance / (sumX2.sum + sumX2.rest - (x * x) / count);
  return { slope, intercept: y / count - (slope * x) / count };
}

const zero = (): { sum: number; rest: number } => ({ sum: 0, rest: 0 });
