/** The segments of a queue, oldest first, and the bytes in them. */
import { SEGMENT_HEADER_BYTES } from './format.ts';
import type { Segment } from './segments.ts';

export interface Shelf {
  readonly segments: readonly Segment[];
  readonly oldest: Segment | undefined;
  readonly bytes: number;
  after(segment: Segment): Segment | undefined;
  /** Whether it was removed or set aside: what of it is in memory or under way has no place any more. */
  isGone(segment: Segment): boolean;
  add(segment: Segment): void;
  /** Something was written to a segment, from `from` up to `to`. */
  grow(from: number, to: number): void;
  /** False if it is not there. */
  forget(segment: Segment): boolean;
}

export function createShelf(segments: Segment[]): Shelf {
  const gone = new WeakSet<Segment>();
  let bytes = segments.reduce((sum, segment) => sum + roomOf(segment), 0);
  return {
    segments,
    get oldest() {
      return segments[0];
    },
    get bytes() {
      return bytes;
    },
    after: (segment) => segments[segments.indexOf(segment) + 1],
    isGone: (segment) => gone.has(segment),
    add(segment) {
      segments.push(segment);
      bytes += roomOf(segment);
    },
    grow(from, to) {
      bytes += from === SEGMENT_HEADER_BYTES ? to : to - from;
    },
    forget(segment) {
      const index = segments.indexOf(segment);
      if (index === -1) return false;
      gone.add(segment);
      segments.splice(index, 1);
      bytes -= roomOf(segment);
      return true;
    },
  };
}

/** An empty one is counted with the blocks that are about to be written to it. */
function roomOf({ bytes }: Segment): number {
  return bytes === SEGMENT_HEADER_BYTES ? 0 : bytes;
}
