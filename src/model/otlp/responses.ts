/** Answers to export requests: Export*ServiceResponse of OTLP, and google.rpc.Status for errors. */
import type { Signal } from '../batch.ts';
import { jsonToProtobuf } from './json_to_protobuf.ts';
import { RESPONSE_TYPES, RpcStatus } from './message_types.ts';
import { protobufToJson } from './protobuf_to_json.ts';
import { Reader } from './reader.ts';
import { sharedWriter } from './writer.ts';

/** What the receiver did not take, for good; nothing rejected and no words is a full success. */
export interface PartialSuccess {
  /** Data points, log records or spans. */
  readonly rejected: number;
  readonly message: string;
}

/** The protobuf form, the same for every signal. A full success is an empty message. */
export function encodeResponse({ rejected, message }: PartialSuccess): Uint8Array {
  const writer = sharedWriter;
  // What an encoder that threw left behind.
  writer.position = 0;
  if (rejected !== 0 || message !== '') {
    const start = writer.begin(0x0a);
    if (rejected !== 0) writer.uint(0x08, rejected);
    if (message !== '') writer.string(0x12, message);
    writer.end(start);
  }
  return writer.take();
}

/** @throws {SyntaxError} if it is no protobuf message of this kind */
export function decodeResponse(bytes: Uint8Array): PartialSuccess {
  const reader = new Reader(bytes);
  let rejected = 0;
  let message = '';
  while (!reader.isAtEnd(reader.size)) {
    const tag = reader.tag();
    if (tag !== 0x0a) {
      reader.skip(tag);
      continue;
    }
    const end = reader.message();
    while (!reader.isAtEnd(end)) {
      const innerTag = reader.tag();
      if (innerTag === 0x08) rejected = Number(reader.int64());
      else if (innerTag === 0x12) message = reader.string();
      else reader.skip(innerTag);
    }
  }
  return { rejected, message };
}

export function encodeResponseJson(response: PartialSuccess, signal: Signal): Uint8Array {
  return protobufToJson(RESPONSE_TYPES[signal], encodeResponse(response));
}

/** @throws {SyntaxError} if it is no JSON of this kind */
export function decodeResponseJson(bytes: Uint8Array, signal: Signal): PartialSuccess {
  return decodeResponse(jsonToProtobuf(RESPONSE_TYPES[signal], bytes));
}

/** google.rpc.Status: the body of an HTTP answer that is an error, and of the trailer `grpc-status-details-bin`. */
export interface Status {
  /** As gRPC numbers them: 3 invalid argument, 8 resource exhausted, 14 unavailable. */
  readonly code: number;
  readonly message: string;
  /** From google.rpc.RetryInfo among the details: try again, but not before. */
  readonly retryAfter_ms?: number;
}

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

export function encodeStatus({ code, message, retryAfter_ms }: Status): Uint8Array {
  const writer = sharedWriter;
  // What an encoder that threw left behind.
  writer.position = 0;
  if (code !== 0) {
    writer.varint(0x08);
    writer.varint64(code);
  }
  if (message !== '') writer.string(0x12, message);
  if (retryAfter_ms !== undefined) {
    const detail = writer.begin(0x1a);
    writer.string(0x0a, RETRY_INFO);
    const retryInfo = writer.begin(0x12);
    const delay = writer.begin(0x0a);
    const seconds = Math.floor(retryAfter_ms / 1000);
    const nanos = Math.round((retryAfter_ms - seconds * 1000) * 1e6);
    if (seconds !== 0) writer.uint(0x08, seconds);
    if (nanos !== 0) writer.uint(0x10, nanos);
    writer.end(delay);
    writer.end(retryInfo);
    writer.end(detail);
  }
  return writer.take();
}

/** @throws {SyntaxError} if it is no protobuf message of this kind */
export function decodeStatus(bytes: Uint8Array): Status {
  const reader = new Reader(bytes);
  let code = 0;
  let message = '';
  let retryAfter_ms: number | undefined;
  while (!reader.isAtEnd(reader.size)) {
    const tag = reader.tag();
    if (tag === 0x08) code = reader.int32();
    else if (tag === 0x12) message = reader.string();
    else if (tag === 0x1a) retryAfter_ms = readDetail(reader) ?? retryAfter_ms;
    else reader.skip(tag);
  }
  return { code, message, ...(retryAfter_ms !== undefined && { retryAfter_ms }) };
}

/** The status in JSON, without its details: HTTP says `Retry-After` instead. */
export function encodeStatusJson({ code, message }: Status): Uint8Array {
  return protobufToJson(RpcStatus, encodeStatus({ code, message }));
}

/** @throws {SyntaxError} if it is no JSON of this kind */
export function decodeStatusJson(bytes: Uint8Array): Status {
  return decodeStatus(jsonToProtobuf(RpcStatus, bytes));
}

/** A google.protobuf.Any; the delay, if it is a RetryInfo. */
function readDetail(reader: Reader): number | undefined {
  const end = reader.message();
  let type = '';
  let value: Uint8Array = new Uint8Array(0);
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x0a) type = reader.string();
    else if (tag === 0x12) value = reader.data();
    else reader.skip(tag);
  }
  return type === RETRY_INFO ? readRetryInfo(new Reader(value)) : undefined;
}

/** google.rpc.RetryInfo: a google.protobuf.Duration in milliseconds; without one, at once. */
function readRetryInfo(reader: Reader): number {
  let delay_ms = 0;
  while (!reader.isAtEnd(reader.size)) {
    const tag = reader.tag();
    if (tag !== 0x0a) {
      reader.skip(tag);
      continue;
    }
    const end = reader.message();
    while (!reader.isAtEnd(end)) {
      const innerTag = reader.tag();
      if (innerTag === 0x08) delay_ms += Number(reader.int64()) * 1000;
      else if (innerTag === 0x10) delay_ms += reader.int32() / 1e6;
      else reader.skip(innerTag);
    }
  }
  return Math.max(0, delay_ms);
}
