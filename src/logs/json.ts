/** Lines that are one JSON object each: of pino, bunyan, zap, slog, zerolog, ECS, MongoDB and many more. */
import { isInt64 } from '../model/otlp/writer.ts';
import { DoubleValue, type AnyValue, type Attributes } from '../model/attributes.ts';
import { severityName } from '../model/severity.ts';
import type { FieldsReader } from './fields.ts';
import type { LineParser, ParsedLine } from './format.ts';
import { endOfDigits, isDigit } from './time/scan.ts';

/** What nests deeper stays as its JSON text: receivers of OTLP need not take more. */
const MAX_DEPTH = 32;
/** An object with more fields than this is data, not a line of a log: it is kept whole. */
const MAX_FIELDS = 1000;

export function createJsonParser(fields: FieldsReader): LineParser {
  return {
    parse(line) {
      const object = parseJsonObject(line, fields.isTime);
      return object === undefined ? undefined : recordOf(object, fields, line);
    },
  };
}

function recordOf(object: Attributes, fields: FieldsReader, text: string): ParsedLine {
  const line = fields.read(object, text);
  // MongoDB: {"t": {"$date": "…"}, "s": "I", "c": "NETWORK", …}.
  if (line.time !== 0n && line.severityNumber === 0 && typeof object['t'] === 'object') {
    const severityNumber = MONGODB_SEVERITIES.get(String(object['s']).slice(0, 1));
    if (severityNumber !== undefined) {
      line.severityNumber = severityNumber;
      line.severityText = severityName(severityNumber);
    }
  }
  return line;
}

/** https://www.mongodb.com/docs/manual/reference/log-messages/#severity-levels; debugging has five levels, D1 to D5. */
const MONGODB_SEVERITIES = new Map([
  ['F', 21],
  ['E', 17],
  ['W', 13],
  ['I', 9],
  ['D', 5],
]);

/** The fields of a text that is a JSON object and nothing else; of those of the same name the last. */
export function parseJsonObject(text: string, isTime: (name: string) => boolean): Attributes | undefined {
  let start = 0;
  while (text.charCodeAt(start) === 0x20 || text.charCodeAt(start) === 0x09) start++;
  if (text.charCodeAt(start) !== 0x7b) return undefined;
  try {
    const object = mayLoseDigits(text) ? parseExactly(text, isTime) : (JSON.parse(text) as Attributes);
    return limited(object);
  } catch {
    // It is no JSON, which is what the caller asked.
    return undefined;
  }
}

/**
 * Whether a number may be one that a double does not hold as written: of 16 digits and more, seconds since 1970 with more
 * than six decimals, and integral ones with a point, which are doubles to whoever wrote them. It may stand in a string,
 * which costs time, no more. A regular expression for it takes longer than JSON.parse.
 */
function mayLoseDigits(text: string): boolean {
  for (let at = 15; at < text.length; at += 16) {
    if (!isDigit(text.charCodeAt(at))) continue;
    let start = at;
    while (start > at - 15 && isDigit(text.charCodeAt(start - 1))) start--;
    if (endOfDigits(text, at) - start >= 16) return true;
  }
  for (let point = text.indexOf('.'); point > 0; point = text.indexOf('.', point + 1)) {
    if (!isDigit(text.charCodeAt(point - 1)) || !isDigit(text.charCodeAt(point + 1))) continue;
    const end = endOfDigits(text, point + 1);
    if (end - point > 7 && isDigit(text.charCodeAt(point - 9))) return true;
    const next = text.charCodeAt(end);
    const isEnd = next === 0x2c || next === 0x7d || next === 0x5d || next <= 0x20;
    if (isEnd && isAllZeros(text, point + 1, end)) return true;
  }
  return false;
}

function isAllZeros(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (text.charCodeAt(at) !== 0x30) return false;
  return true;
}

/** What nests too deep as text; undefined where there are too many fields. */
function limited(object: Attributes): Attributes | undefined {
  let count = 0;
  for (const name in object) {
    if (++count > MAX_FIELDS) return undefined;
    const value = object[name]!;
    if (typeof value === 'object' && value !== null) limitDepth(value, object, name, 2);
  }
  return object;
}

function limitDepth(value: object, holder: object, name: string | number, depth: number): void {
  if (value instanceof DoubleValue) return;
  if (depth > MAX_DEPTH) {
    const text = jsonOf(value);
    Object.defineProperty(holder, name, { value: text, enumerable: true, writable: true, configurable: true });
    return;
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item = (value as unknown[])[index];
      if (typeof item === 'object' && item !== null) limitDepth(item, value, index, depth + 1);
    }
    return;
  }
  for (const [key, item] of Object.entries(value) as [string, unknown][]) {
    if (typeof item === 'object' && item !== null) limitDepth(item, value, key, depth + 1);
  }
}

/** Half a million brackets are within a line's length, and too deep for whatever writes JSON. */
function jsonOf(value: object): string {
  try {
    return JSON.stringify(value, (_, item: unknown) => {
      if (item instanceof DoubleValue) return item.value;
      return typeof item === 'bigint' ? String(item) : item;
    });
  } catch {
    // It nests deeper than the stack is.
    return Array.isArray(value) ? '[…]' : '{…}';
  }
}

type Reviver = (this: unknown, name: string, value: unknown, context: { readonly source?: string }) => unknown;
/** With the source of each value (ECMAScript 2026), which the types do not know yet. */
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;

/** Like JSON.parse, but no number changes: integers are whole to 64 bits, and doubles stay doubles. */
function parseExactly(text: string, isTime: (name: string) => boolean): Attributes {
  // A time in seconds may have more digits than a double: of the line's own, which only its holder tells, the text.
  const times: { readonly holder: unknown; readonly name: string; readonly source: string }[] = [];
  const object = parseWithSource(text, function (name, value, { source }) {
    if (typeof value !== 'number' || source === undefined) return value;
    if (source.length > 15 && isTime(name)) times.push({ holder: this, name, source });
    return exactNumber(value, source);
  }) as Record<string, AnyValue>;
  for (const { holder, name, source } of times) if (holder === object) object[name] = source;
  return object;
}

/** An integer beyond 64 bits, which no attribute can be, stays as its digits. */
function exactNumber(value: number, source: string): AnyValue {
  if (/^-?\d+$/.test(source)) {
    if (Number.isSafeInteger(value)) return value;
    if (source.length > 20) return source;
    const integer = BigInt(source);
    return BigInt.asIntN(64, integer) === integer ? integer : source;
  }
  return isInt64(value) ? new DoubleValue(value) : value;
}
