/** Appends blocks to the last segment of a queue: what came while one write was under way goes out with the next. */
import { messageOf } from '../../errors.ts';
import type { Clock } from '../clock.ts';
import type { NewBlock } from '../store.ts';
import { isFullError, type Folder, type OpenFile } from './folder.ts';
import {
  encodeRecordHeader,
  encodeSegmentHeader,
  RECORD_HEADER_BYTES,
  recordSum,
  SEGMENT_HEADER_BYTES,
  segmentName,
  segmentSum,
  type Position,
} from './format.ts';
import type { Segment, Tell } from './segments.ts';

/**
 * When a block counts as stored: `always` when it survives a power cut; `group` when it survives the process, and a
 * power cut `group_ms` later; `none` when it survives the process, and a power cut when the kernel likes.
 */
export type SyncMode = 'always' | 'group' | 'none';

/** A record of a block, as it lies in a segment. */
export interface WrittenRecord {
  readonly block: NewBlock;
  /** CRC-32 of it. */
  readonly sum: number;
}

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
  /** What has to end before more is written. */
  room(): Promise<void> | undefined;
  /** A segment was begun, which is the active one from here on. */
  onSegment(segment: Segment): void;
  /** `records` are stored in `segment` from `from` on, with the numbers from `next` on. */
  onWritten(segment: Segment, records: readonly WrittenRecord[], from: number): void;
  /** `blocks` are not stored: what those who put them are to be told. */
  onRefused(blocks: readonly NewBlock[], error: unknown): Error;
  /** Nobody can tell whether these records, with the numbers from `next` on, are on the disk. */
  onAbandoned(records: readonly WrittenRecord[]): void;
  /** A segment was ended that never held a record. */
  onEmpty(segment: Segment): void;
}

export interface SegmentWriter {
  /** @throws what `onRefused` says; then the block is not stored */
  append(block: NewBlock): Promise<void>;
  /** Whether blocks may still be written to it. */
  isActive(segment: Segment): boolean;
  /** Writes no more to it, once it resolves. */
  leave(segment: Segment): Promise<void>;
  /** Makes what was written as safe as it gets. */
  close(): Promise<void>;
}

/** A write this large costs as little for each byte as a larger one. */
const LOT_BYTES = 1024 * 1024;

/** Dropping the oldest drops a segment: a sixteenth of the queue, and never all of it. */
const SEGMENTS = 16;
const FEWEST_SEGMENTS = 4;
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024;
const MIN_SEGMENT_BYTES = 64 * 1024;

/** How long the segments of a queue are, but for the last record of each. */
export function segmentBytesOf(capacity_bytes: number): number {
  const wanted = Math.min(Math.max(capacity_bytes / SEGMENTS, MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES);
  return Math.floor(Math.min(wanted, capacity_bytes / FEWEST_SEGMENTS));
}

interface Waiting extends WrittenRecord {
  sum: number;
  readonly stored: () => void;
  readonly refused: (error: Error) => void;
}

/** The segment that is written to. */
interface Active {
  readonly segment: Segment;
  readonly file: OpenFile;
  /** It gets no more. */
  isDone: boolean;
  hasUnsynced: boolean;
  /** Resolves when no sync is under way. */
  syncing: Promise<void>;
}

export function createSegmentWriter(options: SegmentWriterOptions): SegmentWriter {
  const { folder, queue, segmentBytes, sync, group_ms, clock, tell, next } = options;
  const waiting: Waiting[] = [];
  let active: Active | undefined;
  let working: Promise<void> | undefined;
  /** One turn of the work: while it lasts files are written to. */
  let turn: Promise<void> | undefined;
  let callOffSync: (() => void) | undefined;

  function append(block: NewBlock): Promise<void> {
    return new Promise((stored, refused) => {
      waiting.push({ block, sum: 0, stored, refused });
      working ??= work();
    });
  }

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      turn = writeLot();
      await turn;
      turn = undefined;
    }
    working = undefined;
  }

  async function writeLot(): Promise<void> {
    let lot: readonly Waiting[] | undefined;
    try {
      await options.room();
      const { block } = waiting[0]!;
      const into = await activeFor(sizeOf(block));
      lot = takeLot(into.segment.bytes);
      // Of these some may have been put while the segment was begun.
      await options.room();
      await write(into, lot);
      for (const { stored } of lot) stored();
    } catch (error) {
      // Without a segment nobody who waits can be helped.
      lot ??= waiting.splice(0);
      const blocks = lot.map(({ block }) => block);
      const refusal = options.onRefused(blocks, error);
      for (const { refused } of lot) refused(refusal);
    }
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

  async function activeFor(size: number): Promise<Active> {
    if (active !== undefined) {
      const { bytes } = active.segment;
      if (!active.isDone && (bytes + size <= segmentBytes || bytes === SEGMENT_HEADER_BYTES)) return active;
      await finish();
    }
    active = await begin();
    options.onSegment(active.segment);
    return active;
  }

  async function begin(): Promise<Active> {
    const { file, segment, header } = await create();
    const { name } = segment;
    try {
      await file.write([header], 0);
      if (sync !== 'none') await folder.sync();
    } catch (error) {
      await file.close().catch(() => undefined);
      await folder.remove(name).catch(() => undefined);
      throw error;
    }
    return { segment, file, isDone: false, hasUnsynced: false, syncing: Promise.resolve() };
  }

  async function create(): Promise<{ readonly file: OpenFile; readonly segment: Segment; readonly header: Buffer }> {
    for (;;) {
      const first = next();
      const name = segmentName(first.seq);
      try {
        const file = await folder.open(name, 'create');
        const header = encodeSegmentHeader({ ...first, queue });
        const sum = segmentSum(header);
        const bytes = SEGMENT_HEADER_BYTES;
        return { file, header, segment: { name, queue, sum, first, end: first, bytes, newest_ms: clock.wall() } };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        // One that could be neither used nor moved out of the way: its number is taken.
        options.onAbandoned([NOTHING]);
      }
    }
  }

  async function write(into: Active, lot: readonly Waiting[]): Promise<void> {
    const { segment, file } = into;
    const from = segment.bytes;
    let { seq, item } = next();
    let length = 0;
    const parts: Uint8Array[] = [];
    for (const one of lot) {
      const { body, count, signal, time_ms } = one.block;
      const header = encodeRecordHeader({ seq, item, count, time_ms, signal }, body, segment.sum);
      one.sum = recordSum(header);
      parts.push(header, body);
      length += sizeOf(one.block);
      seq += 1;
      item += count;
    }
    let isWritten = false;
    try {
      await file.write(parts, from);
      isWritten = true;
      if (sync === 'always') await file.sync();
    } catch (error) {
      const isTakenBack = await takeBack(into, lot);
      // What a failed fdatasync leaves in the page cache may look as if it were on the disk: never trusted again.
      if (isWritten || !isTakenBack || !isFullError(error)) await abandon(into);
      throw error;
    }
    segment.bytes = from + length;
    segment.end = { seq, item };
    segment.newest_ms = lot.at(-1)!.block.time_ms;
    into.hasUnsynced = sync !== 'always';
    options.onWritten(segment, lot, from);
    if (sync === 'group') callOffSync ??= clock.after(group_ms, syncGroup);
  }

  /** Takes back what may have been written behind the segment; false, and the numbers are given up, if it cannot. */
  async function takeBack(into: Active, lot: readonly Waiting[]): Promise<boolean> {
    const { segment, file } = into;
    try {
      await file.truncate(segment.bytes);
      // In every mode: a power cut must not bring back records whose numbers others have been given by then.
      await file.sync().catch((error: unknown) => {
        if (into.hasUnsynced) notSynced(into, error);
        throw error;
      });
      return true;
    } catch {
      // Whether they lie there is for the next start to find out.
      options.onAbandoned(lot);
      return false;
    }
  }

  /** Goes on in another segment. */
  async function abandon(left: Active): Promise<void> {
    const { segment } = left;
    segment.end = next();
    await finish();
    if (segment.bytes === SEGMENT_HEADER_BYTES) options.onEmpty(segment);
  }

  function syncGroup(): void {
    callOffSync = undefined;
    if (active !== undefined) void syncActive(active);
  }

  /** One sync after the other. Never rejects: what the disk may not have is in the page cache, at least. */
  function syncActive(synced: Active): Promise<void> {
    return (synced.syncing = synced.syncing.then(() => syncNow(synced)));
  }

  async function syncNow(synced: Active): Promise<void> {
    if (!synced.hasUnsynced) return;
    synced.hasUnsynced = false;
    try {
      await synced.file.sync();
    } catch (error) {
      notSynced(synced, error);
    }
  }

  function notSynced(left: Active, error: unknown): void {
    // A later fdatasync would not write what this one could not.
    left.isDone = true;
    const fields = { file: left.segment.name, error: messageOf(error) };
    tell('Cannot make sure that what was queued survives a power cut', fields);
  }

  /** Ends the active segment. */
  async function finish(): Promise<void> {
    const done = active;
    if (done === undefined) return;
    active = undefined;
    if (sync === 'group') await syncActive(done);
    await done.file.close().catch((error: unknown) => {
      tell('Cannot close a segment', { file: done.segment.name, error: messageOf(error) });
    });
  }

  return {
    append,
    isActive: (segment) => active?.segment === segment,
    async leave(segment) {
      if (active?.segment !== segment) return;
      active.isDone = true;
      await turn;
      if (active?.segment === segment) await finish();
    },
    async close() {
      await working;
      callOffSync?.();
      await finish();
    },
  };
}

/** A number that no record has. */
const NOTHING: WrittenRecord = { block: { body: new Uint8Array(), count: 0, signal: 'metrics', time_ms: 0 }, sum: 0 };

function sizeOf({ body }: NewBlock): number {
  return RECORD_HEADER_BYTES + body.byteLength;
}
