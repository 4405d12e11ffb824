/** Writes and reads what chunks are made of: bits, the highest first, and numbers of as many bytes as they need. */

const MAX_PIECE = 24;

/** A buffer that bits and bytes are put into, and that grows. */
export class BitWriter {
  bytes = new Uint8Array(1024);
  length = 0;
  /** The last `#waiting` bits are not in `bytes` yet; fewer than 8. */
  #pending = 0;
  #waiting = 0;

  clear(): void {
    this.length = this.#pending = this.#waiting = 0;
  }

  /** Bytes that were put, valid until more are. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** @param value a whole number below 2^count @param count up to 53 */
  bits(value: number, count: number): void {
    if (count > MAX_PIECE) {
      this.bits(Math.floor(value / 0x100_0000), count - MAX_PIECE);
      value %= 0x100_0000;
      count = MAX_PIECE;
    }
    if (this.length + 4 > this.bytes.length) this.reserve(4);
    const { bytes } = this;
    let waiting = this.#waiting + count;
    const pending = (this.#pending << count) | value;
    while (waiting >= 8) {
      waiting -= 8;
      bytes[this.length++] = pending >>> waiting;
    }
    this.#waiting = waiting;
    this.#pending = pending & ((1 << waiting) - 1);
  }

  /** Fills the byte that was begun, so that bytes can follow. */
  align(): void {
    if (this.#waiting > 0) this.bits(0, 8 - this.#waiting);
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** A whole number from 0 to 2^53. */
  varint(value: number): void {
    this.reserve(8);
    while (value >= 0x80) {
      this.bytes[this.length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.bytes[this.length++] = value;
  }

  /** A whole number whose double is one as well. */
  signed(value: number): void {
    this.varint(zigzag(value));
  }

  uint32(value: number): void {
    this.reserve(4);
    for (let shift = 0; shift < 32; shift += 8) this.bytes[this.length++] = value >>> shift;
  }

  double(value: number): void {
    this.reserve(8);
    double[0] = value;
    this.bytes.set(doubleBytes, this.length);
    this.length += 8;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }
}

/** A position in bytes that a `BitWriter` made. Beyond their end it reads zeros. */
export class BitReader {
  bytes: Uint8Array = new Uint8Array(0);
  position = 0;
  #pending = 0;
  #waiting = 0;

  open(bytes: Uint8Array, position: number): void {
    this.bytes = bytes;
    this.position = position;
    this.#pending = this.#waiting = 0;
  }

  /** @param count up to 53 */
  bits(count: number): number {
    if (count > MAX_PIECE) {
      const high = this.bits(count - MAX_PIECE);
      return high * 0x100_0000 + this.bits(MAX_PIECE);
    }
    let pending = this.#pending;
    let waiting = this.#waiting;
    while (waiting < count) {
      pending = (pending << 8) | this.#next();
      waiting += 8;
    }
    waiting -= count;
    this.#waiting = waiting;
    this.#pending = pending & ((1 << waiting) - 1);
    return pending >>> waiting;
  }

  /** Number of ones before the next zero, at most 8; the zero is read too. */
  ones(): number {
    if (this.#waiting < 8) {
      this.#pending = (this.#pending << 8) | this.#next();
      this.#waiting += 8;
    }
    const next = this.#pending << (32 - this.#waiting);
    const count = Math.min(8, Math.clz32(~next));
    this.#waiting -= count === 8 ? 8 : count + 1;
    this.#pending &= (1 << this.#waiting) - 1;
    return count;
  }

  align(): void {
    this.position -= this.#waiting >> 3;
    this.#pending = this.#waiting = 0;
  }

  byte(): number {
    return this.#next();
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 57; factor *= 0x80) {
      const byte = this.#next();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    return value;
  }

  signed(): number {
    return unzigzag(this.varint());
  }

  uint32(): number {
    let value = 0;
    for (let shift = 0; shift < 32; shift += 8) value |= this.#next() << shift;
    return value >>> 0;
  }

  double(): number {
    for (let i = 0; i < 8; i++) doubleBytes[i] = this.#next();
    return double[0]!;
  }

  #next(): number {
    return this.position < this.bytes.length ? this.bytes[this.position++]! : (this.position++, 0);
  }
}

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** Small numbers for small magnitudes: 0, -1, 1, -2, … become 0, 1, 2, 3, … */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function unzigzag(value: number): number {
  const half = Math.floor(value / 2);
  return half * 2 === value ? half : -half - 1;
}

/** Bits that a whole number from 0 to 2^53 needs. */
export function bitLength(value: number): number {
  return value < 0x1_0000_0000 ? 32 - Math.clz32(value) : 64 - Math.clz32(value / 0x1_0000_0000);
}

/** 31 where the lowest 32 bits are all zero: no more is ever shifted. */
export function trailingZeros(bits: number): number {
  return bits === 0 ? 31 : 31 - Math.clz32(bits & -bits);
}
