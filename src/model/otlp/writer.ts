/** Writes protobuf wire format into one buffer that grows and serves the next message again. */

const INITIAL_SIZE = 64 * 1024;
/** A buffer that one large message made larger than this is given back after it. */
const MAX_KEPT_SIZE = 8 * 1024 * 1024;
/** A string of at most this many UTF-16 units takes at most 126 bytes of UTF-8, so its length fits in one byte. */
const SHORT_STRING = 42;

/** Up to this many are copied faster one by one than by a call. */
const FEW_BYTES = 32;

const TWO_32 = 4_294_967_296;
const TWO_63 = 9_223_372_036_854_775_808;

/** Whether a double is an integer that an `int64` holds. */
export function isInt64(value: number): boolean {
  return Number.isInteger(value) && value >= -TWO_63 && value < TWO_63;
}

/** How many bytes a varint takes. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}

/**
 * Methods that take a `tag` (field number times 8 plus wire type) write a whole field. What is written lies in
 * `bytes` from 0 to `position`; both change as the buffer grows.
 */
export class Writer {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE);
  view: DataView = viewOf(this.bytes);
  position = 0;

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    if (this.position + size <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.position + size));
    this.bytes.copy(larger, 0, 0, this.position);
    this.bytes = larger;
    this.view = viewOf(larger);
  }

  /** A copy of everything from `start`; the writer goes back there. */
  take(start = 0): Uint8Array {
    const taken = Buffer.allocUnsafe(this.position - start);
    this.bytes.copy(taken, 0, start, this.position);
    this.position = start;
    if (start === 0 && this.bytes.length > MAX_KEPT_SIZE) {
      this.bytes = Buffer.allocUnsafeSlow(INITIAL_SIZE);
      this.view = viewOf(this.bytes);
    }
    return taken;
  }

  /** A non-negative integer up to 2^53. */
  varint(value: number): void {
    this.reserve(10);
    const { bytes } = this;
    let rest = value;
    while (rest > 0x7fff_ffff) {
      bytes[this.position++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      bytes[this.position++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[this.position++] = rest;
  }

  /** The low 64 bits of an integer, as `int64` and `uint64` travel. */
  varint64(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) return this.varint(value);
    this.reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.bytes[this.position++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.position++] = Number(rest);
  }

  /** `sint32`: zigzag, so that small negative numbers stay small. */
  sint32(tag: number, value: number): void {
    this.varint(tag);
    this.varint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  uint(tag: number, value: number): void {
    this.varint(tag);
    this.varint(value);
  }

  fixed32(tag: number, value: number): void {
    this.varint(tag);
    this.reserve(4);
    this.view.setUint32(this.position, value, true);
    this.position += 4;
  }

  fixed64(tag: number, value: bigint): void {
    this.varint(tag);
    this.rawFixed64(value);
  }

  rawFixed64(value: bigint): void {
    this.reserve(8);
    this.view.setBigUint64(this.position, value, true);
    this.position += 8;
  }

  double(tag: number, value: number): void {
    this.varint(tag);
    this.rawDouble(value);
  }

  rawDouble(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.position, value, true);
    this.position += 8;
  }

  /** Lone surrogates become U+FFFD, as everywhere in Node.js. */
  string(tag: number, value: string): void {
    this.varint(tag);
    if (value.length <= SHORT_STRING) return this.#shortString(value);
    this.varint(Buffer.byteLength(value));
    this.utf8(value);
  }

  #shortString(value: string): void {
    this.reserve(127);
    const { bytes } = this;
    const start = this.position + 1;
    let at = start;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit > 127) {
        at = start + bytes.write(value, start, 'utf8');
        break;
      }
      bytes[at++] = unit;
    }
    bytes[start - 1] = at - start;
    this.position = at;
  }

  /** Text of ASCII characters alone, without tag and length. */
  ascii(text: string): void {
    const { length } = text;
    this.reserve(length);
    const { bytes, position } = this;
    for (let index = 0; index < length; index++) bytes[position + index] = text.charCodeAt(index);
    this.position = position + length;
  }

  /** Text without tag and length. */
  utf8(text: string): void {
    const size = Buffer.byteLength(text);
    this.reserve(size);
    this.position += this.bytes.write(text, this.position, size, 'utf8');
  }

  /** A length-delimited field whose content is encoded already. */
  data(tag: number, content: Uint8Array): void {
    this.varint(tag);
    this.varint(content.length);
    this.raw(content);
  }

  /** Bytes given as hex digits; what follows the first that is none is left out. */
  hex(tag: number, digits: string): void {
    const size = digits.length >>> 1;
    if (size > 127) return this.data(tag, Buffer.from(digits, 'hex'));
    this.varint(tag);
    this.reserve(1 + size);
    const written = size === 0 ? 0 : this.bytes.write(digits, this.position + 1, size, 'hex');
    this.bytes[this.position] = written;
    this.position += 1 + written;
  }

  /** Bytes as they are, of `content` from `start` to `end`. */
  raw(content: Uint8Array, start = 0, end = content.length): void {
    const size = end - start;
    this.reserve(size);
    const { bytes, position } = this;
    if (size > FEW_BYTES) bytes.set(size === content.length ? content : content.subarray(start, end), position);
    else for (let index = 0; index < size; index++) bytes[position + index] = content[start + index] as number;
    this.position = position + size;
  }

  /** Begins a nested message of about `expected` bytes; pass what it returns, and the same `expected`, to `end`. */
  begin(tag: number, expected = 0): number {
    this.varint(tag);
    const width = varintSize(expected);
    this.reserve(width);
    this.position += width;
    return this.position;
  }

  /** Writes the length of the message that began at `start`; returns by how many bytes its content had to move for it. */
  end(start: number, expected = 0): number {
    const size = this.position - start;
    const width = varintSize(expected);
    const shift = varintSize(size) - width;
    if (shift !== 0) {
      this.reserve(Math.max(shift, 0));
      this.bytes.copyWithin(start + shift, start, this.position);
    }
    this.position = start - width;
    this.varint(size);
    this.position += size;
    return shift;
  }
}

/** The one that all encoders share: they run from start to end without a pause in between. */
export const sharedWriter = new Writer();

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Writes an integer of an int64's range into 8 bytes at `position`, exact as far as the double is. */
export function setInt64(view: DataView, position: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  view.setUint32(position, value - high * TWO_32, true);
  view.setInt32(position + 4, high, true);
}
