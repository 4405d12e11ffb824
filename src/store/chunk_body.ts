/** What a chunk holds: its numbers, and which of its samples are marks or histograms instead. */
import type { BitReader, BitWriter } from './bits.ts';
import { decodeHistograms, encodeHistograms } from './histogram_codec.ts';
import { CHUNK_LENGTH, decodeNumbers, encodeNumbers } from './number_codec.ts';
import type { NativeHistogram } from './queryable.ts';

/** A chunk's first byte. */
const HAS_STALE = 1;
const HAS_HISTOGRAMS = 2;
const HAS_NUMBERS = 4;

/** Samples of one series that are to be kept elsewhere too. */
export interface Excerpt {
  readonly slot: number;
  readonly times: Float64Array;
  readonly count: number;
  /** Of the chunk that they make. */
  readonly body: Uint8Array;
}

/** What a chunk holds besides its numbers. */
export interface Body {
  /** Samples that are marks, a bit each; likewise those that are histograms. */
  readonly stale: number;
  readonly histograms: number;
  readonly held: readonly NativeHistogram[];
}

export const NO_HISTOGRAMS: readonly NativeHistogram[] = [];

/** Writes a chunk's body: `numbers` without gaps, the histograms in their order. */
export function encodeBody(
  writer: BitWriter,
  { stale, histograms, held }: Body,
  numbers: Float64Array,
  count: number,
): void {
  writer.byte(
    (stale === 0 ? 0 : HAS_STALE) | (histograms === 0 ? 0 : HAS_HISTOGRAMS) | (count === 0 ? 0 : HAS_NUMBERS),
  );
  if (stale !== 0) writer.uint32(stale);
  if (histograms !== 0) writer.uint32(histograms);
  if (count > 0) encodeNumbers(writer, numbers, count);
  if (histograms !== 0) encodeHistograms(writer, held);
}

/** Reads a chunk's body; its numbers go into `values` from `start`, with NaN where there is none. */
export function decodeBody(reader: BitReader, values: Float64Array, start: number, count: number): Body {
  const head = reader.byte();
  const stale = (head & HAS_STALE) === 0 ? 0 : reader.uint32();
  const histograms = (head & HAS_HISTOGRAMS) === 0 ? 0 : reader.uint32();
  const others = stale | histograms;
  const numbers = count - bitCount(others);
  if ((head & HAS_NUMBERS) !== 0) decodeNumbers(reader, values, start, numbers);
  if (others !== 0) {
    for (let i = count - 1, next = numbers - 1; i >= 0; i--) {
      values[start + i] = (others & (1 << i)) === 0 ? values[start + next--]! : NaN;
    }
  }
  return { stale, histograms, held: histograms === 0 ? NO_HISTOGRAMS : decodeHistograms(reader, bitCount(histograms)) };
}

/** What was read so far; the numbers are in the reader's own arrays. */
export interface Output {
  count: number;
  readonly from_ms: number;
  readonly to_ms: number;
  stale: Uint8Array | undefined;
  histograms: (NativeHistogram | undefined)[] | undefined;
}

/** Notes marks and histograms of the samples from `first` to `end` of a chunk that go behind the output. */
export function note(output: Output, { stale, histograms, held }: Body, first: number, end: number): void {
  if ((stale | histograms) === 0) return;
  let next = bitCount(histograms & ((1 << first) - 1));
  for (let i = first; i < end; i++) {
    const row = output.count + i - first;
    if ((stale & (1 << i)) !== 0) {
      output.stale = withRoom(output.stale, row);
      output.stale[row] = 1;
    }
    if ((histograms & (1 << i)) !== 0) {
      output.histograms ??= [];
      while (output.histograms.length < row) output.histograms.push(undefined);
      output.histograms[row] = held[next++];
    }
  }
}

export function withRoom(marks: Uint8Array | undefined, row: number): Uint8Array {
  if (marks !== undefined && row < marks.length) return marks;
  const grown = new Uint8Array(2 * row + CHUNK_LENGTH);
  if (marks !== undefined) grown.set(marks);
  return grown;
}

export function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
