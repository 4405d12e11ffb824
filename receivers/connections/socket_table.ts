/**
 * The sockets that are known, in columns: an unchanged socket costs its lookup, and no object. Grows with what there is,
 * up to a limit; some 100 bytes a socket.
 */
import { UDP, COOKIE, type Sighting, WORDS } from './sighting.ts';

/** What is one socket: the kernel's cookie, or the addresses (and the inode, of sockets that share an address). */
export type Identity = 'cookie' | 'addresses';

/** Bits of {@link SocketTable.flags}. */
export const IS_OPEN = 1;
/** Its end was told, but the source still shows something of it. */
export const HAS_ENDED = 2;
export const IS_INCOMING = 4;
/** The last pass did not see it, and its end is not known yet. */
export const IS_MISSING = 8;
/** It counts as a connection: established, or on the way there. */
export const IS_CONNECTION = 16;
export const IS_OUTGOING = 32;

/** The process is not known yet, and is not to be found. */
export const UNRESOLVED = -1;
export const NOBODY = -2;

const FIRST_CAPACITY = 256;
const NONE = -1;

export class SocketTable {
  readonly identity: Identity;
  readonly limit: number;
  words = new Uint32Array(FIRST_CAPACITY * WORDS);
  /** Transport and family: `transport << 8 | family`. */
  kind = new Uint16Array(FIRST_CAPACITY);
  state = new Uint8Array(FIRST_CAPACITY);
  flags = new Uint8Array(FIRST_CAPACITY);
  inode = new Float64Array(FIRST_CAPACITY);
  /** Number of the pass that saw it last; 0 is a free row. */
  pass = new Uint32Array(FIRST_CAPACITY);
  /** Unix milliseconds of the pass that found it; NaN if it was there before. */
  since_ms = new Float64Array(FIRST_CAPACITY);
  /** Whose it is: a number of the owner, or {@link UNRESOLVED}, or {@link NOBODY}. */
  owner = new Int32Array(FIRST_CAPACITY);
  /** How often its process was looked for. */
  tries = new Uint8Array(FIRST_CAPACITY);
  #next = new Int32Array(FIRST_CAPACITY);
  #buckets = new Int32Array(FIRST_CAPACITY * 2).fill(NONE);
  /** The first free row below `end`, chained by `#next`. */
  #free = NONE;
  /** Rows from here on were never used. */
  end = 0;
  size = 0;

  constructor(identity: Identity, limit: number) {
    this.identity = identity;
    this.limit = limit;
  }

  /** The row of a socket, or -1. */
  find(seen: Sighting): number {
    const kind = (seen.transport << 8) | seen.family;
    const isByCookie = this.identity === 'cookie';
    for (let row = this.#buckets[this.#bucketOf(seen.words, 0)]; row !== NONE; row = this.#next[row]) {
      if (this.kind[row] === kind && this.#isSame(row, seen.words, isByCookie)) return row;
    }
    return -1;
  }

  /** A new row; -1 if there are too many. */
  add(seen: Sighting, pass: number): number {
    if (this.size >= this.limit) return -1;
    let row = this.#free;
    if (row !== NONE) this.#free = this.#next[row];
    else {
      row = this.end++;
      if (row === this.pass.length) this.#grow();
    }
    this.words.set(seen.words, row * WORDS);
    this.kind[row] = (seen.transport << 8) | seen.family;
    this.state[row] = seen.state;
    this.flags[row] = 0;
    this.inode[row] = seen.inode;
    this.pass[row] = pass;
    this.since_ms[row] = NaN;
    this.owner[row] = NOBODY;
    this.tries[row] = 0;
    this.#link(row);
    this.size++;
    return row;
  }

  remove(row: number): void {
    const bucket = this.#bucketOf(this.words, row * WORDS);
    let at = this.#buckets[bucket];
    if (at === row) this.#buckets[bucket] = this.#next[row];
    else {
      while (this.#next[at] !== row) at = this.#next[at];
      this.#next[at] = this.#next[row];
    }
    this.pass[row] = 0;
    this.#next[row] = this.#free;
    this.#free = row;
    this.size--;
  }

  /** The addresses of a row; valid until the table grows. */
  wordsOf(row: number): Uint32Array {
    return this.words.subarray(row * WORDS, (row + 1) * WORDS);
  }

  isUdp(row: number): boolean {
    return this.kind[row] >> 8 === UDP;
  }

  familyOf(row: number): number {
    return this.kind[row] & 0xff;
  }

  #link(row: number): void {
    const bucket = this.#bucketOf(this.words, row * WORDS);
    this.#next[row] = this.#buckets[bucket];
    this.#buckets[bucket] = row;
  }

  #isSame(row: number, words: Uint32Array, isByCookie: boolean): boolean {
    const own = this.words;
    const at = row * WORDS;
    if (isByCookie) return own[at + COOKIE] === words[COOKIE] && own[at + COOKIE + 1] === words[COOKIE + 1];
    for (let i = 0; i < WORDS; i++) if (own[at + i] !== words[i]) return false;
    return true;
  }

  #bucketOf(words: Uint32Array, at: number): number {
    let hash = 0;
    for (let i = this.identity === 'cookie' ? COOKIE : 0; i < WORDS; i++) {
      hash = Math.imul(hash ^ words[at + i], 0x9e37_79b1);
      hash ^= hash >>> 15;
    }
    // As many buckets as a power of two.
    return hash & (this.#buckets.length - 1);
  }

  #grow(): void {
    const capacity = this.pass.length * 2;
    this.words = enlarged(this.words, capacity * WORDS);
    this.kind = enlarged(this.kind, capacity);
    this.state = enlarged(this.state, capacity);
    this.flags = enlarged(this.flags, capacity);
    this.inode = enlarged(this.inode, capacity);
    this.pass = enlarged(this.pass, capacity);
    this.since_ms = enlarged(this.since_ms, capacity);
    this.owner = enlarged(this.owner, capacity);
    this.tries = enlarged(this.tries, capacity);
    this.#next = enlarged(this.#next, capacity);
    this.#buckets = new Int32Array(capacity * 2).fill(NONE);
    // No row is free now, or the table would not grow.
    for (let row = 0; row < this.end - 1; row++) this.#link(row);
  }
}

type Column = Uint32Array | Uint16Array | Uint8Array | Int32Array | Float64Array;

function enlarged<C extends Column>(column: C, length: number): C {
  const larger = new (column.constructor as new (length: number) => C)(length);
  larger.set(column);
  return larger;
}
