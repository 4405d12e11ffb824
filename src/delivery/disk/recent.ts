/** The newest blocks of a queue, kept in memory within bounds: a back end that keeps up needs nothing from the disk. */
import type { Block, NewBlock } from '../store.ts';
import { recordId, type Position } from './format.ts';
import type { Segment } from './segments.ts';

/** A block with its place on the disk. */
export interface DiskBlock extends Block, Position {
  readonly segment: Segment;
  /** Where the record behind it begins. */
  readonly nextAt: number;
}

/** The block of a record that ends at `nextAt`. */
export function blockOf(
  { body, count, signal, time_ms }: NewBlock,
  { seq, item }: Position,
  sum: number,
  segment: Segment,
  nextAt: number,
): DiskBlock {
  return { id: recordId(segment.queue, seq, sum), body, count, signal, time_ms, seq, item, segment, nextAt };
}

export interface Recent {
  /** The oldest of them. */
  readonly first: DiskBlock | undefined;
  shift(): void;
  push(block: DiskBlock): void;
  /** Forgets the oldest, and returns it, where there are too many; never the last one. */
  overflow(): DiskBlock | undefined;
  /** Forgets those with numbers from `from` up to `to`. */
  remove(from: number, to: number): void;
}

const MAX_BYTES = 1024 * 1024;
/** Of the queue, where it is a small one. */
const MAX_SHARE = 1 / 16;

export function createRecent(capacity_bytes: number): Recent {
  const max_bytes = Math.min(MAX_BYTES, capacity_bytes * MAX_SHARE);
  let blocks: DiskBlock[] = [];
  let bytes = 0;

  function shift(): void {
    bytes -= blocks.shift()?.body.byteLength ?? 0;
  }

  return {
    get first() {
      return blocks[0];
    },
    shift,
    push(block) {
      blocks.push(block);
      bytes += block.body.byteLength;
    },
    overflow() {
      if (bytes <= max_bytes || blocks.length < 2) return undefined;
      const [oldest] = blocks;
      shift();
      return oldest;
    },
    remove(from, to) {
      if (!blocks.some(({ seq }) => seq >= from && seq < to)) return;
      blocks = blocks.filter(({ seq }) => seq < from || seq >= to);
      bytes = blocks.reduce((sum, { body }) => sum + body.byteLength, 0);
    },
  };
}
