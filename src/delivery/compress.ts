/** Compresses request bodies at the level that costs least per byte saved on a metrics payload: the lowest. */
import { promisify } from 'node:util';
import type { HttpSenderOptions } from '../component.ts';
import { snappyCompress } from './snappy.ts';

/** Above this the work goes to libuv's pool: below it, getting there costs more than the work. */
const ASYNC_FROM_BYTES = 2 * 1024 * 1024;

/** Whether it is done when it returns: no other thread reads from the body. */
export function isAtOnce(body: Uint8Array, compression: HttpSenderOptions['compression']): boolean {
  return compression === 'none' || compression === 'snappy' || body.byteLength <= ASYNC_FROM_BYTES;
}

export async function compress(body: Uint8Array, compression: HttpSenderOptions['compression']): Promise<Uint8Array> {
  if (compression === 'none') return body;
  if (compression === 'snappy') return snappyCompress(body);
  const zlib = process.getBuiltinModule('node:zlib');
  const isLarge = !isAtOnce(body, compression);
  if (compression === 'gzip') {
    const options = { level: 1 };
    return isLarge ? await promisify(zlib.gzip)(body, options) : zlib.gzipSync(body, options);
  }
  const options = { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } };
  return isLarge ? await promisify(zlib.zstdCompress)(body, options) : zlib.zstdCompressSync(body, options);
}
