/** The encodings that a body may come in. */
import type { Transform } from 'node:stream';
import type { ZstdOptions } from 'node:zlib';
import { createGunzipSync } from './gunzip.ts';

/** What `Content-Encoding` may be. Brotli is not among them: 165 bytes of it become 100 MiB. */
export const ENCODINGS = ['gzip', 'zstd', 'deflate'] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** A zstd frame may ask its reader for up to 2 GiB of window: 8 MiB is what RFC 8878 wants every reader to have. */
const ZSTD_WINDOW_LOG = 23;

/**
 * A body that is no larger before and after than these is decompressed in one go, within a millisecond or two; to set
 * up a stream and cross over to other threads costs as much as the work.
 */
const AT_ONCE_FROM_BYTES = 64 * 1024;
const AT_ONCE_TO_BYTES = 1024 * 1024;
const USUAL_CHUNK_BYTES = 64 * 1024;

/** `X-GZIP` → `gzip`; undefined where the body is as it is. @throws {RangeError} nobody understands it */
export function parseEncoding(header: string | undefined): Encoding | undefined {
  const name = header?.trim().toLowerCase() ?? '';
  if (name === '' || name === 'identity') return undefined;
  const encoding = ENCODINGS.find((one) => one === (name === 'x-gzip' ? 'gzip' : name));
  if (encoding === undefined) {
    throw new RangeError(`Cannot decompress the request: only ${ENCODINGS.join(', ')} are understood`);
  }
  return encoding;
}

export function isSmall(size_bytes: number): boolean {
  return size_bytes <= AT_ONCE_FROM_BYTES;
}

/** Undefined if it becomes too large to be decompressed in one go. @throws if it is damaged */
export function decompressAtOnce(body: Buffer, encoding: Encoding): Buffer | undefined {
  try {
    return encoding === 'gzip' ? gunzip(body) : detached(decompressSync(body, encoding));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined;
    throw error;
  }
}

const gunzip = createGunzipSync(AT_ONCE_TO_BYTES);

function decompressSync(body: Buffer, encoding: 'zstd' | 'deflate'): Buffer {
  const zlib = process.getBuiltinModule('node:zlib');
  const limits = { maxOutputLength: AT_ONCE_TO_BYTES };
  if (encoding === 'zstd') return zlib.zstdDecompressSync(body, { ...zstdOptions(), ...limits });
  return zlib.inflateSync(body, { ...limits, chunkSize: USUAL_CHUNK_BYTES });
}

/**
 * A copy, because zlib's handle, which only marking the whole heap frees, holds on to the original: its memory goes back
 * at once. What is small may lie in Node.js's pool, of which others hold parts.
 */
function detached(content: Buffer): Buffer {
  const { buffer, length } = content;
  if (length < Buffer.poolSize || !(buffer instanceof ArrayBuffer)) return content;
  const copy = Buffer.allocUnsafeSlow(length);
  copy.set(content);
  buffer.transfer(0);
  return copy;
}

export function createDecompression(encoding: Encoding): Transform {
  const zlib = process.getBuiltinModule('node:zlib');
  if (encoding === 'zstd') return zlib.createZstdDecompress(zstdOptions());
  return encoding === 'deflate' ? zlib.createInflate() : zlib.createGunzip();
}

function zstdOptions(): ZstdOptions {
  const { ZSTD_d_windowLogMax } = process.getBuiltinModule('node:zlib').constants;
  return { params: { [ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } };
}
