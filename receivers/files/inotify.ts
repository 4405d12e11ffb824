/**
 * inotify(7), called directly: what `fs.watch` leaves out is what makes events trustworthy, the cookie that joins the two
 * halves of a rename and the notice that the kernel's queue overflowed. libuv's own poll says when there is something to
 * read, so that waiting costs nothing (docs/decisions/file-events.md).
 */
import { openReadable } from '../../src/native/descriptor.ts';
import { openNative } from '../../src/native/library.ts';
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
/** One read returns at most this: some 2,000 events of short names. */
const READ_BYTES = 65_536;

const FUNCTIONS = {
  inotify_init1: { return: 'int32', arguments: ['int32'] },
  inotify_add_watch: { return: 'int32', arguments: ['int32', 'buffer', 'uint32'] },
  inotify_rm_watch: { return: 'int32', arguments: ['int32', 'int32'] },
} as const;

/**
 * An inotify instance that gives what it reads to `take`, which must not keep the bytes.
 * @returns undefined where this Node.js has no `node:ffi`, or may not use it, or bytes are in the other order
 * @throws {Error} with the system's `code`, EMFILE where the user has too many instances
 */
export function openInotify(take: (bytes: Uint8Array) => void): WatchSource | undefined {
  const native = openNative(FUNCTIONS);
  if (native === undefined) return undefined;
  const { functions: c, failure } = native;
  const fd = c.inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) throw failure('open an inotify instance');

  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const events = openReadable(fd, drain);
  function drain(): void {
    for (;;) {
      const length = events.read(buffer);
      if (length <= 0) return;
      take(buffer.subarray(0, length));
      // The kernel fills a buffer as long as the next event fits; one that is far from full was all.
      if (length < READ_BYTES / 2) return;
    }
  }

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
    close: events.close,
  };
}
