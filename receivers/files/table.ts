/** What is known of each file, in columns: some 45 bytes a file beside its name, and never more files than allowed. */
import type { BigIntStats } from 'node:fs';

/** Differences between what is known and what is there; bits. */
export const REPLACED = 1;
export const CONTENT = 2;
export const MODE = 4;
export const OWNER = 8;
export const GROUP = 16;
/** Nothing of the above, but the kernel has noted a change of the inode: of times, links, ACLs or other attributes. */
export const OTHER = 32;

/** Was there when the receiver started, so that no event has told of it yet. */
const IS_BASELINE = 1;
/** Was changed so shortly before it was looked at that a later change may have left the same times. */
const IS_FRESH = 2;
/** Only its name is known: it was gone when it was looked at. */
const IS_UNSEEN = 4;

/** File systems note times in steps of the timer interrupt, at most 10 ms. */
const FRESH_NS = 20_000_000n;

const S_IFMT = 0o17_0000;
const S_IFDIR = 0o4_0000;

/** What an event tells of a file. */
export interface Facts {
  readonly inode: bigint;
  readonly size: number;
  /** Unix nanoseconds of the last change of its content, and of anything about it. */
  readonly modified: bigint;
  readonly changed: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export class FileTable {
  readonly limit: number;
  #inode = new BigUint64Array(0);
  #size = new Float64Array(0);
  #modified = new BigInt64Array(0);
  #changed = new BigInt64Array(0);
  #mode = new Uint32Array(0);
  #uid = new Uint32Array(0);
  #gid = new Uint32Array(0);
  #flags = new Uint8Array(0);
  #marks = new Uint32Array(0);
  #free: number[] = [];
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get count(): number {
    return this.#used - this.#free.length;
  }

  /** A place for one more file; undefined where there are too many. */
  add(stats: BigIntStats | undefined, isBaseline: boolean): number | undefined {
    const slot = this.#free.pop() ?? this.#next();
    if (slot === undefined) return undefined;
    this.#flags[slot] = 0;
    if (stats === undefined) {
      this.#mode[slot] = 0;
      this.#inode[slot] = 0n;
      this.#flags[slot] = IS_UNSEEN;
    } else this.record(slot, stats);
    if (isBaseline) this.#flags[slot]! |= IS_BASELINE;
    return slot;
  }

  release(slot: number): void {
    this.#free.push(slot);
    if (this.count === 0) {
      this.#free = [];
      this.#used = 0;
    }
  }

  /** Keeps what is there now. What was told of it is told: it is no baseline any more. */
  record(slot: number, stats: BigIntStats): void {
    this.#inode[slot] = stats.ino;
    this.#size[slot] = Number(stats.size);
    this.#modified[slot] = stats.mtimeNs;
    this.#changed[slot] = stats.ctimeNs;
    this.#mode[slot] = Number(stats.mode);
    this.#uid[slot] = Number(stats.uid);
    this.#gid[slot] = Number(stats.gid);
    const isFresh = BigInt(Date.now()) * 1_000_000n - stats.ctimeNs < FRESH_NS;
    this.#flags[slot] = isFresh ? IS_FRESH : 0;
  }

  /** A rename changes nothing but the time of the last change of anything. */
  recordChange(slot: number, stats: BigIntStats): void {
    this.#changed[slot] = stats.ctimeNs;
  }

  compare(slot: number, stats: BigIntStats): number {
    const mode = Number(stats.mode);
    if (this.#inode[slot] !== stats.ino || ((this.#mode[slot]! ^ mode) & S_IFMT) !== 0) return REPLACED;
    let difference = 0;
    if (this.#mode[slot] !== mode) difference |= MODE;
    if (this.#uid[slot] !== Number(stats.uid)) difference |= OWNER;
    if (this.#gid[slot] !== Number(stats.gid)) difference |= GROUP;
    // Whatever happens in a folder changes its size and times.
    if (this.isFolder(slot)) return difference;
    if (this.#size[slot] !== Number(stats.size) || this.#modified[slot] !== stats.mtimeNs) difference |= CONTENT;
    if (difference === 0 && this.#changed[slot] !== stats.ctimeNs) difference = OTHER;
    return difference;
  }

  facts(slot: number): Facts | undefined {
    if (this.isUnseen(slot)) return undefined;
    return {
      inode: this.#inode[slot]!,
      size: this.#size[slot]!,
      modified: this.#modified[slot]!,
      changed: this.#changed[slot]!,
      mode: this.#mode[slot]!,
      uid: this.#uid[slot]!,
      gid: this.#gid[slot]!,
    };
  }

  inode(slot: number): bigint {
    return this.#inode[slot]!;
  }
  isFolder(slot: number): boolean {
    return (this.#mode[slot]! & S_IFMT) === S_IFDIR;
  }
  isBaseline(slot: number): boolean {
    return (this.#flags[slot]! & IS_BASELINE) !== 0;
  }
  isUnseen(slot: number): boolean {
    return (this.#flags[slot]! & IS_UNSEEN) !== 0;
  }
  /** Whether a change may hide behind equal times, or was never told. */
  mayHideChange(slot: number): boolean {
    return (this.#flags[slot]! & (IS_FRESH | IS_BASELINE)) !== 0;
  }
  /** It has been told of. */
  endBaseline(slot: number): void {
    this.#flags[slot]! &= ~IS_BASELINE;
  }

  /** Notes that a scan saw the file. */
  mark(slot: number, scan: number): void {
    this.#marks[slot] = scan;
  }
  isMarked(slot: number, scan: number): boolean {
    return this.#marks[slot] === scan;
  }

  #next(): number | undefined {
    if (this.#used === this.limit) return undefined;
    if (this.#used === this.#size.length) this.#grow(Math.min(this.limit, Math.max(256, this.#used * 2)));
    return this.#used++;
  }

  #grow(length: number): void {
    this.#inode = enlarge(this.#inode, new BigUint64Array(length));
    this.#size = enlarge(this.#size, new Float64Array(length));
    this.#modified = enlarge(this.#modified, new BigInt64Array(length));
    this.#changed = enlarge(this.#changed, new BigInt64Array(length));
    this.#mode = enlarge(this.#mode, new Uint32Array(length));
    this.#uid = enlarge(this.#uid, new Uint32Array(length));
    this.#gid = enlarge(this.#gid, new Uint32Array(length));
    this.#flags = enlarge(this.#flags, new Uint8Array(length));
    this.#marks = enlarge(this.#marks, new Uint32Array(length));
  }
}

function enlarge<A extends { set(from: never): void }>(old: A, larger: A): A {
  larger.set(old as never);
  return larger;
}

/** What `stats` tells, in the form of the table. */
export function factsOf(stats: BigIntStats): Facts {
  return {
    inode: stats.ino,
    size: Number(stats.size),
    modified: stats.mtimeNs,
    changed: stats.ctimeNs,
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
  };
}

/** What kind of file the mode says; `file(7)`, inode(7). */
export function fileType(mode: number): string {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return 'directory';
    case 0o10_0000:
      return 'regular';
    case 0o12_0000:
      return 'symlink';
    case 0o1_0000:
      return 'fifo';
    case 0o14_0000:
      return 'socket';
    case 0o6_0000:
      return 'block_device';
    case 0o2_0000:
      return 'character_device';
    default:
      return 'unknown';
  }
}
