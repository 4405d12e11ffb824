/**
 * Reads JSON (RFC 8259) from bytes, token by token. Unlike JSON.parse it gives numbers as their text, so that 64-bit
 * integers stay exact, makes no objects, so that no key can reach a prototype, and refuses what nests too deep.
 */
import { names } from './string_table.ts';
import type { Writer } from './writer.ts';

/** How deep values that are only skipped may nest. */
const MAX_SKIPPED_DEPTH = 100;
/** RFC 8259, section 6. */
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether it is a number as JSON writes them. */
export function isNumberText(text: string): boolean {
  return NUMBER.test(text);
}

export class JsonScanner {
  readonly bytes: Buffer;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  fail(found: string): never {
    throw new SyntaxError(`Cannot decode OTLP/JSON: ${found} at byte ${this.position}`);
  }

  /** The first byte of the next token, which it does not consume; undefined at the end. */
  peek(): number | undefined {
    for (;;) {
      const byte = this.bytes[this.position];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.position++;
    }
  }

  /** Consumes this character, if it comes next. */
  accept(character: string): boolean {
    if (this.peek() !== character.charCodeAt(0)) return false;
    this.position++;
    return true;
  }

  expect(character: string): void {
    if (!this.accept(character)) this.fail(`${this.#found()} instead of "${character}"`);
  }

  expectEnd(): void {
    if (this.peek() !== undefined) this.fail(`${this.#found()} after the end`);
  }

  /** Consumes this literal, if it comes next. */
  acceptLiteral(literal: 'null' | 'true' | 'false'): boolean {
    if (this.peek() !== literal.charCodeAt(0)) return false;
    const end = this.position + literal.length;
    if (this.bytes.toString('latin1', this.position, end) !== literal) this.fail('an unknown word');
    this.position = end;
    return true;
  }

  isString(): boolean {
    return this.peek() === QUOTE;
  }

  /** The key of a member, and its colon. */
  key(): string {
    const key = this.text();
    this.expect(':');
    return key;
  }

  text(): string {
    const isPlain = this.#skipString();
    const end = this.position - 1;
    return isPlain ? names.get(this.bytes, this.#stringStart, end) : this.#unescape(this.#stringStart, end);
  }

  /** Writes the string that comes next as a protobuf field; an empty one only if asked. */
  copyString(writer: Writer, tag: number, keepEmpty: boolean): void {
    const isPlain = this.#skipString();
    const start = this.#stringStart;
    const end = this.position - 1;
    if (start === end && !keepEmpty) return;
    if (!isPlain) return writer.string(tag, this.#unescape(start, end));
    writer.varint(tag);
    writer.varint(end - start);
    writer.raw(this.bytes, start, end);
  }

  /** The text of a number, be it bare or a string; of a string, not checked. */
  numberText(): string {
    if (this.isString()) return this.text();
    const start = this.position;
    while (isNumberByte(this.bytes[this.position])) this.position++;
    const text = this.bytes.toString('latin1', start, this.position);
    if (!isNumberText(text)) {
      this.position = start;
      this.fail(`${this.#found()} instead of a number`);
    }
    return text;
  }

  skipValue(depth = 0): void {
    if (depth > MAX_SKIPPED_DEPTH) this.fail(`values nested more than ${MAX_SKIPPED_DEPTH} deep`);
    if (this.isString()) this.#skipEscapedString();
    else if (this.accept('{')) {
      if (this.accept('}')) return;
      do {
        this.#skipEscapedString();
        this.expect(':');
        this.skipValue(depth + 1);
      } while (this.accept(','));
      this.expect('}');
    } else if (this.accept('[')) {
      if (this.accept(']')) return;
      do this.skipValue(depth + 1);
      while (this.accept(','));
      this.expect(']');
    } else if (!this.acceptLiteral('null') && !this.acceptLiteral('true') && !this.acceptLiteral('false')) {
      this.numberText();
    }
  }

  #stringStart = 0;

  /** Goes past a string; whether it is ASCII without escapes, so that its bytes are its text. */
  #skipString(): boolean {
    this.expect('"');
    this.#stringStart = this.position;
    const { bytes } = this;
    let isPlain = true;
    for (;;) {
      const byte = bytes[this.position];
      if (byte === undefined) this.fail('a string without end');
      if (byte < 0x20) this.fail('a control character in a string');
      this.position++;
      if (byte === QUOTE) return isPlain;
      if (byte > 127) isPlain = false;
      else if (byte === BACKSLASH) {
        isPlain = false;
        // What is escaped cannot end the string; a control character there is refused when it is unescaped.
        this.position++;
      }
    }
  }

  /** Goes past a string that nobody reads, but not past wrong escapes in it. */
  #skipEscapedString(): void {
    if (!this.#skipString()) this.#unescape(this.#stringStart, this.position - 1);
  }

  #unescape(start: number, end: number): string {
    try {
      return JSON.parse(`"${this.bytes.toString('utf8', start, end)}"`) as string;
    } catch (cause) {
      throw new SyntaxError(`Cannot decode OTLP/JSON: a wrong escape in the string at byte ${start}`, { cause });
    }
  }

  #found(): string {
    const byte = this.peek();
    return byte === undefined ? 'the end of the input' : `"${String.fromCharCode(byte)}"`;
  }
}

/** `+`, `-`, `.`, digits, `E`, `e`. */
function isNumberByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e || (byte | 0x20) === 0x65;
}
