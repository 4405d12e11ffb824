/** Whether a sample is an anomaly, by six statistics each of which sees another kind, and what becomes of one. */
import { DAY_S } from './profile.ts';
import {
  ANOMALOUS,
  BEGAN_AT,
  CLIP,
  COUNT,
  DAY_LEVEL,
  EVENT,
  EVENTS,
  EXPECTED,
  FIRST_TIME,
  FLAT_LEVEL,
  FORMER,
  FORMER_TIME,
  INNOVATION,
  INNOVATION_SIZE,
  KIND,
  LAST_RESIDUAL,
  LAST_TIME,
  LONGEST_RUN,
  LONG_MEAN,
  LONG_TAIL,
  LOWER,
  MEAN,
  PEAK,
  QUIET,
  QUIET_SCORE,
  REMEMBERED,
  REPEATS,
  RESIDUAL,
  RESIDUAL_SIZE,
  RUN,
  SCORE,
  SHIFT,
  SHORT_MEAN,
  SHORT_SIZE,
  SPREAD,
  STEP_SIZE,
  TAILS,
  THRESHOLD,
  UPPER,
  observe,
  type AnomalyKind,
  type Outcome,
  type ModelOptions,
  type SeriesState,
} from './state.ts';
import { fadeTail, TAIL_BUCKETS, tailThreshold } from './tail.ts';

/** How far a sample is from what was expected. */
export interface Deviation {
  time_s: number;
  expected: number;
  /** Value less expected, and the size that this usually has. */
  residual: number;
  residualSize: number;
  /** What the residual before lets expect, and what is left of the residual then. */
  carried: number;
  innovation: number;
  innovationSize: number;
}

/** By statistic. */
export const KINDS: readonly AnomalyKind[] = ['spike', 'spike', 'level_shift', 'drift', 'variance', 'stuck'];
/** How rarely a statistic may exceed its threshold when all is well. Means of many samples are as many times fewer. */
const RARE = [1e-6, 1e-6, 1e-6, 1e-6, 5e-6, 5e-6, 5e-5, 1e-5] as const;
/** In sizes: thresholds are never lower, however quiet a series was. */
const LEAST = [6.5, 6.5, 6.5, 6.5, 2.2, 2.2, 1.4, 2.2] as const;
/** Until enough was seen thresholds are so much higher than the least. */
const UNKNOWN = 1.5;
/** How heavy a tail can be: that of an exponential for means, whose extremes average out; heavier for single samples. */
const POWER_OF_MEANS = 1;
const POWER = 1.3;
/** A mean that is mostly clipped is an anomaly in any case. */
const MOST_MEAN = 4.5;
const REFRESH_SAMPLES = 32;
const QUIET_SAMPLES = 5;
const SHIFT_GAIN = 1 / 8;
/** Logarithm of how improbable a run of equal values must be. */
const STUCK_EVIDENCE = 25;
/** So long it is remembered what was normal before. */
const FORMER_S = DAY_S;
/** What comes every day need not come at the same minute. */
const RECURRENCE_S = 900;
const HIGHEST_SCORE = 1000;

/** Ratios of statistics to thresholds, and which these are: one for all, as a sample is judged at a time. */
const RATIOS = new Float64Array(6);
const TAIL_OF = [RESIDUAL, INNOVATION, MEAN, LONG_TAIL, SPREAD];

/** Says what a sample is, and keeps the account of the anomaly that may go on. */
export function judge(state: SeriesState, options: ModelOptions, at: Deviation): Outcome {
  const { time_s, residual, residualSize, expected } = at;
  const z = residual / residualSize;
  const jump = at.innovation / at.innovationSize;
  const s = state.numbers;
  s[EXPECTED] = expected;
  if (!isReady(state, options)) {
    s[SCORE] = 0;
    return 'normal';
  }
  if (s[THRESHOLD] === 0 || s[COUNT]! % REFRESH_SAMPLES === 0) refresh(state, options);
  const tails = TAIL_OF;
  tails[0] = z > 0 ? RESIDUAL : RESIDUAL + 1;
  tails[1] = jump > 0 ? INNOVATION : INNOVATION + 1;
  tails[2] = s[SHORT_MEAN]! > 0 ? MEAN : MEAN + 1;
  const ratios = RATIOS;
  ratios[0] = Math.abs(z) / s[THRESHOLD + tails[0]]!;
  ratios[1] = Math.abs(jump) / s[THRESHOLD + tails[1]]!;
  ratios[2] = Math.abs(s[SHORT_MEAN]!) / s[THRESHOLD + tails[2]]!;
  ratios[3] = Math.abs(s[LONG_MEAN]!) / s[THRESHOLD + LONG_TAIL]!;
  ratios[4] = s[SHORT_SIZE]! / s[THRESHOLD + SPREAD]!;
  ratios[5] = stuck(state);
  let kind = 0;
  for (let i = 1; i < ratios.length; i++) if (ratios[i]! > ratios[kind]!) kind = i;
  const score = Math.min(ratios[kind]!, HIGHEST_SCORE);
  s[SCORE] = score;
  const center = kind === 1 ? expected + at.carried : expected;
  const unit = kind === 1 ? at.innovationSize : residualSize;
  const above = kind === 1 ? INNOVATION : kind === 2 ? MEAN : RESIDUAL;
  s[EXPECTED] = center;
  s[UPPER] = center + unit * s[THRESHOLD + above]!;
  s[LOWER] = center - unit * s[THRESHOLD + above + 1]!;

  if (s[ANOMALOUS] === 0) {
    if (score < 1) return 'normal';
    if (hasReturned(state, time_s, residual, residualSize)) return 'returned';
    if (recurs(state, time_s, residual, residualSize)) {
      s[SCORE] = QUIET_SCORE;
      return 'recurring';
    }
    remember(state, time_s, residual, true);
    s[ANOMALOUS] = 1;
    s[BEGAN_AT] = time_s;
    s[KIND] = kind;
    s[PEAK] = score;
    s[QUIET] = 0;
    s[SHIFT] = residual;
    // One sample of each anomaly counts as normal: what comes again and again is.
    if (kind < 5) observe(state, tails[kind]!, Math.min(score, 1.5) * s[THRESHOLD + tails[kind]!]!);
    return 'began';
  }
  remember(state, time_s, residual, false);
  s[SHIFT] = s[SHIFT]! + (residual - s[SHIFT]!) * SHIFT_GAIN;
  if (score > s[PEAK]!) {
    s[PEAK] = score;
    s[KIND] = kind;
  }
  s[QUIET] = score < QUIET_SCORE ? s[QUIET]! + 1 : 0;
  if (s[QUIET]! >= QUIET_SAMPLES) {
    s[ANOMALOUS] = 0;
    s[SHORT_MEAN] = 0;
    s[LONG_MEAN] = 0;
    return 'recovered';
  }
  if (time_s - s[BEGAN_AT]! < options.adapt_s) return 'anomalous';
  adapt(state, time_s);
  return 'adapted';
}

/** Whether the series is back where it was before the present normal: that is no anomaly, but the end of one. */
function hasReturned(state: SeriesState, time_s: number, residual: number, residualSize: number): boolean {
  const s = state.numbers;
  if (time_s - s[FORMER_TIME]! > FORMER_S) return false;
  if (Math.abs(residual - s[FORMER]!) > CLIP * residualSize) return false;
  move(state, s[FORMER]!);
  s[FORMER] = -s[FORMER]!;
  s[FORMER_TIME] = time_s;
  return true;
}

/** What was an anomaly is normal from now on. */
function adapt(state: SeriesState, time_s: number): void {
  const s = state.numbers;
  const shift = s[SHIFT]!;
  const growth = s[SHORT_SIZE]!;
  if (growth > 1.5) for (const size of [RESIDUAL_SIZE, INNOVATION_SIZE, STEP_SIZE]) s[size] = s[size]! * growth;
  move(state, shift);
  s[FORMER] = -shift;
  s[FORMER_TIME] = time_s;
  s[LONGEST_RUN] = Math.max(s[LONGEST_RUN]!, s[RUN]!);
  for (let i = 0; i < TAILS; i++) fadeTail(state.tails, i * TAIL_BUCKETS, 0.5);
  s[ANOMALOUS] = 0;
}

function move(state: SeriesState, by: number): void {
  const s = state.numbers;
  s[FLAT_LEVEL] = s[FLAT_LEVEL]! + by;
  s[DAY_LEVEL] = s[DAY_LEVEL]! + by;
  s[SHORT_MEAN] = 0;
  s[LONG_MEAN] = 0;
  s[SHORT_SIZE] = 1;
  s[LAST_RESIDUAL] = 0;
}

/** Whether the same came at this time of an earlier day: a job of every night is no anomaly, though a profile knows it late. */
function recurs(state: SeriesState, time_s: number, residual: number, residualSize: number): boolean {
  const s = state.numbers;
  for (let i = 0; i < Math.min(REMEMBERED, s[EVENTS]!); i++) {
    const from_s = s[EVENT + 3 * i]!;
    const age_s = time_s - from_s;
    if (age_s < DAY_S / 2 || age_s > 8 * DAY_S) continue;
    // Since it began that day; as long as it went on, with some play.
    const since_s = ((age_s + RECURRENCE_S) % DAY_S) - RECURRENCE_S;
    if (since_s > s[EVENT + 3 * i + 1]! - from_s + 2 * RECURRENCE_S) continue;
    const before = s[EVENT + 3 * i + 2]!;
    if (Math.abs(residual) < 1.5 * Math.abs(before) + residualSize) return true;
  }
  return false;
}

function remember(state: SeriesState, time_s: number, residual: number, isNew: boolean): void {
  const s = state.numbers;
  if (isNew) s[EVENTS] = s[EVENTS]! + 1;
  const place = EVENT + 3 * ((s[EVENTS]! - 1) % REMEMBERED);
  if (isNew) s[place] = time_s;
  s[place + 1] = time_s;
  if (isNew || Math.abs(residual) > Math.abs(s[place + 2]!)) s[place + 2] = residual;
}

function refresh(state: SeriesState, options: ModelOptions): void {
  const s = state.numbers;
  for (let i = 0; i < TAILS; i++) {
    const isOfMean = i >= MEAN && i <= LONG_TAIL;
    const least = LEAST[i]!;
    const learnt =
      tailThreshold(state.tails, i * TAIL_BUCKETS, RARE[i]!, isOfMean ? POWER_OF_MEANS : POWER) ?? least * UNKNOWN;
    s[THRESHOLD + i] = Math.max(least, isOfMean ? Math.min(learnt, MOST_MEAN) : learnt) / options.sensitivity;
  }
}

/** How improbable the present run of equal values is, and how much longer than any before. */
function stuck(state: SeriesState): number {
  const s = state.numbers;
  const surprise = -Math.log(Math.min(1, Math.max(0.05, s[REPEATS]!)));
  return Math.min((s[RUN]! * surprise) / STUCK_EVIDENCE, s[RUN]! / (2 * s[LONGEST_RUN]! + 5));
}

export function isReady({ numbers: s }: SeriesState, { warmUp_s, warmUp_samples }: ModelOptions): boolean {
  return s[COUNT]! >= warmUp_samples && s[LAST_TIME]! - s[FIRST_TIME]! >= warmUp_s;
}
