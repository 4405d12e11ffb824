/** What is remembered of a series: numbers, tails and profiles in one small buffer, which is also how it is kept on disk. */
import { DAY_BINS, WEEK_BINS } from './profile.ts';
import { observeTail, TAIL_BUCKETS } from './tail.ts';

export type AnomalyKind = 'spike' | 'level_shift' | 'drift' | 'variance' | 'stuck';

export interface ModelOptions {
  /** Seconds between samples, if none is missing. */
  readonly interval_s: number;
  /** Seconds and samples until a series is judged. */
  readonly warmUp_s: number;
  readonly warmUp_samples: number;
  /** 1 as measured; higher finds smaller anomalies, and more that are none. */
  readonly sensitivity: number;
  /** After so many seconds what is different counts as the new normal. */
  readonly adapt_s: number;
}

/**
 * What a sample changed: nothing; an anomaly began, goes on, went away, or became the new normal. The series returned to what
 * was normal before, or does what it did at this time of another day: neither is an anomaly.
 */
export type Outcome = 'normal' | 'began' | 'anomalous' | 'recovered' | 'adapted' | 'returned' | 'recurring';

// Places of numbers in the state. What is called size is a mean of absolute values.
export const COUNT = 0;
export const FIRST_TIME = 1;
export const LAST_TIME = 2;
export const LAST_VALUE = 3;
/** Level and trend (per second) without profile, and with it: the value less the profile. */
export const FLAT_LEVEL = 4;
export const FLAT_TREND = 5;
export const DAY_LEVEL = 6;
export const DAY_TREND = 7;
/** Size of what was not expected, without profile, with that of the day, and with that of the week, too. */
export const FLAT_ERROR = 8;
export const DAY_ERROR = 9;
export const WEEK_ERROR = 10;
/** Which of the three is used: 0, 1, 2. */
export const MODE = 11;
/** Size of the residual (value less expected), and of the innovation (less what the residual before lets expect, too). */
export const RESIDUAL_SIZE = 12;
export const INNOVATION_SIZE = 13;
export const LAST_RESIDUAL = 14;
/** Products of residuals that follow each other, and squares: their ratio is the autocorrelation. */
export const COVARIANCE = 15;
export const SQUARE = 16;
/** Means of the clipped residual, in its size, over some samples and over many; of the innovation's absolute value over some. */
export const SHORT_MEAN = 17;
export const LONG_MEAN = 18;
export const SHORT_SIZE = 19;
/** Share of samples that repeat the one before; the present run of repetitions, and the longest. */
export const REPEATS = 20;
export const RUN = 21;
export const LONGEST_RUN = 22;
/** Smallest difference of samples that follow each other. */
export const QUANTUM = 23;
/** Size of the difference of residuals that follow each other. */
export const STEP_SIZE = 24;
/** Of an anomaly: whether one goes on, since when, its kind, its highest score, the quiet samples since, the mean residual. */
export const ANOMALOUS = 25;
export const BEGAN_AT = 26;
export const KIND = 27;
export const PEAK = 28;
export const QUIET = 29;
export const SHIFT = 30;
/** Where the level was before what became normal, less where it is, and when that was. */
export const FORMER = 31;
export const FORMER_TIME = 32;
/** The spans of day and week whose means are being formed. */
export const DAY_BIN = 33;
export const DAY_SUM = 34;
export const DAY_COUNT = 35;
export const WEEK_BIN = 36;
export const WEEK_SUM = 37;
export const WEEK_COUNT = 38;
/** Whole days and weeks since the first sample. */
export const DAYS = 39;
export const WEEKS = 40;
export const EXPECTED = 41;
export const SCORE = 42;
export const LOWER = 43;
export const UPPER = 44;
/** How often something began, of which the newest are remembered: from when to when, and the largest residual. */
export const EVENTS = 45;
export const EVENT = 46;
export const REMEMBERED = 4;
/** Thresholds, by tail. */
export const THRESHOLD = EVENT + 3 * REMEMBERED;
/** Those of the residual, the innovation, and their mean over some samples: above and below; the other two know one side. */
export const RESIDUAL = 0;
export const INNOVATION = 2;
export const MEAN = 4;
export const LONG_TAIL = 6;
export const SPREAD = 7;
export const TAILS = 8;
/** Samples still to come before it is judged again, after a silence or a new beginning. */
export const SETTLING = THRESHOLD + TAILS;
const NUMBERS = SETTLING + 1;

/** Hours with an own scale. */
export const HOURS = 24;
const BYTES_OF_TAILS = TAILS * TAIL_BUCKETS * 2;
const TAILS_AT = NUMBERS * 8;
const DAY_AT = Math.ceil((TAILS_AT + BYTES_OF_TAILS) / 8) * 8;
const HOURS_AT = DAY_AT + DAY_BINS * 4;
const WEEK_AT = HOURS_AT + HOURS * 4;
/** Bytes of a series' state. */
export const MODEL_BYTES = WEEK_AT + WEEK_BINS * 4;

/** Residuals beyond so many sizes count as that many, so that a spike does not move what is normal. */
export const CLIP = 4;
/** Below that share of what is an anomaly all is quiet. */
export const QUIET_SCORE = 0.6;

export class SeriesState {
  readonly numbers: Float64Array;
  readonly tails: Uint16Array;
  readonly day: Float32Array;
  readonly hours: Float32Array;
  readonly week: Float32Array;

  constructor(kept?: Uint8Array) {
    const buffer = new ArrayBuffer(MODEL_BYTES);
    this.numbers = new Float64Array(buffer, 0, NUMBERS);
    this.tails = new Uint16Array(buffer, TAILS_AT, TAILS * TAIL_BUCKETS);
    this.day = new Float32Array(buffer, DAY_AT, DAY_BINS);
    this.hours = new Float32Array(buffer, HOURS_AT, HOURS);
    this.week = new Float32Array(buffer, WEEK_AT, WEEK_BINS);
    if (kept !== undefined) {
      this.bytes.set(kept);
      return;
    }
    const s = this.numbers;
    s[DAY_BIN] = -1;
    s[WEEK_BIN] = -1;
    s[SHORT_SIZE] = 1;
    s[FORMER_TIME] = -Infinity;
    s[QUANTUM] = Infinity;
    this.hours.fill(1);
  }

  /** Equal bytes judge alike. Made anew: a view that is kept takes memory for each series. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.numbers.buffer);
  }
}

/** When the series with this state had its newest sample. */
export function lastTimeOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(LAST_TIME * 8, IS_LITTLE_ENDIAN);
}

/** State is kept in the order of the machine. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Counts the size of a statistic that is normal. */
export function observe(state: SeriesState, tail: number, size: number): void {
  observeTail(state.tails, tail * TAIL_BUCKETS, size);
}

export function clip(value: number, limit: number): number {
  return value > limit ? limit : value < -limit ? -limit : value;
}
