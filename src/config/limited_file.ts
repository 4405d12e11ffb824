/** Reads files that users name, which may be anything: a pipe, a device without an end, no text. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/**
 * At most `limit` bytes of a regular file.
 * @throws {RangeError} it is larger @throws {Error} with the system's `code`
 */
export function readLimited(file: string, limit: number): Buffer {
  // Opening a pipe that nobody writes to would wait for ever without O_NONBLOCK (0 where a system has none).
  const descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const status = fstatSync(descriptor);
    if (status.isDirectory()) throw new TypeError('it is a folder');
    // A device such as /dev/zero never ends, a terminal waits.
    if (!status.isFile()) throw new TypeError('it is no ordinary file');
    const chunks: Buffer[] = [];
    for (let total = 0; ;) {
      const chunk = Buffer.allocUnsafe(65_536);
      const count = readSync(descriptor, chunk);
      if (count === 0) return Buffer.concat(chunks);
      total += count;
      if (total > limit) throw new RangeError(`it is larger than ${limit} bytes`);
      chunks.push(chunk.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
}

/** @throws {TypeError} the bytes are no UTF-8 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new TypeError('it is not UTF-8 text', { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is no folder',
  ELOOP: 'its links lead in a circle',
};

/** Why a file cannot be read, without its contents. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? message : (REASONS[code] ?? code);
}
