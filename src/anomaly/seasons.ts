/** Learns what a series does at each time of the day and of the week, and decides whether that is of use. */
import { binOf, DAY_BINS, DAY_S, readProfile, WEEK_BINS, WEEK_S } from './profile.ts';
import {
  ANOMALOUS,
  DAYS,
  DAY_BIN,
  DAY_COUNT,
  DAY_ERROR,
  DAY_LEVEL,
  DAY_SUM,
  FIRST_TIME,
  FLAT_ERROR,
  FLAT_LEVEL,
  LAST_RESIDUAL,
  LONG_MEAN,
  LONG_TAIL,
  MEAN,
  MODE,
  RESIDUAL_SIZE,
  SHORT_MEAN,
  TAILS,
  WEEKS,
  WEEK_BIN,
  WEEK_COUNT,
  WEEK_ERROR,
  WEEK_SUM,
  type SeriesState,
} from './state.ts';
import { fadeTail, TAIL_BUCKETS } from './tail.ts';

/** A profile must lessen what is unexpected by so much before it is used. */
const BETTER = 0.85;

/** Takes a value into the means of its spans, or none if it is NaN, and chooses the profile when a day is over. */
export function learnProfiles(state: SeriesState, time_s: number, value: number, season: number): void {
  const s = state.numbers;
  const bin = binOf(DAY_BINS, DAY_S, time_s);
  if (bin !== s[DAY_BIN]) {
    endDayBin(state);
    s[DAY_BIN] = bin;
    s[DAY_SUM] = 0;
    s[DAY_COUNT] = 0;
    choose(state, time_s);
  }
  if (Number.isNaN(value)) return;
  s[DAY_SUM] = s[DAY_SUM]! + value;
  s[DAY_COUNT] = s[DAY_COUNT]! + 1;
  const weekBin = binOf(WEEK_BINS, WEEK_S, time_s);
  if (weekBin !== s[WEEK_BIN]) {
    endWeekBin(state);
    s[WEEK_BIN] = weekBin;
    s[WEEK_SUM] = 0;
    s[WEEK_COUNT] = 0;
  }
  s[WEEK_SUM] = s[WEEK_SUM]! + value - season - s[DAY_LEVEL]!;
  s[WEEK_COUNT] = s[WEEK_COUNT]! + 1;
}

function endDayBin(state: SeriesState): void {
  const s = state.numbers;
  if (s[DAY_COUNT] === 0) return;
  const bin = s[DAY_BIN]!;
  const mean = s[DAY_SUM]! / s[DAY_COUNT]!;
  if (s[DAYS] === 0) {
    state.day[bin] = mean;
    return;
  }
  // The level has what is there every day; the profile what comes at this time.
  const gain = Math.max(0.25, 1 / (s[DAYS]! + 1));
  state.day[bin] = state.day[bin]! + gain * (mean - s[DAY_LEVEL]! - state.day[bin]!);
}

function endWeekBin(state: SeriesState): void {
  const s = state.numbers;
  if (s[WEEK_COUNT] === 0 || s[DAYS]! < 3) return;
  const bin = s[WEEK_BIN]!;
  const mean = s[WEEK_SUM]! / s[WEEK_COUNT]!;
  state.week[bin] = state.week[bin]! + (mean - state.week[bin]!) * 0.5;
}

/** Whether profiles are there yet, and which lessens what is unexpected. */
function choose(state: SeriesState, time_s: number): void {
  const s = state.numbers;
  const age_s = time_s - s[FIRST_TIME]!;
  const days = Math.floor(age_s / DAY_S);
  if (days >= 1 && s[DAYS] === 0) {
    s[DAY_LEVEL] = s[FLAT_LEVEL]! - readProfile(state.day, DAY_S, time_s);
    s[DAY_ERROR] = s[FLAT_ERROR]!;
    s[WEEK_ERROR] = s[FLAT_ERROR]!;
  }
  s[DAYS] = days;
  s[WEEKS] = Math.floor(age_s / WEEK_S);
  if (s[ANOMALOUS] !== 0 || days < 2) return;
  const mode = s[MODE]!;
  const errors = [s[FLAT_ERROR]!, s[DAY_ERROR]!, s[WEEKS]! >= 2 ? s[WEEK_ERROR]! : Infinity];
  let best = mode;
  for (let i = 0; i < errors.length; i++) if (errors[i]! < errors[best]! * (best === mode ? BETTER : 1)) best = i;
  if (best === mode) return;
  s[MODE] = best;
  s[RESIDUAL_SIZE] = errors[best]!;
  s[SHORT_MEAN] = 0;
  s[LONG_MEAN] = 0;
  s[LAST_RESIDUAL] = 0;
  // Large means came of what was not known; how innovations are distributed stays.
  for (let i = 0; i < TAILS; i++) {
    const isOfMean = i >= MEAN && i <= LONG_TAIL;
    fadeTail(state.tails, i * TAIL_BUCKETS, isOfMean ? 0 : 0.25);
  }
}
