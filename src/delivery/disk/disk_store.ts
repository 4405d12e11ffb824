/**
 * A queue on disk. One loop appends what is put, lot by lot, and one fdatasync serves all that came before it; the
 * last blocks are also kept in memory, so a back end that keeps up is never waited for by the disk's reads. What
 * was settled is a span of numbers that the cursor remembers; segments of which nothing is left are removed.
 */
import { randomBytes } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import type { Clock } from '../clock.ts';
import { EXPIRED, type Block, type BlockStore, type Evicted, type NewBlock, type StoreOwner } from '../store.ts';
import { createAdmission } from './admission.ts';
import { createSegmentReader, type SegmentReader } from './backlog.ts';
import { createBooks } from './books.ts';
import { createCursor, type Cursor } from './cursor.ts';
import type { Folder } from './folder.ts';
import { behind, RECORD_HEADER_BYTES, type Position } from './format.ts';
import type { FolderLock } from '../../folder_lock.ts';
import { createProgress, type Span } from './progress.ts';
import { createReading, type Reading } from './reading.ts';
import { blockOf, createRecent, type DiskBlock } from './recent.ts';
import { recover } from './recovery.ts';
import { createRemoval, type Removal } from './removal.ts';
import { setAside, type Segment, type Tell } from './segments.ts';
import { createShelf, type Shelf } from './shelf.ts';
import { createVolume, type Volume } from './volume.ts';
import {
  createSegmentWriter,
  segmentBytesOf,
  type SegmentWriter,
  type SyncMode,
  type WrittenRecord,
} from './writer.ts';

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

/** What there is once the folder is this store's. */
interface Parts {
  readonly folder: Folder;
  readonly volume: Volume;
  readonly reader: SegmentReader;
  readonly reading: Reading;
  readonly cursor: Cursor;
  readonly removal: Removal;
  readonly writer: SegmentWriter;
}

export function createDiskStore(options: DiskStoreOptions): BlockStore {
  const { capacity_bytes, maxAge_ms, order, clock, tell } = options;
  let owner: StoreOwner = { opened() {}, lost() {}, onRoom() {} };
  /** Of the segments of this process: numbers may come twice over a crash, so names may not. */
  const queue = randomBytes(16).toString('hex');
  let parts: Parts | undefined;
  let shelf: Shelf = createShelf([]);
  /** Behind the last record that can be taken. */
  let end: Position = { seq: 0, item: 0 };
  const recent = createRecent(capacity_bytes);
  let books = createBooks(createProgress({ seq: 0, item: 0 }), recent);
  const stored = (): number => shelf.bytes + (parts?.removal.stuck_bytes ?? 0);
  const admission = createAdmission(capacity_bytes, options.place, stored, () => parts?.volume);
  let isClosed = false;
  /** Set while the folder is taken over and this store has its lock. */
  let takingOver: Promise<void> | undefined;
  const isOpen = Promise.withResolvers<void>();
  // Those who put before it is open hear of a failure; that nobody does is none.
  isOpen.promise.catch(() => undefined);

  async function open(given: StoreOwner): Promise<void> {
    owner = given;
    const folder = await options.folder();
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
      await (takingOver = load(folder));
    } catch (error) {
      options.lock.release();
      throw error;
    }
  }

  async function load(folder: Folder): Promise<void> {
    const found = await recover(folder, options.sync !== 'none', clock.wall(), tell);
    end = found.end;
    books = createBooks(found.progress, recent);
    shelf = createShelf(found.segments);
    parts = createParts(folder);
    parts.reading.moveTo(shelf.oldest);
    await removeSettled();
    await parts.volume.measure();
    // Now there is room for it, perhaps.
    await parts.cursor.save();
    isOpen.resolve();
    if (isClosed) return;
    owner.opened(found.waiting + found.lost);
    if (found.lost > 0) owner.lost('corrupt', found.lost, `Misses segments of ${folder.path}`);
  }

  function createParts(folder: Folder): Parts {
    const volume = createVolume(folder, options.minFree_bytes, clock, owner.onRoom);
    const reader = createSegmentReader(folder);
    const cursor = createCursor({
      folder,
      current: () => books.progress,
      isSynced: options.sync !== 'none',
      clock,
      tell,
    });
    const removal = createRemoval({ folder, cursor, onRoom: owner.onRoom, clock, tell });
    const writer = createSegmentWriter({
      ...options,
      folder,
      queue,
      segmentBytes: segmentBytesOf(capacity_bytes),
      next: () => end,
      room: removal.idle,
      onSegment(segment) {
        shelf.add(segment);
        void volume.measure();
        // The one before it may be delivered already.
        void tidy();
      },
      onWritten: publish,
      onRefused: admission.refuse,
      onAbandoned: abandon,
      onEmpty: (segment) => void remove([segment]),
    });
    const reading = createReading({
      reader,
      recent,
      after: (segment) => shelf.after(segment),
      isGrowing: writer.isActive,
      end: () => end,
      isWanted: (record) => books.isWaiting(record) && !expire(record),
      onMissing: lose,
      onUnreadable: giveUp,
      onFound: (block) => books.begin(block),
    });
    return { folder, volume, reader, reading, cursor, removal, writer };
  }

  function put(block: NewBlock): Promise<void> {
    admission.reserve(block);
    return parts === undefined ? putLater(block) : parts.writer.append(block);
  }

  /** While another exporter has the folder still. */
  async function putLater(block: NewBlock): Promise<void> {
    await isOpen.promise.catch((error: unknown) => {
      throw admission.refuse([block], error);
    });
    admission.admit(block);
    return parts!.writer.append(block);
  }

  /** Blocks that lie in `segment` from now on, one behind the other. */
  function publish(segment: Segment, records: readonly WrittenRecord[], from: number): void {
    const { reading, volume } = parts!;
    let at = from;
    for (const { block, sum } of records) {
      at += RECORD_HEADER_BYTES + block.body.byteLength;
      admission.arrived(block);
      recent.push(blockOf(block, end, sum, segment, at));
      end = { seq: end.seq + 1, item: end.item + block.count };
    }
    shelf.grow(from, at);
    volume.took(at - from);
    for (let old = recent.overflow(); old !== undefined; old = recent.overflow()) {
      if (shelf.isGone(old.segment)) lose({ from: old, to: behind(old) }, old.segment);
    }
    if (reading.segment === undefined) reading.moveTo(segment);
    removeExpired(segment);
  }

  function removeExpired(active: Segment): void {
    for (let { oldest } = shelf; maxAge_ms > 0 && oldest !== undefined && oldest !== active; { oldest } = shelf) {
      if (clock.wall() - oldest.newest_ms <= maxAge_ms) return;
      const count = removeOldest(oldest);
      if (count > 0) owner.lost('expired', count, EXPIRED);
    }
  }

  /** Numbers were given to records that may or may not be there: they were never taken. */
  function abandon(records: readonly WrittenRecord[]): void {
    const items = records.reduce((sum, { block }) => sum + block.count, 0);
    const to = { seq: end.seq + records.length, item: end.item + items };
    books.progress.add({ from: end, to });
    end = to;
    void tidy();
  }

  function take(isHurried: boolean): Promise<Block | undefined> | Block | undefined {
    if (parts === undefined) return undefined;
    const { reading } = parts;
    for (let { first } = recent; first !== undefined; { first } = recent) {
      if (order === 'fifo' && reading.position.seq < first.seq) break;
      recent.shift();
      reading.pass(first);
      if (expire(first)) continue;
      books.begin(first);
      return first;
    }
    if (isHurried || reading.segment === undefined || reading.position.seq >= end.seq) return undefined;
    return reading.next().then((found) => (found === 'in memory' ? take(true) : found));
  }

  /** Whether a record waited too long; then it is gone. */
  function expire(record: Position & { readonly count: number; readonly time_ms: number }): boolean {
    if (maxAge_ms === 0 || clock.wall() - record.time_ms <= maxAge_ms) return false;
    owner.lost('expired', books.discard({ from: record, to: behind(record) }), EXPIRED);
    void tidy();
    return true;
  }

  /** Counts what should lie in a span and does not. */
  function lose(span: Span, segment: Segment): void {
    const count = books.discard(span);
    if (count > 0) owner.lost('corrupt', count, `Skips damaged records of ${options.place}/${segment.name}`);
    void tidy();
  }

  /** Sets a segment aside that cannot be read. What of it is in memory is delivered from there. */
  async function giveUp(segment: Segment, error: unknown): Promise<void> {
    const { folder, writer, reading, reader } = parts!;
    await writer.leave(segment);
    if (reading.segment !== segment) return;
    const to = recent.first !== undefined && recent.first.seq < segment.end.seq ? recent.first : segment.end;
    const count = books.discard({ from: reading.position, to });
    forget(segment);
    if (count > 0) owner.lost('corrupt', count, `Cannot read ${folder.path}/${segment.name}: ${messageOf(error)}`);
    await reader.leave(segment);
    await setAside(folder, segment.name, messageOf(error), tell);
    void tidy();
  }

  function evict(): Evicted | undefined {
    const { oldest } = shelf;
    if (oldest === undefined || parts!.writer.isActive(oldest)) return undefined;
    return { count: removeOldest(oldest), isOlder: (block) => (block as DiskBlock).seq < oldest.end.seq };
  }

  /** A request of it that is under way goes on; a crash would lose that one. */
  function removeOldest(oldest: Segment): number {
    const count = books.discard({ from: oldest.first, to: oldest.end });
    void remove([oldest]);
    return count;
  }

  function remove(needless: readonly Segment[]): Promise<void> {
    for (const segment of needless) {
      parts!.volume.took(-segment.bytes);
      forget(segment);
    }
    return parts!.removal.remove(needless);
  }

  function forget(segment: Segment): void {
    const { reading, reader } = parts!;
    const next = shelf.after(segment);
    if (!shelf.forget(segment)) return;
    if (reading.segment === segment) reading.moveTo(next);
    void reader.leave(segment);
  }

  const removeSettled = (): Promise<void> => remove(shelf.segments.filter(isSettled));

  function isSettled(segment: Segment): boolean {
    return !parts!.writer.isActive(segment) && books.progress.covers({ from: segment.first, to: segment.end });
  }

  /** Remembers what is settled, and removes segments of which nothing is left. */
  async function tidy(): Promise<void> {
    await parts!.cursor.save();
    if (isClosed || !shelf.segments.some(isSettled)) return;
    await removeSettled();
    owner.onRoom();
  }

  function settle(block: Block): Promise<void> {
    books.settle(block as DiskBlock);
    return tidy();
  }

  function release(block: Block): void {
    const own = block as DiskBlock;
    books.release(own);
    if (!shelf.isGone(own.segment)) return;
    owner.lost('queue_full', own.count, 'Drops requests that were under way when the queue was full');
  }

  async function close(): Promise<void> {
    isClosed = true;
    // Whoever still waits to put something hears that it will not be.
    isOpen.reject(new Error('the exporter has ended'));
    await takingOver?.catch(() => undefined);
    try {
      if (parts === undefined) return;
      const { volume, reading, writer, removal, reader, cursor } = parts;
      volume.close();
      reading.close();
      await writer.close();
      await removeSettled();
      await removal.close();
      await reader.close();
      await cursor.close();
    } finally {
      options.lock.release();
    }
  }

  return {
    capacity_bytes,
    largest_bytes: Math.floor(capacity_bytes / 4),
    place: options.place,
    isDurable: true,
    get bytes() {
      return stored() + admission.reserved_bytes;
    },
    open,
    hasRoom: admission.hasRoom,
    get isVolumeShort() {
      return admission.isVolumeShort;
    },
    put,
    take,
    evict,
    settle,
    release,
    close,
  };
}
