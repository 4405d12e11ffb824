/**
 * Decides which points of a receiver's collections have to be sent, so that a reader who has only these is never further
 * off than the bound: send-on-delta against a line that the reader can draw, too.
 *
 * Of each series the line begins at the point sent last. A gauge's is level; a counter's goes on at the mean rate of what
 * was sent in the last one to two spans (`max / 2`). A point that is further than half the bound from its line is sent,
 * and with it, where needed, the point before it, which then stands close to its line: so who goes on with the line is
 * never off by more than half the bound, and who joins the points that were sent never by more than the bound (the join
 * of two points that are at most half a bound from a line differs by no more than that from the line between them).
 * Counters are cumulative: at each point that was sent they are exact.
 */
import { NO_RECORDED_VALUE, type MetricBatch } from '../model/batch.ts';
import type { Layout } from '../model/layout.ts';
import { bound, floorOf, kindOf, type AdaptiveOptions, type SeriesKind } from './bounds.ts';

export interface Plan {
  /** Rows of the collection before, left out then, that are to be sent now, first. */
  readonly late: readonly number[];
  /** Rows of this collection that are to be sent. */
  readonly rows: readonly number[];
}

export interface Predictor {
  /** What is to be sent of a collection; `isWhole` sends all of it. Times rise from call to call. */
  plan(batch: MetricBatch, isWhole: boolean): Plan;
  /** The collection planned before, of which {@link Plan.late} has rows. */
  readonly before: MetricBatch | undefined;
  /** What was planned did not arrive: all is sent the next time. */
  forget(): void;
}

export function createPredictor(options: AdaptiveOptions): Predictor {
  let lines: Lines | undefined;
  let before: MetricBatch | undefined;
  let time_ms = 0;

  return {
    get before() {
      return before;
    },
    plan(batch, isWhole) {
      // Nanoseconds are beyond what a double holds exactly.
      const now_ms = Number(batch.time / 1000n) / 1000;
      const gap_ms = now_ms - time_ms;
      const late: number[] = [];
      if (lines?.layout !== batch.series) {
        const next = new Lines(batch.series, options);
        if (lines !== undefined) late.push(...next.takeOver(lines));
        lines = next;
      }
      // Of a clock that was set back there are no lines.
      if (gap_ms <= 0) lines.forget();
      const rows: number[] = [];
      for (let row = 0; row < batch.count; row++) {
        const value = batch.values[row]!;
        const isEnd = batch.flags !== undefined && (batch.flags[row]! & NO_RECORDED_VALUE) !== 0;
        // Of an integer beyond 2^53 the column does not say whether it moved.
        const isBeyond = isEnd || batch.exactValues?.has(row) === true;
        const verdict = isBeyond ? SEND : lines.judge(row, value, now_ms, gap_ms, time_ms);
        if (verdict === LATE) {
          const lateRow = lines.leftOut[row]!;
          late.push(lateRow);
          lines.sent(row, before!.values[lateRow]!, time_ms);
        }
        if (verdict !== LEAVE || isWhole) {
          rows.push(row);
          lines.sent(row, value, now_ms);
        } else {
          lines.leftOut[row] = row;
        }
      }
      before = batch;
      time_ms = now_ms;
      return { late, rows };
    },
    forget() {
      lines?.forget();
    },
  };
}

const LEAVE = 0;
const SEND = 1;
/** With the point before it. */
const LATE = 2;
const NONE = -1;

/** The line of each row of a layout: columns, as this runs for every point. */
class Lines {
  readonly layout: Layout;
  /** Of each series, the row in the collection before of its point that was left out; {@link NONE} if it was sent. */
  readonly leftOut: Int32Array;
  readonly #options: AdaptiveOptions;
  readonly #span_ms: number;
  readonly #kinds: readonly SeriesKind[];
  readonly #floors: Float64Array;
  readonly #bounds: Float64Array;
  /** The last point sent; a time of 0 is none. */
  readonly #times: Float64Array;
  readonly #values: Float64Array;
  /** Per millisecond; NaN where a counter has but one point. */
  readonly #slopes: Float64Array;
  /** Points sent before: the slope is reckoned from the older, which the younger succeeds when it is a span old. */
  readonly #olderTimes: Float64Array;
  readonly #olderValues: Float64Array;
  readonly #youngerTimes: Float64Array;
  readonly #youngerValues: Float64Array;

  constructor(layout: Layout, options: AdaptiveOptions) {
    const column = (): Float64Array => new Float64Array(layout.length);
    this.layout = layout;
    this.leftOut = new Int32Array(layout.length).fill(NONE);
    this.#options = options;
    this.#span_ms = options.max / 2;
    this.#kinds = layout.map(({ metric }) => kindOf(metric));
    this.#floors = Float64Array.from(layout, ({ metric }, row) => floorOf(metric, this.#kinds[row]!, options));
    this.#bounds = column();
    this.#times = column();
    this.#values = column();
    this.#slopes = column();
    this.#olderTimes = column();
    this.#olderValues = column();
    this.#youngerTimes = column();
    this.#youngerValues = column();
  }

  judge(row: number, value: number, now_ms: number, gap_ms: number, before_ms: number): number {
    const sent_ms = this.#times[row]!;
    if (this.#kinds[row] === 'whole' || sent_ms === 0) return SEND;
    const slope = this.#slopes[row]!;
    const elapsed_ms = now_ms - sent_ms;
    const allowed = this.#bounds[row]! / 2;
    const off = Math.abs(value - (this.#values[row]! + slope * elapsed_ms));
    // Negated, as what is no number is not within anything.
    if (!(off <= allowed)) {
      const wasLeftOut = this.leftOut[row] !== NONE;
      return wasLeftOut && !(off * ((before_ms - sent_ms) / elapsed_ms) <= allowed) ? LATE : SEND;
    }
    // The next would be too late; ticks come some milliseconds early or late.
    return elapsed_ms + 0.9 * gap_ms > this.#options.max ? SEND : LEAVE;
  }

  sent(row: number, value: number, now_ms: number): void {
    this.leftOut[row] = NONE;
    const kind = this.#kinds[row]!;
    const last_ms = this.#times[row]!;
    if (kind === 'counter') {
      // A reader sees what was before such a gap as another run.
      if (last_ms === 0 || now_ms - last_ms > this.#options.max) {
        this.#olderTimes[row] = this.#youngerTimes[row] = now_ms;
        this.#olderValues[row] = this.#youngerValues[row] = value;
        this.#slopes[row] = NaN;
      } else {
        if (last_ms - this.#youngerTimes[row]! >= this.#span_ms) {
          this.#olderTimes[row] = this.#youngerTimes[row]!;
          this.#olderValues[row] = this.#youngerValues[row]!;
          this.#youngerTimes[row] = last_ms;
          this.#youngerValues[row] = this.#values[row]!;
        }
        this.#slopes[row] = (value - this.#olderValues[row]!) / (now_ms - this.#olderTimes[row]!);
      }
    }
    this.#times[row] = now_ms;
    this.#values[row] = value;
    this.#bounds[row] = bound(kind, this.#floors[row]!, this.#options, value, this.#slopes[row]!);
  }

  forget(): void {
    this.#times.fill(0);
    this.leftOut.fill(NONE);
  }

  /**
   * Series that were there before go on where they were.
   * @returns rows left out of the collection before, of those that are gone: what a counter had counted at its end is theirs
   */
  takeOver(predecessor: Lines): readonly number[] {
    const rows = new Map(predecessor.layout.map((series, row) => [series, row]));
    this.layout.forEach((series, row) => {
      const from = rows.get(series);
      if (from === undefined) return;
      rows.delete(series);
      this.leftOut[row] = predecessor.leftOut[from]!;
      this.#bounds[row] = predecessor.#bounds[from]!;
      this.#times[row] = predecessor.#times[from]!;
      this.#values[row] = predecessor.#values[from]!;
      this.#slopes[row] = predecessor.#slopes[from]!;
      this.#olderTimes[row] = predecessor.#olderTimes[from]!;
      this.#olderValues[row] = predecessor.#olderValues[from]!;
      this.#youngerTimes[row] = predecessor.#youngerTimes[from]!;
      this.#youngerValues[row] = predecessor.#youngerValues[from]!;
    });
    return [...rows.values()].filter((row) => predecessor.leftOut[row] !== NONE);
  }
}
