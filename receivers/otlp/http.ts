/** OTLP over HTTP (specification, "OTLP/HTTP Request" and "OTLP/HTTP Response"): answers come in the request's own type. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PostReply, PostRoute, ServeOptions } from '../../src/component.ts';
import type { Signal } from '../../src/model/batch.ts';
import { encodeResponse, encodeResponseJson, encodeStatus, encodeStatusJson } from '../../src/model/otlp/responses.ts';
import { acceptsWhole, BodyError, decompressWhole, readBody } from './body.ts';
import { ENCODINGS } from './decompress.ts';
import { INVALID_ARGUMENT, UNAVAILABLE, type Ingest, type Refusal } from './ingest.ts';

const NOT_FOUND = 5;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const FULL_SUCCESS = { rejected: 0, message: '' };
const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];
/** What a sender is asked to wait where the pipeline does not say. */
const RETRY_AFTER_S = 1;

export function createHttpRoutes(
  ingest: Ingest,
  max_request_bytes: number,
): Required<Pick<ServeOptions, 'routes' | 'posts'>> {
  const byPath = <T>(make: (signal: Signal) => T): Record<string, T> =>
    Object.fromEntries(SIGNALS.map((signal) => [`/v1/${signal}`, make(signal)]));
  return {
    routes: byPath(
      (signal) => (request: IncomingMessage, response: ServerResponse) =>
        answer(ingest, max_request_bytes, signal, request, response),
    ),
    posts: byPath((signal) => createPost(ingest, max_request_bytes, signal)),
  };
}

async function answer(
  ingest: Ingest,
  max_request_bytes: number,
  signal: Signal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const type = mediaType(request.headers['content-type']);
  const isJson = type !== PROTOBUF;
  const refuse = (status: number, refusal: Refusal): void => send(request, response, replyOf(status, refusal, isJson));
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST');
    return refuse(405, { code: UNIMPLEMENTED, message: `Cannot ${request.method} telemetry: only POST is understood` });
  }
  if (type !== PROTOBUF && type !== JSON_TYPE) {
    const understood = 'only application/x-protobuf and application/json are understood';
    return refuse(415, { code: INVALID_ARGUMENT, message: `Cannot read the request: ${understood}` });
  }
  if (!ingest.takes(signal)) {
    return refuse(404, { code: NOT_FOUND, message: `Cannot take ${signal}: no pipeline here does` });
  }
  let body: Buffer;
  try {
    body = await readBody(request, max_request_bytes, ingest.budget);
  } catch (error) {
    return send(request, response, refusalOfBody(error, isJson));
  }
  send(request, response, await take(ingest, signal, body, isJson));
}

/** The same, of what is as most requests are. */
function createPost(ingest: Ingest, max_request_bytes: number, signal: Signal): PostRoute {
  return {
    budget: ingest.budget,
    accepts({ contentType, contentEncoding, length }) {
      const type = mediaType(contentType);
      return (
        (type === PROTOBUF || type === JSON_TYPE) &&
        ingest.takes(signal) &&
        acceptsWhole(contentEncoding, length, max_request_bytes)
      );
    },
    async take({ contentType, contentEncoding }, whole) {
      const isJson = mediaType(contentType) !== PROTOBUF;
      let body: Buffer;
      try {
        body = await decompressWhole(whole, contentEncoding, max_request_bytes, ingest.budget);
      } catch (error) {
        return refusalOfBody(error, isJson);
      }
      return take(ingest, signal, body, isJson);
    },
  };
}

/** Hands a body on, and gives its bytes back to the budget. */
async function take(ingest: Ingest, signal: Signal, body: Buffer, isJson: boolean): Promise<PostReply> {
  const size = body.length;
  try {
    await ingest.take(signal, body, isJson);
  } catch (error) {
    const refusal = ingest.refusal(error);
    const status = refusal.code === UNAVAILABLE ? 503 : refusal.code === INVALID_ARGUMENT ? 400 : 500;
    return replyOf(status, refusal, isJson);
  } finally {
    ingest.budget.give(size);
  }
  const content = isJson ? encodeResponseJson(FULL_SUCCESS, signal) : encodeResponse(FULL_SUCCESS);
  return { status: 200, headers: typeHeader(isJson), body: content };
}

function refusalOfBody(error: unknown, isJson: boolean): PostReply {
  if (!(error instanceof BodyError)) throw error;
  const { status, message } = error;
  const code = { 400: INVALID_ARGUMENT, 413: RESOURCE_EXHAUSTED, 415: INVALID_ARGUMENT, 503: UNAVAILABLE }[status];
  const reply = replyOf(status, { code, message }, isJson);
  return status === 415 ? { ...reply, headers: { ...reply.headers, 'accept-encoding': ENCODINGS.join(', ') } } : reply;
}

function replyOf(status: number, { code, message, retryAfter_ms }: Refusal, isJson: boolean): PostReply {
  const body = isJson ? encodeStatusJson({ code, message }) : encodeStatus({ code, message });
  if (status !== 503) return { status, headers: typeHeader(isJson), body };
  const wait_s = retryAfter_ms === undefined ? RETRY_AFTER_S : Math.ceil(retryAfter_ms / 1000);
  return { status, headers: { ...typeHeader(isJson), 'retry-after': String(wait_s) }, body };
}

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

/** `application/json; charset=utf-8` → `application/json`. */
function mediaType(header = ''): string {
  return header.split(';', 1)[0]!.trim().toLowerCase();
}

function typeHeader(isJson: boolean): Readonly<Record<string, string>> {
  return { 'content-type': isJson ? JSON_TYPE : PROTOBUF };
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: PostReply): void {
  // A body that nobody reads would otherwise be taken for the next request on this connection.
  if (!request.complete) response.setHeader('connection', 'close');
  response.writeHead(status, { ...headers, 'content-length': body.byteLength });
  response.end(body);
}
