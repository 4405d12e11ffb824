/** Writes lines of text as bytes into one buffer that grows and serves the next batch again. */

const INITIAL_SIZE = 64 * 1024;
/** A buffer that one large batch made larger than this is given back after it. */
const MAX_KEPT_SIZE = 8 * 1024 * 1024;
/** Longest text of a double: -0.0000010533117237881222; of an int64, 20. */
const MAX_NUMBER_LENGTH = 25;

const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;

/** What is written lies in `bytes` from 0 to `position`; both change as the buffer grows. */
export class LineWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE);
  position = 0;

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    if (this.position + size <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.position + size));
    this.bytes.copy(larger, 0, 0, this.position);
    this.bytes = larger;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  text(text: string): void {
    this.reserve(3 * text.length);
    this.position += this.bytes.write(text, this.position);
  }

  byte(byte: number): void {
    this.reserve(1);
    this.bytes[this.position++] = byte;
  }

  /** The shortest text that reads back as this double; `-0` for the negative zero, `NaN` and `Infinity` as JavaScript has them. */
  double(value: number): void {
    this.reserve(MAX_NUMBER_LENGTH);
    if (Number.isSafeInteger(value) && (value !== 0 || !Object.is(value, -0))) this.#safeInteger(value);
    else if (!this.#millionths(value)) this.#ascii(Object.is(value, -0) ? '-0' : String(value));
  }

  /** All digits of an integer, also of one that a double holds beyond 2^53. */
  integer(value: number | bigint): void {
    this.reserve(MAX_NUMBER_LENGTH);
    if (typeof value === 'number' && Number.isSafeInteger(value)) this.#safeInteger(value);
    else this.#ascii(String(BigInt(value)));
  }

  /** A copy of everything from `start`; the writer goes back there. */
  take(start = 0): Buffer {
    const taken = Buffer.from(this.bytes.subarray(start, this.position));
    this.position = start;
    if (start === 0 && this.bytes.length > MAX_KEPT_SIZE) this.bytes = Buffer.allocUnsafeSlow(INITIAL_SIZE);
    return taken;
  }

  #safeInteger(value: number): void {
    const { bytes } = this;
    let rest = value;
    if (rest < 0) {
      bytes[this.position++] = MINUS;
      rest = -rest;
    }
    if (rest > 0x7fff_ffff) {
      const billions = Math.floor(rest / 1e9);
      this.#digits(billions, digitsIn(billions));
      this.#digits(rest - billions * 1e9, 9);
    } else this.#digits(rest, digitsIn(rest));
  }

  /**
   * Fractions of up to six decimals below 10^9, as ratios and seconds are, without a string: a decimal of at most 15
   * digits that rounds to a double is that double's only shortest one. Returns false where it is none of these; the
   * smallest ones are written with an exponent.
   */
  #millionths(value: number): boolean {
    const magnitude = Math.abs(value);
    if (!(magnitude < 1e9 && magnitude >= 1e-6)) return false;
    const millionths = Math.round(magnitude * 1e6);
    if (millionths / 1e6 !== magnitude) return false;
    const { bytes } = this;
    if (value < 0) bytes[this.position++] = MINUS;
    const whole = Math.floor(magnitude);
    this.#digits(whole, digitsIn(whole));
    let rest = millionths - whole * 1e6;
    let length = 6;
    for (; rest % 10 === 0; rest /= 10) length--;
    bytes[this.position++] = POINT;
    this.#digits(rest, length);
    return true;
  }

  #digits(value: number, length: number): void {
    const { bytes } = this;
    let rest = value | 0;
    for (let at = this.position + length - 1; at >= this.position; at--) {
      const tenth = (rest / 10) | 0;
      bytes[at] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
    this.position += length;
  }

  #ascii(text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[this.position++] = text.charCodeAt(i);
  }
}

function digitsIn(value: number): number {
  let length = 1;
  for (let limit = 10; length < 10 && value >= limit; limit *= 10) length++;
  return length;
}

/** A double in decimals without an exponent, as Go's `FormatFloat(value, 'f', -1, 64)`: `1e-7` → `0.0000001`. */
export function plainDecimal(value: number): string {
  const text = String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return Object.is(value, -0) ? '-0' : text;
  const [, sign, first, rest = '', exponentText] = match as unknown as [string, string, string, string?, string?];
  const digits = `${first}${rest}`;
  const point = 1 + Number(exponentText);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits.padEnd(point, '0')}`;
}
