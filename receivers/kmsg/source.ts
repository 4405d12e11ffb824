/** /dev/kmsg, read without waiting for it: one read is one record. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { openReadable } from '../../src/native/descriptor.ts';
import { loadFfi } from '../../src/native/library.ts';

export interface KmsgSource {
  /**
   * The next record, valid until the next call; `empty` where there is none now, `overrun` where records were overwritten
   * before they could be read: the next call gives the oldest that is left.
   * @throws {Error} with the system's `code`
   */
  next(): Uint8Array | 'empty' | 'overrun';
  /** Tells nothing until it is resumed. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** The kernel's own limit: CONSOLE_EXT_LOG_MAX. */
const LONGEST_RECORD = 8192;
/** Where libuv cannot wait for it. */
const LOOK_INTERVAL_MS = 500;

/**
 * @param onReadable called when there is something to read
 * @throws {Error} with the system's `code`
 */
export function openKmsg(path: string, onReadable: () => void): KmsgSource {
  const buffer = Buffer.allocUnsafeSlow(LONGEST_RECORD);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const waiting = loadFfi() === undefined ? undefined : openReadable(fd, onReadable);
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  if (waiting === undefined) timer = setInterval(onReadable, LOOK_INTERVAL_MS);

  return {
    next() {
      if (isClosed) return 'empty';
      try {
        const length = readSync(fd, buffer);
        return length === 0 ? 'empty' : buffer.subarray(0, length);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN' || code === 'EINTR') return 'empty';
        if (code === 'EPIPE') return 'overrun';
        throw error;
      }
    },
    pause() {
      waiting?.pause();
      clearInterval(timer);
      timer = undefined;
    },
    resume() {
      if (isClosed) return;
      waiting?.resume();
      if (waiting === undefined) timer ??= setInterval(onReadable, LOOK_INTERVAL_MS);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      clearInterval(timer);
      if (waiting === undefined) closeSync(fd);
      else waiting.close();
    },
  };
}
