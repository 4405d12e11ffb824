/** Reads protobuf wire format. Whatever the bytes are, it stays inside them, ends, and throws only SyntaxError. */

/** How deep groups of unknown fields, and attribute values, may nest. */
export const MAX_DEPTH = 64;

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
export const START_GROUP = 3;
export const END_GROUP = 4;
export const FIXED32 = 5;

export class Reader {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly size: number;
  position = 0;
  /** Halves of the 64-bit varint read last. */
  #low = 0;
  #high = 0;
  readonly #lastStart = { low: 0, high: 0, value: 0n };
  readonly #lastTime = { low: 0, high: 0, value: 0n };

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.size = bytes.length;
  }

  fail(found: string): never {
    throw new SyntaxError(`Cannot decode OTLP: ${found} at byte ${this.position}`);
  }

  /** Whether the message that ends at `end` is read; a field that reaches beyond it is an error. */
  isAtEnd(end: number): boolean {
    if (this.position > end) this.fail('a field that is longer than its message');
    return this.position === end;
  }

  /** Field number times 8 plus wire type. */
  tag(): number {
    const first = this.bytes[this.position];
    if (first !== undefined && first > 7 && first < 128) {
      this.position++;
      return first;
    }
    const tag = this.varint();
    if (tag < 8 || tag > 0xffff_ffff) this.fail(`field number ${Math.floor(tag / 8)}`);
    return tag;
  }

  /** Exact up to 2^53: for tags and lengths. */
  varint(): number {
    const first = this.bytes[this.position];
    if (first !== undefined && first < 128) {
      this.position++;
      return first;
    }
    this.#readVarint();
    return this.#high * 4_294_967_296 + this.#low;
  }

  uint32(): number {
    this.#readVarint();
    return this.#low;
  }

  int32(): number {
    this.#readVarint();
    return this.#low | 0;
  }

  sint32(): number {
    this.#readVarint();
    return (this.#low >>> 1) ^ -(this.#low & 1);
  }

  bool(): boolean {
    this.#readVarint();
    return this.#low !== 0 || this.#high !== 0;
  }

  /** A number as far as that is exact, beyond a bigint. */
  int64(): number | bigint {
    this.#readVarint();
    const value = (this.#high | 0) * 4_294_967_296 + this.#low;
    if (Number.isSafeInteger(value)) return value;
    return (BigInt(this.#high | 0) << 32n) | BigInt(this.#low);
  }

  uint64(): bigint {
    this.#readVarint();
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  fixed32(): number {
    const at = this.#advance(4);
    return this.view.getUint32(at, true);
  }

  fixed64(): bigint {
    const at = this.#advance(8);
    return this.view.getBigUint64(at, true);
  }

  /** The start times and times of points repeat from point to point: then the same bigint is not made again. */
  startTime(): bigint {
    return this.#repeated(this.#lastStart);
  }

  time(): bigint {
    return this.#repeated(this.#lastTime);
  }

  #repeated(last: { low: number; high: number; value: bigint }): bigint {
    const at = this.#advance(8);
    const low = this.view.getUint32(at, true);
    const high = this.view.getUint32(at + 4, true);
    if (low !== last.low || high !== last.high) {
      last.low = low;
      last.high = high;
      last.value = this.view.getBigUint64(at, true);
    }
    return last.value;
  }

  /** A number as far as that is exact, beyond a bigint. */
  sfixed64(): number | bigint {
    const at = this.#advance(8);
    const value = this.view.getInt32(at + 4, true) * 4_294_967_296 + this.view.getUint32(at, true);
    return Number.isSafeInteger(value) ? value : this.view.getBigInt64(at, true);
  }

  double(): number {
    const at = this.#advance(8);
    return this.view.getFloat64(at, true);
  }

  /** Reads the length of a nested message, and returns where it ends. */
  message(): number {
    const end = this.varint() + this.position;
    if (end > this.size) this.fail(`a length that reaches to byte ${end} of ${this.size}`);
    return end;
  }

  string(): string {
    const end = this.message();
    const start = this.position;
    this.position = end;
    return start === end ? '' : this.bytes.toString('utf8', start, end);
  }

  /** A copy, so that it does not hold on to the whole request. */
  data(): Uint8Array {
    const end = this.message();
    const copy = new Uint8Array(end - this.position);
    copy.set(this.bytes.subarray(this.position, end));
    this.position = end;
    return copy;
  }

  /** Trace and span ids: lower-case hex. */
  hex(): string {
    const end = this.message();
    const start = this.position;
    this.position = end;
    return start === end ? '' : this.bytes.toString('hex', start, end);
  }

  /** Goes past the value of a field that nobody knows. */
  skip(tag: number, depth = 0): void {
    switch (tag & 7) {
      case VARINT:
        this.varint();
        break;
      case FIXED64:
        this.#advance(8);
        break;
      case LENGTH_DELIMITED:
        this.position = this.message();
        break;
      case START_GROUP:
        this.#skipGroup(tag, depth + 1);
        break;
      case FIXED32:
        this.#advance(4);
        break;
      default:
        this.fail(`wire type ${tag & 7}`);
    }
  }

  #skipGroup(start: number, depth: number): void {
    if (depth > MAX_DEPTH) this.fail(`groups nested more than ${MAX_DEPTH} deep`);
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) === END_GROUP) {
        if (tag - END_GROUP !== start - START_GROUP) this.fail('the end of another group');
        return;
      }
      this.skip(tag, depth);
    }
  }

  #advance(size: number): number {
    const at = this.position;
    if (at + size > this.size) this.fail('the end of the input');
    this.position = at + size;
    return at;
  }

  /** Reads at most 10 bytes of 7 bits, the lowest first. */
  #readVarint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes[this.position];
      if (byte === undefined) this.fail('the end of the input');
      this.position++;
      const bits = byte & 127;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 128) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    this.fail('a number of more than 10 bytes');
  }
}
