/** How far the segments of a queue were read, and the way on from there. */
import type { SegmentReader, StoredRecord } from './backlog.ts';
import { behind, SEGMENT_HEADER_BYTES, type Position } from './format.ts';
import { later, type Span } from './progress.ts';
import { blockOf, type DiskBlock, type Recent } from './recent.ts';
import type { Segment } from './segments.ts';

export interface ReadingOptions {
  readonly reader: SegmentReader;
  readonly recent: Recent;
  after(segment: Segment): Segment | undefined;
  /** Whether more may be written to a segment. */
  isGrowing(segment: Segment): boolean;
  /** The number of the next record that is put. */
  end(): Position;
  /** Whether a record is neither settled nor under way, nor too old. */
  isWanted(record: StoredRecord): boolean;
  /** What should lie in a span of `segment` does not. */
  onMissing(span: Span, segment: Segment): void;
  /** `segment` cannot be read; the reading has to be elsewhere when it resolves. */
  onUnreadable(segment: Segment, error: unknown): Promise<void>;
  /** Is called at once with what `next` is about to return. */
  onFound(block: DiskBlock): void;
}

export interface Reading {
  /** Everything before it is settled, under way, or in memory. */
  readonly position: Position;
  /** Undefined behind the last one. */
  readonly segment: Segment | undefined;
  moveTo(segment: Segment | undefined): void;
  /** A block was taken from memory. */
  pass(block: DiskBlock): void;
  /** The next block, if it has to be read: one that is in memory is to be taken from there. One call at a time. */
  next(): Promise<DiskBlock | 'in memory' | undefined>;
  close(): void;
}

export function createReading(options: ReadingOptions): Reading {
  const { reader, recent, end } = options;
  let segment: Segment | undefined;
  let at = 0;
  let position: Position = { seq: 0, item: 0 };
  let isClosed = false;

  function moveTo(next: Segment | undefined): void {
    segment = next;
    at = SEGMENT_HEADER_BYTES;
    position = next === undefined ? end() : later(next.first, position);
  }

  const isInMemory = ({ seq }: Position): boolean => recent.first !== undefined && seq >= recent.first.seq;

  async function next(): Promise<DiskBlock | 'in memory' | undefined> {
    while (!isClosed && segment !== undefined) {
      if (isInMemory(position)) return 'in memory';
      const [from, start] = [segment, at];
      let record: StoredRecord | undefined;
      try {
        record = await reader.read(from, start);
      } catch (error) {
        // Otherwise it was removed meanwhile, to make room.
        if (segment === from) await options.onUnreadable(from, error);
        continue;
      }
      if (segment !== from || at !== start) continue;
      // What lies behind the end was taken back, and a power cut brought it again.
      if (record === undefined || record.seq >= from.end.seq) {
        if (!leave(from)) return undefined;
        continue;
      }
      const isNew = record.seq >= position.seq;
      if (isNew) miss({ from: position, to: record }, from);
      // It was written while this was reading.
      if (isInMemory(record)) {
        position = later(record, position);
        continue;
      }
      at = record.nextAt;
      position = later(behind(record), position);
      if (!isNew || !options.isWanted(record)) continue;
      const block = blockOf(record, record, record.sum, from, record.nextAt);
      options.onFound(block);
      return block;
    }
    return undefined;
  }

  /** Goes on behind a segment that was read to its end; false if nothing is behind it yet. */
  function leave(done: Segment): boolean {
    const following = options.after(done);
    if (following !== undefined) {
      miss({ from: position, to: following.first }, done);
      moveTo(following);
      return true;
    }
    if (options.isGrowing(done)) return false;
    miss({ from: position, to: done.end }, done);
    // What was numbered behind it is settled, and its segment removed.
    moveTo(undefined);
    return false;
  }

  function miss(span: Span, within: Segment): void {
    if (span.from.seq < span.to.seq) options.onMissing(span, within);
  }

  return {
    get position() {
      return position;
    },
    get segment() {
      return segment;
    },
    moveTo,
    pass(block) {
      if (position.seq !== block.seq) return;
      segment = block.segment;
      at = block.nextAt;
      position = behind(block);
    },
    next,
    close() {
      isClosed = true;
    },
  };
}
