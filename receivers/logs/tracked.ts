/** A file that is being read. */
import type { BigIntStats } from 'node:fs';
import type { LineParser } from '../../src/logs/format.ts';
import type { Entry } from './entries.ts';
import { BEGINNING, checkOf, headOf, NO_HEAD, WHOLE, type Head, type Position } from './identity.ts';
import type { Origin } from './origin.ts';
import type { Unpacked } from './unpacked.ts';

export interface TrackedOptions {
  readonly id: number;
  readonly path: string;
  readonly origin: Origin;
  readonly parser: LineParser | undefined;
  readonly inode: string;
  readonly early_bytes: number | undefined;
  readonly isCanary: boolean;
}

export class Tracked {
  id: number;
  /** Attributes and resource of its lines. */
  origin: Origin;
  readonly parser: LineParser | undefined;
  readonly inode: string;
  /** The receiver's own: nobody is told of its lines, and its position is not kept. */
  readonly isCanary: boolean;
  /** Where it was last seen. */
  path: string;
  fd: number | undefined;
  /** The content of a compressed file. */
  unpacked: Unpacked | undefined;
  head: Head = NO_HEAD;
  position: Position = BEGINNING;
  size = 0;
  /** Monotonic milliseconds: of the last look, of the last change of size, and when the position moved last. */
  polled_ms = 0;
  grown_ms: number;
  moved_ms: number;
  /** When its name was found to be gone, or another file's. */
  detached_ms: number | undefined;
  /** Nothing has taken its place. */
  isPathVacant = false;
  hasMore = false;
  /** Nothing is read of it any more. */
  isOver = false;
  /** Bytes to read at once. */
  want_bytes = 0;
  /** Where reading begins has been decided. */
  isRecognized = false;
  /** Its size when the receiver ran for the first time, of a file that was there before: start_at is meant for it. */
  early_bytes: number | undefined;
  /** Monotonic milliseconds, before which an error keeps it from being looked at. */
  retry_ms = 0;

  constructor({ id, path, origin, parser, inode, early_bytes, isCanary }: TrackedOptions, now_ms: number) {
    this.id = id;
    this.path = path;
    this.origin = origin;
    this.parser = parser;
    this.inode = inode;
    this.isCanary = isCanary;
    this.early_bytes = early_bytes;
    this.grown_ms = now_ms;
    this.moved_ms = now_ms;
  }

  /** @param before the bytes from the beginning of the last window to the position */
  moveTo(position: Omit<Position, 'check'>, before: Uint8Array, now_ms: number): void {
    if (position.offset !== this.position.offset) this.moved_ms = now_ms;
    this.position = { ...position, check: checkOf(before) };
  }

  learnHead(bytes: Uint8Array): void {
    this.head = headOf(bytes);
  }

  begin(position: Position, now_ms: number): void {
    this.position = position;
    this.isRecognized = true;
    this.moved_ms = now_ms;
  }

  /** The file has another content. */
  restart(id: number, now_ms: number): void {
    this.id = id;
    this.head = NO_HEAD;
    this.position = BEGINNING;
    // What is in it now came later.
    this.early_bytes = undefined;
    this.hasMore = true;
    this.want_bytes = 0;
    this.moved_ms = now_ms;
  }

  resize(size: number, now_ms: number): void {
    if (size !== this.size) this.grown_ms = now_ms;
    this.size = size;
  }

  /** Bytes that are not read yet; of a compressed file nobody knows. */
  get lag(): number {
    return this.position.emitted === WHOLE || this.unpacked !== undefined
      ? 0
      : Math.max(0, this.size - this.position.offset);
  }

  toEntry(): Entry {
    const { id, inode, head, position, isOver } = this;
    return { id, path: this.origin.path, inode, head, position, isOver };
  }
}

export function inodeOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
