/**
 * Lines of which only the numbers change. A block remembers where its text stands in the last output; to write it
 * again it copies that text in as few pieces as there are changed numbers, and formats only those.
 */
import { MAX_NUMBER_LENGTH, writeNumber } from './numbers.ts';

export class Block {
  /** What the next {@link write} writes, by number. */
  readonly next: Float64Array;
  /** Text behind each number, as an exemplar; undefined where no number has any. */
  tails: readonly (string | undefined)[] | undefined;
  #bytes: Buffer;
  #offset = 0;
  #length: number;
  readonly #most: number;
  /** Of each number: where it starts behind `#offset`, and the length of it and its tail. */
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #last: Float64Array;
  #lastTails: readonly (string | undefined)[] | undefined;

  /** @param texts what stands before, between and behind the numbers: one more than there are numbers */
  constructor(texts: readonly string[]) {
    const count = texts.length - 1;
    const text = texts.join('0');
    this.#bytes = Buffer.from(text);
    this.#length = this.#bytes.length;
    this.next = new Float64Array(count);
    this.#last = new Float64Array(count);
    this.#starts = new Uint32Array(count);
    this.#lengths = new Uint32Array(count).fill(1);
    this.#most = this.#length + count * MAX_NUMBER_LENGTH;
    const isAscii = this.#length === text.length;
    let at = 0;
    for (let i = 0; i < count; i++) {
      at += isAscii ? texts[i]!.length : Buffer.byteLength(texts[i]!);
      this.#starts[i] = at++;
    }
  }

  /** Most bytes that {@link write} can need; without tails it is always the same. */
  get capacity(): number {
    if (this.tails === undefined) return this.#most;
    let tails = 0;
    for (const tail of this.tails) tails += 3 * (tail?.length ?? 0);
    return this.#most + tails;
  }

  /** Writes the block and returns the position after it. `out` must not be what it was written to the last time. */
  write(out: Buffer, at: number): number {
    const { next, tails } = this;
    const bytes = this.#bytes;
    const offset = this.#offset;
    const last = this.#last;
    const starts = this.#starts;
    const lengths = this.#lengths;
    const lastTails = this.#lastTails;
    let written = at;
    let copied = 0;
    let shift = 0;
    for (let i = 0; i < next.length; i++) {
      const value = next[i]!;
      const before = last[i]!;
      const start = starts[i]!;
      const isSame = value === before || (value !== value && before !== before);
      if (isSame && tails?.[i] === lastTails?.[i]) {
        starts[i] = start + shift;
        continue;
      }
      written += bytes.copy(out, written, offset + copied, offset + start);
      copied = start + lengths[i]!;
      let end = writeNumber(out, written, value);
      const tail = tails?.[i];
      if (tail !== undefined) end += out.write(tail, end);
      starts[i] = written - at;
      lengths[i] = end - written;
      last[i] = value;
      written = end;
      shift = written - at - copied;
    }
    written += bytes.copy(out, written, offset + copied, offset + this.#length);
    this.#bytes = out;
    this.#offset = at;
    this.#length = written - at;
    this.#lastTails = tails;
    return written;
  }
}
