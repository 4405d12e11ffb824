/**
 * Exponential histograms, and histograms with bounds of their own, as Prometheus' native histograms
 * (https://prometheus.io/docs/specs/native_histograms/; OpenTelemetry, "Prometheus and OpenMetrics Compatibility").
 */
import type { ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint } from '../../src/model/batch.ts';
import type { Writer } from '../../src/model/otlp/writer.ts';
import { writeDouble } from './samples.ts';

const HISTOGRAM = 0x1a;
/** The finest and the coarsest resolution that there is. */
const MAX_SCHEMA = 8;
const MIN_SCHEMA = -4;
/** Bounds of the histogram's own. */
const CUSTOM_SCHEMA = -53;
/** What a point without a threshold of its own means by zero (compatibility specification, "Exponential Histograms"). */
const ZERO_THRESHOLD = 1e-128;
/** A gap of so few buckets costs less as zeros than as a span of its own. */
const SHORT_GAP = 2;
const MAX_INT64 = 2n ** 63n - 1n;

export interface NativeHistogram {
  readonly count: bigint;
  readonly sum: number;
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: bigint;
  readonly negative: Spans;
  readonly positive: Spans;
  readonly bounds: readonly number[];
}

interface Spans {
  /** Gap to the end of the span before, or for the first one the number of its first bucket; and how many there are. */
  readonly spans: readonly { readonly offset: number; readonly length: number }[];
  /** Each count less the one before. */
  readonly deltas: readonly bigint[];
}

/** Why a point cannot be a native histogram. */
export type Unfit = 'invalid_point' | 'histogram_without_sum' | 'histogram_too_coarse';

export function nativeHistogram(point: ExponentialHistogramPoint | HistogramPoint): NativeHistogram | Unfit {
  if (point.sum === undefined) return 'histogram_without_sum';
  return point.type === 'histogram' ? fromBounds(point, point.sum) : fromExponential(point, point.sum);
}

function fromExponential(point: ExponentialHistogramPoint, sum: number): NativeHistogram | Unfit {
  if (!Number.isInteger(point.scale)) return 'invalid_point';
  if (point.scale < MIN_SCHEMA) return 'histogram_too_coarse';
  const schema = Math.min(point.scale, MAX_SCHEMA);
  const { zeroCount } = point;
  const positive = mergeBuckets(point.positive, point.scale - schema);
  const negative = mergeBuckets(point.negative, point.scale - schema);
  const count = wholeCount(point.count, zeroCount + total(positive) + total(negative), sum);
  if (count === undefined || isTooLarge(positive) || isTooLarge(negative)) return 'invalid_point';
  const zeroThreshold = point.zeroThreshold > 0 ? point.zeroThreshold : ZERO_THRESHOLD;
  return {
    count,
    sum,
    schema,
    zeroThreshold,
    zeroCount,
    negative: toSpans(negative),
    positive: toSpans(positive),
    bounds: [],
  };
}

function fromBounds({ count: given, explicitBounds, bucketCounts }: HistogramPoint, sum: number) {
  const hasNone = explicitBounds.length === 0 && bucketCounts.length === 0;
  if (!hasNone && bucketCounts.length !== explicitBounds.length + 1) return 'invalid_point';
  // +Inf is the bound of the last bucket in any case.
  const bounds = explicitBounds.at(-1) === Infinity ? explicitBounds.slice(0, -1) : explicitBounds;
  if (!bounds.every((bound, i) => !Number.isNaN(bound) && (i === 0 || bound > bounds[i - 1]!))) return 'invalid_point';
  const buckets = new Map<number, bigint>();
  for (const [i, count] of (hasNone ? [given] : bucketCounts).entries())
    add(buckets, Math.min(i, bounds.length), count);
  const count = wholeCount(given, total(buckets), sum);
  if (count === undefined || isTooLarge(buckets)) return 'invalid_point';
  const none: Spans = { spans: [], deltas: [] };
  const positive = toSpans(buckets);
  return { count, sum, schema: CUSTOM_SCHEMA, zeroThreshold: 0, zeroCount: 0n, negative: none, positive, bounds };
}

/**
 * The count, which must be what the buckets hold; a server refuses any other. A smaller one was read while the buckets
 * grew. A larger one counts values that are no number, which are in no bucket and make the sum none.
 */
function wholeCount(count: bigint, inBuckets: bigint, sum: number): bigint | undefined {
  if (count <= inBuckets) return inBuckets;
  return Number.isNaN(sum) ? count : undefined;
}

/** Filled buckets by Prometheus' number, which is one more: bucket i of OpenTelemetry has base^(i+1) as upper bound. */
function mergeBuckets({ offset, bucketCounts }: ExponentialBuckets, steps: number): Map<number, bigint> {
  const buckets = new Map<number, bigint>();
  const width = 2 ** steps;
  for (let i = 0; i < bucketCounts.length; i++) add(buckets, Math.floor((offset + i) / width) + 1, bucketCounts[i]!);
  return buckets;
}

function add(buckets: Map<number, bigint>, number: number, count: bigint): void {
  if (count !== 0n) buckets.set(number, (buckets.get(number) ?? 0n) + count);
}

function total(buckets: ReadonlyMap<number, bigint>): bigint {
  let sum = 0n;
  for (const count of buckets.values()) sum += count;
  return sum;
}

/** Differences between counts travel as `sint64`, numbers of buckets as `sint32`. */
function isTooLarge(buckets: ReadonlyMap<number, bigint>): boolean {
  for (const [number, count] of buckets) if (count > MAX_INT64 || Math.abs(number) >= 2 ** 30) return true;
  return false;
}

function toSpans(buckets: ReadonlyMap<number, bigint>): Spans {
  const spans: { offset: number; length: number }[] = [];
  const deltas: bigint[] = [];
  let next = 0;
  let before = 0n;
  // Buckets come in order already, from merging as from bounds.
  for (const [number, count] of buckets) {
    const gap = number - next;
    const last = spans.at(-1);
    if (last === undefined || gap > SHORT_GAP) spans.push({ offset: gap, length: 1 });
    else {
      last.length += gap + 1;
      for (let i = 0; i < gap; i++) {
        deltas.push(-before);
        before = 0n;
      }
    }
    deltas.push(count - before);
    before = count;
    next = number + 1;
  }
  return { spans, deltas };
}

/** Writes a point; `stale` ends the series. */
export function writeHistogram(
  writer: Writer,
  histogram: NativeHistogram | 'stale',
  time_ms: number,
  start_ms: number,
): void {
  const start = writer.begin(HISTOGRAM);
  writer.varint(0x08);
  writer.varint64(histogram === 'stale' ? 0 : histogram.count);
  writer.varint(0x19);
  writeDouble(writer, histogram === 'stale' ? 'stale' : histogram.sum);
  if (histogram !== 'stale') writeBuckets(writer, histogram);
  writer.uint(0x78, time_ms);
  if (histogram !== 'stale') writeBounds(writer, histogram.bounds);
  if (start_ms !== 0) writer.uint(0x88, start_ms);
  writer.end(start);
}

function writeBuckets(writer: Writer, { schema, zeroThreshold, zeroCount, negative, positive }: NativeHistogram): void {
  writer.sint32(0x20, schema);
  if (schema !== CUSTOM_SCHEMA) {
    writer.double(0x29, zeroThreshold);
    writer.varint(0x30);
    writer.varint64(zeroCount);
  }
  writeSpans(writer, 0x42, negative);
  writeSpans(writer, 0x5a, positive);
}

/** The field of the spans is followed by that of their deltas. */
function writeSpans(writer: Writer, tag: number, { spans, deltas }: Spans): void {
  for (const { offset, length } of spans) {
    const start = writer.begin(tag);
    writer.sint32(0x08, offset);
    writer.uint(0x10, length);
    writer.end(start);
  }
  if (deltas.length === 0) return;
  const start = writer.begin(tag + 8);
  for (const delta of deltas) writer.varint64((delta << 1n) ^ (delta >> 63n));
  writer.end(start);
}

function writeBounds(writer: Writer, bounds: readonly number[]): void {
  if (bounds.length === 0) return;
  const start = writer.begin(0x82);
  for (const bound of bounds) writer.rawDouble(bound);
  writer.end(start);
}
