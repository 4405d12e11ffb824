/** A cursor over the bytes of a kernel file: numbers and fields without making strings of lines. */

const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;

/** A key to compare a file's bytes with, made once: `const MEM_TOTAL = key('MemTotal:')`. */
export function key(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export class Cursor {
  readonly bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  /** At a line's end, behind its blanks. */
  get isAtLineEnd(): boolean {
    this.skipBlanks();
    return this.position >= this.bytes.length || this.bytes[this.position] === NEWLINE;
  }

  /** Moves to the first byte of the next line; false if there is none. */
  nextLine(): boolean {
    const { bytes } = this;
    const { length } = bytes;
    let position = this.position;
    // Most lines are short; a call into the runtime pays only for one like "intr" of /proc/stat on a large machine.
    const near = Math.min(length, position + 256);
    while (position < near && bytes[position] !== NEWLINE) position++;
    if (position === near && near < length) {
      position = bytes.indexOf(NEWLINE, near);
      if (position === -1) position = length;
    }
    this.position = Math.min(position + 1, length);
    return position + 1 < length;
  }

  skipBlanks(): void {
    const { bytes } = this;
    const { length } = bytes;
    let position = this.position;
    while (position < length && (bytes[position] === SPACE || bytes[position] === TAB)) position++;
    this.position = position;
  }

  /** Moves behind `count` fields of this line. */
  skipFields(count: number): void {
    const { bytes } = this;
    const { length } = bytes;
    for (let field = 0; field < count; field++) {
      this.skipBlanks();
      let position = this.position;
      while (position < length && bytes[position] > SPACE) position++;
      this.position = position;
    }
  }

  /** Whether the bytes from here on are those of `expected`; moves behind them if so. */
  take(expected: Uint8Array): boolean {
    const { bytes, position } = this;
    for (let i = 0; i < expected.length; i++) if (bytes[position + i] !== expected[i]) return false;
    this.position = position + expected.length;
    return true;
  }

  /**
   * The next field of the line as an unsigned decimal integer; NaN if it is something else or missing (the cursor then
   * stays before the field). Beyond 2^53 the value is rounded as doubles are.
   */
  number(): number {
    this.skipBlanks();
    const start = this.position;
    const value = this.digits();
    if (value === value && !this.#isFieldEnd()) {
      this.position = start;
      return NaN;
    }
    return value;
  }

  /** Like {@link number}, for digits that another character may follow (`8:0`, `cpu12`); skips no blanks. */
  digits(): number {
    const { bytes } = this;
    const { length } = bytes;
    const start = this.position;
    let position = start;
    let value = 0;
    while (position < length) {
      const digit = bytes[position] - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      position++;
    }
    this.position = position;
    return position === start ? NaN : value;
  }

  /** The next field as an integer that may be negative, as `priority` of `/proc/swaps`; NaN as {@link number}. */
  signed(): number {
    this.skipBlanks();
    if (this.bytes[this.position] !== MINUS) return this.number();
    const start = this.position++;
    const value = this.bytes[this.position] === SPACE ? NaN : this.number();
    if (value !== value) this.position = start;
    return -value;
  }

  /** The next field as an unsigned decimal fraction (`0.02`, `17`); NaN as {@link number}. Exact as `Number('0.02')`. */
  decimal(): number {
    this.skipBlanks();
    const start = this.position;
    let value = this.digits();
    if (value === value && this.bytes[this.position] === DOT) {
      const point = ++this.position;
      const fraction = this.digits();
      // One division of integers is correctly rounded, as long as both are exact.
      const scale = 10 ** (this.position - point);
      value = fraction === fraction ? (value * scale + fraction) / scale : NaN;
    }
    if (value !== value || !this.#isFieldEnd()) {
      this.position = start;
      return NaN;
    }
    return value;
  }

  /** The next field as text, '' at the line's end. */
  field(): string {
    this.skipBlanks();
    const start = this.position;
    this.skipFields(1);
    return this.text(start, this.position);
  }

  /** The bytes from `start` to before `end` as text. */
  text(start: number, end: number): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, end - start).toString();
  }

  /** The line that the cursor is in, quoted and shortened, for error messages. */
  quoteLine(): string {
    const { bytes } = this;
    let start = Math.min(this.position, bytes.length);
    while (start > 0 && bytes[start - 1] !== NEWLINE) start--;
    let end = start;
    while (end < bytes.length && bytes[end] !== NEWLINE) end++;
    const line = this.text(start, Math.min(end, start + 80));
    return JSON.stringify(end > start + 80 ? `${line}…` : line);
  }

  #isFieldEnd(): boolean {
    const byte = this.bytes[this.position];
    return byte === undefined || byte <= SPACE;
  }
}

/**
 * Fills `values` with the number behind each of `keys`, which stand at the beginning of lines (`pgfault `, `MemFree:`);
 * NaN where there is none.
 */
export function readKeyed(file: Uint8Array, keys: readonly Uint8Array[], values: Float64Array): void {
  values.fill(NaN);
  const cursor = new Cursor(file);
  const { length } = keys;
  let missing = length;
  // The kernel's order rarely changes, so the next key is likely the one behind the last found.
  let expected = 0;
  if (cursor.isAtEnd) return;
  do {
    for (let i = 0; i < length; i++) {
      const index = expected + i < length ? expected + i : expected + i - length;
      if (cursor.take(keys[index])) {
        const isFirst = values[index] !== values[index];
        values[index] = cursor.number();
        if (isFirst && --missing === 0) return;
        expected = index + 1;
        break;
      }
    }
  } while (cursor.nextLine());
}
