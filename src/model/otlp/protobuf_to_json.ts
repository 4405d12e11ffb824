/**
 * Protobuf messages of OTLP to OTLP/JSON (specification, "JSON Protobuf Encoding"): ids in hex, enums as integers, 64-bit
 * integers as decimal strings, not-a-number and infinities as strings, names in lowerCamelCase. It goes from bytes to
 * bytes without objects in between, so no number loses digits.
 */
import type { Field, MessageType, ScalarType } from './message_type.ts';
import { AnyValue } from './message_types.ts';
import { MAX_DEPTH, Reader } from './reader.ts';
import { sharedWriter, type Writer } from './writer.ts';

/**
 * UTF-8 text of the message. Unknown fields are left out.
 * @throws {SyntaxError} if it is no protobuf message of this type
 */
export function protobufToJson(type: MessageType, bytes: Uint8Array): Uint8Array {
  const writer = sharedWriter;
  // What an encoder that threw left behind.
  writer.position = 0;
  const reader = new Reader(bytes);
  writeMessage({ reader, writer, occurrences: [], fixed64: 0n, fixed64Text: '0' }, type, reader.size, 0);
  return writer.take();
}

interface Conversion {
  readonly reader: Reader;
  readonly writer: Writer;
  /** Tag and position of every known field of the messages that are being written, the innermost last. */
  readonly occurrences: number[];
  /** The 64-bit number written last: times repeat from point to point. */
  fixed64: bigint;
  fixed64Text: string;
}

/** Fields may come in any order, elements of a list apart from each other: so it first notes where each is. */
function writeMessage(conversion: Conversion, type: MessageType, end: number, depth: number): void {
  const { reader, writer, occurrences } = conversion;
  const valueDepth = type === AnyValue ? depth + 1 : depth;
  if (valueDepth > MAX_DEPTH) reader.fail(`values nested more than ${MAX_DEPTH} deep`);
  const first = occurrences.length;
  const { byNumber } = type;
  let chosen = 0;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    const field = byNumber[tag >>> 3];
    if (field !== undefined && (tag === field.elementTag || tag === field.tag)) {
      occurrences.push(tag, reader.position);
      if (field.isOneof) chosen = field.number;
    }
    reader.skip(tag);
  }
  const last = occurrences.length;
  let separator = '{';
  for (const field of type.fields) {
    if (field.isOneof && field.number !== chosen) continue;
    const isWritten = field.isRepeated
      ? writeList(conversion, field, first, last, separator, valueDepth)
      : writeSingle(conversion, field, first, last, separator, valueDepth);
    if (isWritten) separator = ',';
  }
  writer.ascii(separator === '{' ? '{}' : '}');
  occurrences.length = first;
  reader.position = end;
}

/** Of a field that comes more than once, the last counts. */
function writeSingle(
  conversion: Conversion,
  field: Field,
  first: number,
  last: number,
  separator: string,
  depth: number,
): boolean {
  const { reader, writer, occurrences } = conversion;
  for (let index = last - 2; index >= first; index -= 2) {
    if ((occurrences[index] as number) >>> 3 !== field.number) continue;
    reader.position = occurrences[index + 1] as number;
    writer.ascii(separator);
    writer.ascii(field.jsonKey);
    writeValue(conversion, field.type, depth);
    return true;
  }
  return false;
}

function writeList(
  conversion: Conversion,
  field: Field,
  first: number,
  last: number,
  separator: string,
  depth: number,
): boolean {
  const { reader, writer, occurrences } = conversion;
  let isFirst = true;
  for (let index = first; index < last; index += 2) {
    const tag = occurrences[index] as number;
    if (tag >>> 3 !== field.number) continue;
    reader.position = occurrences[index + 1] as number;
    const isPacked = tag !== field.elementTag;
    const end = isPacked ? reader.message() : 0;
    while (!isPacked || !reader.isAtEnd(end)) {
      writer.ascii(isFirst ? separator : ',');
      if (isFirst) {
        writer.ascii(field.jsonKey);
        writer.ascii('[');
      }
      isFirst = false;
      writeValue(conversion, field.type, depth);
      if (!isPacked) break;
    }
  }
  if (isFirst) return false;
  writer.ascii(']');
  return true;
}

function writeValue(conversion: Conversion, type: ScalarType | MessageType, depth: number): void {
  const { reader, writer } = conversion;
  if (typeof type === 'object') return writeMessage(conversion, type, reader.message(), depth);
  switch (type) {
    case 'string':
      return writeString(reader, writer);
    case 'id':
      return writeQuoted(writer, reader.hex());
    case 'bytes':
      return writeQuoted(writer, Buffer.from(reader.data()).toString('base64'));
    case 'bool':
      return writer.ascii(reader.bool() ? 'true' : 'false');
    case 'double':
      return writer.ascii(doubleText(reader.double()));
    case 'fixed32':
      return writer.ascii(`${reader.fixed32()}`);
    case 'uint32':
      return writer.ascii(`${reader.uint32()}`);
    case 'int32':
    case 'enum':
      return writer.ascii(`${reader.int32()}`);
    case 'sint32':
      return writer.ascii(`${reader.sint32()}`);
    case 'fixed64':
      return writeQuoted(writer, fixed64Text(conversion));
    case 'sfixed64':
      return writeQuoted(writer, `${reader.sfixed64()}`);
    case 'int64':
      return writeQuoted(writer, `${reader.int64()}`);
    case 'uint64':
      return writeQuoted(writer, `${reader.uint64()}`);
  }
}

function writeQuoted(writer: Writer, text: string): void {
  writer.ascii('"');
  writer.ascii(text);
  writer.ascii('"');
}

function fixed64Text(conversion: Conversion): string {
  const value = conversion.reader.time();
  if (value !== conversion.fixed64) {
    conversion.fixed64 = value;
    conversion.fixed64Text = `${value}`;
  }
  return conversion.fixed64Text;
}

function doubleText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : `${value}`;
  return `"${value}"`;
}

/** Bytes of ASCII without quotes, backslashes and control characters are their own JSON. */
function writeString(reader: Reader, writer: Writer): void {
  const end = reader.message();
  const start = reader.position;
  const { bytes } = reader;
  reader.position = end;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c && byte < 0x7f) continue;
    return writer.utf8(JSON.stringify(bytes.toString('utf8', start, end)));
  }
  writer.ascii('"');
  writer.raw(bytes, start, end);
  writer.ascii('"');
}
