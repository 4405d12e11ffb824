/** The content of a compressed file, read from the beginning to the end. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { createGunzip, createZstdDecompress } from 'node:zlib';

export interface Unpacked {
  /**
   * Fills `buffer` from `position` on, which must not be before that of the call before.
   * @returns the bytes; fewer than asked for only at the end
   */
  read(buffer: Uint8Array, length: number, position: number): Promise<number>;
  /** Why the content ends before its end. */
  readonly error: Error | undefined;
  /** It is because the file ends too early: it may be written still. */
  readonly isUnfinished: boolean;
  /** How far the file has been read. */
  readonly packed_bytes: number;
  close(): void;
}

/** What a file is compressed with, by its name. */
export function compressionOf(path: string): 'gzip' | 'zstd' | undefined {
  if (path.endsWith('.gz')) return 'gzip';
  return path.endsWith('.zst') ? 'zstd' : undefined;
}

/** @param fd stays open */
export function unpack(fd: number, compression: 'gzip' | 'zstd'): Unpacked {
  const zlib = process.getBuiltinModule('node:zlib');
  const options = { chunkSize: 64 * 1024 };
  const decoder: ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress> =
    compression === 'gzip' ? zlib.createGunzip(options) : zlib.createZstdDecompress(options);
  const source = createReadStream('', { fd, start: 0, autoClose: false });
  source.on('error', (reason) => decoder.destroy(reason));
  source.pipe(decoder);
  const chunks = (decoder as Readable)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held: Buffer[] = [];
  let heldStart = 0;
  let isAtEnd = false;
  let error: Error | undefined;

  async function more(): Promise<void> {
    try {
      const { value, done } = await chunks.next();
      if (done === true) isAtEnd = true;
      else held.push(value);
    } catch (reason) {
      isAtEnd = true;
      error = reason as Error;
    }
  }

  function dropBefore(position: number): void {
    while (held.length > 0 && heldStart < position) {
      const surplus = Math.min(position - heldStart, held[0]!.length);
      heldStart += surplus;
      if (surplus === held[0]!.length) held.shift();
      else held[0] = held[0]!.subarray(surplus);
    }
  }

  return {
    get error() {
      return error;
    },
    get isUnfinished() {
      return error?.message === 'unexpected end of file';
    },
    get packed_bytes() {
      return source.bytesRead;
    },
    async read(buffer, length, position) {
      dropBefore(position);
      let available = held.reduce((sum, chunk) => sum + chunk.length, 0);
      while (!isAtEnd && (heldStart < position || available < length)) {
        await more();
        dropBefore(position);
        available = held.reduce((sum, chunk) => sum + chunk.length, 0);
      }
      if (heldStart < position) return 0;
      let filled = 0;
      for (const chunk of held) {
        const part = chunk.subarray(0, length - filled);
        buffer.set(part, filled);
        filled += part.length;
        if (filled === length) break;
      }
      return filled;
    },
    close() {
      held = [];
      isAtEnd = true;
      source.destroy();
      decoder.on('error', () => undefined);
      decoder.destroy();
    },
  };
}
