/** The body of a message as an export request in protobuf, within its limits. */
import type { ZlibOptions, ZstdOptions } from 'node:zlib';
import { promisify } from 'node:util';
import type { Signal } from '../../src/model/batch.ts';
import { jsonToProtobuf } from '../../src/model/otlp/json_to_protobuf.ts';
import { REQUEST_TYPES } from '../../src/model/otlp/message_types.ts';

export interface Body {
  readonly data: Uint8Array;
  /** `Content-Type`, '' where absent. */
  readonly type: string;
  /** `Content-Encoding`, '' where absent. */
  readonly encoding: string;
}

/** Above this the work goes to libuv's pool: below it, getting there costs more than the work. */
const ASYNC_FROM_BYTES = 64 * 1024;
/** A zstd frame may ask its reader for up to 2 GiB of window: 8 MiB is what RFC 8878 wants every reader to have. */
const ZSTD_WINDOW_LOG = 23;

/**
 * @param max_bytes holds before and after decompression
 * @throws {SyntaxError} it is nothing that is understood @throws {RangeError} it is too large
 */
export async function readBody({ data, type, encoding }: Body, max_bytes: number, signal: Signal): Promise<Uint8Array> {
  const isJson = type.split(';', 1)[0].trim().toLowerCase() === 'application/json';
  if (!isJson && type !== '' && type.trim().toLowerCase() !== 'application/x-protobuf') {
    throw new SyntaxError(`Cannot read a message of type "${type}": only protobuf and JSON are understood`);
  }
  if (data.byteLength > max_bytes) throw tooLarge(max_bytes);
  const body = await decompress(data, encoding.trim().toLowerCase(), max_bytes);
  return isJson ? jsonToProtobuf(REQUEST_TYPES[signal], body) : body;
}

async function decompress(data: Uint8Array, encoding: string, max_bytes: number): Promise<Uint8Array> {
  if (encoding === '' || encoding === 'identity' || encoding === 'none') return data;
  if (encoding !== 'gzip' && encoding !== 'zstd') {
    throw new SyntaxError(`Cannot decompress a message: "${encoding}" is neither gzip nor zstd`);
  }
  const zlib = process.getBuiltinModule('node:zlib');
  const limit = { maxOutputLength: max_bytes };
  try {
    if (encoding === 'gzip') return await unpack<ZlibOptions>(zlib.gunzipSync, zlib.gunzip, data, limit);
    const params = { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG };
    return await unpack<ZstdOptions>(zlib.zstdDecompressSync, zlib.zstdDecompress, data, { ...limit, params });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(max_bytes, error);
    throw new SyntaxError(`Cannot decompress a message: ${(error as Error).message}`, { cause: error });
  }
}

type Callback = (error: Error | null, result: Buffer) => void;

async function unpack<O>(
  sync: (data: Uint8Array, options: O) => Buffer,
  async: (data: Uint8Array, options: O, callback: Callback) => void,
  data: Uint8Array,
  options: O,
): Promise<Buffer> {
  if (data.byteLength <= ASYNC_FROM_BYTES) return sync(data, options);
  return promisify<Uint8Array, O, Buffer>(async)(data, options);
}

function tooLarge(max_bytes: number, cause?: unknown): RangeError {
  return new RangeError(`Cannot take a message: it is over ${max_bytes} bytes`, { cause });
}
