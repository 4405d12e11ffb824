/** What waits for a back end: blocks of bytes, oldest first. Knows nothing of what the bytes mean. */
import type { Request } from '../component.ts';
import type { Signal } from '../model/batch.ts';

/** One request that waits, or is under way. */
export interface Block extends Request {
  readonly signal: Signal;
}

/** Where blocks wait. A block counts as stored from `put` until `remove`, also while it is under way. */
export interface BlockStore {
  readonly capacity_bytes: number;
  readonly bytes: number;
  /** Appends; a promise resolves when the block is as safe as the store makes it. The caller has checked the room. */
  put(block: Block): Promise<void> | void;
  /** The oldest block that is not under way, and puts it under way. */
  take(): Block | undefined;
  /** The oldest block that is not under way, and removes it. */
  evict(): Block | undefined;
  /** Forgets a block that was taken. */
  remove(block: Block): void;
}

/** Blocks in memory: lost with the process. */
export function createMemoryStore(capacity_bytes: number): BlockStore {
  /** Blocks before `head` have left; they are cut off in one go, so that taking is no move of the whole array. */
  let waiting: Block[] = [];
  let head = 0;
  let bytes = 0;

  function take(): Block | undefined {
    const block = waiting[head];
    if (block === undefined) return undefined;
    head += 1;
    if (head * 2 > waiting.length) {
      waiting = waiting.slice(head);
      head = 0;
    }
    return block;
  }

  return {
    capacity_bytes,
    get bytes() {
      return bytes;
    },
    put(block) {
      waiting.push(block);
      bytes += block.body.byteLength;
    },
    take,
    evict() {
      const block = take();
      if (block !== undefined) bytes -= block.body.byteLength;
      return block;
    },
    remove(block) {
      bytes -= block.body.byteLength;
    },
  };
}
