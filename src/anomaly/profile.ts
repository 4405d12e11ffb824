/** What a series does by the time of the day and of the week: means of short spans, robustly learnt, read smoothly. */

export const DAY_S = 86_400;
export const WEEK_S = 7 * DAY_S;
/** A quarter of an hour each. */
export const DAY_BINS = 96;
/** An hour each. */
export const WEEK_BINS = 168;

/** The value of a profile at a time, between the middles of its bins on a straight line. */
export function readProfile(bins: Float32Array, period_s: number, time_s: number): number {
  const count = bins.length;
  const position = ((time_s % period_s) / period_s) * count - 0.5;
  const before = Math.floor(position);
  const share = position - before;
  const left = bins[before < 0 ? count - 1 : before]!;
  const right = bins[before + 1 >= count ? 0 : before + 1]!;
  return left + (right - left) * share;
}

/** The bin that a time falls into. */
export function binOf(count: number, period_s: number, time_s: number): number {
  return Math.min(count - 1, Math.floor(((time_s % period_s) / period_s) * count));
}
