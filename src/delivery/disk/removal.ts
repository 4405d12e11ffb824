/** Removes segments of which nothing is needed any more, and tries again what a file system refuses. */
import { messageOf } from '../../errors.ts';
import type { Clock } from '../clock.ts';
import type { Cursor } from './cursor.ts';
import type { Folder } from './folder.ts';
import type { Segment, Tell } from './segments.ts';

export interface Removal {
  /** Bytes of segments that could not be removed. */
  readonly stuck_bytes: number;
  /** Resolves when they are gone, or could not be removed; then they are tried again later. Never rejects. */
  remove(segments: readonly Segment[]): Promise<void>;
  /** Resolves when nothing is being removed. */
  idle(): Promise<void> | undefined;
  close(): Promise<void>;
}

export interface RemovalOptions {
  readonly folder: Folder;
  /** Of the queue. */
  readonly cursor: Pick<Cursor, 'save' | 'sync'>;
  /** Some that could not be removed before is gone. */
  onRoom(): void;
  readonly clock: Clock;
  readonly tell: Tell;
}

const AGAIN_MS = 1000;

export function createRemoval({ folder, cursor, onRoom, clock, tell }: RemovalOptions): Removal {
  const going = new Set<Segment>();
  const stuck = new Set<Segment>();
  let working: Promise<void> | undefined;
  let callOff: (() => void) | undefined;
  let isTold = false;
  let isClosed = false;

  async function removeAll(): Promise<void> {
    const tried = new Set<Segment>();
    for (let lot = rest(tried); lot.length > 0; lot = rest(tried)) {
      // A power cut must not bring back what the queue thinks of them: they would look lost.
      await cursor.save();
      await cursor.sync();
      for (const segment of lot) {
        tried.add(segment);
        await remove(segment);
      }
    }
    working = undefined;
    if (going.size === 0) isTold = false;
    else if (!isClosed) callOff ??= clock.after(AGAIN_MS, again);
  }

  function rest(tried: ReadonlySet<Segment>): readonly Segment[] {
    return [...going].filter((segment) => !tried.has(segment));
  }

  async function remove(segment: Segment): Promise<void> {
    try {
      await folder.remove(segment.name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        if (!isTold)
          tell('Cannot remove a segment that is no longer needed', { file: segment.name, error: messageOf(error) });
        isTold = true;
        stuck.add(segment);
        return;
      }
    }
    going.delete(segment);
    stuck.delete(segment);
  }

  function again(): void {
    callOff = undefined;
    void (working ??= removeAll()).then(() => {
      if (!isClosed) onRoom();
    });
  }

  return {
    get stuck_bytes() {
      let sum = 0;
      for (const { bytes } of stuck) sum += bytes;
      return sum;
    },
    remove(segments) {
      for (const segment of segments) going.add(segment);
      return going.size === 0 ? Promise.resolve() : (working ??= removeAll());
    },
    idle: () => working,
    async close() {
      isClosed = true;
      callOff?.();
      await working;
    },
  };
}
