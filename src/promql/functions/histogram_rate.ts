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
  const inner = histograms.slice(1, -1);
  if (isCounter && histograms.some(isGauge)) warnNotCounter(window, context);
  // What is before a reset counts for nothing, so its layout does not matter.
  const first = isCounter && hasReset(histograms[1]!, head) ? emptyLike(histograms[1]!) : head;
  const looked = isCounter ? [first, ...inner, last] : [first, last];
  if (looked.some((one) => usesCustomBuckets(one) !== usesCustomBuckets(first))) {
    warnIncompatible('schema', window, context);
    return undefined;
  }
  const schema = Math.min(...looked.map((one) => one.schema));
  let increase = subtractHistograms(reduceSchema(last, schema), first);
  let previous = first;
  if (isCounter) {
    for (const one of histograms.slice(1)) {
      if (typeof increase !== 'string' && hasReset(one, previous)) increase = addHistograms(increase, previous);
      previous = one;
    }
  } else if (typeof increase !== 'string' && !(isGauge(head) && isGauge(last))) warnNotGauge(window, context);
  if (typeof increase === 'string') {
    warnIncompatible(increase, window, context);
    return undefined;
  }
  return { ...compactHistogram(increase), counterReset: 'gauge' };
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
