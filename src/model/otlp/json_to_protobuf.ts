/**
 * OTLP/JSON to the protobuf message that says the same (specification, "JSON Protobuf Encoding"): 64-bit integers and
 * doubles may be strings or numbers, unknown members are ignored, null is the same as absence, names are lowerCamelCase.
 */
import { isNumberText, JsonScanner } from './json_scanner.ts';
import type { Field, MessageType, ScalarType } from './message_type.ts';
import { AnyValue } from './message_types.ts';
import { MAX_DEPTH } from './reader.ts';
import { sharedWriter, type Writer } from './writer.ts';

/** @throws {SyntaxError} if it is no JSON, or a member has another type than the message says */
export function jsonToProtobuf(type: MessageType, bytes: Uint8Array): Uint8Array {
  const writer = sharedWriter;
  // What an encoder that threw left behind.
  writer.position = 0;
  const scanner = new JsonScanner(bytes);
  readMessage(scanner, writer, type, 0);
  scanner.expectEnd();
  return writer.take();
}

function readMessage(scanner: JsonScanner, writer: Writer, type: MessageType, depth: number): void {
  const valueDepth = type === AnyValue ? depth + 1 : depth;
  if (valueDepth > MAX_DEPTH) scanner.fail(`values nested more than ${MAX_DEPTH} deep`);
  scanner.expect('{');
  if (scanner.accept('}')) return;
  do {
    const field = type.byName.get(scanner.key());
    if (field === undefined) scanner.skipValue();
    else if (!scanner.acceptLiteral('null')) readField(scanner, writer, field, valueDepth);
  } while (scanner.accept(','));
  scanner.expect('}');
}

function readField(scanner: JsonScanner, writer: Writer, field: Field, depth: number): void {
  const { type } = field;
  if (!field.isRepeated) {
    if (typeof type === 'object') readNested(scanner, writer, field.tag, type, depth);
    else readScalar(scanner, writer, type, field.tag, field.hasPresence);
    return;
  }
  const isPacked = field.tag !== field.elementTag;
  scanner.expect('[');
  if (scanner.accept(']')) return;
  const start = isPacked ? writer.begin(field.tag) : 0;
  do {
    if (typeof type === 'object') readNested(scanner, writer, field.tag, type, depth);
    else readScalar(scanner, writer, type, isPacked ? 0 : field.tag, true);
  } while (scanner.accept(','));
  if (isPacked) writer.end(start);
  scanner.expect(']');
}

function readNested(scanner: JsonScanner, writer: Writer, tag: number, type: MessageType, depth: number): void {
  const start = writer.begin(tag);
  readMessage(scanner, writer, type, depth);
  writer.end(start);
}

/** Writes the value that comes next, after `tag` unless that is 0; a zero only if `keepZero`. */
function readScalar(scanner: JsonScanner, writer: Writer, type: ScalarType, tag: number, keepZero: boolean): void {
  switch (type) {
    case 'string':
      return scanner.copyString(writer, tag, keepZero);
    case 'id':
    case 'bytes': {
      const data = type === 'id' ? readId(scanner) : readBase64(scanner);
      if (data.length > 0 || keepZero) writer.data(tag, data);
      return;
    }
    case 'double': {
      const value = readDouble(scanner);
      if (Object.is(value, 0) && !keepZero) return;
      if (tag !== 0) writer.varint(tag);
      return writer.rawDouble(value);
    }
    case 'bool': {
      const value = readBool(scanner);
      if (value || keepZero) writer.uint(tag, value ? 1 : 0);
      return;
    }
    default:
      return readInteger(scanner, writer, type, tag, keepZero);
  }
}

type IntegerType = Exclude<ScalarType, 'string' | 'id' | 'bytes' | 'double' | 'bool'>;

const RANGES: Readonly<Record<IntegerType, readonly [bigint, bigint]>> = {
  fixed32: [0n, 2n ** 32n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  sint32: [-(2n ** 31n), 2n ** 31n - 1n],
  enum: [-(2n ** 31n), 2n ** 31n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  sfixed64: [-(2n ** 63n), 2n ** 63n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

function readInteger(scanner: JsonScanner, writer: Writer, type: IntegerType, tag: number, keepZero: boolean): void {
  scanner.peek();
  const start = scanner.position;
  const text = scanner.numberText();
  const value = parseInteger(text);
  const [least, most] = RANGES[type];
  if (value === undefined || value < least || value > most) {
    scanner.position = start;
    scanner.fail(`${JSON.stringify(text)} instead of an integer (${type})`);
  }
  if (value === 0n && !keepZero) return;
  switch (type) {
    case 'fixed32':
      return writer.fixed32(tag, Number(value));
    case 'sint32':
      return writer.sint32(tag, Number(value));
    case 'fixed64':
    case 'sfixed64':
      if (tag !== 0) writer.varint(tag);
      return writer.rawFixed64(BigInt.asUintN(64, value));
    default:
      if (tag !== 0) writer.varint(tag);
      writer.varint64(value);
  }
}

/** Integers may be written as 1.0 and 1e3, too; undefined if it is none. */
function parseInteger(text: string): bigint | undefined {
  if (/^-?[0-9]+$/.test(text)) return BigInt(text);
  if (!isNumberText(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? BigInt(value) : undefined;
}

function readDouble(scanner: JsonScanner): number {
  const isString = scanner.isString();
  const start = scanner.position;
  const text = scanner.numberText();
  if (!isString || isNumberText(text)) return Number(text);
  if (text === 'NaN' || text === 'Infinity' || text === '-Infinity') return Number(text);
  scanner.position = start;
  return scanner.fail(`${JSON.stringify(text)} instead of a number`);
}

function readBool(scanner: JsonScanner): boolean {
  if (scanner.acceptLiteral('true')) return true;
  if (scanner.acceptLiteral('false')) return false;
  return scanner.fail('something else than true or false');
}

function readId(scanner: JsonScanner): Uint8Array {
  const text = scanner.text();
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) scanner.fail(`${JSON.stringify(text)} instead of hex digits`);
  return Buffer.from(text, 'hex');
}

/** With either alphabet of RFC 4648 and with or without padding, as ProtoJSON says. */
function readBase64(scanner: JsonScanner): Uint8Array {
  const text = scanner.text();
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) scanner.fail(`${JSON.stringify(text)} instead of base64`);
  return Buffer.from(text, 'base64');
}
