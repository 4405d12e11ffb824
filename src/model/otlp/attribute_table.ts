/**
 * Turns the attributes of a point into an object, and the same bytes into the same object: most sets of attributes come
 * again with every message, though the series may be new (delta temporality), and comparing some bytes costs a tenth of
 * making the object. What is derived from such an object is kept as well (`perAttributes`).
 */
import { markLasting, type Attributes } from '../attributes.ts';
import { readAttribute, type AttributesBuilder } from './any_value.ts';
import type { Reader } from './reader.ts';

const SLOTS = 4096;
/** What the bytes of all slots may take; the oldest are overwritten. */
const ARENA_BYTES = 512 * 1024;
/** Larger sets seldom repeat. */
const MAX_BYTES = 1024;

class AttributeTable {
  /** Undefined for bytes that came once: most that come once never come again. */
  readonly #sets: (Attributes | undefined)[] = Array.from({ length: SLOTS });
  readonly #sizes = new Uint16Array(SLOTS);
  /** Where the bytes are, counted from the beginning of all that was ever written: what is further back is gone. */
  readonly #starts = new Float64Array(SLOTS);
  #arena: Buffer | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #written = 0;

  /**
   * Reads attributes that follow each other, each a field with this tag, of which the first tag was read; up to `end`.
   * The object may belong to other points, too.
   */
  read(reader: Reader, tag: number, end: number): Attributes {
    const start = reader.position;
    const stop = endOfRun(reader.bytes, start, end, tag);
    const size = stop - start;
    if (size === 0 || size > MAX_BYTES) return readAttribute(reader, undefined);
    const slot = hashOf(reader.view, start, stop) & (SLOTS - 1);
    if (!this.#isIn(slot, reader.view, start, size)) {
      this.#put(slot, reader.bytes, start, stop);
      return readRun(reader, stop);
    }
    const known = this.#sets[slot];
    if (known !== undefined) {
      reader.position = stop;
      return known;
    }
    const set = readRun(reader, stop);
    markLasting(set);
    return (this.#sets[slot] = set);
  }

  #isIn(slot: number, view: DataView, start: number, size: number): boolean {
    const written = this.#starts[slot]!;
    if (this.#sizes[slot] !== size || written < this.#written - ARENA_BYTES) return false;
    return isSame(view, start, this.#view, written % ARENA_BYTES, size);
  }

  #put(slot: number, bytes: Buffer, start: number, stop: number): void {
    if (this.#arena === undefined) {
      this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
      this.#view = new DataView(this.#arena.buffer);
    }
    const size = stop - start;
    const at = this.#written % ARENA_BYTES;
    // No set lies in two pieces.
    if (at + size > ARENA_BYTES) this.#written += ARENA_BYTES - at;
    bytes.copy(this.#arena, this.#written % ARENA_BYTES, start, stop);
    this.#starts[slot] = this.#written;
    this.#sizes[slot] = size;
    this.#sets[slot] = undefined;
    this.#written += size;
  }
}

export const attributeSets = new AttributeTable();

/** Where the last of the attributes ends that follow each other; `start` if a length is longer than a byte. */
function endOfRun(bytes: Uint8Array, start: number, end: number, tag: number): number {
  let at = start;
  for (;;) {
    const size = bytes[at]!;
    if (!(size < 128)) return start;
    at += 1 + size;
    if (at > end) return start;
    if (at === end || bytes[at] !== tag) return at;
    at++;
  }
}

/** The attributes up to `stop`: between two of them is a tag of one byte. */
function readRun(reader: Reader, stop: number): AttributesBuilder {
  let attributes = readAttribute(reader, undefined);
  while (reader.position < stop) {
    reader.position++;
    attributes = readAttribute(reader, attributes);
  }
  return attributes;
}

function hashOf(view: DataView, start: number, stop: number): number {
  let hash = stop - start;
  let at = start;
  for (; at + 4 <= stop; at += 4) hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1) ^ (hash >>> 15);
  for (; at < stop; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x9e3779b1);
  return hash ^ (hash >>> 13);
}

function isSame(one: DataView, oneAt: number, other: DataView, otherAt: number, size: number): boolean {
  let index = 0;
  for (; index + 4 <= size; index += 4) {
    if (one.getInt32(oneAt + index, true) !== other.getInt32(otherAt + index, true)) return false;
  }
  for (; index < size; index++) {
    if (one.getUint8(oneAt + index) !== other.getUint8(otherAt + index)) return false;
  }
  return true;
}
