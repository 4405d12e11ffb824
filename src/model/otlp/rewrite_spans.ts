/** Leaves spans out of an encoded request, or changes their tracestate, and copies all else as it is. */
import type { AnyValue } from '../attributes.ts';
import { readAnyValue } from './any_value.ts';
import type { MessageType } from './message_type.ts';
import { REQUEST_TYPES } from './message_types.ts';
import { Reader } from './reader.ts';
import { sharedWriter } from './writer.ts';

/** What a decision about a span can rest on. */
export interface SpanHead {
  /** Lower-case hex, '' where absent. */
  readonly traceId: string;
  readonly traceState: string;
  /** Value of the attribute that was asked for. */
  readonly attribute: AnyValue | undefined;
}

export interface RewriteOptions {
  /** The attribute that `decide` is told. */
  readonly attribute: string;
  /** The tracestate that the span shall have, or undefined to leave the span out. */
  readonly decide: (span: SpanHead) => string | undefined;
}

export interface RewrittenSpans {
  /** The very same bytes where nothing changed. */
  readonly otlp: Uint8Array;
  /** Spans in them. */
  readonly count: number;
}

interface Work extends RewriteOptions {
  readonly reader: Reader;
  readonly attributeBytes: Buffer;
  count: number;
  hasChanged: boolean;
}

// opentelemetry/proto/trace/v1/trace.proto: Span
const TRACE_ID = 0x0a;
const TRACE_STATE = 0x1a;
const ATTRIBUTES = 0x4a;

/** @throws {SyntaxError} if it is no protobuf message of this kind */
export function rewriteSpans(bytes: Uint8Array, options: RewriteOptions): RewrittenSpans {
  const reader = new Reader(bytes);
  const attributeBytes = Buffer.from(options.attribute);
  const work: Work = { ...options, reader, attributeBytes, count: 0, hasChanged: false };
  // What an encoder that threw left behind.
  sharedWriter.position = 0;
  copyFields(work, REQUEST_TYPES.traces, reader.size);
  if (!work.hasChanged) {
    sharedWriter.position = 0;
    return { otlp: bytes, count: work.count };
  }
  return { otlp: sharedWriter.take(), count: work.count };
}

function copyFields(work: Work, type: MessageType, end: number): void {
  const { reader } = work;
  while (!reader.isAtEnd(end)) {
    const start = reader.position;
    const tag = reader.tag();
    const field = type.byNumber[tag >>> 3];
    const nested = field !== undefined && tag === field.tag && typeof field.type === 'object' ? field.type : undefined;
    if (nested?.isItem) copySpan(work, tag, start);
    else if (nested?.holdsItems) copyContainer(work, nested, tag);
    else {
      reader.skip(tag);
      sharedWriter.raw(reader.bytes, start, reader.position);
    }
  }
}

/** Without the container if no span of it is left. */
function copyContainer(work: Work, type: MessageType, tag: number): void {
  const end = work.reader.message();
  const before = sharedWriter.position;
  const { count } = work;
  const expected = end - work.reader.position;
  const start = sharedWriter.begin(tag, expected);
  copyFields(work, type, end);
  sharedWriter.end(start, expected);
  if (work.count === count) sharedWriter.position = before;
}

function copySpan(work: Work, tag: number, start: number): void {
  const { reader } = work;
  const end = reader.message();
  const content = reader.position;
  const head = readHead(work, end);
  const traceState = work.decide(head);
  if (traceState === undefined) {
    work.hasChanged = true;
    return;
  }
  work.count++;
  if (traceState === head.traceState) {
    sharedWriter.raw(reader.bytes, start, end);
    return;
  }
  work.hasChanged = true;
  reader.position = content;
  const expected = end - content + traceState.length;
  const message = sharedWriter.begin(tag, expected);
  while (!reader.isAtEnd(end)) {
    const from = reader.position;
    const fieldTag = reader.tag();
    reader.skip(fieldTag);
    if (fieldTag !== TRACE_STATE) sharedWriter.raw(reader.bytes, from, reader.position);
  }
  if (traceState !== '') sharedWriter.string(TRACE_STATE, traceState);
  sharedWriter.end(message, expected);
}

function readHead({ reader, attributeBytes }: Work, end: number): SpanHead {
  let traceId = '';
  let traceState = '';
  let attribute: AnyValue | undefined;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === TRACE_ID) traceId = reader.hex();
    else if (tag === TRACE_STATE) traceState = reader.string();
    else if (tag === ATTRIBUTES) attribute = readValueOf(reader, attributeBytes) ?? attribute;
    else reader.skip(tag);
  }
  return { traceId, traceState, attribute };
}

/** The value of a KeyValue if it has this key. */
function readValueOf(reader: Reader, key: Buffer): AnyValue | undefined {
  const end = reader.message();
  let isMeant = false;
  let valueAt: number | undefined;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      const keyEnd = reader.message();
      const { position } = reader;
      isMeant = keyEnd - position === key.length && key.compare(reader.bytes, position, keyEnd) === 0;
      reader.position = keyEnd;
    } else {
      if (tag === 0x12) valueAt = reader.position;
      reader.skip(tag);
    }
  }
  if (!isMeant || valueAt === undefined) return undefined;
  reader.position = valueAt;
  const value = readAnyValue(reader);
  reader.position = end;
  return value;
}
