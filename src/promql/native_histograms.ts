/**
 * What PromQL does with native histograms: buckets with their bounds, sums, differences, multiples and counter resets, as
 * Prometheus 3.5 does it. Histograms are never changed, only made anew.
 */
import type { NativeBuckets, NativeHistogram } from '../store/queryable.ts';

/** Schema of histograms that bring their own bounds. */
const CUSTOM_SCHEMA = -53;

/** Why two histograms cannot be combined: exponential and custom buckets, or custom buckets of different bounds. */
export type Incompatible = 'schema' | 'bounds';

export interface HistogramBucket {
  readonly lower: number;
  readonly upper: number;
  readonly lowerInclusive: boolean;
  readonly upperInclusive: boolean;
  readonly count: number;
}

const NO_BUCKETS: NativeBuckets = { indexes: new Int32Array(0), counts: new Float64Array(0) };

export function usesCustomBuckets(histogram: NativeHistogram): boolean {
  return histogram.schema === CUSTOM_SCHEMA;
}

/** Upper bound of the positive bucket with this index. */
export function boundOf({ schema, customBounds }: NativeHistogram, index: number): number {
  if (schema !== CUSTOM_SCHEMA) return exponentialBound(index, schema);
  const bounds = customBounds ?? [];
  if (index < 0) return -Infinity;
  return index < bounds.length ? bounds[index]! : Infinity;
}

/** 2^(2^-schema)^index; the bucket below the one that takes the infinities ends with the largest finite number. */
function exponentialBound(index: number, schema: number): number {
  const steps = 2 ** Math.max(schema, 0);
  const exponent = schema < 0 ? index * 2 ** -schema : Math.floor(index / steps);
  const fraction = schema <= 0 ? 0 : index - exponent * steps;
  if (exponent === 1024 && fraction === 0) return Number.MAX_VALUE;
  return POWERS[(fraction / steps) * POWERS.length]! * 2 ** exponent;
}

/**
 * 2^(i/256) as Prometheus has them in a table, to the last digit: products of roots, that of 2 itself rounded down. So
 * histograms as texts, and bounds in an API, are the same.
 */
const POWERS = Float64Array.from({ length: 256 }, (_, i) => {
  let power = 1;
  for (let bit = 1; bit <= 8; bit++)
    if ((i & (256 >> bit)) !== 0) power *= bit === 1 ? 1.414213562373095 : 2 ** (2 ** -bit);
  return power;
});

/**
 * All buckets by rising bounds: negative ones, the zero bucket if it is filled, positive ones. Those that reach into the zero
 * bucket are cut off there, unless `isCut` is false (in texts Prometheus leaves them whole).
 */
export function allBuckets(histogram: NativeHistogram, isCut = true): HistogramBucket[] {
  const { zeroThreshold, zeroCount, positive, negative } = histogram;
  const inner = isCut ? zeroThreshold : 0;
  const buckets: HistogramBucket[] = [];
  const isCustom = usesCustomBuckets(histogram);
  for (let i = negative.indexes.length - 1; i >= 0; i--) {
    const index = negative.indexes[i]!;
    const bucket = { lower: -boundOf(histogram, index), upper: -boundOf(histogram, index - 1) };
    buckets.push(toBucket(bucket.lower, Math.min(bucket.upper, -inner), negative.counts[i]!));
  }
  if (isCut ? zeroCount > 0 : zeroCount !== 0) {
    const bounds = { lower: -zeroThreshold, upper: zeroThreshold };
    buckets.push({ ...bounds, lowerInclusive: true, upperInclusive: true, count: zeroCount });
  }
  for (let i = 0; i < positive.indexes.length; i++) {
    const index = positive.indexes[i]!;
    const [lower, upper, count] = [boundOf(histogram, index - 1), boundOf(histogram, index), positive.counts[i]!];
    if (isCustom) buckets.push({ lower, upper, lowerInclusive: index === 0, upperInclusive: true, count });
    else buckets.push(toBucket(Math.max(lower, inner), upper, count));
  }
  return buckets;
}

function toBucket(lower: number, upper: number, count: number): HistogramBucket {
  return { lower, upper, lowerInclusive: lower < 0, upperInclusive: upper > 0, count };
}

export function addHistograms(histogram: NativeHistogram, other: NativeHistogram): NativeHistogram | Incompatible {
  const sum = combine(histogram, other, 1);
  if (typeof sum === 'string') return sum;
  return { ...sum, counterReset: combinedReset(histogram.counterReset, other.counterReset) };
}

export function subtractHistograms(histogram: NativeHistogram, other: NativeHistogram): NativeHistogram | Incompatible {
  return combine(histogram, other, -1);
}

type CounterReset = NativeHistogram['counterReset'];

function combinedReset(one: CounterReset, other: CounterReset): CounterReset {
  if (one === other) return one;
  return one === 'gauge' || other === 'gauge' ? 'gauge' : 'unknown';
}

function combine(histogram: NativeHistogram, other: NativeHistogram, sign: 1 | -1): NativeHistogram | Incompatible {
  const isCustom = usesCustomBuckets(histogram);
  if (isCustom !== usesCustomBuckets(other)) return 'schema';
  if (isCustom && !sameNumbers(histogram.customBounds ?? [], other.customBounds ?? [])) return 'bounds';
  let [one, otherZeroCount] = [histogram, 0];
  if (!isCustom) [one, otherZeroCount] = reconcileZeroBuckets(histogram, other);
  const schema = Math.min(one.schema, other.schema);
  const side = (buckets: NativeBuckets, others: NativeBuckets): NativeBuckets =>
    addBuckets(
      reduceBuckets(buckets, one.schema, schema),
      reduceBuckets(others, other.schema, schema),
      sign,
      isCustom ? undefined : (index) => exponentialBound(index, schema) <= one.zeroThreshold,
    );
  return {
    ...one,
    schema,
    count: one.count + sign * other.count,
    sum: one.sum + sign * other.sum,
    zeroCount: one.zeroCount + sign * otherZeroCount,
    positive: side(one.positive, other.positive),
    negative: isCustom ? NO_BUCKETS : side(one.negative, other.negative),
  };
}

/** The other's first buckets are left out as long as they lie within the zero bucket. */
function addBuckets(
  buckets: NativeBuckets,
  others: NativeBuckets,
  sign: 1 | -1,
  isInZeroBucket: ((index: number) => boolean) | undefined,
): NativeBuckets {
  let from = 0;
  if (isInZeroBucket) while (from < others.indexes.length && isInZeroBucket(others.indexes[from]!)) from++;
  const indexes: number[] = [];
  const counts: number[] = [];
  for (let i = 0, j = from; i < buckets.indexes.length || j < others.indexes.length;) {
    const index = i < buckets.indexes.length ? buckets.indexes[i]! : Infinity;
    const otherIndex = j < others.indexes.length ? others.indexes[j]! : Infinity;
    indexes.push(Math.min(index, otherIndex));
    if (index < otherIndex) counts.push(buckets.counts[i++]!);
    else if (otherIndex < index) counts.push(sign * others.counts[j++]!);
    else counts.push(buckets.counts[i++]! + sign * others.counts[j++]!);
  }
  return { indexes: Int32Array.from(indexes), counts: Float64Array.from(counts) };
}

/** Merges buckets into those of a schema of lower resolution. */
function reduceBuckets(buckets: NativeBuckets, schema: number, target: number): NativeBuckets {
  if (schema === target) return buckets;
  const indexes: number[] = [];
  const counts: number[] = [];
  for (const [i, origin] of buckets.indexes.entries()) {
    const index = ((origin - 1) >> (schema - target)) + 1;
    if (indexes.at(-1) === index) counts[counts.length - 1]! += buckets.counts[i]!;
    else {
      indexes.push(index);
      counts.push(buckets.counts[i]!);
    }
  }
  return { indexes: Int32Array.from(indexes), counts: Float64Array.from(counts) };
}

/** The histogram at a lower resolution; whether it is a counter is no longer known then. */
export function reduceSchema(histogram: NativeHistogram, target: number): NativeHistogram {
  const { schema, positive, negative } = histogram;
  if (schema === target) return histogram;
  return {
    ...histogram,
    schema: target,
    positive: reduceBuckets(positive, schema, target),
    negative: reduceBuckets(negative, schema, target),
    counterReset: 'unknown',
  };
}

/**
 * Gives the histogram a zero bucket that holds both zero buckets and does not end within a filled bucket of either.
 * Returns with it what the other's zero bucket would hold then.
 */
function reconcileZeroBuckets(histogram: NativeHistogram, other: NativeHistogram): [NativeHistogram, number] {
  let one = histogram;
  let { zeroCount, zeroThreshold } = other;
  while (zeroThreshold !== one.zeroThreshold) {
    if (one.zeroThreshold > zeroThreshold) ({ zeroCount, zeroThreshold } = widenZero(other, one.zeroThreshold));
    if (zeroThreshold > one.zeroThreshold) {
      const widened = { ...one, ...widenZero(one, zeroThreshold) };
      const isOutside = (index: number): boolean => boundOf(widened, index - 1) >= widened.zeroThreshold;
      one = {
        ...widened,
        positive: keepBuckets(one.positive, (index, count) => count !== 0 && isOutside(index)),
        negative: keepBuckets(one.negative, (index, count) => count !== 0 && isOutside(index)),
      };
    }
  }
  return [one, zeroCount];
}

/** The zero bucket of at least this width; wider where it would end within a filled bucket. */
function widenZero(histogram: NativeHistogram, threshold: number): { zeroCount: number; zeroThreshold: number } {
  if (threshold === histogram.zeroThreshold) return histogram;
  let width = threshold;
  for (;;) {
    let zeroCount = histogram.zeroCount;
    let hasGrown = false;
    for (const side of ['positive', 'negative'] as const) {
      const { indexes, counts } = histogram[side];
      for (const [i, index] of indexes.entries()) {
        if (boundOf(histogram, index - 1) >= width) break;
        zeroCount += counts[i]!;
        const upper = boundOf(histogram, index);
        if (upper <= width) continue;
        if (counts[i] !== 0) {
          width = upper;
          // The positive side has been counted with the smaller width.
          hasGrown = side === 'negative';
        }
        break;
      }
    }
    if (!hasGrown) return { zeroCount, zeroThreshold: width };
  }
}

/** Counts of all kinds times the factor. */
export function scaleHistogram(histogram: NativeHistogram, factor: number): NativeHistogram {
  return mapCounts(histogram, (count) => count * factor);
}

/** Division by 0 leaves no bucket but the zero bucket. */
export function divideHistogram(histogram: NativeHistogram, divisor: number): NativeHistogram {
  const quotient = mapCounts(histogram, (count) => count / divisor);
  return divisor === 0 ? { ...quotient, positive: NO_BUCKETS, negative: NO_BUCKETS } : quotient;
}

function mapCounts(histogram: NativeHistogram, map: (count: number) => number): NativeHistogram {
  const { positive, negative } = histogram;
  return {
    ...histogram,
    count: map(histogram.count),
    sum: map(histogram.sum),
    zeroCount: map(histogram.zeroCount),
    positive: { indexes: positive.indexes, counts: positive.counts.map(map) },
    negative: { indexes: negative.indexes, counts: negative.counts.map(map) },
  };
}

/** Without empty buckets. */
export function compactHistogram(histogram: NativeHistogram): NativeHistogram {
  const isFilled = (_index: number, count: number): boolean => count !== 0;
  return {
    ...histogram,
    positive: keepBuckets(histogram.positive, isFilled),
    negative: keepBuckets(histogram.negative, isFilled),
  };
}

function keepBuckets(buckets: NativeBuckets, isKept: (index: number, count: number) => boolean): NativeBuckets {
  const { indexes, counts } = buckets;
  const kept = Array.from(indexes.keys()).filter((i) => isKept(indexes[i]!, counts[i]!));
  if (kept.length === indexes.length) return buckets;
  return { indexes: Int32Array.from(kept, (i) => indexes[i]!), counts: Float64Array.from(kept, (i) => counts[i]!) };
}

/** Whether the counter began anew between the two: some count fell, or the layout changed as it only does then. */
export function hasReset(histogram: NativeHistogram, previous: NativeHistogram): boolean {
  if (histogram.counterReset === 'reset') return true;
  if (histogram.counterReset === 'none') return false;
  if (histogram.count < previous.count) return true;
  const isCustom = usesCustomBuckets(histogram);
  if (isCustom !== usesCustomBuckets(previous)) return true;
  if (isCustom && !sameNumbers(histogram.customBounds ?? [], previous.customBounds ?? [])) return true;
  if (histogram.schema > previous.schema || histogram.zeroThreshold < previous.zeroThreshold) return true;
  const zero = widenZero(previous, histogram.zeroThreshold);
  if (zero.zeroThreshold !== histogram.zeroThreshold || histogram.zeroCount < zero.zeroCount) return true;
  return hasFallen('positive', histogram, previous) || hasFallen('negative', histogram, previous);
}

function hasFallen(side: 'positive' | 'negative', histogram: NativeHistogram, previous: NativeHistogram): boolean {
  const { schema, zeroThreshold } = histogram;
  const now = histogram[side];
  const before = reduceBuckets(previous[side], previous.schema, schema);
  const isCustom = usesCustomBuckets(histogram);
  let position = 0;
  for (const [i, index] of before.indexes.entries()) {
    if (!isCustom && exponentialBound(index, schema) <= zeroThreshold) continue;
    while (position < now.indexes.length && now.indexes[position]! < index) position++;
    const count = before.counts[i]!;
    // Differences have negative counts: one that is missing was filled, too.
    if (now.indexes[position] === index ? now.counts[position]! < count : count !== 0) return true;
  }
  return false;
}

/** Whether both hold the same data, bit by bit; what they say about counter resets does not matter. */
export function equalHistograms(one: NativeHistogram, other: NativeHistogram): boolean {
  return (
    one.schema === other.schema &&
    Object.is(one.count, other.count) &&
    Object.is(one.sum, other.sum) &&
    one.zeroThreshold === other.zeroThreshold &&
    Object.is(one.zeroCount, other.zeroCount) &&
    sameNumbers(one.customBounds ?? [], other.customBounds ?? []) &&
    sameNumbers(one.positive.indexes, other.positive.indexes) &&
    sameNumbers(one.positive.counts, other.positive.counts) &&
    sameNumbers(one.negative.indexes, other.negative.indexes) &&
    sameNumbers(one.negative.counts, other.negative.counts)
  );
}

function sameNumbers(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (!Object.is(one[i], other[i])) return false;
  return true;
}
