/** Keys of messages: the value of an attribute of the resource, by which requests are split. */
import type { Signal } from '../../src/model/batch.ts';
import { Reader } from '../../src/model/otlp/reader.ts';
import { countItems, type RequestPart } from '../../src/model/otlp/requests.ts';

/** ExportMetricsServiceRequest.resource_metrics, and its like of logs and traces, have the same number and type. */
const RESOURCE_ITEMS = 0x0a;
/** ResourceMetrics.resource, and its like. */
const RESOURCE = 0x0a;
/** Resource.attributes. */
const ATTRIBUTES = 0x0a;
const KEY = 0x0a;
const VALUE = 0x12;
/** AnyValue.string_value and .int_value. */
const STRING_VALUE = 0x0a;
const INT_VALUE = 0x18;

/** Parts of a request, each with resources of one key only; unknown fields of the request itself stay with the first. */
export function splitByKey(body: Uint8Array, signal: Signal, attribute: string): readonly RequestPart[] {
  const groups = new Map<string | undefined, Uint8Array[]>();
  const others: Uint8Array[] = [];
  const reader = new Reader(body);
  while (!reader.isAtEnd(reader.size)) {
    const start = reader.position;
    const tag = reader.tag();
    if (tag !== RESOURCE_ITEMS) {
      reader.skip(tag);
      others.push(body.subarray(start, reader.position));
      continue;
    }
    const end = reader.message();
    const key = keyOfItems(reader, end, attribute);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [body.subarray(start, end)]);
    else group.push(body.subarray(start, end));
  }
  if (groups.size < 2) return [{ body, count: countItems(body, signal) }];
  return [...groups.values()].map((chunks, index) => {
    const part = Buffer.concat(index === 0 ? [...chunks, ...others] : chunks);
    return { body: part, count: countItems(part, signal) };
  });
}

/** The key of a request whose resources have all the same; undefined where they have not the attribute. */
export function keyOf(body: Uint8Array, attribute: string): string | undefined {
  const reader = new Reader(body);
  while (!reader.isAtEnd(reader.size)) {
    const tag = reader.tag();
    if (tag === RESOURCE_ITEMS) return keyOfItems(reader, reader.message(), attribute);
    reader.skip(tag);
  }
  return undefined;
}

/** Leaves the reader at `end`. */
function keyOfItems(reader: Reader, end: number, attribute: string): string | undefined {
  let key: string | undefined;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === RESOURCE) key = keyOfResource(reader, reader.message(), attribute) ?? key;
    else reader.skip(tag);
  }
  return key;
}

function keyOfResource(reader: Reader, end: number, attribute: string): string | undefined {
  let key: string | undefined;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === ATTRIBUTES) key = valueOf(reader, reader.message(), attribute) ?? key;
    else reader.skip(tag);
  }
  return key;
}

/** Of the attribute, if it is the one; other values than texts and whole numbers are no keys. */
function valueOf(reader: Reader, end: number, attribute: string): string | undefined {
  let name = '';
  let value: string | undefined;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === KEY) name = reader.string();
    else if (tag === VALUE) value = textOf(reader, reader.message());
    else reader.skip(tag);
  }
  return name === attribute ? value : undefined;
}

function textOf(reader: Reader, end: number): string | undefined {
  let text: string | undefined;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === STRING_VALUE) text = reader.string();
    else if (tag === INT_VALUE) text = String(reader.int64());
    else reader.skip(tag);
  }
  return text;
}
