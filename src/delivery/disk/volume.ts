/** How much room the volume of a queue has left, known without asking it for every block. */
import type { Clock } from '../clock.ts';
import type { Folder } from './folder.ts';

export interface Volume {
  /** Whether `bytes` more would leave less free than must stay. */
  isShort(bytes: number): boolean;
  /** `bytes` were written; negative where files were removed. */
  took(bytes: number): void;
  /** Asks it, as there may be others who write. */
  measure(): Promise<void>;
  /** It refused a write, whatever it said before. */
  refused(): void;
  close(): void;
}

/** How often a volume that is short of room is asked whether it still is. */
const AGAIN_MS = 1000;

/** `onRoom` is called whenever one that was short was asked again. */
export function createVolume(folder: Folder, minFree_bytes: number, clock: Clock, onRoom: () => void): Volume {
  let free = Infinity;
  let callOff: (() => void) | undefined;
  let isClosed = false;

  const isShort = (bytes: number): boolean => free - bytes < Math.max(minFree_bytes, 1);

  async function measure(): Promise<void> {
    try {
      free = await folder.free();
    } catch {
      // A file system that does not tell: only its refusals count then.
      free = Infinity;
    }
  }

  function askAgain(): void {
    if (callOff !== undefined || isClosed) return;
    callOff = clock.after(AGAIN_MS, () => {
      callOff = undefined;
      void measure().then(() => {
        if (isClosed) return;
        onRoom();
        if (isShort(0)) askAgain();
      });
    });
  }

  return {
    isShort(bytes) {
      if (!isShort(bytes)) return false;
      askAgain();
      return true;
    },
    took(bytes) {
      free -= bytes;
    },
    measure,
    refused() {
      free = 0;
      askAgain();
    },
    close() {
      isClosed = true;
      callOff?.();
    },
  };
}
