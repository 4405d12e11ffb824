/** Reads the body of a request, and decompresses it, without ever holding more than is allowed. */
import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { freeBytes } from '../../src/model/free_bytes.ts';
import type { Budget } from './budget.ts';
import { createDecompression, decompressAtOnce, isSmall, parseEncoding, type Encoding } from './decompress.ts';

/** Why a body is not read, as an HTTP status and words. */
export class BodyError extends Error {
  readonly status: 400 | 413 | 415 | 503;
  constructor(status: BodyError['status'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BodyError';
    this.status = status;
  }
}

/**
 * The whole body, decompressed. Its size is taken from the budget: whoever is done with it gives it back.
 * @throws {BodyError}
 */
export async function readBody(request: IncomingMessage, max_bytes: number, budget: Budget): Promise<Buffer> {
  let encoding: Encoding | undefined;
  try {
    encoding = parseEncoding(request.headers['content-encoding']);
  } catch (error) {
    request.resume();
    throw new BodyError(415, (error as RangeError).message);
  }
  const announced = Number(request.headers['content-length'] ?? NaN);
  if (announced > max_bytes) {
    request.resume();
    throw tooLarge(max_bytes);
  }
  if (encoding === undefined) return collect(request, undefined, max_bytes, budget);
  if (!isSmall(announced)) return collect(request, createDecompression(encoding), max_bytes, budget);
  return decompress(await collect(request, undefined, max_bytes, budget), encoding, max_bytes, budget);
}

/** Whether a body that is read as a whole is not too large before it is decompressed, nor beyond what takes no stream. */
export function acceptsWhole(contentEncoding: string | undefined, length: number, max_bytes: number): boolean {
  if (length > max_bytes) return false;
  try {
    return parseEncoding(contentEncoding) === undefined || isSmall(length);
  } catch {
    // An encoding that nobody knows: the path's handler says so.
    return false;
  }
}

/**
 * What {@link acceptsWhole} accepted, of which `length` was taken from the budget.
 * @throws {BodyError}
 */
export function decompressWhole(
  body: Buffer,
  contentEncoding: string | undefined,
  max_bytes: number,
  budget: Budget,
): Buffer | Promise<Buffer> {
  const encoding = parseEncoding(contentEncoding);
  return encoding === undefined ? body : decompress(body, encoding, max_bytes, budget);
}

/** A small body: nearly always in one go. */
function decompress(
  compressed: Buffer,
  encoding: Encoding,
  max_bytes: number,
  budget: Budget,
): Buffer | Promise<Buffer> {
  budget.give(compressed.length);
  let body: Buffer | undefined;
  try {
    body = decompressAtOnce(compressed, encoding);
  } catch (error) {
    throw undecodable(error as Error);
  }
  if (body === undefined) {
    const { Readable } = process.getBuiltinModule('node:stream');
    return collect(Readable.from([compressed]), createDecompression(encoding), max_bytes, budget);
  }
  if (body.length > max_bytes) throw tooLarge(max_bytes);
  if (!budget.take(body.length)) throw tooMany();
  return body;
}

/** Reads a stream to its end, through `decoder` if there is one, and takes the size of what comes out from the budget. */
function collect(source: Readable, decoder: Transform | undefined, max_bytes: number, budget: Budget): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let size = 0;
  let sent = 0;
  let isSettled = false;

  function fail(error: BodyError): void {
    if (isSettled) return;
    isSettled = true;
    source.off('data', countSent);
    source.off('data', keep);
    if (decoder !== undefined) {
      source.unpipe(decoder);
      decoder.removeAllListeners('data');
      decoder.destroy();
    }
    // What still comes is read and forgotten, so that the sender gets to read the answer.
    source.resume();
    budget.give(size);
    reject(error);
  }

  function succeed(): void {
    if (isSettled) return;
    isSettled = true;
    resolve(join(chunks, size));
  }

  function countSent(chunk: Buffer): void {
    sent += chunk.length;
    if (sent > max_bytes) fail(tooLarge(max_bytes));
  }

  function keep(chunk: Buffer): void {
    if (size + chunk.length > max_bytes) return fail(tooLarge(max_bytes));
    if (!budget.take(chunk.length)) return fail(tooMany());
    size += chunk.length;
    chunks.push(chunk);
  }

  const cutOff = (): void =>
    fail(new BodyError(400, 'Cannot read the request: the connection was closed in its middle'));
  source.on('error', cutOff);
  source.on('aborted', cutOff);
  if (decoder === undefined) {
    source.on('data', keep);
    source.on('end', succeed);
    return promise;
  }
  source.on('data', countSent);
  decoder.on('data', keep);
  decoder.on('end', succeed);
  decoder.on('error', (error) => fail(undecodable(error)));
  source.pipe(decoder);
  return promise;
}

/**
 * One piece of all. The memory of chunks that have theirs alone goes back at once: V8 counts it, though it lies outside
 * of its heap, and would mark the whole heap to get it back. A chunk is never a whole pool, of which others hold parts.
 */
function join(chunks: readonly Buffer[], size: number): Buffer {
  if (chunks.length === 1) return chunks[0]!;
  const whole = Buffer.concat(chunks, size);
  for (const chunk of chunks) freeBytes(chunk);
  return whole;
}

const tooLarge = (max_bytes: number): BodyError =>
  new BodyError(413, `Cannot take the request: it is over ${max_bytes} bytes`);
const tooMany = (): BodyError => new BodyError(503, 'Cannot take the request now: too many others are under way');
const undecodable = (cause: Error): BodyError =>
  new BodyError(400, `Cannot decompress the request: ${cause.message}`, { cause });
