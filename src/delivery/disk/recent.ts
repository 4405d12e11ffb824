/** The newest blocks of a queue, kept in memory within bounds: a back end that keeps up needs nothing from the disk. */
import type { Block } from '../store.ts';
import type { Position } from './format.ts';
import type { Segment } from './segments.ts';

/** A block with its place on the disk. */
export interface DiskBlock extends Block, Position {
  readonly segment: Segment;
  /** Where the record behind it begins. */
  readonly nextAt: number;
}

export interface Recent {
  /** The oldest of them. */
  readonly first: DiskBlock | undefined;
  shift(): void;
  /** Forgets the oldest where there are too many; never the last one. */
  push(block: DiskBlock): void;
  /** Forgets those with numbers from `from` up to `to`. */
  remove(from: number, to: number): void;
}

const MAX_BYTES = 1024 * 1024;

export function createRecent(): Recent {
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
      while (bytes > MAX_BYTES && blocks.length > 1) shift();
    },
    remove(from, to) {
      if (!blocks.some(({ seq }) => seq >= from && seq < to)) return;
      blocks = blocks.filter(({ seq }) => seq < from || seq >= to);
      bytes = blocks.reduce((sum, { body }) => sum + body.byteLength, 0);
    },
  };
}
