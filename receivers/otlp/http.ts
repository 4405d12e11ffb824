/** OTLP over HTTP (specification, "OTLP/HTTP Request" and "OTLP/HTTP Response"): answers come in the request's own type. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServeOptions } from '../../src/component.ts';
import type { Signal } from '../../src/model/batch.ts';
import { encodeResponse, encodeResponseJson, encodeStatus, encodeStatusJson } from '../../src/model/otlp/responses.ts';
import { BodyError, readBody } from './body.ts';
import { ENCODINGS } from './decompress.ts';
import { INVALID_ARGUMENT, UNAVAILABLE, type Ingest, type Refusal } from './ingest.ts';

const NOT_FOUND = 5;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const FULL_SUCCESS = { rejected: 0, message: '' };
/** What a sender is asked to wait where the pipeline does not say. */
const RETRY_AFTER_S = 1;

export function createHttpRoutes(ingest: Ingest, max_request_bytes: number): ServeOptions['routes'] {
  const route = (signal: Signal) => (request: IncomingMessage, response: ServerResponse) =>
    answer(ingest, max_request_bytes, signal, request, response);
  return { '/v1/metrics': route('metrics'), '/v1/logs': route('logs'), '/v1/traces': route('traces') };
}

async function answer(
  ingest: Ingest,
  max_request_bytes: number,
  signal: Signal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const type = mediaType(request);
  const isJson = type !== 'application/x-protobuf';
  const refuse = (status: number, refusal: Refusal): void => refuseWith(request, response, status, refusal, isJson);
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST');
    return refuse(405, { code: UNIMPLEMENTED, message: `Cannot ${request.method} telemetry: only POST is understood` });
  }
  if (type !== 'application/x-protobuf' && type !== 'application/json') {
    const understood = 'only application/x-protobuf and application/json are understood';
    return refuse(415, { code: INVALID_ARGUMENT, message: `Cannot read the request: ${understood}` });
  }
  if (!ingest.takes(signal)) {
    return refuse(404, { code: NOT_FOUND, message: `Cannot take ${signal}: no pipeline here does` });
  }
  let body: Buffer;
  let size: number;
  try {
    body = await readBody(request, max_request_bytes, ingest.budget);
    size = body.length;
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    if (error.status === 415) response.setHeader('accept-encoding', ENCODINGS.join(', '));
    const code = { 400: INVALID_ARGUMENT, 413: RESOURCE_EXHAUSTED, 415: INVALID_ARGUMENT, 503: UNAVAILABLE }[
      error.status
    ];
    return refuse(error.status, { code, message: error.message });
  }
  try {
    await ingest.take(signal, body, isJson);
  } catch (error) {
    const refusal = ingest.refusal(error);
    const status = refusal.code === UNAVAILABLE ? 503 : refusal.code === INVALID_ARGUMENT ? 400 : 500;
    return refuse(status, refusal);
  } finally {
    ingest.budget.give(size);
  }
  reply(response, 200, isJson ? encodeResponseJson(FULL_SUCCESS, signal) : encodeResponse(FULL_SUCCESS), isJson);
}

/** `application/json; charset=utf-8` → `application/json`. */
function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

function refuseWith(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  { code, message, retryAfter_ms }: Refusal,
  isJson: boolean,
): void {
  if (status === 503) {
    const wait_s = retryAfter_ms === undefined ? RETRY_AFTER_S : Math.ceil(retryAfter_ms / 1000);
    response.setHeader('retry-after', String(wait_s));
  }
  // A body that nobody reads would otherwise be taken for the next request on this connection.
  if (!request.complete) response.setHeader('connection', 'close');
  reply(response, status, isJson ? encodeStatusJson({ code, message }) : encodeStatus({ code, message }), isJson);
}

function reply(response: ServerResponse, status: number, body: Uint8Array, isJson: boolean): void {
  response.writeHead(status, {
    'content-type': isJson ? 'application/json' : 'application/x-protobuf',
    'content-length': body.byteLength,
  });
  response.end(body);
}
