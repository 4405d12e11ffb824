/** What points of one metric add up to: integers exactly, also beyond 2^53, and histograms bucket by bucket. */
import type { DistributionPoint, Series } from './batch.ts';
import { subtractPoint } from './delta_points.ts';
import { addPoints } from './distributions.ts';

/** A sum of points that grows by {@link Amount.add}. */
export class Amount {
  value = 0;
  /** The value where a double cannot hold it. */
  exact: bigint | undefined;
  point: DistributionPoint | undefined;

  clear(): void {
    this.value = 0;
    this.exact = undefined;
    this.point = undefined;
  }

  /** Returns false where the point cannot be added: a summary, or other bounds. */
  add(value: number, exact: bigint | undefined, point: DistributionPoint | undefined, isInteger: boolean): boolean {
    if (point !== undefined) {
      const added = this.point === undefined ? point : addPoints(this.point, point);
      if (added === undefined || added.type === 'summary') return false;
      this.point = added;
      return true;
    }
    const sum = this.value + value;
    const isSafe = this.exact === undefined && exact === undefined && (!isInteger || Number.isSafeInteger(sum));
    if (isSafe || !Number.isInteger(sum)) {
      this.value = sum;
      this.exact = undefined;
      return true;
    }
    const total = (this.exact ?? BigInt(this.value)) + (exact ?? BigInt(value));
    this.value = Number(total);
    this.exact = Number.isSafeInteger(this.value) ? undefined : total;
    return true;
  }
}

/**
 * One cumulative stream that only rises, and by how much its last point rose. One that falls, or has another start, begins
 * anew: all it then holds is new (OpenTelemetry metrics data model, "Resets and gaps").
 */
export class RisingStream {
  /** Of the last point; undefined before the first. */
  time: bigint | undefined;
  /** Milliseconds of the process's clock when the last point came. */
  seen_ms = 0;
  /** What the last point added. */
  rise = 0;
  riseExact: bigint | undefined;
  risePoint: DistributionPoint | undefined;
  #series: Series | undefined;
  #value = 0;
  #exact: bigint | undefined;
  #point: DistributionPoint | undefined;

  /**
   * @param since a first point counts all since its start if that is not before this; else it is a baseline, because what
   *   came before was counted before
   */
  advance(
    series: Series,
    value: number,
    exact: bigint | undefined,
    point: DistributionPoint | undefined,
    time: bigint,
    since: bigint,
  ): void {
    // Not newer, or no value: nothing was added.
    if ((point === undefined && !Number.isFinite(value)) || (this.time !== undefined && time <= this.time)) {
      this.#rises(0, undefined, point && subtractPoint(point, point));
      return;
    }
    const { startTime } = series;
    const isSameRun = series === this.#series || startTime === this.#series?.startTime;
    if (this.time === undefined) {
      if (startTime !== 0n && startTime >= since && startTime < time) this.#rises(value, exact, point);
      else this.#rises(0, undefined, point && subtractPoint(point, point));
    } else if (!isSameRun && startTime === time) {
      // A new run whose true start nobody knows: a baseline.
      this.#rises(0, undefined, point && subtractPoint(point, point));
    } else if (!isSameRun && startTime >= this.time) {
      this.#rises(value, exact, point);
    } else {
      this.#difference(value, exact, point);
    }
    this.#series = series;
    this.#value = value;
    this.#exact = exact;
    this.#point = point;
    this.time = time;
  }

  #difference(value: number, exact: bigint | undefined, point: DistributionPoint | undefined): void {
    if (point !== undefined) {
      this.#rises(0, undefined, (this.#point && subtractPoint(point, this.#point)) ?? point);
    } else if (exact !== undefined || this.#exact !== undefined) {
      const rise = (exact ?? BigInt(Math.trunc(value))) - (this.#exact ?? BigInt(Math.trunc(this.#value)));
      if (rise < 0n) this.#rises(value, exact, undefined);
      else this.#rises(Number(rise), Number.isSafeInteger(Number(rise)) ? undefined : rise, undefined);
    } else {
      const rise = value - this.#value;
      this.#rises(rise < 0 ? Math.max(0, value) : rise, undefined, undefined);
    }
  }

  #rises(value: number, exact: bigint | undefined, point: DistributionPoint | undefined): void {
    this.rise = value;
    this.riseExact = exact;
    this.risePoint = point;
  }
}
