/** One sample's share in what is normal: tails, sizes and levels. What is far off moves them by little, what is suspicious by less. */
import { binOf, DAY_S } from './profile.ts';
import {
  CLIP,
  COUNT,
  DAYS,
  DAY_ERROR,
  DAY_LEVEL,
  DAY_TREND,
  FLAT_ERROR,
  FLAT_LEVEL,
  FLAT_TREND,
  HOURS,
  INNOVATION,
  INNOVATION_SIZE,
  LONG_MEAN,
  LONG_TAIL,
  MEAN,
  QUIET_SCORE,
  RESIDUAL,
  RESIDUAL_SIZE,
  SCORE,
  SHORT_MEAN,
  SHORT_SIZE,
  SPREAD,
  STEP_SIZE,
  WEEK_ERROR,
  clip,
  observe,
  type SeriesState,
} from './state.ts';

const SIZE_GAIN = 1 / 360;
const ERROR_GAIN = 1 / 1440;
/** Seconds in which a level follows, without and with a profile. */
const FLAT_LEVEL_S = 1800;
const DAY_LEVEL_S = 4 * 3600;
/** Longer than that no trend is continued. */
export const LONGEST_STEP_S = 3600;
const SLOW_CLIP = 2.5;
const ERROR_CLIP = 4;
/** Of what is near to an anomaly one sample of so many is counted, and levels and sizes follow so much slower. */
const CAUTIOUS = 2;
const CAUTION = 0.5;

export function learnTails(state: SeriesState, z: number, jump: number): void {
  const s = state.numbers;
  // The first samples know no scale.
  if (s[COUNT]! < 20 || (caution(state) < 1 && s[COUNT]! % CAUTIOUS !== 0)) return;
  observeSides(state, RESIDUAL, z);
  observeSides(state, INNOVATION, jump);
  observeSides(state, MEAN, s[SHORT_MEAN]!);
  observe(state, LONG_TAIL, Math.abs(s[LONG_MEAN]!));
  observe(state, SPREAD, s[SHORT_SIZE]!);
}

function observeSides(state: SeriesState, tail: number, value: number): void {
  observe(state, tail, value);
  observe(state, tail + 1, -value);
}

export function learnSizes(state: SeriesState, residual: number, innovation: number, difference: number): void {
  const s = state.numbers;
  // What became calm is known sooner than what became wild: large sizes hide anomalies.
  const speed = s[SHORT_SIZE]! < 0.6 ? 4 : caution(state);
  const gain = Math.max(SIZE_GAIN * speed, 1 / s[COUNT]!);
  learnSize(state, RESIDUAL_SIZE, Math.abs(residual), gain);
  learnSize(state, INNOVATION_SIZE, Math.abs(innovation), gain);
  learnSize(state, STEP_SIZE, Math.abs(difference), gain);
}

function learnSize(state: SeriesState, place: number, size: number, gain: number): void {
  const s = state.numbers;
  const known = s[place]!;
  // One that was nothing so far may become something.
  const limit = s[COUNT]! < 20 || known === 0 ? size : CLIP * known;
  s[place] = known + (Math.min(size, limit) - known) * gain;
}

/** How much larger than otherwise the innovation is at this hour. */
export function learnHour(state: SeriesState, time_s: number, relative: number): void {
  if (state.numbers[DAYS]! < 1) return;
  const hour = binOf(HOURS, DAY_S, time_s);
  state.hours[hour] = Math.max(0.2, state.hours[hour]! + (Math.min(CLIP, relative) - state.hours[hour]!) / 120);
}

export function learnLevels(
  state: SeriesState,
  value: number,
  flat: number,
  daily: number,
  week: number,
  residualSize: number,
  elapsed_s: number,
  isLearning: boolean,
): void {
  const s = state.numbers;
  const steps = Math.min(elapsed_s, LONGEST_STEP_S);
  s[FLAT_LEVEL] = flat;
  const hasProfile = s[DAYS]! >= 1;
  if (hasProfile) s[DAY_LEVEL] = s[DAY_LEVEL]! + s[DAY_TREND]! * steps;
  const speed = isLearning ? caution(state) : 0;
  const limit = s[COUNT]! < 20 ? Infinity : SLOW_CLIP * residualSize;
  const gain = Math.max(Math.min(1, elapsed_s / FLAT_LEVEL_S), 1 / (s[COUNT]! + 1));
  const flatResidual = clip(value - flat, Math.max(limit, SLOW_CLIP * s[FLAT_ERROR]!));
  s[FLAT_LEVEL] = s[FLAT_LEVEL]! + speed * gain * flatResidual;
  s[FLAT_TREND] = s[FLAT_TREND]! + ((speed * gain * gain) / 8 / elapsed_s) * flatResidual;
  learnError(s, FLAT_ERROR, value - flat, limit);
  if (!hasProfile) return;
  const dayGain = Math.min(1, elapsed_s / DAY_LEVEL_S);
  const dayResidual = clip(value - daily, Math.max(limit, SLOW_CLIP * s[DAY_ERROR]!));
  s[DAY_LEVEL] = s[DAY_LEVEL]! + speed * dayGain * dayResidual;
  s[DAY_TREND] = s[DAY_TREND]! + ((speed * dayGain * dayGain) / 8 / elapsed_s) * dayResidual;
  learnError(s, DAY_ERROR, value - daily, limit);
  learnError(s, WEEK_ERROR, value - daily - week, limit);
}

/** Anomalies count, too: what one profile takes for an anomaly another expects. */
function learnError(s: Float64Array, place: number, residual: number, limit: number): void {
  const known = s[place]!;
  const size = Math.min(Math.abs(residual), Math.max(limit, ERROR_CLIP * known));
  s[place] = known + (size - known) * Math.max(ERROR_GAIN, 1 / s[COUNT]!);
}

/** What is near to an anomaly is learnt slowly: it may be the beginning of one. */
function caution(state: SeriesState): number {
  return state.numbers[SCORE]! > QUIET_SCORE ? CAUTION : 1;
}
