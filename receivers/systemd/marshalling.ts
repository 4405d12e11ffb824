/** D-Bus' form of values: each is aligned to its own size, counted from the beginning of the message. */

export class Reader {
  readonly #bytes: Buffer;
  readonly #isLittle: boolean;
  offset: number;

  constructor(bytes: Buffer, isLittle: boolean, offset: number) {
    this.#bytes = bytes;
    this.#isLittle = isLittle;
    this.offset = offset;
  }

  align(size: number): void {
    this.offset = Math.ceil(this.offset / size) * size;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.offset++);
  }

  uint32(): number {
    this.align(4);
    const value = this.#isLittle ? this.#bytes.readUInt32LE(this.offset) : this.#bytes.readUInt32BE(this.offset);
    this.offset += 4;
    return value;
  }

  /** A text or an object path. */
  string(): string {
    return this.#text(this.uint32());
  }

  signature(): string {
    return this.#text(this.byte());
  }

  /** Reads the elements of an array of structures. */
  *structures(): Generator<void> {
    const length = this.uint32();
    this.align(8);
    const end = this.offset + length;
    if (end > this.#bytes.length) throw new RangeError(`an array that ends at byte ${end} of ${this.#bytes.length}`);
    while (this.offset < end) {
      this.align(8);
      yield;
    }
  }

  #text(length: number): string {
    const end = this.offset + length;
    if (end >= this.#bytes.length) throw new RangeError(`a text that ends at byte ${end} of ${this.#bytes.length}`);
    const text = this.#bytes.toString('utf8', this.offset, end);
    // A zero follows.
    this.offset = end + 1;
    return text;
  }
}

export class Writer {
  readonly #pieces: Buffer[] = [];
  readonly #origin: number;
  length = 0;

  /** @param origin how many bytes of the message are before */
  constructor(origin: number) {
    this.#origin = origin;
  }

  /** A field of a message's header: its code, and a variant that holds a text or an object path. */
  field(code: number, kind: 's' | 'o', value: string): void {
    this.#align(8);
    this.#add(Buffer.from([code, 1, kind.charCodeAt(0), 0]));
    this.#align(4);
    const text = Buffer.from(`${value}\0`);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(text.length - 1);
    this.#add(size);
    this.#add(text);
  }

  /** All of it, with zeros behind up to a multiple of `size`. */
  padded(size: number): Buffer {
    return Buffer.concat([...this.#pieces, Buffer.alloc(-(this.#origin + this.length) & (size - 1))]);
  }

  #align(size: number): void {
    this.#add(Buffer.alloc(-(this.#origin + this.length) & (size - 1)));
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.length += piece.length;
  }
}
