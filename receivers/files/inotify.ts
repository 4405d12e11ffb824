/**
 * inotify(7), called directly: what `fs.watch` leaves out is what makes events trustworthy, the cookie that joins the two
 * halves of a rename and the notice that the kernel's queue overflowed. libuv's own poll says when there is something to
 * read, so that waiting costs nothing (docs/decisions/file-events.md).
 */
import { endianness } from 'node:os';
import type { WatchSource } from './source.ts';

/** Bits of `mask`: include/uapi/linux/inotify.h. */
export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_UNMOUNT = 0x2000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
const IN_ONLYDIR = 0x0100_0000;
const IN_DONT_FOLLOW = 0x0200_0000;
const IN_EXCL_UNLINK = 0x0400_0000;

const MASK =
  IN_MODIFY |
  IN_ATTRIB |
  IN_MOVED_FROM |
  IN_MOVED_TO |
  IN_CREATE |
  IN_DELETE |
  IN_DELETE_SELF |
  IN_MOVE_SELF |
  IN_ONLYDIR |
  IN_DONT_FOLLOW |
  IN_EXCL_UNLINK;

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
/** `UV_POLL` of uv_handle_type, `UV_READABLE` of uv_poll_event: uv.h. */
const UV_POLL = 8;
const UV_READABLE = 1;
/** One read returns at most this: some 2,000 events of short names. */
const READ_BYTES = 65_536;

const FUNCTIONS = {
  inotify_init1: { return: 'int32', arguments: ['int32'] },
  inotify_add_watch: { return: 'int32', arguments: ['int32', 'buffer', 'uint32'] },
  inotify_rm_watch: { return: 'int32', arguments: ['int32', 'int32'] },
  read: { return: 'int64', arguments: ['int32', 'buffer', 'uint64'] },
  close: { return: 'int32', arguments: ['int32'] },
  __errno_location: { return: 'pointer', arguments: [] },
  malloc: { return: 'pointer', arguments: ['uint64'] },
  free: { return: 'void', arguments: ['pointer'] },
  uv_handle_size: { return: 'uint64', arguments: ['int32'] },
  uv_poll_init: { return: 'int32', arguments: ['pointer', 'pointer', 'int32'] },
  uv_poll_start: { return: 'int32', arguments: ['pointer', 'int32', 'pointer'] },
  uv_poll_stop: { return: 'int32', arguments: ['pointer'] },
  uv_close: { return: 'void', arguments: ['pointer', 'pointer'] },
} as const;

/** Codes of errno(3), the same on every architecture that Node.js runs on. */
const ERRNO: Readonly<Record<number, string>> = {
  2: 'ENOENT',
  5: 'EIO',
  12: 'ENOMEM',
  13: 'EACCES',
  20: 'ENOTDIR',
  23: 'ENFILE',
  24: 'EMFILE',
  28: 'ENOSPC',
  36: 'ENAMETOOLONG',
  40: 'ELOOP',
};

/**
 * An inotify instance that gives what it reads to `take`, which must not keep the bytes.
 * @returns undefined where this Node.js has no `node:ffi`, or may not use it, or bytes are in the other order
 * @throws {Error} with the system's `code`, EMFILE where the user has too many instances
 */
export function openInotify(take: (bytes: Uint8Array) => void): WatchSource | undefined {
  const ffi = endianness() === 'LE' ? loadFfi() : undefined;
  if (ffi === undefined) return undefined;
  const { lib, functions: c } = ffi.dlopen(null, FUNCTIONS);
  // The address belongs to the thread and stays.
  const errnoAddress = c.__errno_location();
  const failure = (doing: string): Error => {
    const number = ffi.getInt32(errnoAddress);
    const code = ERRNO[number] ?? `errno ${number}`;
    return Object.assign(new Error(`Cannot ${doing}: ${code}`), { code });
  };
  const fd = c.inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) throw failure('open an inotify instance');

  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  let isClosed = false;
  function drain(): void {
    while (!isClosed) {
      const length = Number(c.read(fd, buffer, BigInt(READ_BYTES)));
      if (length <= 0) return;
      take(buffer.subarray(0, length));
      // The kernel fills a buffer as long as the next event fits; one that is far from full was all.
      if (length < READ_BYTES / 2) return;
    }
  }

  const handle = c.malloc(c.uv_handle_size(UV_POLL));
  const callback = lib.registerCallback({ return: 'void', arguments: ['pointer', 'int32', 'int32'] }, drain);
  const status = c.uv_poll_init(ffi.getCurrentEventLoop(), handle, fd);
  if (status !== 0) {
    c.close(fd);
    c.free(handle);
    throw new Error(`Cannot wait for file events: uv_poll_init answers ${status}`);
  }
  c.uv_poll_start(handle, UV_READABLE, callback);

  return {
    isExact: true,
    isRecursive: false,
    drain,
    add(path) {
      const watch = c.inotify_add_watch(fd, Buffer.from(`${path}\0`, 'latin1'), MASK);
      if (watch < 0) throw failure(`watch "${path}"`);
      return watch;
    },
    remove: (watch) => void c.inotify_rm_watch(fd, watch),
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

type Ffi = typeof import('node:ffi');

let loaded: Ffi | undefined;

/**
 * Loading `node:ffi` makes Node.js warn on stderr that it is experimental, which is the concern of whoever builds this
 * agent, not of who runs it: that one warning is kept back.
 */
function loadFfi(): Ffi | undefined {
  if (loaded !== undefined) return loaded;
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    loaded = process.getBuiltinModule('node:ffi') as Ffi | undefined;
    // The permission model (--permission without --allow-ffi) refuses the first use, not the loading.
    loaded?.dlopen(null, { close: FUNCTIONS.close });
  } catch {
    // What is not allowed is not there: the caller has another way.
    loaded = undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
  return loaded;
}
