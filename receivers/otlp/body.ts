/** Reads the body of a request, and decompresses it, without ever holding more than is allowed. */
import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import type { Budget } from './budget.ts';

/** Why a body is not read, as an HTTP status and words. */
export class BodyError extends Error {
  readonly status: 400 | 413 | 415 | 503;
  constructor(status: BodyError['status'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BodyError';
    this.status = status;
  }
}

/** What `Content-Encoding` may be. Brotli is not among them: 165 bytes of it become 100 MiB. */
export const ENCODINGS = ['gzip', 'zstd', 'deflate'] as const;

/** A zstd frame may ask its reader for up to 2 GiB of window: 8 MiB is what RFC 8878 wants every reader to have. */
const ZSTD_WINDOW_LOG = 23;

/**
 * The whole body, decompressed. Its size is taken from the budget: whoever is done with it gives it back.
 * @throws {BodyError}
 */
export function readBody(request: IncomingMessage, max_bytes: number, budget: Budget): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let size = 0;
  let sent = 0;
  let isSettled = false;
  let decoder: Transform | undefined;

  function fail(error: BodyError): void {
    if (isSettled) return;
    isSettled = true;
    request.off('data', countSent);
    request.off('data', keep);
    if (decoder !== undefined) {
      request.unpipe(decoder);
      decoder.removeAllListeners('data');
      decoder.destroy();
    }
    // What still comes is read and forgotten, so that the sender gets to read the answer.
    request.resume();
    budget.give(size);
    reject(error);
  }
  function succeed(): void {
    if (isSettled) return;
    isSettled = true;
    resolve(Buffer.concat(chunks, size));
  }
  const tooLarge = (): void => fail(new BodyError(413, `Cannot take the request: it is over ${max_bytes} bytes`));

  function countSent(chunk: Buffer): void {
    sent += chunk.length;
    if (sent > max_bytes) tooLarge();
  }

  function keep(chunk: Buffer): void {
    if (size + chunk.length > max_bytes) return tooLarge();
    if (!budget.take(chunk.length)) {
      return fail(new BodyError(503, 'Cannot take the request now: too many others are under way'));
    }
    size += chunk.length;
    chunks.push(chunk);
  }

  try {
    decoder = decoderOf(request.headers['content-encoding']);
  } catch (error) {
    fail(error as BodyError);
    return promise;
  }
  if (Number(request.headers['content-length'] ?? 0) > max_bytes) {
    tooLarge();
    return promise;
  }
  const cutOff = (): void =>
    fail(new BodyError(400, 'Cannot read the request: the connection was closed in its middle'));
  request.on('error', cutOff);
  request.on('aborted', cutOff);
  if (decoder === undefined) {
    request.on('data', keep);
    request.on('end', succeed);
    return promise;
  }
  request.on('data', countSent);
  decoder.on('data', keep);
  decoder.on('end', succeed);
  decoder.on('error', (error) => {
    fail(new BodyError(400, `Cannot decompress the request: ${error.message}`, { cause: error }));
  });
  request.pipe(decoder);
  return promise;
}

function decoderOf(encoding: string | undefined): Transform | undefined {
  const zlib = process.getBuiltinModule('node:zlib');
  switch (encoding?.trim().toLowerCase() ?? '') {
    case '':
    case 'identity':
      return undefined;
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip();
    case 'deflate':
      return zlib.createInflate();
    case 'zstd':
      return zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
    default:
      throw new BodyError(415, `Cannot decompress the request: only ${ENCODINGS.join(', ')} are understood`);
  }
}
