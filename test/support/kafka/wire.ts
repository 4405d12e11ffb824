/** Reads and writes the primitive types of the Kafka protocol (Kafka protocol guide, "Protocol Primitive Types"). */

export class WireReader {
  readonly bytes: Buffer;
  at = 0;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  get rest(): number {
    return this.bytes.length - this.at;
  }
  take(size: number): Buffer {
    if (size < 0 || size > this.rest) throw new RangeError(`Cannot read ${size} bytes: ${this.rest} are left`);
    return this.bytes.subarray(this.at, (this.at += size));
  }
  int8(): number {
    return this.take(1).readInt8();
  }
  int16(): number {
    return this.take(2).readInt16BE();
  }
  int32(): number {
    return this.take(4).readInt32BE();
  }
  uint32(): number {
    return this.take(4).readUInt32BE();
  }
  int64(): bigint {
    return this.take(8).readBigInt64BE();
  }
  boolean(): boolean {
    return this.int8() !== 0;
  }
  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.take(1)[0];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 128) return value;
      if (shift > 49) throw new RangeError('Cannot read a varint: it does not end');
    }
  }
  /** Zigzag. */
  varint(): number {
    const value = this.unsignedVarint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
  string(): string | null {
    const size = this.int16();
    return size === -1 ? null : this.take(size).toString();
  }
  /** Of a field that may not be null. */
  text(): string {
    const text = this.string();
    if (text === null) throw new RangeError('Cannot read a string: it is null');
    return text;
  }
  compactString(): string | null {
    const size = this.unsignedVarint();
    return size === 0 ? null : this.take(size - 1).toString();
  }
  data(): Buffer {
    return this.take(this.int32());
  }
  array<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(this.int32(), 0) }, read);
  }
  tags(): void {
    for (let count = this.unsignedVarint(); count > 0; count--) {
      this.unsignedVarint();
      this.take(this.unsignedVarint());
    }
  }
  end(): void {
    if (this.rest > 0) throw new RangeError(`Cannot read the request: ${this.rest} bytes are left over`);
  }
}

export class WireWriter {
  readonly #chunks: Buffer[] = [];
  #add(size: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(size);
    write(buffer);
    this.#chunks.push(buffer);
    return this;
  }
  raw(bytes: Uint8Array): this {
    this.#chunks.push(Buffer.from(bytes));
    return this;
  }
  int8(value: number): this {
    return this.#add(1, (buffer) => buffer.writeInt8(value));
  }
  int16(value: number): this {
    return this.#add(2, (buffer) => buffer.writeInt16BE(value));
  }
  int32(value: number): this {
    return this.#add(4, (buffer) => buffer.writeInt32BE(value));
  }
  int64(value: bigint): this {
    return this.#add(8, (buffer) => buffer.writeBigInt64BE(value));
  }
  unsignedVarint(value: number): this {
    const bytes: number[] = [];
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
    return this.raw(Uint8Array.of(...bytes, value));
  }
  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = Buffer.from(value);
    return this.int16(bytes.length).raw(bytes);
  }
  data(value: Uint8Array): this {
    return this.int32(value.length).raw(value);
  }
  array<T>(values: readonly T[], write: (value: T) => void): this {
    this.int32(values.length);
    for (const value of values) write(value);
    return this;
  }
  done(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
