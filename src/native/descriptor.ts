/** A descriptor that libuv's own poll waits on, so that waiting costs nothing. */
import { loadFfi } from './library.ts';

export interface Readable {
  /** Reads into `buffer`. @returns the bytes; 0 at the end, or a negative number where there is nothing now */
  read(buffer: Uint8Array): number;
  /** Waits no more until it is resumed. */
  pause(): void;
  resume(): void;
  /** Waits no more, and closes the descriptor. */
  close(): void;
}

/** `UV_POLL` of uv_handle_type; `UV_READABLE` of uv_poll_event, with `UV_PRIORITIZED`: uv.h. */
const UV_POLL = 8;
/** Without the second, libuv stops waiting where the kernel tells of an error that a read then reports, as /dev/kmsg. */
const UV_READABLE = 1 | 8;

const FUNCTIONS = {
  read: { return: 'int64', arguments: ['int32', 'buffer', 'uint64'] },
  close: { return: 'int32', arguments: ['int32'] },
  malloc: { return: 'pointer', arguments: ['uint64'] },
  free: { return: 'void', arguments: ['pointer'] },
  uv_handle_size: { return: 'uint64', arguments: ['int32'] },
  uv_poll_init: { return: 'int32', arguments: ['pointer', 'pointer', 'int32'] },
  uv_poll_start: { return: 'int32', arguments: ['pointer', 'int32', 'pointer'] },
  uv_poll_stop: { return: 'int32', arguments: ['pointer'] },
  uv_close: { return: 'void', arguments: ['pointer', 'pointer'] },
} as const;

/**
 * Takes over a descriptor that does not block, and calls `onReadable` as long as there is something to read: outside of
 * any turn of JavaScript, so that promises are not looked after until the next one.
 * @throws {Error} where it cannot be waited for; the descriptor is closed then
 */
export function openReadable(fd: number, onReadable: () => void): Readable {
  const ffi = loadFfi();
  if (ffi === undefined) throw new Error('Cannot wait for a descriptor: there is no node:ffi');
  const { lib, functions: c } = ffi.dlopen(null, FUNCTIONS);
  const handle = c.malloc(c.uv_handle_size(UV_POLL));
  const callback = lib.registerCallback({ return: 'void', arguments: ['pointer', 'int32', 'int32'] }, onReadable);
  const status = c.uv_poll_init(ffi.getCurrentEventLoop(), handle, fd);
  if (status !== 0) {
    c.close(fd);
    c.free(handle);
    lib.unregisterCallback(callback);
    throw new Error(`Cannot wait for descriptor ${fd}: uv_poll_init answers ${status}`);
  }
  c.uv_poll_start(handle, UV_READABLE, callback);
  let isClosed = false;
  return {
    read: (buffer) => (isClosed ? -1 : Number(c.read(fd, buffer, BigInt(buffer.byteLength)))),
    pause() {
      if (!isClosed) c.uv_poll_stop(handle);
    },
    resume() {
      if (!isClosed) c.uv_poll_start(handle, UV_READABLE, callback);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      c.uv_poll_stop(handle);
      c.uv_close(handle, 0n);
      c.close(fd);
      // libuv lets go of the handle in the closing phase of the loop's turn, so not before the second one from here.
      setImmediate(() =>
        setImmediate(() => {
          c.free(handle);
          lib.unregisterCallback(callback);
        }),
      );
    },
  };
}
