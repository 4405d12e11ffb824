/** How much the native histograms of a range grew, for rate, increase and delta. */
import type { NativeHistogram } from '../../store/queryable.ts';
import type { CallContext } from '../functions.ts';
import {
  addHistograms,
  compactHistogram,
  hasReset,
  reduceSchema,
  subtractHistograms,
  usesCustomBuckets,
  type Incompatible,
} from '../native_histograms.ts';
import type { RangeWindow } from '../values.ts';
import { positionOf, quotedName, warnIncompatible } from './annotate.ts';

/** Undefined, with a warning, where the histograms do not fit together. */
export function histogramIncrease(
  window: RangeWindow,
  context: CallContext,
  isCounter: boolean,
): NativeHistogram | undefined {
  const histograms = window.histograms!.slice(window.from, window.to) as NativeHistogram[];
  const [head, last] = [histograms[0]!, histograms.at(-1)!];
  // What is before a reset counts for nothing, so its layout does not matter.
  const first = isCounter && hasReset(histograms[1]!, head) ? emptyLike(histograms[1]!) : head;
  const differs = (one: NativeHistogram): boolean => usesCustomBuckets(one) !== usesCustomBuckets(first);
  if (differs(last) && isCounter && (isGauge(head) || isGauge(last))) warnNotCounter(window, context);
  // The change of a gauge is that from the first to the last, whatever is in between.
  const used = isCounter ? [first, ...histograms.slice(1)] : [first, last];
  const increase = used.some(differs) ? 'schema' : sumOfIncreases(used);
  if (typeof increase === 'string') {
    warnIncompatible(increase, window, context);
    return undefined;
  }
  if (isCounter && histograms.some(isGauge)) warnNotCounter(window, context);
  if (!isCounter && !(isGauge(head) && isGauge(last))) warnNotGauge(window, context);
  return { ...compactHistogram(increase), counterReset: 'gauge' };

  /** From the first to the last, and for a counter what it had reached at each reset. */
  function sumOfIncreases(all: readonly NativeHistogram[]): NativeHistogram | Incompatible {
    const schema = all.reduce((lowest, one) => Math.min(lowest, one.schema), first.schema);
    let sum = subtractHistograms(reduceSchema(last, schema), first);
    if (!isCounter) return sum;
    for (let i = 1; i < all.length && typeof sum !== 'string'; i++) {
      if (hasReset(all[i]!, all[i - 1]!)) sum = addHistograms(sum, all[i - 1]!);
    }
    return sum;
  }
}

const isGauge = ({ counterReset }: NativeHistogram): boolean => counterReset === 'gauge';

function emptyLike({ schema, customBounds }: NativeHistogram): NativeHistogram {
  const none = { indexes: new Int32Array(0), counts: new Float64Array(0) };
  const empty = { count: 0, sum: 0, zeroThreshold: 0, zeroCount: 0, positive: none, negative: none };
  return { ...empty, schema, ...(customBounds && { customBounds }), counterReset: 'unknown' };
}

export function warnNotCounter(window: RangeWindow, context: CallContext): void {
  const what = 'this native histogram metric is not a counter';
  context.annotations.warn(`${what}: ${quotedName(window)}`, positionOf(context, 0));
}

export function warnNotGauge(window: RangeWindow, context: CallContext): void {
  const what = 'this native histogram metric is not a gauge';
  context.annotations.warn(`${what}: ${quotedName(window)}`, positionOf(context, 0));
}
