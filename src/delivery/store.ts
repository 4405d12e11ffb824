/** What waits for a back end: blocks of bytes, oldest first. Knows nothing of what the bytes mean. */
import type { Payload, Request } from '../component.ts';
import type { Signal } from '../model/batch.ts';

/** What is to wait. */
export interface NewBlock extends Payload {
  readonly signal: Signal;
  /** Since 1970. */
  readonly time_ms: number;
}

/** One request that waits, or is under way. */
export interface Block extends NewBlock, Request {}

/** Why a store lost items by itself: `queue_full` where what was under way had to make room, and came back. */
export type Loss = 'corrupt' | 'expired' | 'queue_full';

/** It cannot take a block now, though there was room by its own books. */
export class StoreError extends Error {
  /** Whether the volume is full, rather than broken. */
  readonly isFull: boolean;
  constructor(message: string, isFull: boolean, cause: unknown) {
    super(message, { cause });
    this.name = 'StoreError';
    this.isFull = isFull;
  }
}

/** What a store tells its owner. */
export interface StoreOwner {
  /** It is ready, and holds `count` items already. */
  opened(count: number): void;
  /** `count` items that waited are gone; `why` is a sentence for the log. */
  lost(reason: Loss, count: number, why: string): void;
  /** There may be room again, and no `evict` has made it. */
  onRoom(): void;
}

/** What had to make room. */
export interface Evicted {
  /** Items in it. */
  readonly count: number;
  /** Whether a block that is under way is as old: then its repetitions should end, too. */
  isOlder(block: Block): boolean;
}

/** Where blocks wait. A block counts as stored from `put` until `settle`, also while it is under way. */
export interface BlockStore {
  readonly capacity_bytes: number;
  /** Bytes that wait; those of settled blocks too where they still take room. */
  readonly bytes: number;
  /** Whether what is in it outlives the process. */
  readonly isDurable: boolean;
  /** The folder of a durable one. */
  readonly place?: string;
  /** Bytes of the largest block that it takes. */
  readonly largest_bytes: number;
  /**
   * Makes it ready, where that takes time; resolves too when it has to wait for an exporter that is about to end.
   * @throws {Error} it cannot be used
   */
  open?(owner: StoreOwner): Promise<void>;
  hasRoom(bytes: number): boolean;
  /** Of a durable one: whether it has no room because its volume has none to spare. */
  readonly isVolumeShort?: boolean;
  /**
   * Appends; a promise resolves when the block is as safe as the store makes it. The caller has checked the room.
   * @throws {StoreError} it is not stored
   */
  put(block: NewBlock): Promise<void> | void;
  /** The next block that is not under way, and puts it under way; `isHurried`: only one at hand. One call at a time. */
  take(isHurried: boolean): Promise<Block | undefined> | Block | undefined;
  /** Removes the oldest that are not under way; undefined where there is nothing to remove. */
  evict(): Evicted | undefined;
  /** Forgets a block that was taken: from here on it is not delivered again, except after a crash before it resolves. */
  settle(block: Block): Promise<void> | void;
  /** Puts a block that was taken back, where it was: for whoever opens the store next. */
  release(block: Block): void;
  close(): Promise<void>;
}

/** Blocks in memory: lost with the process. */
export function createMemoryStore(
  capacity_bytes: number,
  maxAge_ms: number,
  now_ms: () => number,
  lost: StoreOwner['lost'],
): BlockStore {
  const name = uniqueName();
  let blocks = 0;
  /** Blocks before `head` have left; they are cut off in one go, so that taking is no move of the whole array. */
  let waiting: Block[] = [];
  let head = 0;
  let bytes = 0;

  function shift(): Block | undefined {
    const block = waiting[head];
    if (block === undefined) return undefined;
    head += 1;
    if (head * 2 > waiting.length) {
      waiting = waiting.slice(head);
      head = 0;
    }
    return block;
  }

  function leave({ body, release }: Block): void {
    bytes -= body.byteLength;
    release?.();
  }

  function take(): Block | undefined {
    for (let block = shift(); block !== undefined; block = shift()) {
      if (maxAge_ms === 0 || now_ms() - block.time_ms <= maxAge_ms) return block;
      leave(block);
      lost('expired', block.count, EXPIRED);
    }
    return undefined;
  }

  return {
    capacity_bytes,
    largest_bytes: capacity_bytes,
    isDurable: false,
    get bytes() {
      return bytes;
    },
    hasRoom: (size) => bytes + size <= capacity_bytes,
    put({ body, count, release, signal, time_ms }) {
      waiting.push({ id: `${name}-${++blocks}`, body, count, release, signal, time_ms });
      bytes += body.byteLength;
    },
    take,
    evict() {
      const block = shift();
      if (block === undefined) return undefined;
      leave(block);
      return { count: block.count, isOlder: () => true };
    },
    settle: leave,
    release() {},
    close: () => Promise.resolve(),
  };
}

export const EXPIRED = 'Drops requests that waited longer than queue.max_age';

/** No other queue of any agent has it: 104 random bits. `randomUUID` would start OpenSSL for it, which takes 2 MB. */
function uniqueName(): string {
  const half = (): string =>
    Math.floor(Math.random() * 2 ** 52)
      .toString(16)
      .padStart(13, '0');
  return half() + half();
}
