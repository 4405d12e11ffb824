/** Lines of `key=value` pairs, as of Go's logfmt and log/slog: `ts=2024-01-02T15:04:05Z level=info msg="a text"`. */
import type { AnyValue, Attributes } from '../model/attributes.ts';
import type { FieldsReader } from './fields.ts';
import { setField } from './fields.ts';
import type { LineParser } from './format.ts';
import { endOfQuoted } from './quoted.ts';

/** A line with more pairs is kept whole. */
const MAX_FIELDS = 1000;

export function createLogfmtParser(fields: FieldsReader): LineParser {
  return {
    parse(line) {
      const pairs = parseLogfmt(line);
      return pairs === undefined ? undefined : fields.read(pairs.fields, line);
    },
  };
}

export interface Logfmt {
  readonly fields: Attributes;
  /** Keys that have no value; they are `true`. */
  readonly bareCount: number;
}

/** Values are texts, as the format does not tell numbers; undefined where it is no logfmt, or has no pair at all. */
export function parseLogfmt(text: string): Logfmt | undefined {
  const fields: Record<string, AnyValue> = {};
  let count = 0;
  let bareCount = 0;
  let at = 0;
  for (;;) {
    while (isSpace(text.charCodeAt(at))) at++;
    if (at >= text.length) break;
    if (++count > MAX_FIELDS) return undefined;
    let key: string;
    if (text.charCodeAt(at) === 0x22) {
      const end = endOfQuoted(text, at + 1);
      if (end < 0) return undefined;
      key = unquote(text.slice(at + 1, end));
      at = end + 1;
    } else {
      const end = endOfKey(text, at);
      key = text.slice(at, end);
      at = end;
    }
    if (key === '') return undefined;
    if (text.charCodeAt(at) !== 0x3d) {
      if (at < text.length && !isSpace(text.charCodeAt(at))) return undefined;
      bareCount++;
      setField(fields, key, true);
      continue;
    }
    at++;
    if (text.charCodeAt(at) === 0x22) {
      const end = endOfQuoted(text, at + 1);
      if (end < 0) return undefined;
      setField(fields, key, unquote(text.slice(at + 1, end)));
      at = end + 1;
      if (at < text.length && !isSpace(text.charCodeAt(at))) return undefined;
    } else {
      let end = at;
      while (end < text.length && !isSpace(text.charCodeAt(end))) end++;
      setField(fields, key, text.slice(at, end));
      at = end;
    }
  }
  return count === bareCount ? undefined : { fields, bareCount };
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

function endOfKey(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code <= 0x20 || code === 0x3d || code === 0x22) break;
  }
  return at;
}

const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** As Go's strconv.Quote writes it; \x stands for a byte, which quotes only what is no UTF-8. */
function unquote(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([^]))/g,
    (whole, byte?: string, short?: string, long?: string, letter?: string) => {
      if (byte !== undefined) return Number.parseInt(byte, 16) < 0x80 ? fromHex(byte) : '\ufffd';
      if (short !== undefined) return fromHex(short);
      if (long !== undefined) return Number.parseInt(long, 16) <= 0x10ffff ? fromHex(long) : whole;
      return ESCAPES[letter!] ?? letter!;
    },
  );
}

function fromHex(digits: string): string {
  return String.fromCodePoint(Number.parseInt(digits, 16));
}
