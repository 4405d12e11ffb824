/** What is known of files that are not being read: from an earlier life, or because they are over. */
import type { Entry } from './entries.ts';
import { HEAD_BYTES } from './identity.ts';

/** As in the checkpoint: the oldest that are over are let go. */
const MOST = 1000;

export interface Shelf {
  put(entry: Entry): void;
  take(id: number): void;
  /** The one that had this device and inode last. */
  withInode(inode: string): Entry | undefined;
  /** Those that begin the same, with the furthest read first; none for short files, which may begin alike by chance. */
  beginningWith(digest: string): readonly Entry[];
  /** Those that are not over. */
  readonly unclaimed: readonly Entry[];
}

export function createShelf(): Shelf {
  const entries = new Map<number, Entry>();
  return {
    put(entry) {
      entries.delete(entry.id);
      entries.set(entry.id, entry);
      if (entries.size <= MOST) return;
      for (const { id, isOver } of entries.values()) {
        if (isOver) {
          entries.delete(id);
          return;
        }
      }
    },
    take: (id) => void entries.delete(id),
    withInode(inode) {
      let found: Entry | undefined;
      for (const entry of entries.values())
        if (entry.inode === inode && (found === undefined || !entry.isOver)) found = entry;
      return found;
    },
    beginningWith: (digest) =>
      [...entries.values()]
        .filter(({ head }) => head.length === HEAD_BYTES && head.digest === digest)
        .sort((a, b) => b.position.offset - a.position.offset),
    get unclaimed() {
      return [...entries.values()].filter(({ isOver }) => !isOver);
    },
  };
}
