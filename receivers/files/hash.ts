/** SHA-256 of files, one after the other, read and computed by libuv's threads. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { AnyValue } from '../../src/model/attributes.ts';
import { systemPath } from './source.ts';
import type { Facts } from './table.ts';

export interface Hasher {
  /** Adds the hash to the attributes of an event, or why there is none; resolves when that is done, and never rejects. */
  add(path: string, facts: Facts, attributes: Record<string, AnyValue>): Promise<void>;
}

/** Of a hash that could not be made. */
const REASON = 'file.hash.omitted';

export function createHasher(largest_bytes: number): Hasher {
  let last: Promise<void> = Promise.resolve();

  async function hash(path: string, facts: Facts, attributes: Record<string, AnyValue>): Promise<void> {
    if (facts.size > largest_bytes) {
      attributes[REASON] = 'too_large';
      return;
    }
    try {
      const content = await readContent(path, facts.inode, largest_bytes);
      if (typeof content === 'string') {
        attributes[REASON] = content;
        return;
      }
      const digest = await crypto.subtle.digest('SHA-256', content as Uint8Array<ArrayBuffer>);
      attributes['file.hash.sha256'] = Buffer.from(digest).toString('hex');
      // It is of this content, which may be younger than the event.
      attributes['file.size'] = content.byteLength;
    } catch (error) {
      attributes[REASON] = (error as NodeJS.ErrnoException).code ?? 'error';
    }
  }

  return {
    add: (path, facts, attributes) => (last = last.then(() => hash(path, facts, attributes))),
  };
}

/** The content, or why it is not to be had: it is another file by now, or has grown beyond the limit. */
async function readContent(path: string, inode: bigint, largest_bytes: number): Promise<Uint8Array | string> {
  // Whatever was put in its place meanwhile: neither a link is followed nor a FIFO waited for.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  const file = await open(systemPath(path), flags);
  try {
    const stats = await file.stat({ bigint: true });
    if (!stats.isFile() || stats.ino !== inode) return 'replaced';
    if (stats.size > largest_bytes) return 'too_large';
    // One byte more than there was shows whether it has grown.
    const buffer = new Uint8Array(Number(stats.size) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) return buffer.subarray(0, length);
      length += bytesRead;
    }
    return 'changing';
  } finally {
    await file.close();
  }
}
