/** Which records of a queue wait, are under way, or are settled. */
import { behind, type Position } from './format.ts';
import type { Progress, Span } from './progress.ts';
import type { DiskBlock, Recent } from './recent.ts';

export interface Books {
  /** What is settled. */
  readonly progress: Progress;
  /** Whether a record is to be handed out. */
  isWaiting(record: Position): boolean;
  /** A block is under way from now on. */
  begin(block: DiskBlock): void;
  settle(block: DiskBlock): void;
  /** A block that was under way waits again, but not for this process. */
  release(block: DiskBlock): void;
  /** Settles a span that will not be delivered: its items, without those that were settled before or are under way. */
  discard(span: Span): number;
}

export function createBooks(progress: Progress, recent: Recent): Books {
  const underWay = new Map<number, DiskBlock>();
  const released = new Set<number>();
  return {
    progress,
    isWaiting: ({ seq }) => !underWay.has(seq) && !released.has(seq) && !progress.isDone(seq),
    begin: (block) => void underWay.set(block.seq, block),
    settle(block) {
      underWay.delete(block.seq);
      progress.add({ from: block, to: behind(block) });
    },
    release({ seq }) {
      underWay.delete(seq);
      released.add(seq);
    },
    discard(span) {
      let count = 0;
      for (const { seq, count: items } of underWay.values()) {
        if (seq >= span.from.seq && seq < span.to.seq && !progress.isDone(seq)) count -= items;
      }
      recent.remove(span.from.seq, span.to.seq);
      return progress.add(span) + count;
    },
  };
}
