/** How far what a reader makes of the points that were sent may be from what was measured: docs/adaptive.md. */
import type { Metric } from '../model/batch.ts';

/** What `adaptive_interval` holds. */
export interface AdaptiveOptions {
  /** Milliseconds: longest time between two points of a series. */
  readonly max: number;
  /** Of gauges: share of the value that was sent last. */
  readonly gauge_error: number;
  /** Of counters: share of what one grows in `max` at its rate of late. */
  readonly counter_error: number;
  /** By unit: the smallest error that matters, of counters for each second of `max`. */
  readonly floors: Readonly<Record<string, number>>;
}

/** The smallest error that matters, by unit. Ratios: one percentage point. What is not here and counts nothing has none. */
const GAUGE_FLOORS: Readonly<Record<string, number>> = { '1': 0.01, By: 2 ** 20, s: 0.001, Cel: 0.5 };
/** Of what is counted, as `{thread}`: below one half, so that small whole numbers are exact, and load averages to a fifth. */
const COUNTED_FLOOR = 0.4;

/** For each second. Of time: a hundredth of a processor or a disk. */
const COUNTER_FLOORS: Readonly<Record<string, number>> = {
  s: 0.01,
  By: 4096,
  '{packet}': 1,
  '{operation}': 1,
  '{fault}': 10,
  '{interrupt}': 10,
  '{context_switch}': 10,
};

/** What can be left out of a series, and what never: delta sums and distributions say something with each point. */
export type SeriesKind = 'gauge' | 'counter' | 'whole';

export function kindOf({ kind, isMonotonic, temporality }: Metric): SeriesKind {
  if (kind === 'gauge') return 'gauge';
  if (kind !== 'sum' || temporality !== 'cumulative') return 'whole';
  return isMonotonic ? 'counter' : 'gauge';
}

/** The error bound of a series as long as `value` and, of a counter, `slope` (per millisecond) are what was sent last. */
export function boundOf(
  metric: Metric,
  kind: SeriesKind,
  options: AdaptiveOptions,
  value: number,
  slope: number,
): number {
  return bound(kind, floorOf(metric, kind, options), options, value, slope);
}

/** The part of {@link boundOf} that does not change. */
export function floorOf({ unit }: Metric, kind: SeriesKind, { floors, max }: AdaptiveOptions): number {
  const own = Object.hasOwn(floors, unit) ? floors[unit] : undefined;
  if (kind === 'counter') return ((own ?? COUNTER_FLOORS[unit] ?? 0) * max) / 1000;
  return own ?? GAUGE_FLOORS[unit] ?? (unit.startsWith('{') ? COUNTED_FLOOR : 0);
}

export function bound(kind: SeriesKind, floor: number, options: AdaptiveOptions, value: number, slope: number): number {
  // Of infinity everything would be a small share.
  if (!Number.isFinite(value)) return NaN;
  if (kind === 'gauge') return Math.max(options.gauge_error * Math.abs(value), floor);
  // One that stood still and moves is news, be it by one: errors, dropped packets, killed processes.
  if (slope === 0) return 0;
  return Math.max(options.counter_error * slope * options.max, floor);
}
