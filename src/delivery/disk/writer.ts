/** Appends blocks to the last segment of a queue: what came while one write was under way goes out with the next. */
import { messageOf } from '../../errors.ts';
import type { Clock } from '../clock.ts';
import type { NewBlock } from '../store.ts';
import { isFullError, type Folder, type OpenFile } from './folder.ts';
import {
  encodeRecordHeader,
  encodeSegmentHeader,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  segmentName,
  type Position,
} from './format.ts';
import type { Segment, Tell } from './segments.ts';

/**
 * When a block counts as stored: `always` when it survives a power cut; `group` when it survives the process, and a
 * power cut `group_ms` later; `none` when it survives the process, and a power cut when the kernel likes.
 */
export type SyncMode = 'always' | 'group' | 'none';

export interface SegmentWriterOptions {
  readonly folder: Folder;
  /** Of the new segments. */
  readonly queue: string;
  /** A segment that is longer gets no more. */
  readonly segmentBytes: number;
  readonly sync: SyncMode;
  readonly group_ms: number;
  readonly clock: Clock;
  readonly tell: Tell;
  /** The number of the next record. */
  next(): Position;
  /** A segment was begun. */
  onSegment(segment: Segment): void;
  /** `blocks` are stored in `segment` from `from` on, with the numbers from `next` on. */
  onWritten(segment: Segment, blocks: readonly NewBlock[], from: number): void;
  /** Nobody can tell whether the next `count` numbers are in use on the disk. */
  onAbandoned(count: number): void;
  /** A segment was removed that never held a record. */
  onEmpty(segment: Segment): void;
}

export interface SegmentWriter {
  /** @throws what the file system said; then the block is not stored */
  append(block: NewBlock): Promise<void>;
  /** Whether blocks may still be written to it. */
  isActive(segment: Segment): boolean;
  /** Writes no more to it. */
  leave(segment: Segment): void;
  /** Makes what was written as safe as it gets. */
  close(): Promise<void>;
}

/** A write this large costs as little for each byte as a larger one. */
const LOT_BYTES = 1024 * 1024;

/** Dropping the oldest drops a segment: a sixteenth of the queue. */
const SEGMENTS = 16;
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024;
const MIN_SEGMENT_BYTES = 64 * 1024;

/** How long the segments of a queue are, but for the last record of each. */
export function segmentBytesOf(capacity_bytes: number): number {
  return Math.min(Math.max(Math.floor(capacity_bytes / SEGMENTS), MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES);
}

interface Waiting {
  readonly block: NewBlock;
  readonly done: PromiseWithResolvers<void>;
}

export function createSegmentWriter(options: SegmentWriterOptions): SegmentWriter {
  const { folder, queue, segmentBytes, sync, group_ms, clock, tell, next } = options;
  const waiting: Waiting[] = [];
  let active: { readonly segment: Segment; readonly file: OpenFile } | undefined;
  let working: Promise<void> | undefined;
  let hasUnsynced = false;
  let syncing: Promise<void> | undefined;
  let callOffSync: (() => void) | undefined;

  function append(block: NewBlock): Promise<void> {
    const done = Promise.withResolvers<void>();
    waiting.push({ block, done });
    working ??= work();
    return done.promise;
  }

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      let lot: readonly Waiting[] = waiting;
      try {
        const { segment, file } = await roomFor(sizeOf(waiting[0]!.block));
        lot = takeLot(segment.bytes);
        await write(segment, file, lot);
        for (const { done } of lot) done.resolve();
      } catch (error) {
        // Without a segment nobody who waits can be helped.
        if (lot === waiting) lot = waiting.splice(0);
        for (const { done } of lot) done.reject(error as Error);
      }
    }
    working = undefined;
  }

  /** What fits into the segment, at least one block. */
  function takeLot(used: number): readonly Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const { block } of waiting) {
      bytes += sizeOf(block);
      if (count > 0 && (bytes > LOT_BYTES || used + bytes > segmentBytes)) break;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  async function roomFor(size: number): Promise<NonNullable<typeof active>> {
    if (active !== undefined) {
      const { bytes } = active.segment;
      if (bytes + size <= segmentBytes || bytes === SEGMENT_HEADER_BYTES) return active;
      await finish();
    }
    return (active = await begin());
  }

  async function begin(): Promise<NonNullable<typeof active>> {
    const first = next();
    const name = segmentName(first.seq);
    const file = await folder.open(name, 'create');
    try {
      await file.write([encodeSegmentHeader({ ...first, queue })], 0);
      if (sync !== 'none') await folder.sync();
    } catch (error) {
      await file.close().catch(() => undefined);
      await folder.remove(name).catch(() => undefined);
      throw error;
    }
    const segment: Segment = { name, queue, first, end: first, bytes: SEGMENT_HEADER_BYTES, newest_ms: clock.wall() };
    options.onSegment(segment);
    return { segment, file };
  }

  async function write(segment: Segment, file: OpenFile, lot: readonly Waiting[]): Promise<void> {
    const from = segment.bytes;
    let { seq, item } = next();
    let length = 0;
    const parts: Uint8Array[] = [];
    for (const { block } of lot) {
      const { body, count, signal, time_ms } = block;
      parts.push(encodeRecordHeader({ seq, item, length: body.byteLength, count, time_ms, signal }, body), body);
      length += sizeOf(block);
      seq += 1;
      item += count;
    }
    let isWritten = false;
    try {
      await file.write(parts, from);
      isWritten = true;
      if (sync === 'always') await file.sync();
    } catch (error) {
      const isTakenBack = await takeBack(file, from, lot.length);
      // What a failed fdatasync leaves in the page cache may look as if it were on the disk: never trusted again.
      if (isWritten || !isTakenBack || !isFullError(error)) await abandon(segment, file);
      throw error;
    }
    segment.bytes = from + length;
    segment.end = { seq, item };
    segment.newest_ms = lot.at(-1)!.block.time_ms;
    hasUnsynced = sync !== 'always';
    const blocks = lot.map(({ block }) => block);
    options.onWritten(segment, blocks, from);
    if (sync === 'group') callOffSync ??= clock.after(group_ms, syncGroup);
  }

  /** Takes back what may have been written behind `length`; false, and the numbers are given up, if it cannot. */
  async function takeBack(file: OpenFile, length: number, count: number): Promise<boolean> {
    try {
      await file.truncate(length);
      return true;
    } catch {
      // Whether they lie there is for the next start to find out.
      options.onAbandoned(count);
      return false;
    }
  }

  /** Goes on in another segment. */
  async function abandon(segment: Segment, file: OpenFile): Promise<void> {
    active = undefined;
    segment.end = next();
    await syncing;
    await file.close().catch(() => undefined);
    if (segment.end.seq > segment.first.seq) return;
    options.onEmpty(segment);
    await folder.remove(segment.name).catch(() => undefined);
  }

  function syncGroup(): void {
    callOffSync = undefined;
    syncing ??= syncNow().finally(() => (syncing = undefined));
  }

  async function syncNow(): Promise<void> {
    if (active === undefined || !hasUnsynced) return;
    const { file, segment } = active;
    hasUnsynced = false;
    try {
      await file.sync();
    } catch (error) {
      tell('Cannot make sure that what was queued survives a power cut', {
        file: segment.name,
        error: messageOf(error),
      });
      if (active?.file !== file) return;
      active = undefined;
      await working?.catch(() => undefined);
      await file.close().catch(() => undefined);
    }
  }

  /** Ends the active segment. */
  async function finish(): Promise<void> {
    await syncing;
    if (sync === 'group') await syncNow();
    const { file } = active ?? {};
    active = undefined;
    await file?.close();
  }

  return {
    append,
    isActive: (segment) => active?.segment === segment,
    leave(segment) {
      if (active?.segment !== segment) return;
      const { file } = active;
      active = undefined;
      void file.close().catch(() => undefined);
    },
    async close() {
      await working;
      callOffSync?.();
      await finish();
    },
  };
}

function sizeOf({ body }: NewBlock): number {
  return RECORD_HEADER_BYTES + body.byteLength;
}
