/**
 * What is normal for one series, and how far from it the newest sample is. All state is in one small buffer: a sample costs
 * a fixed number of operations, whatever came before (docs/decisions/anomaly.md says why this method).
 *
 * Expected is a level that follows the series slowly, with a trend, plus what the series does at this time of the day and of
 * the week, as soon as that is known and helps. From the difference statistics are made, each of which sees another kind of
 * anomaly, and each of which is judged by how large it was before.
 */
import { type Deviation, isReady, judge, KINDS } from './judge.ts';
import { learnHour, learnLevels, learnSizes, learnTails, LONGEST_STEP_S } from './learn.ts';
import { DAY_S, readProfile, WEEK_S } from './profile.ts';
import { learnProfiles } from './seasons.ts';
import {
  ANOMALOUS,
  BEGAN_AT,
  CLIP,
  COUNT,
  COVARIANCE,
  DAYS,
  DAY_LEVEL,
  DAY_TREND,
  EXPECTED,
  FIRST_TIME,
  FLAT_LEVEL,
  FLAT_TREND,
  INNOVATION_SIZE,
  KIND,
  LAST_RESIDUAL,
  LAST_TIME,
  LAST_VALUE,
  LONGEST_RUN,
  LONG_MEAN,
  LOWER,
  MODE,
  PEAK,
  QUANTUM,
  REPEATS,
  RESIDUAL_SIZE,
  RUN,
  SCORE,
  SETTLING,
  SHORT_MEAN,
  SHORT_SIZE,
  SQUARE,
  STEP_SIZE,
  UPPER,
  WEEKS,
  clip,
  type AnomalyKind,
  type Outcome,
  type ModelOptions,
  SeriesState,
} from './state.ts';

/** Gains: 1 / samples over which a mean is taken. */
const SHORT = 1 / 8;
const SPREAD_GAIN = 1 / 12;
const LONG = 1 / 40;
const CORRELATION_GAIN = 1 / 240;
const REPEATS_GAIN = 1 / 720;
/** Intervals without a sample after which nothing is known of where it is. */
export const SILENT_INTERVALS = 10;
const SETTLING_SAMPLES = 10;
const MEAN_SAMPLES = 5;
const MEAN_CLIP = 6;
/** Nearly a random walk; what is nearer is no different. */
const MOST_CORRELATION = 0.98;
/** Beyond, a value says nothing: profiles are kept as floats. */
const LARGEST = 1e37;
/** Seconds; samples that are nearer to each other say nothing of a trend. */
const SHORTEST_STEP_S = 1e-3;

/** One for all, as a sample is looked at a time. */
const AT: Deviation = {
  time_s: 0,
  expected: 0,
  residual: 0,
  residualSize: 0,
  carried: 0,
  innovation: 0,
  innovationSize: 0,
};

export class SeriesModel {
  readonly #state: SeriesState;
  readonly #options: ModelOptions;
  /** The newest innovation in its size, clipped: what groups look at. */
  innovation = 0;

  constructor(options: ModelOptions, kept?: Uint8Array) {
    this.#state = new SeriesState(kept);
    this.#options = options;
  }

  /** The whole state, as the constructor takes it. */
  get bytes(): Uint8Array {
    return this.#state.bytes;
  }
  get isReady(): boolean {
    return isReady(this.#state, this.#options);
  }
  get isAnomalous(): boolean {
    return this.#state.numbers[ANOMALOUS] !== 0;
  }
  /** Of the newest sample, from 0; from 1 on it is an anomaly. */
  get score(): number {
    return this.#state.numbers[SCORE]!;
  }
  /** Highest score and its kind, and the beginning, of the anomaly that goes on, or the last one. */
  get peak(): number {
    return this.#state.numbers[PEAK]!;
  }
  get kind(): AnomalyKind {
    return KINDS[this.#state.numbers[KIND]!]!;
  }
  get beganAt_s(): number {
    return this.#state.numbers[BEGAN_AT]!;
  }
  /** What the newest sample should have been, and between what it would be normal. */
  get expected(): number {
    return this.#state.numbers[EXPECTED]!;
  }
  get lower(): number {
    return this.#state.numbers[LOWER]!;
  }
  get upper(): number {
    return this.#state.numbers[UPPER]!;
  }
  get lastTime_s(): number {
    return this.#state.numbers[LAST_TIME]!;
  }
  get lastValue(): number {
    return this.#state.numbers[LAST_VALUE]!;
  }
  /** Whether the time of the day is taken into account. */
  get hasProfile(): boolean {
    return this.#state.numbers[MODE] !== 0;
  }

  /**
   * Takes one sample. What is no finite number, or no later than the one before, changes nothing. `grain` is the smallest
   * change that the series can make, if it counts in steps.
   */
  step(time_s: number, value: number, grain = 0): Outcome {
    const state = this.#state;
    const s = state.numbers;
    const isUsable = Math.abs(value) <= LARGEST && time_s >= 0 && time_s <= Number.MAX_SAFE_INTEGER;
    if (isUsable && s[COUNT] === 0) return this.#first(time_s, value);
    const elapsed_s = time_s - s[LAST_TIME]!;
    if (!isUsable || elapsed_s < SHORTEST_STEP_S) return this.isAnomalous ? 'anomalous' : 'normal';
    // What was long ago says nothing of what comes next.
    if (elapsed_s > SILENT_INTERVALS * this.#options.interval_s) this.settle();
    if (s[SETTLING]! > 0) return this.#takeSettling(time_s, value);

    const season = s[DAYS]! >= 1 ? readProfile(state.day, DAY_S, time_s) : 0;
    const week = s[WEEKS]! >= 1 ? readProfile(state.week, WEEK_S, time_s) : 0;
    const step_s = Math.min(elapsed_s, LONGEST_STEP_S);
    const flat = s[FLAT_LEVEL]! + s[FLAT_TREND]! * step_s;
    const daily = season + s[DAY_LEVEL]! + s[DAY_TREND]! * step_s;
    const mode = s[MODE]!;
    const expected = mode === 0 ? flat : mode === 1 ? daily : daily + week;
    const swing = mode === 0 ? 1 : readProfile(state.hours, DAY_S, time_s);
    const difference = this.#deviate(time_s, value, expected, swing, grain);
    const { residual, residualSize, innovation, innovationSize } = AT;
    const lastResidual = s[LAST_RESIDUAL]!;
    this.#countRun(value);

    const outcome = judge(state, this.#options, AT);
    // What is moved to another level is no residual any more.
    const isMoved = outcome === 'adapted' || outcome === 'returned';
    const isNormal = outcome === 'normal' || outcome === 'recovered';
    if (isNormal) {
      learnTails(state, residual / residualSize, innovation / innovationSize);
      learnSizes(state, residual / swing, innovation / swing, difference / swing);
      learnHour(state, time_s, (Math.abs(innovation) / innovationSize) * swing);
      this.#correlate(lastResidual / residualSize, residual / residualSize);
    }
    if (!isMoved) learnLevels(state, value, flat, daily, week, residualSize, elapsed_s, isNormal);
    // Before there is a profile nobody knows which of its values are none of it.
    const isTaken = outcome === 'recurring' || mode === 0;
    const usual = isNormal ? expected + clip(residual, CLIP * residualSize) : NaN;
    learnProfiles(state, time_s, clip(isTaken ? value : usual, LARGEST), season);
    s[LAST_RESIDUAL] = isMoved ? 0 : residual;
    const change = Math.abs(value - s[LAST_VALUE]!);
    if (change > 0 && change < s[QUANTUM]!) s[QUANTUM] = change;
    s[LAST_VALUE] = value;
    s[LAST_TIME] = time_s;
    s[COUNT] = s[COUNT]! + 1;
    return outcome;
  }

  /** Ends an anomaly of which nothing more is heard. */
  end(): void {
    this.#state.numbers[ANOMALOUS] = 0;
  }

  /** Finds its level anew from the next samples, and judges none of them: the series was silent, or begins again. */
  settle(): void {
    const s = this.#state.numbers;
    s[SETTLING] = SETTLING_SAMPLES;
    s[ANOMALOUS] = 0;
    s[SCORE] = 0;
    s[FLAT_TREND] = 0;
    s[DAY_TREND] = 0;
    s[SHORT_MEAN] = 0;
    s[LONG_MEAN] = 0;
    s[SHORT_SIZE] = 1;
    s[LAST_RESIDUAL] = 0;
    s[RUN] = 0;
  }

  #takeSettling(time_s: number, value: number): Outcome {
    const state = this.#state;
    const s = state.numbers;
    // The mean of the last five: a beginning is seldom like what follows.
    const weight = 1 / (((SETTLING_SAMPLES - s[SETTLING]!) % MEAN_SAMPLES) + 1);
    s[SETTLING] = s[SETTLING]! - 1;
    const day = s[DAYS]! >= 1 ? readProfile(state.day, DAY_S, time_s) : 0;
    const week = s[MODE] === 2 ? readProfile(state.week, WEEK_S, time_s) : 0;
    s[FLAT_LEVEL] = s[FLAT_LEVEL]! + (value - s[FLAT_LEVEL]!) * weight;
    s[DAY_LEVEL] = s[DAY_LEVEL]! + (value - day - week - s[DAY_LEVEL]!) * weight;
    s[EXPECTED] = value;
    s[LAST_VALUE] = value;
    s[LAST_TIME] = time_s;
    s[COUNT] = s[COUNT]! + 1;
    this.innovation = 0;
    return 'normal';
  }

  #first(time_s: number, value: number): Outcome {
    const s = this.#state.numbers;
    s[COUNT] = 1;
    s[FIRST_TIME] = time_s;
    s[LAST_TIME] = time_s;
    s[LAST_VALUE] = value;
    s[FLAT_LEVEL] = value;
    s[EXPECTED] = value;
    return 'normal';
  }

  /** Fills {@link AT} and takes it into the means; returns the difference to the residual before. */
  #deviate(time_s: number, value: number, expected: number, swing: number, grain: number): number {
    const s = this.#state.numbers;
    const residual = value - expected;
    // Sizes, never below what a series of this kind must be allowed to move by.
    const floor = Math.max(this.#floor(expected, value), grain / 2);
    const residualSize = Math.max(s[RESIDUAL_SIZE]! * swing, floor);
    const innovationSize = Math.max(s[INNOVATION_SIZE]! * swing, floor);
    const stepSize = Math.max(s[STEP_SIZE]! * swing, floor);
    const correlation = s[SQUARE]! > 0 ? Math.min(MOST_CORRELATION, Math.max(0, s[COVARIANCE]! / s[SQUARE]!)) : 0;
    const carried = correlation * clip(s[LAST_RESIDUAL]!, CLIP * residualSize);
    AT.time_s = time_s;
    AT.expected = expected;
    AT.residual = residual;
    AT.residualSize = residualSize;
    AT.carried = carried;
    AT.innovation = residual - carried;
    AT.innovationSize = innovationSize;
    this.innovation = clip(AT.innovation / innovationSize, CLIP);
    const bounded = clip(residual / residualSize, MEAN_CLIP);
    const difference = residual - s[LAST_RESIDUAL]!;
    const spread = Math.min(Math.abs(difference) / stepSize, CLIP);
    s[SHORT_MEAN] = s[SHORT_MEAN]! + (bounded - s[SHORT_MEAN]!) * SHORT;
    s[LONG_MEAN] = s[LONG_MEAN]! + (bounded - s[LONG_MEAN]!) * LONG;
    s[SHORT_SIZE] = s[SHORT_SIZE]! + (spread - s[SHORT_SIZE]!) * SPREAD_GAIN;
    return difference;
  }

  /** Half the step in which the series counts, and a fraction of where it is: a constant may change its last digit. */
  #floor(expected: number, value: number): number {
    const s = this.#state.numbers;
    // One change says nothing of steps: it may be what is looked for.
    const quantum = s[REPEATS]! < 0.95 && s[COUNT]! > 20 ? s[QUANTUM]! * 0.25 : 0;
    const relative = Math.min(Math.abs(expected), Math.abs(value)) * 0.001;
    return Math.max(quantum, relative, 1e-9);
  }

  #countRun(value: number): void {
    const s = this.#state.numbers;
    const isRepeated = value === s[LAST_VALUE];
    if (!isRepeated && !this.isAnomalous) s[LONGEST_RUN] = Math.max(s[RUN]!, s[LONGEST_RUN]! * 0.999);
    s[RUN] = isRepeated ? s[RUN]! + 1 : 0;
    if (this.isAnomalous) return;
    const gain = Math.max(REPEATS_GAIN, 1 / s[COUNT]!);
    s[REPEATS] = s[REPEATS]! + ((isRepeated ? 1 : 0) - s[REPEATS]!) * gain;
  }

  #correlate(before: number, now: number): void {
    const s = this.#state.numbers;
    const clipped = clip(now, CLIP);
    s[COVARIANCE] = s[COVARIANCE]! + (clip(before, CLIP) * clipped - s[COVARIANCE]!) * CORRELATION_GAIN;
    s[SQUARE] = s[SQUARE]! + (clipped * clipped - s[SQUARE]!) * CORRELATION_GAIN;
  }
}
