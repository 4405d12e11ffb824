/** Annotations that several functions share. */
import { withoutParentheses } from '../ast.ts';
import type { CallContext } from '../functions.ts';
import { quote } from '../labels.ts';
import type { Incompatible } from '../native_histograms.ts';
import type { RangeWindow } from '../values.ts';

type About = Pick<RangeWindow, 'labels'>;

export function quotedName({ labels }: About): string {
  return quote(labels.get('__name__') ?? '');
}

/** Where argument `index` is. */
export function positionOf({ call }: CallContext, index: number): { start: number; end: number } {
  return withoutParentheses(call.arguments[index]!).position;
}

export function warnMixed(window: About, context: CallContext, index = 0): void {
  const text = `encountered a mix of histograms and floats for metric name ${quotedName(window)}`;
  context.annotations.warn(text, positionOf(context, index));
}

export function warnIncompatible(reason: Incompatible, window: About, context: CallContext): void {
  const what =
    reason === 'schema'
      ? 'vector contains a mix of histograms with exponential and custom buckets schemas'
      : 'vector contains histograms with incompatible custom buckets';
  context.annotations.warn(`${what} for metric name ${quotedName(window)}`, positionOf(context, 0));
}

/** Tells that only the floats of a range were looked at, where it has both. */
export function noteIgnoredHistograms(window: RangeWindow, context: CallContext): void {
  const count = window.to - window.from;
  if (window.histogramCount === 0 || window.histogramCount === count) return;
  const what = 'ignored histograms in a range containing both floats and histograms for metric name';
  context.annotations.info(`${what} ${quotedName(window)}`, positionOf(context, 0));
}
