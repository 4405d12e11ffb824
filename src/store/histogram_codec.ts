/** Native histograms of a chunk: each as what differs from the one before, where their buckets are the same. */
import type { BitReader, BitWriter } from './bits.ts';
import type { NativeBuckets, NativeHistogram } from './queryable.ts';

const COUNTER_RESETS = ['unknown', 'reset', 'none', 'gauge'] as const;
const CUSTOM_SCHEMA = -53;
/** Larger numbers would not stay exact as differences that keep their sign in the lowest bit, and a tag below it. */
const MAX_WHOLE = 2 ** 49;

export function encodeHistograms(writer: BitWriter, histograms: readonly NativeHistogram[]): void {
  let before: NativeHistogram | undefined;
  for (const histogram of histograms) {
    const isAlike = before !== undefined && hasSameBuckets(before, histogram);
    writer.byte((isAlike ? 1 : 0) | (COUNTER_RESETS.indexOf(histogram.counterReset) << 1));
    if (!isAlike) encodeBuckets(writer, histogram);
    const base = isAlike ? before : undefined;
    encodeNumber(writer, histogram.count, base?.count);
    encodeNumber(writer, histogram.sum, base?.sum);
    encodeNumber(writer, histogram.zeroCount, base?.zeroCount);
    encodeCounts(writer, histogram.positive.counts, base?.positive.counts);
    encodeCounts(writer, histogram.negative.counts, base?.negative.counts);
    before = histogram;
  }
}

export function decodeHistograms(reader: BitReader, count: number): NativeHistogram[] {
  const histograms: NativeHistogram[] = [];
  let before: NativeHistogram | undefined;
  for (let i = 0; i < count; i++) {
    const head = reader.byte();
    const base = (head & 1) === 1 ? before : undefined;
    const shape = base ?? decodeBuckets(reader);
    const number = (previous: number | undefined): number => decodeNumber(reader, previous);
    const total = number(base?.count);
    const sum = number(base?.sum);
    const zeroCount = number(base?.zeroCount);
    const positive = decodeCounts(reader, shape.positive.indexes, base?.positive.counts);
    const negative = decodeCounts(reader, shape.negative.indexes, base?.negative.counts);
    const { schema, zeroThreshold, customBounds } = shape;
    const counterReset = COUNTER_RESETS[(head >> 1) & 3]!;
    before = { schema, count: total, sum, zeroThreshold, zeroCount, positive, negative, counterReset };
    if (customBounds !== undefined) before = { ...before, customBounds };
    histograms.push(before);
  }
  return histograms;
}

/** About how many bytes it takes as it is. */
export function histogramBytes({ positive, negative, customBounds }: NativeHistogram): number {
  return 400 + 12 * (positive.indexes.length + negative.indexes.length) + 8 * (customBounds?.length ?? 0);
}

export function isSameHistogram(one: NativeHistogram, other: NativeHistogram): boolean {
  return (
    hasSameBuckets(one, other) &&
    one.counterReset === other.counterReset &&
    Object.is(one.count, other.count) &&
    Object.is(one.sum, other.sum) &&
    Object.is(one.zeroCount, other.zeroCount) &&
    isSameList(one.positive.counts, other.positive.counts) &&
    isSameList(one.negative.counts, other.negative.counts)
  );
}

type Shape = Pick<NativeHistogram, 'schema' | 'zeroThreshold' | 'customBounds'> & {
  readonly positive: Pick<NativeBuckets, 'indexes'>;
  readonly negative: Pick<NativeBuckets, 'indexes'>;
};

function hasSameBuckets(one: Shape, other: Shape): boolean {
  if (one.schema !== other.schema || !Object.is(one.zeroThreshold, other.zeroThreshold)) return false;
  if ((one.customBounds === undefined) !== (other.customBounds === undefined)) return false;
  return (
    isSameList(one.positive.indexes, other.positive.indexes) &&
    isSameList(one.negative.indexes, other.negative.indexes) &&
    isSameList(one.customBounds ?? [], other.customBounds ?? [])
  );
}

function isSameList(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (!Object.is(one[i], other[i])) return false;
  return true;
}

function encodeBuckets(writer: BitWriter, histogram: NativeHistogram): void {
  const { schema, zeroThreshold, positive, negative, customBounds } = histogram;
  writer.signed(schema);
  writer.double(zeroThreshold);
  for (const { indexes } of [positive, negative]) {
    writer.varint(indexes.length);
    let before = 0;
    for (const index of indexes) {
      writer.signed(index - before);
      before = index;
    }
  }
  if (schema !== CUSTOM_SCHEMA && customBounds === undefined) return writer.varint(0);
  writer.varint(1 + (customBounds?.length ?? 0));
  for (const bound of customBounds ?? []) writer.double(bound);
}

function decodeBuckets(reader: BitReader): Shape {
  const schema = reader.signed();
  const zeroThreshold = reader.double();
  const positive = { indexes: decodeIndexes(reader) };
  const negative = { indexes: decodeIndexes(reader) };
  const bounds = reader.varint();
  if (bounds === 0) return { schema, zeroThreshold, positive, negative };
  const customBounds = Array.from({ length: within(reader, bounds - 1) }, () => reader.double());
  return { schema, zeroThreshold, positive, negative, customBounds };
}

function decodeIndexes(reader: BitReader): Int32Array {
  const indexes = new Int32Array(within(reader, reader.varint()));
  let index = 0;
  for (let i = 0; i < indexes.length; i++) indexes[i] = index += reader.signed();
  return indexes;
}

/** A length that what is left to read can hold: each entry takes a byte at least. */
function within(reader: BitReader, length: number): number {
  if (length > reader.bytes.length) throw new RangeError(`Cannot read a histogram: it has ${length} buckets`);
  return length;
}

function encodeCounts(writer: BitWriter, counts: Float64Array, before: Float64Array | undefined): void {
  for (let i = 0; i < counts.length; i++) encodeNumber(writer, counts[i]!, before?.[i]);
}

function decodeCounts(reader: BitReader, indexes: Int32Array, before: Float64Array | undefined): NativeBuckets {
  const counts = new Float64Array(indexes.length);
  for (let i = 0; i < counts.length; i++) counts[i] = decodeNumber(reader, before?.[i]);
  return { indexes, counts };
}

/** Even: twice the difference in zigzag. 1: the double follows. */
function encodeNumber(writer: BitWriter, value: number, before = 0): void {
  if (isWhole(value) && isWhole(before)) {
    const difference = value - before;
    writer.varint(2 * (difference < 0 ? -2 * difference - 1 : 2 * difference));
  } else {
    writer.varint(1);
    writer.double(value);
  }
}

function decodeNumber(reader: BitReader, before = 0): number {
  const tag = reader.varint();
  if (tag === 1) return reader.double();
  const code = tag / 2;
  return before + (code % 2 === 1 ? -(code + 1) / 2 : code / 2);
}

function isWhole(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= MAX_WHOLE && !Object.is(value, -0);
}
