/**
 * A queue on disk. One loop appends what is put, lot by lot, and one fdatasync serves all that came before it; the
 * last blocks are also kept in memory, so a back end that keeps up is never waited for by the disk's reads. What
 * was settled is a span of numbers that the cursor remembers; segments of which nothing is left are removed.
 */
import { randomBytes } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import type { Clock } from '../clock.ts';
import {
  EXPIRED,
  StoreError,
  type Block,
  type BlockStore,
  type Evicted,
  type NewBlock,
  type StoreOwner,
} from '../store.ts';
import { createSegmentReader } from './backlog.ts';
import { createCursor, readCursor, type Cursor } from './cursor.ts';
import { isFullError, type Folder } from './folder.ts';
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, type Position } from './format.ts';
import { createProgress, later, type Progress, type Span } from './progress.ts';
import { loadSegments, setAside, type Segment, type Tell } from './segments.ts';
import { createSegmentWriter, type SegmentWriter, type SyncMode } from './writer.ts';

export interface DiskStoreOptions {
  /** For messages. */
  readonly place: string;
  readonly folder: () => Promise<Folder>;
  readonly lock: FolderLock;
  readonly capacity_bytes: number;
  /** 0 is never. */
  readonly maxAge_ms: number;
  readonly sync: SyncMode;
  readonly group_ms: number;
  readonly minFree_bytes: number;
  readonly order: 'fifo' | 'fresh_first';
  readonly clock: Clock;
  readonly tell: Tell;
}

/** Keeps others out. */
export interface FolderLock {
  /** Whether another exporter of this process has it, and will give it back. */
  isHeldHere(): boolean;
  /** @throws {Error} another process has it */
  acquire(): Promise<void>;
  release(): void;
}

interface DiskBlock extends Block, Position {
  readonly segment: Segment;
  /** Where the record behind it begins. */
  readonly nextAt: number;
}

/** Dropping the oldest drops a segment: a sixteenth of the queue. */
const SEGMENTS = 16;
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024;
const MIN_SEGMENT_BYTES = 64 * 1024;
/** Of the newest blocks so much stays in memory. */
const RECENT_BYTES = 1024 * 1024;
/** A power cut repeats at most what was delivered since. */
const CURSOR_SYNC_MS = 1000;
/** How often a full volume is looked at again. */
const FREE_AGAIN_MS = 1000;

export function createDiskStore(options: DiskStoreOptions): BlockStore {
  const { capacity_bytes, maxAge_ms, order, clock, tell } = options;
  const largest_bytes = Math.floor(capacity_bytes / 4);
  const segmentBytes = Math.min(Math.max(Math.floor(capacity_bytes / SEGMENTS), MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES);
  let owner: StoreOwner = { opened() {}, lost() {}, onRoom() {} };
  let folder: Folder | undefined;
  let hasLock = false;
  /** Of the segments of this process: numbers may come twice over a crash, so names may not. */
  const queue = randomBytes(16).toString('hex');
  let segments: Segment[] = [];
  let progress: Progress = createProgress({ seq: 0, item: 0 });
  let cursor: Cursor | undefined;
  let callOffCursorSync: (() => void) | undefined;
  let writer: SegmentWriter | undefined;
  let reader: ReturnType<typeof createSegmentReader> | undefined;
  /** Behind the last record that can be taken. */
  let end: Position = { seq: 0, item: 0 };
  /** How far the segments were read: everything before it is settled, under way, or among `recent`. */
  let place: { segment: Segment | undefined; at: number; position: Position } = {
    segment: undefined,
    at: 0,
    position: end,
  };
  const underWay = new Map<number, DiskBlock>();
  /** The newest blocks, none of them under way, without a gap up to `end`. */
  let recent: DiskBlock[] = [];
  let recentBytes = 0;
  /** Bytes that were put and are not yet in a segment. */
  let reserved = 0;
  let free = Infinity;
  let callOffLook: (() => void) | undefined;
  let isClosed = false;
  const isOpen = Promise.withResolvers<void>();
  // Those who put before it is open hear of a failure; that nobody does is none.
  isOpen.promise.catch(() => undefined);

  const used = (): number => segments.reduce((sum, { bytes }) => sum + bytes, reserved);

  async function open(given: StoreOwner): Promise<void> {
    owner = given;
    folder = await options.folder();
    if (!options.lock.isHeldHere()) return takeOver(folder);
    takeOver(folder).catch((error: unknown) => tell(messageOf(error), { folder: options.place }));
  }

  async function takeOver(folder: Folder): Promise<void> {
    await options.lock.acquire();
    hasLock = true;
    try {
      if (isClosed) throw new Error('Cannot open the queue: the exporter has ended');
      const loaded = await loadSegments(folder, tell);
      segments = loaded.segments;
      const known = await readCursor(folder).catch((error: unknown) => {
        tell('Cannot read how far the queue was delivered: it is delivered again from its beginning', {
          folder: folder.path,
          error: messageOf(error),
        });
        return undefined;
      });
      const first = segments[0]?.first ?? known?.low ?? end;
      const low = known?.low ?? first;
      progress = createProgress(low, known?.spans);
      // Numbers are never given twice, though the cursor may know of records that a power cut has taken.
      end = [progress.low, ...progress.spans.map(({ to }) => to)].reduce(later, segments.at(-1)?.end ?? first);
      // What lay before the first segment made room for newer data, or was set aside just now.
      const gone = progress.add({ from: low, to: first });
      const waiting = waitingItems();
      if (gone > 0 && loaded.setAside > 0) owner.lost('corrupt', gone, `Cannot use segments of ${folder.path}`);
      await removeSettled();
      moveTo(segments[0]);
      await measureFree();
      reader = createSegmentReader(folder);
      cursor = createCursor(folder, () => ({ low: progress.low, spans: progress.spans }));
      writer = createSegmentWriter({
        ...options,
        folder,
        queue,
        segmentBytes,
        next: () => end,
        onSegment: (segment) => {
          segments.push(segment);
          void measureFree();
        },
        onWritten: publish,
        onAbandoned: abandon,
        onEmpty: forget,
      });
      isOpen.resolve();
      owner.opened(waiting + (loaded.setAside > 0 ? gone : 0));
    } catch (error) {
      hasLock = false;
      options.lock.release();
      throw error;
    }
  }

  function waitingItems(): number {
    const settled = progress.spans.reduce((sum, { from, to }) => sum + to.item - from.item, 0);
    return Math.max(0, end.item - progress.low.item - settled);
  }

  async function put(block: NewBlock): Promise<void> {
    const size = block.body.byteLength + RECORD_HEADER_BYTES;
    reserved += size;
    try {
      await isOpen.promise;
      await writer!.append(block);
    } catch (error) {
      reserved -= size;
      const isFull = isFullError(error);
      if (isFull) {
        free = 0;
        lookAgain();
      }
      throw new StoreError(`Cannot write to ${folder?.path ?? 'the queue'}: ${messageOf(error)}`, isFull, error);
    }
  }

  /** Blocks that lie in `segment` from now on, one behind the other. */
  function publish(segment: Segment, blocks: readonly NewBlock[], from: number): void {
    let at = from;
    for (const block of blocks) {
      const { body, count, signal, time_ms } = block;
      const size = RECORD_HEADER_BYTES + body.byteLength;
      at += size;
      reserved -= size;
      free -= size;
      const own = { id: `${queue}-${end.seq}`, body, count, signal, time_ms, ...end, segment, nextAt: at };
      end = { seq: end.seq + 1, item: end.item + count };
      recent.push(own);
      recentBytes += body.byteLength;
    }
    while (recentBytes > RECENT_BYTES && recent.length > 1) recentBytes -= recent.shift()!.body.byteLength;
    if (place.segment === undefined) moveTo(segment);
    for (let oldest = segments[0]!; maxAge_ms > 0 && oldest !== segment; oldest = segments[0]!) {
      if (clock.wall() - oldest.newest_ms <= maxAge_ms) break;
      const count = removeOldest();
      if (count > 0) owner.lost('expired', count, EXPIRED);
    }
  }

  /** `count` numbers were given to records that may or may not be there: they were never taken. */
  function abandon(count: number): void {
    const to = { seq: end.seq + count, item: end.item };
    progress.add({ from: end, to });
    end = to;
  }

  function take(isHurried: boolean): Promise<Block | undefined> | Block | undefined {
    const [first] = recent;
    if (first !== undefined && (order === 'fresh_first' || place.position.seq >= first.seq)) {
      recent.shift();
      recentBytes -= first.body.byteLength;
      if (place.position.seq >= first.seq) {
        place = { segment: first.segment, at: first.nextAt, position: behind(first) };
      }
      underWay.set(first.seq, first);
      return first;
    }
    if (isHurried || place.position.seq >= end.seq || segments.length === 0) return undefined;
    return takeFromDisk();
  }

  async function takeFromDisk(): Promise<Block | undefined> {
    while (!isClosed && place.segment !== undefined) {
      const { segment, at, position } = place;
      // What is in memory need not be read.
      if (recent.length > 0 && position.seq >= recent[0]!.seq) return take(true);
      let record;
      try {
        record = await reader!.read(segment, at);
      } catch (error) {
        // It was removed meanwhile, to make room.
        if (place.segment !== segment) continue;
        await giveUp(segment, error);
        continue;
      }
      if (place.segment !== segment || place.at !== at) continue;
      if (record === undefined) {
        if (!leaveSegment(segment)) return undefined;
        continue;
      }
      place = { segment, at: record.nextAt, position: later(behind(record), position) };
      if (record.seq < position.seq) continue;
      lose({ from: position, to: record }, segment);
      if (underWay.has(record.seq) || progress.isDone(record.seq)) continue;
      if (maxAge_ms > 0 && clock.wall() - record.time_ms > maxAge_ms) {
        const count = discard({ from: record, to: behind(record) });
        owner.lost('expired', count, EXPIRED);
        void remember();
        continue;
      }
      const { seq, item, body, count, signal, time_ms, nextAt } = record;
      const block = { id: `${segment.queue}-${seq}`, seq, item, body, count, signal, time_ms, segment, nextAt };
      underWay.set(seq, block);
      return block;
    }
    return undefined;
  }

  /** Goes on behind a segment that was read to its end; false if nothing is behind it yet. */
  function leaveSegment(segment: Segment): boolean {
    const next = segments[segments.indexOf(segment) + 1];
    if (next === undefined) return false;
    lose({ from: place.position, to: next.first }, segment);
    moveTo(next);
    return true;
  }

  /** Counts what should lie in a span and does not. */
  function lose(span: Span, segment: Segment): void {
    if (span.from.seq >= span.to.seq) return;
    const count = discard(span);
    if (count > 0) owner.lost('corrupt', count, `Skips damaged records of ${folder!.path}/${segment.name}`);
    void remember();
  }

  /** Sets a segment aside that cannot be read. */
  async function giveUp(segment: Segment, error: unknown): Promise<void> {
    writer!.leave(segment);
    const span = { from: later(place.position, segment.first), to: writer!.isActive(segment) ? end : segment.end };
    const count = discard(span);
    forget(segment);
    if (count > 0) owner.lost('corrupt', count, `Cannot read ${folder!.path}/${segment.name}: ${messageOf(error)}`);
    await reader!.close().catch(() => undefined);
    await setAside(folder!, segment.name, messageOf(error), tell);
    void remember();
  }

  function moveTo(segment: Segment | undefined): void {
    const position = segment === undefined ? end : later(segment.first, place.position);
    place = { segment, at: SEGMENT_HEADER_BYTES, position };
  }

  /** Settles a span that will not be delivered: its items, without those that were settled before or are under way. */
  function discard(span: Span): number {
    let count = progress.add(span);
    for (const { seq, count: items } of underWay.values()) {
      if (seq >= span.from.seq && seq < span.to.seq) count -= items;
    }
    const kept = recent.filter(({ seq }) => seq < span.from.seq || seq >= span.to.seq);
    if (kept.length < recent.length) {
      recent = kept;
      recentBytes = kept.reduce((sum, { body }) => sum + body.byteLength, 0);
    }
    return Math.max(0, count);
  }

  function evict(): Evicted | undefined {
    const [oldest] = segments;
    if (oldest === undefined || writer === undefined || writer.isActive(oldest)) return undefined;
    return { count: removeOldest(), isOlder: (block) => (block as DiskBlock).segment === oldest };
  }

  /** A request of it that is under way goes on; a crash would lose that one. */
  function removeOldest(): number {
    const oldest = segments[0]!;
    const count = discard({ from: oldest.first, to: oldest.end });
    free += oldest.bytes;
    forget(oldest);
    void remember().then(() => removeFile(oldest));
    return count;
  }

  function forget(segment: Segment): void {
    const next = segments[segments.indexOf(segment) + 1];
    segments = segments.filter((other) => other !== segment);
    if (place.segment !== segment) return;
    if (next !== undefined) moveTo(next);
    else place = { segment: undefined, at: 0, position: end };
  }

  async function removeFile({ name }: Segment): Promise<void> {
    try {
      await folder!.remove(name);
    } catch (error) {
      tell('Cannot remove a segment that is no longer needed', { file: name, error: messageOf(error) });
    }
  }

  async function removeSettled(): Promise<void> {
    const settled = segments.filter(
      (segment) => writer?.isActive(segment) !== true && progress.covers({ from: segment.first, to: segment.end }),
    );
    for (const segment of settled) {
      free += segment.bytes;
      forget(segment);
      await removeFile(segment);
    }
  }

  async function settle(block: Block): Promise<void> {
    const own = block as DiskBlock;
    underWay.delete(own.seq);
    progress.add({ from: own, to: behind(own) });
    await remember();
    if (writer!.isActive(own.segment) || !progress.covers({ from: own.segment.first, to: own.segment.end })) return;
    await removeSettled();
  }

  /** Saves how far the queue is settled: against the end of the process now, against a power cut soon. */
  async function remember(): Promise<void> {
    try {
      await cursor!.save();
    } catch (error) {
      tell('Cannot remember what was delivered: after a crash it is delivered again', { error: messageOf(error) });
      return;
    }
    if (options.sync === 'none' || isClosed) return;
    callOffCursorSync ??= clock.after(CURSOR_SYNC_MS, () => {
      callOffCursorSync = undefined;
      void syncCursor();
    });
  }

  async function syncCursor(): Promise<void> {
    try {
      await cursor!.sync();
    } catch (error) {
      tell('Cannot remember what was delivered: after a crash it is delivered again', { error: messageOf(error) });
    }
  }

  async function measureFree(): Promise<void> {
    try {
      free = (await folder!.free()) - reserved;
    } catch {
      // A file system that does not tell: only its refusals count then.
      free = Infinity;
    }
  }

  /** Asks a volume that is full whether it still is, until it is not. */
  function lookAgain(): void {
    if (callOffLook !== undefined || isClosed) return;
    callOffLook = clock.after(FREE_AGAIN_MS, () => {
      callOffLook = undefined;
      void measureFree().then(() => {
        owner.onRoom();
        if (isShort(0)) lookAgain();
      });
    });
  }

  function isShort(bytes: number): boolean {
    return free - bytes < Math.max(options.minFree_bytes, 1);
  }

  async function close(): Promise<void> {
    isClosed = true;
    callOffLook?.();
    callOffCursorSync?.();
    // Whoever still waits to put something hears that it will not be.
    isOpen.reject(new Error('the exporter has ended'));
    try {
      await writer?.close();
      await reader?.close();
      if (cursor !== undefined) {
        await remember();
        if (options.sync !== 'none') await syncCursor();
        await cursor.close();
      }
      if (writer !== undefined) await removeSettled();
    } finally {
      if (hasLock) options.lock.release();
      hasLock = false;
    }
  }

  return {
    capacity_bytes,
    largest_bytes,
    place: options.place,
    isDurable: true,
    get bytes() {
      return used();
    },
    open,
    hasRoom(bytes) {
      const size = bytes + RECORD_HEADER_BYTES;
      if (isShort(size)) {
        lookAgain();
        return false;
      }
      return used() + size + SEGMENT_HEADER_BYTES <= capacity_bytes;
    },
    put,
    take,
    evict,
    settle,
    release: (block) => void underWay.delete((block as DiskBlock).seq),
    close,
  };
}

function behind({ seq, item, count }: Position & { readonly count: number }): Position {
  return { seq: seq + 1, item: item + count };
}
