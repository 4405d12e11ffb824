/** rate, increase, delta, irate and idelta. */
import type { NativeHistogram } from '../../store/queryable.ts';
import type { CallContext, RangeFunction } from '../functions.ts';
import {
  compactHistogram,
  divideHistogram,
  hasReset,
  scaleHistogram,
  subtractHistograms,
} from '../native_histograms.ts';
import type { RangeWindow } from '../values.ts';
import { positionOf, quotedName, warnIncompatible, warnMixed } from './annotate.ts';
import { histogramIncrease, warnNotCounter, warnNotGauge } from './histogram_rate.ts';

const ofRange = (name: string, evaluate: RangeFunction['evaluate']): RangeFunction => ({
  kind: 'range',
  name,
  arguments: ['matrix'],
  variadic: 0,
  returns: 'vector',
  keepsName: false,
  evaluate,
});

export const rateFunctions = [
  ofRange('delta', (window, context) => extrapolated(window, context, { isCounter: false, isRate: false })),
  ofRange('idelta', (window, context) => lastChange(window, context, false)),
  ofRange('increase', (window, context) => extrapolated(window, context, { isCounter: true, isRate: false })),
  ofRange('irate', (window, context) => lastChange(window, context, true)),
  ofRange('rate', (window, context) => extrapolated(window, context, { isCounter: true, isRate: true })),
] as const;

/** A gap up to this much longer than the mean one is not the beginning or end of the series. */
const EXTRAPOLATION_THRESHOLD = 1.1;

/** The change from the first sample to the last, as if it went on to the ends of the range. */
function extrapolated(
  window: RangeWindow,
  context: CallContext,
  { isCounter, isRate }: { isCounter: boolean; isRate: boolean },
): number | NativeHistogram | undefined {
  const { times, values, from, to, histogramCount, start_ms, end_ms } = window;
  const count = to - from;
  if (histogramCount > 0 && histogramCount < count) {
    warnMixed(window, context);
    return undefined;
  }
  if (count < 2) return undefined;
  const change = histogramCount > 0 ? histogramIncrease(window, context, isCounter) : floatChange(window, isCounter);
  if (change === undefined) return undefined;

  const sampled_s = (times[to - 1]! - times[from]!) / 1000;
  const mean_s = sampled_s / (count - 1);
  const threshold_s = mean_s * EXTRAPOLATION_THRESHOLD;
  let toStart_s = (times[from]! - start_ms) / 1000;
  let toEnd_s = (end_ms - times[to - 1]!) / 1000;
  if (toStart_s >= threshold_s) toStart_s = mean_s / 2;
  // A counter that grows was never below zero: it began at the latest where the line meets zero.
  if (isCounter && typeof change === 'number' && change > 0 && values[from]! >= 0) {
    toStart_s = Math.min(toStart_s, sampled_s * (values[from]! / change));
  }
  if (toEnd_s >= threshold_s) toEnd_s = mean_s / 2;
  let factor = (sampled_s + toStart_s + toEnd_s) / sampled_s;
  if (isRate) factor /= (end_ms - start_ms) / 1000;
  if (typeof change !== 'number') return scaleHistogram(change, factor);
  if (isCounter) notePossibleGauge(window, context);
  return change * factor;
}

function floatChange({ values, from, to }: RangeWindow, isCounter: boolean): number {
  let change = values[to - 1]! - values[from]!;
  if (!isCounter) return change;
  for (let row = from + 1; row < to; row++) if (values[row]! < values[row - 1]!) change += values[row - 1]!;
  return change;
}

const COUNTER_SUFFIXES = ['_total', '_sum', '_count', '_bucket'];

function notePossibleGauge(window: RangeWindow, context: CallContext): void {
  const name = window.labels.get('__name__') ?? '';
  if (name === '' || COUNTER_SUFFIXES.some((suffix) => name.endsWith(suffix))) return;
  const what = 'metric might not be a counter, name does not end in _total/_sum/_count/_bucket';
  context.annotations.info(`${what}: ${quotedName(window)}`, positionOf(context, 0));
}

/** From the last sample but one to the last: per second for irate, as it is for idelta. */
function lastChange(window: RangeWindow, context: CallContext, isRate: boolean): number | NativeHistogram | undefined {
  const { times, values, histograms, from, to } = window;
  if (to - from < 2) return undefined;
  const interval_s = (times[to - 1]! - times[to - 2]!) / 1000;
  const [before, last] = [histograms?.[to - 2], histograms?.[to - 1]];
  if (before === undefined && last === undefined) {
    const isReset = isRate && values[to - 1]! < values[to - 2]!;
    const change = isReset ? values[to - 1]! : values[to - 1]! - values[to - 2]!;
    return isRate ? change / interval_s : change;
  }
  if (before === undefined || last === undefined) {
    warnMixed(window, context);
    return undefined;
  }
  if (isRate && (before.counterReset === 'gauge' || last.counterReset === 'gauge')) warnNotCounter(window, context);
  if (!isRate && (before.counterReset !== 'gauge' || last.counterReset !== 'gauge')) warnNotGauge(window, context);
  const difference = isRate && hasReset(last, before) ? last : subtractHistograms(last, before);
  if (typeof difference === 'string') {
    warnIncompatible(difference, window, context);
    return undefined;
  }
  const change: NativeHistogram = { ...compactHistogram(difference), counterReset: 'gauge' };
  return isRate ? divideHistogram(change, interval_s) : change;
}
