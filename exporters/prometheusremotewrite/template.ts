/** The encoded request of a layout, in which only times and values are written anew. */
import type { MetricBatch } from '../../src/model/batch.ts';
import { milliseconds, NAN_BITS } from './samples.ts';

/** Where the value of each row is in a request; its time follows 9 bytes later. */
export interface Slots {
  readonly rows: number[];
  readonly positions: number[];
}

/** Times from 1971 to 2109 take 6 bytes as a varint of milliseconds. */
const MIN_TIME_MS = 2 ** 35;
const MAX_TIME_MS = 2 ** 42;
const TIME_OFFSET = 9;

export class Template {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #rows: Uint32Array;
  readonly #positions: Uint32Array;

  private constructor(bytes: Uint8Array, { rows, positions }: Slots) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#rows = Uint32Array.from(rows);
    this.#positions = Uint32Array.from(positions);
  }

  /** A template of the request of `batch`, whose bytes it keeps; undefined where its times are not of that width. */
  static of(bytes: Uint8Array, slots: Slots, batch: MetricBatch): Template | undefined {
    return hasUsualTimes(batch) ? new Template(bytes, slots) : undefined;
  }

  fits(batch: MetricBatch): boolean {
    return hasUsualTimes(batch);
  }

  /** The request of another batch of the layout; the bytes are the caller's to keep. */
  fill({ values, time, times }: MetricBatch): Uint8Array {
    const view = this.#view;
    const rows = this.#rows;
    const positions = this.#positions;
    let [low, high] = varint6(milliseconds(time));
    for (let slot = 0; slot < rows.length; slot++) {
      const row = rows[slot] as number;
      const position = positions[slot] as number;
      const value = values[row] as number;
      if (value === value) view.setFloat64(position, value, true);
      else view.setBigUint64(position, NAN_BITS, true);
      if (times !== undefined) [low, high] = varint6(milliseconds(times[row] as bigint));
      view.setUint32(position + TIME_OFFSET, low, true);
      view.setUint16(position + TIME_OFFSET + 4, high, true);
    }
    return Buffer.from(this.#bytes);
  }
}

function hasUsualTimes({ time, times }: MetricBatch): boolean {
  if (!isUsual(milliseconds(time))) return false;
  return times === undefined || times.every((one) => isUsual(milliseconds(one)));
}

function isUsual(time_ms: number): boolean {
  return time_ms >= MIN_TIME_MS && time_ms < MAX_TIME_MS;
}

/** A varint of 6 bytes as its first four and its last two, lowest first. */
function varint6(value: number): readonly [low: number, high: number] {
  const lower = value % 2 ** 28;
  const upper = Math.floor(value / 2 ** 28);
  const low =
    0x8080_8080 | (lower & 0x7f) | ((lower & 0x3f80) << 1) | ((lower & 0x1f_c000) << 2) | ((lower & 0xfe0_0000) << 3);
  return [low >>> 0, 0x80 | (upper & 0x7f) | ((upper & 0x3f80) << 1)];
}
