/** Histograms and summaries as the lines of a classic exposition: one a bucket or quantile, then sum and count. */
import type {
  DistributionPoint,
  ExponentialBuckets,
  ExponentialHistogramPoint,
  HistogramPoint,
  SummaryPoint,
} from '../model/batch.ts';

export interface Distribution {
  /** Upper bounds of buckets without +Inf, or quantiles; strictly rising. */
  readonly edges: readonly number[];
  /** Of each edge: the count of all values up to it, or the quantile's value. */
  readonly values: readonly number[];
  readonly sum: number | undefined;
  readonly count: number;
}

const flattened = new WeakMap<DistributionPoint, { readonly value: Distribution | undefined }>();

/** A point in that form, or undefined where it contradicts itself. The same for the same point, however often asked. */
export function flatten(point: DistributionPoint): Distribution | undefined {
  let entry = flattened.get(point);
  if (entry === undefined) flattened.set(point, (entry = { value: flattenPoint(point) }));
  return entry.value;
}

function flattenPoint(point: DistributionPoint): Distribution | undefined {
  switch (point.type) {
    case 'histogram':
      return flattenHistogram(point);
    case 'exponential_histogram':
      return flattenExponential(point);
    case 'summary':
      return flattenSummary(point);
  }
}

/** Whether two points need the same lines, so that only the numbers in them differ. */
export function hasSameLines(one: Distribution, other: Distribution): boolean {
  if ((one.sum === undefined) !== (other.sum === undefined)) return false;
  if (one.edges === other.edges) return true;
  return one.edges.length === other.edges.length && one.edges.every((edge, i) => edge === other.edges[i]);
}

function flattenHistogram({ count, sum, explicitBounds, bucketCounts }: HistogramPoint): Distribution | undefined {
  const total = Number(count);
  if (bucketCounts.length === 0 && explicitBounds.length === 0) return { edges: [], values: [], sum, count: total };
  if (bucketCounts.length !== explicitBounds.length + 1) return undefined;
  if (!isRising(explicitBounds)) return undefined;
  // +Inf has its line in any case: given as a bound it would have two.
  const edges = explicitBounds.at(-1) === Infinity ? explicitBounds.slice(0, -1) : explicitBounds;
  const values: number[] = [];
  let below = 0n;
  for (let i = 0; i < edges.length; i++) values.push(Number((below += bucketCounts[i]!)));
  return { edges, values: withinTotal(values, total), sum, count: total };
}

/** 2^-1074 is the smallest power of two that a double can hold, 2^1023 the largest. */
const MIN_EXPONENT = -1074;
const MAX_EXPONENT = 1023;

/**
 * The text formats know no native histograms. Buckets are merged until their bounds are powers of two (scale 0):
 * twice the size at each step is what hand-made bounds come to, and bounds that never move when the scale does keep
 * the series of a histogram the same for ever.
 */
function flattenExponential(point: ExponentialHistogramPoint): Distribution | undefined {
  if (!Number.isInteger(point.scale) || point.scale < -11 || point.scale > 100) return undefined;
  const total = Number(point.count);
  const scale = Math.min(0, point.scale);
  const edges: number[] = [];
  const values: number[] = [];
  let below = 0n;
  // Bucket i of the negative ones holds [-base^(i+1), -base^i): the largest magnitude is the smallest value.
  for (const { index, count } of mergeBuckets(point.negative, point.scale).toReversed()) {
    below += count;
    edges.push(-(2 ** lowerExponent(index, scale)));
    values.push(Number(below));
  }
  below += point.zeroCount;
  edges.push(Math.max(0, point.zeroThreshold));
  values.push(Number(below));
  for (const { index, count } of mergeBuckets(point.positive, point.scale)) {
    below += count;
    const edge = 2 ** lowerExponent(index + 1, scale);
    // What reaches beyond the largest double has +Inf as its only bound.
    if (edge === Infinity) break;
    if (edge > edges.at(-1)!) {
      edges.push(edge);
      values.push(Number(below));
    } else values[values.length - 1] = Number(below);
  }
  if (!isRising(edges)) return undefined;
  return { edges, values: withinTotal(values, total), sum: point.sum, count: total };
}

function flattenSummary({ count, sum, quantiles }: SummaryPoint): Distribution | undefined {
  const sorted = quantiles.toSorted((a, b) => a.quantile - b.quantile);
  const edges = sorted.map(({ quantile }) => quantile);
  if (!isRising(edges)) return undefined;
  return { edges, values: sorted.map(({ value }) => value), sum, count: Number(count) };
}

interface Bucket {
  readonly index: number;
  readonly count: bigint;
}

/** Buckets at scale 0, or at the point's own if that is coarser: every one from the first to the last filled. */
function mergeBuckets({ offset, bucketCounts }: ExponentialBuckets, scale: number): Bucket[] {
  const width = 2 ** Math.max(0, scale);
  const lowest = Math.floor(MIN_EXPONENT * 2 ** Math.min(0, scale));
  const highest = Math.ceil((MAX_EXPONENT + 1) * 2 ** Math.min(0, scale));
  const counts = new Map<number, bigint>();
  let first = Infinity;
  let last = -Infinity;
  for (let i = 0; i < bucketCounts.length; i++) {
    const count = bucketCounts[i]!;
    if (count === 0n) continue;
    const index = Math.min(Math.max(Math.floor((offset + i) / width), lowest), highest);
    counts.set(index, (counts.get(index) ?? 0n) + count);
    first = Math.min(first, index);
    last = Math.max(last, index);
  }
  const buckets: Bucket[] = [];
  for (let index = first; index <= last; index++) buckets.push({ index, count: counts.get(index) ?? 0n });
  return buckets;
}

/** Exponent, to base 2, of the lower bound of bucket `index`; `scale` is 0 or negative. */
function lowerExponent(index: number, scale: number): number {
  return Math.max(index * 2 ** -scale, MIN_EXPONENT);
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => !Number.isNaN(number) && (i === 0 || number > numbers[i - 1]!));
}

/** A count that was read while its buckets grew is smaller than they are; cumulative buckets may not exceed it. */
function withinTotal(values: readonly number[], total: number): readonly number[] {
  return values.every((value) => value <= total) ? values : values.map((value) => Math.min(value, total));
}
