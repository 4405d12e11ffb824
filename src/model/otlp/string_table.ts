/**
 * Turns bytes into strings, and the same bytes into the same string: attribute keys and their usual values come again
 * with every point, and comparing some bytes costs a tenth of making a string.
 */
import type { Reader } from './reader.ts';

/** Longer strings seldom repeat. */
const MAX_LENGTH = 48;
const SLOTS = 4096;

/** A table of fixed size: a string takes the place of another one with the same hash. */
export class StringTable {
  readonly #slots: (string | undefined)[] = Array.from({ length: SLOTS });

  /** A string field of a protobuf message. */
  read(reader: Reader): string {
    const end = reader.message();
    const start = reader.position;
    reader.position = end;
    return this.get(reader.bytes, start, end);
  }

  get(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length === 0) return '';
    if (length > MAX_LENGTH) return bytes.toString('utf8', start, end);
    let hash = length;
    let all = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      hash = (Math.imul(hash, 31) + byte) | 0;
      all |= byte;
    }
    if (all > 127) return bytes.toString('utf8', start, end);
    const slot = (hash ^ (hash >>> 12)) & (SLOTS - 1);
    const known = this.#slots[slot];
    if (known !== undefined && known.length === length && isSame(known, bytes, start)) return known;
    return (this.#slots[slot] = bytes.toString('latin1', start, end));
  }
}

function isSame(text: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}

/** Keys, units, names. */
export const names = new StringTable();
/** Values of attributes: apart, because there are many more of them. */
export const values = new StringTable();
