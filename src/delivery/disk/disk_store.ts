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
import { createCursor, type Cursor } from './cursor.ts';
import { isFullError, type Folder } from './folder.ts';
import { behind, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, type Position } from './format.ts';
import type { FolderLock } from './lock.ts';
import { createRecent, type DiskBlock } from './recent.ts';
import { recover } from './recovery.ts';
import { createProgress, later, type Progress, type Span } from './progress.ts';
import { removeSegment, setAside, type Segment, type Tell } from './segments.ts';
import { createVolume, type Volume } from './volume.ts';
import { createSegmentWriter, segmentBytesOf, type SegmentWriter, type SyncMode } from './writer.ts';

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

interface Place {
  readonly segment: Segment | undefined;
  readonly at: number;
  readonly position: Position;
}

export function createDiskStore(options: DiskStoreOptions): BlockStore {
  const { capacity_bytes, maxAge_ms, order, clock, tell } = options;
  const largest_bytes = Math.floor(capacity_bytes / 4);
  const segmentBytes = segmentBytesOf(capacity_bytes);
  let owner: StoreOwner = { opened() {}, lost() {}, onRoom() {} };
  let folder: Folder | undefined;
  /** Of the segments of this process: numbers may come twice over a crash, so names may not. */
  const queue = randomBytes(16).toString('hex');
  let segments: Segment[] = [];
  let progress: Progress = createProgress({ seq: 0, item: 0 });
  let cursor: Cursor | undefined;
  let writer: SegmentWriter | undefined;
  let reader: ReturnType<typeof createSegmentReader> | undefined;
  /** Behind the last record that can be taken. */
  let end: Position = { seq: 0, item: 0 };
  /** How far the segments were read: everything before it is settled, under way, or among `recent`. */
  let place: Place = { segment: undefined, at: 0, position: end };
  const underWay = new Map<number, DiskBlock>();
  const recent = createRecent();
  /** Bytes that were put and are not yet in a segment. */
  let reserved = 0;
  let volume: Volume | undefined;
  let isClosed = false;
  const isOpen = Promise.withResolvers<void>();
  // Those who put before it is open hear of a failure; that nobody does is none.
  isOpen.promise.catch(() => undefined);

  const used = (): number => segments.reduce((sum, { bytes }) => sum + bytes, reserved);

  async function open(given: StoreOwner): Promise<void> {
    owner = given;
    folder = await options.folder();
    if (!options.lock.isHeldHere()) return takeOver(folder);
    takeOver(folder).catch((error: unknown) => {
      tell(messageOf(error), { folder: options.place });
      isOpen.reject(error as Error);
    });
  }

  async function takeOver(folder: Folder): Promise<void> {
    await options.lock.acquire();
    try {
      if (isClosed) throw new Error('Cannot open the queue: the exporter has ended');
      const found = await recover(folder, tell);
      ({ segments, progress, end } = found);
      await removeSettled();
      moveTo(segments[0]);
      volume = createVolume(folder, options.minFree_bytes, clock, () => owner.onRoom());
      await volume.measure();
      reader = createSegmentReader(folder);
      cursor = createCursor({
        folder,
        current: () => ({ low: progress.low, spans: progress.spans }),
        isSynced: options.sync !== 'none',
        clock,
        tell,
      });
      writer = createSegmentWriter({
        ...options,
        folder,
        queue,
        segmentBytes,
        next: () => end,
        onSegment: (segment) => {
          segments.push(segment);
          void volume!.measure();
        },
        onWritten: publish,
        onAbandoned: abandon,
        onEmpty: forget,
      });
      isOpen.resolve();
      owner.opened(found.waiting + found.lost);
      if (found.lost > 0) owner.lost('corrupt', found.lost, `Cannot use segments of ${folder.path}`);
    } catch (error) {
      options.lock.release();
      throw error;
    }
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
      if (isFull) volume?.refused();
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
      volume!.took(size);
      const own = { id: `${queue}-${end.seq}`, body, count, signal, time_ms, ...end, segment, nextAt: at };
      end = { seq: end.seq + 1, item: end.item + count };
      recent.push(own);
    }
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
    const { first } = recent;
    if (first !== undefined && (order === 'fresh_first' || place.position.seq >= first.seq)) {
      recent.shift();
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
      if (recent.first !== undefined && position.seq >= recent.first.seq) return take(true);
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
        void cursor!.save();
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
    if (next !== undefined) {
      lose({ from: place.position, to: next.first }, segment);
      moveTo(next);
      return true;
    }
    if (!writer!.isActive(segment)) {
      lose({ from: place.position, to: segment.end }, segment);
      // What was numbered behind it is settled, and its segment removed.
      place = { segment: undefined, at: 0, position: end };
    }
    return false;
  }

  /** Counts what should lie in a span and does not. */
  function lose(span: Span, segment: Segment): void {
    if (span.from.seq >= span.to.seq) return;
    const count = discard(span);
    if (count > 0) owner.lost('corrupt', count, `Skips damaged records of ${folder!.path}/${segment.name}`);
    void cursor!.save();
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
    void cursor!.save();
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
    recent.remove(span.from.seq, span.to.seq);
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
    volume!.took(-oldest.bytes);
    forget(oldest);
    void cursor!.save().then(() => removeSegment(folder!, oldest, tell));
    return count;
  }

  function forget(segment: Segment): void {
    const next = segments[segments.indexOf(segment) + 1];
    segments = segments.filter((other) => other !== segment);
    if (place.segment !== segment) return;
    if (next !== undefined) moveTo(next);
    else place = { segment: undefined, at: 0, position: end };
  }

  async function removeSettled(): Promise<void> {
    const settled = segments.filter(
      (segment) => writer?.isActive(segment) !== true && progress.covers({ from: segment.first, to: segment.end }),
    );
    // All at once: whoever settles meanwhile would remove the rest, too.
    for (const segment of settled) {
      volume?.took(-segment.bytes);
      forget(segment);
    }
    for (const segment of settled) await removeSegment(folder!, segment, tell);
  }

  async function settle(block: Block): Promise<void> {
    const own = block as DiskBlock;
    underWay.delete(own.seq);
    progress.add({ from: own, to: behind(own) });
    await cursor!.save();
    if (writer!.isActive(own.segment) || !progress.covers({ from: own.segment.first, to: own.segment.end })) return;
    await removeSettled();
  }

  async function close(): Promise<void> {
    isClosed = true;
    volume?.close();
    // Whoever still waits to put something hears that it will not be.
    isOpen.reject(new Error('the exporter has ended'));
    try {
      await writer?.close();
      await reader?.close();
      await cursor?.close();
      if (writer !== undefined) await removeSettled();
    } finally {
      options.lock.release();
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
      if (volume?.isShort(size) === true) return false;
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
