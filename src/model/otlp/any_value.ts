/** Attributes and their values (opentelemetry/proto/common/v1/common.proto: KeyValue, AnyValue). */
import { DoubleValue, NO_ATTRIBUTES, type AnyValue, type Attributes } from '../attributes.ts';
import { MAX_DEPTH, type Reader } from './reader.ts';
import { names, values } from './string_table.ts';
import { isInt64, type Writer } from './writer.ts';

/** Writes every attribute as a KeyValue field with this tag. */
export function writeAttributes(writer: Writer, tag: number, attributes: Attributes, depth = 0): void {
  for (const key in attributes) {
    if (!Object.hasOwn(attributes, key)) continue;
    const start = writer.begin(tag);
    writer.string(0x0a, key);
    writeAnyValue(writer, 0x12, attributes[key], depth + 1);
    writer.end(start);
  }
}

/** Writes a value as an AnyValue field. What nests deeper than receivers must accept (64) becomes an empty value. */
export function writeAnyValue(writer: Writer, tag: number, value: AnyValue | undefined, depth = 1): void {
  const start = writer.begin(tag);
  writeValue(writer, value, depth);
  writer.end(start);
}

function writeValue(writer: Writer, value: AnyValue | undefined, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.string(0x0a, value);
      break;
    case 'boolean':
      writer.uint(0x10, value ? 1 : 0);
      break;
    case 'number':
      if (!isInt64(value)) return writer.double(0x21, value);
      writer.varint(0x18);
      writer.varint64(value);
      break;
    case 'bigint':
      // No kind of AnyValue holds more than 64 bits: as text nothing is lost.
      if (value !== BigInt.asIntN(64, value)) return writer.string(0x0a, `${value}`);
      writer.varint(0x18);
      writer.varint64(value);
      break;
    case 'object':
      if (value !== null) writeObject(writer, value, depth);
  }
}

function writeObject(writer: Writer, value: AnyValue & object, depth: number): void {
  if (value instanceof DoubleValue) return writer.double(0x21, value.value);
  if (value instanceof Uint8Array) return writer.data(0x3a, value);
  if (depth === MAX_DEPTH) return;
  const isArray = Array.isArray(value);
  const start = writer.begin(isArray ? 0x2a : 0x32);
  if (isArray) for (const item of value as readonly AnyValue[]) writeAnyValue(writer, 0x0a, item, depth + 1);
  else writeAttributes(writer, 0x0a, value as Attributes, depth);
  writer.end(start);
}

/** Collects the attributes of one message, which come one by one. */
export type AttributesBuilder = { [key: string]: AnyValue };

/** The object itself, or the shared empty one. */
export function finishAttributes(builder: AttributesBuilder | undefined): Attributes {
  return builder ?? NO_ATTRIBUTES;
}

/** Reads a KeyValue into `into`, which it makes if there is none yet. A key that comes twice has its last value. */
export function readAttribute(reader: Reader, into: AttributesBuilder | undefined, depth = 0): AttributesBuilder {
  const end = reader.message();
  const attributes = into ?? {};
  let key = '';
  let value: AnyValue | undefined;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x0a) key = names.read(reader);
    else if (tag === 0x12) value = readAnyValue(reader, depth + 1);
    else reader.skip(tag);
  }
  value ??= null;
  if (key === '__proto__') {
    // An assignment would change the object's prototype instead.
    Object.defineProperty(attributes, key, { value, writable: true, enumerable: true, configurable: true });
  } else attributes[key] = value;
  return attributes;
}

/** Reads an AnyValue; null if it is empty. */
export function readAnyValue(reader: Reader, depth = 1): AnyValue {
  if (depth > MAX_DEPTH) reader.fail(`values nested more than ${MAX_DEPTH} deep`);
  const end = reader.message();
  let value: AnyValue = null;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a: // string_value
        value = values.read(reader);
        break;
      case 0x10: // bool_value
        value = reader.bool();
        break;
      case 0x18: // int_value
        value = reader.int64();
        break;
      case 0x21: // double_value
        value = doubleValue(reader.double());
        break;
      case 0x2a: // array_value
        value = readArray(reader, depth);
        break;
      case 0x32: // kvlist_value
        value = readMap(reader, depth);
        break;
      case 0x3a: // bytes_value
        value = reader.data();
        break;
      default:
        reader.skip(tag);
    }
  }
  return value;
}

/** An integral double is marked as one, so that it does not leave as an integer. */
function doubleValue(value: number): AnyValue {
  return isInt64(value) ? new DoubleValue(value) : value;
}

function readArray(reader: Reader, depth: number): AnyValue {
  const end = reader.message();
  const items: AnyValue[] = [];
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x0a) items.push(readAnyValue(reader, depth + 1));
    else reader.skip(tag);
  }
  return items;
}

function readMap(reader: Reader, depth: number): AnyValue {
  const end = reader.message();
  const map: AttributesBuilder = {};
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x0a) readAttribute(reader, map, depth);
    else reader.skip(tag);
  }
  return map;
}
