/** Checks, counts and splits encoded export requests (protobuf) without decoding them. */
import type { Signal } from '../batch.ts';
import type { MessageType } from './message_type.ts';
import { AnyValue, REQUEST_TYPES } from './message_types.ts';
import { MAX_DEPTH, Reader, VARINT } from './reader.ts';
import { countWellFormed, UNDECIDED } from './well_formed.ts';
import { sharedWriter } from './writer.ts';

/** A part of a request that is a request itself. */
export interface RequestPart {
  readonly body: Uint8Array;
  /** Data points, log records or spans in it. */
  readonly count: number;
}

/**
 * How many data points, log records or spans a request holds. What it accepts, the decoders accept, too: it goes
 * through the whole message.
 * @throws {SyntaxError} if it is no protobuf message of this kind
 */
export function countItems(bytes: Uint8Array, signal: Signal): number {
  const items = countWellFormed(bytes, REQUEST_TYPES[signal]);
  return items === UNDECIDED ? checkThoroughly(bytes, signal) : items;
}

/** How many spans an ExportTraceServiceRequest holds. */
export function countSpans(bytes: Uint8Array): number {
  return countItems(bytes, 'traces');
}

/** Like {@link countItems}, slower, with words for what is wrong. */
export function checkThoroughly(bytes: Uint8Array, signal: Signal): number {
  const reader = new Reader(bytes);
  return check(reader, REQUEST_TYPES[signal], reader.size, 0);
}

function check(reader: Reader, type: MessageType, end: number, depth: number): number {
  const valueDepth = type === AnyValue ? depth + 1 : depth;
  if (valueDepth > MAX_DEPTH) reader.fail(`values nested more than ${MAX_DEPTH} deep`);
  const { byNumber } = type;
  let items = type.isItem ? 1 : 0;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    const field = byNumber[tag >>> 3];
    if (field === undefined || tag !== field.tag) reader.skip(tag);
    else if (typeof field.type === 'object') items += check(reader, field.type, reader.message(), valueDepth);
    else if (field.isRepeated && field.tag !== field.elementTag) checkPacked(reader, field.elementTag);
    else reader.skip(tag);
  }
  return items;
}

function checkPacked(reader: Reader, elementTag: number): void {
  const end = reader.message();
  if ((elementTag & 7) !== VARINT && (end - reader.position) % 8 !== 0) {
    reader.fail(`packed numbers of ${end - reader.position} bytes`);
  }
  while (!reader.isAtEnd(end)) reader.skip(elementTag);
}

/**
 * A request in two halves, for a back end that takes only smaller ones. Resources, scopes and metrics whose items are
 * in both halves are in both. A request with one item cannot be split and comes back alone.
 * @throws {SyntaxError} if it is no protobuf message of this kind
 */
export function splitRequest(bytes: Uint8Array, signal: Signal): readonly RequestPart[] {
  const count = countItems(bytes, signal);
  if (count < 2) return [{ body: bytes, count }];
  const middle = Math.ceil(count / 2);
  return [
    { body: copyItems(bytes, signal, 0, middle), count: middle },
    { body: copyItems(bytes, signal, middle, count), count: count - middle },
  ];
}

/**
 * Splits a request into parts of at most `max_bytes`. A single item that is larger is a part of its own, which the
 * caller must refuse: there is nothing left to split.
 * @throws {SyntaxError} if it is no protobuf message of this kind
 */
export function splitToSize(bytes: Uint8Array, signal: Signal, max_bytes: number): readonly RequestPart[] {
  if (bytes.length <= max_bytes) return [{ body: bytes, count: countItems(bytes, signal) }];
  const halves = splitRequest(bytes, signal);
  return halves.length === 1 ? halves : halves.flatMap(({ body }) => splitToSize(body, signal, max_bytes));
}

/** Which items to copy, and how far it is. */
interface Selection {
  readonly from: number;
  readonly to: number;
  next: number;
  copied: number;
}

function copyItems(bytes: Uint8Array, signal: Signal, from: number, to: number): Uint8Array {
  const reader = new Reader(bytes);
  // What an encoder that threw left behind.
  sharedWriter.position = 0;
  copyFields(reader, REQUEST_TYPES[signal], reader.size, { from, to, next: 0, copied: 0 });
  return sharedWriter.take();
}

/** Copies a message's fields as they are, known or not, but of its items only the selected. */
function copyFields(reader: Reader, type: MessageType, end: number, selection: Selection): void {
  while (!reader.isAtEnd(end)) {
    const start = reader.position;
    const tag = reader.tag();
    const field = type.byNumber[tag >>> 3];
    const nested = field !== undefined && tag === field.tag && typeof field.type === 'object' ? field.type : undefined;
    if (nested?.holdsItems) {
      copyContainer(reader, nested, tag, selection);
      continue;
    }
    reader.skip(tag);
    if (nested?.isItem) {
      const index = selection.next++;
      if (index < selection.from || index >= selection.to) continue;
      selection.copied++;
    }
    sharedWriter.raw(reader.bytes, start, reader.position);
  }
}

/** Copies a message that holds items, unless none of them is selected. */
function copyContainer(reader: Reader, type: MessageType, tag: number, selection: Selection): void {
  const end = reader.message();
  const before = sharedWriter.position;
  const { copied } = selection;
  const expected = Math.floor((end - reader.position) / 2);
  const start = sharedWriter.begin(tag, expected);
  copyFields(reader, type, end, selection);
  sharedWriter.end(start, expected);
  if (selection.copied === copied) sharedWriter.position = before;
}
