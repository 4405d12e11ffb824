/**
 * Quantiles, fractions and the spread of native histograms. Within an exponential bucket the observations are taken to be
 * spread evenly over the buckets that a higher resolution would have, within custom ones and the zero bucket over its width.
 */
import type { NativeHistogram } from '../../store/queryable.ts';
import { allBuckets, usesCustomBuckets, type HistogramBucket } from '../native_histograms.ts';
import { kahanAdd } from './kahan.ts';

/** What observations of NaN, which count but are in no bucket, did to the result. */
export type NanEffect = 'none' | 'skewed' | 'result';

interface QuantileResult {
  readonly value: number;
  readonly nanEffect: NanEffect;
}

export function nativeQuantile(quantile: number, histogram: NativeHistogram): QuantileResult {
  const plain = (value: number): QuantileResult => ({ value, nanEffect: 'none' });
  if (quantile < 0) return plain(-Infinity);
  if (quantile > 1) return plain(Infinity);
  if (histogram.count === 0 || Number.isNaN(quantile)) return plain(Number.NaN);
  const hasNanSum = Number.isNaN(histogram.sum);
  const isForward = hasNanSum || quantile < 0.5;
  const buckets = allBuckets(histogram);
  if (!isForward) buckets.reverse();
  let rank = (isForward ? quantile : 1 - quantile) * histogram.count;
  const found = findRank(buckets, rank);
  let { count } = found;
  const bucket = withNaturalBounds(found.bucket, histogram);
  if (usesCustomBuckets(histogram)) {
    if (bucket.lower === -Infinity) return plain(bucket.upper);
    if (found.bucket.lower !== -Infinity && bucket.upper === Infinity) return plain(bucket.lower);
  }
  count = Math.min(count, histogram.count);
  if (count < rank) return hasNanSum ? { value: Number.NaN, nanEffect: 'result' } : plain(bucket.upper);
  rank = isForward ? rank - (count - bucket.count) : count - rank;
  if (!hasNanSum) return plain(interpolate(bucket, rank / bucket.count, histogram));
  const rest = buckets.slice(found.index + 1);
  for (const one of rest) count += one.count;
  const value = interpolateLast(bucket, rest.at(-1), rank, histogram);
  return { value, nanEffect: count < histogram.count ? 'skewed' : 'none' };
}

/**
 * With a sum of NaN Prometheus (3.5 to 3.14) interpolates in the last bucket of all instead of the one that has the rank: the
 * loop that counts the rest leaves it behind. Rules must say the same here and there.
 */
function interpolateLast(
  bucket: HistogramBucket,
  last: HistogramBucket | undefined,
  rank: number,
  histogram: NativeHistogram,
): number {
  const used = last ?? bucket;
  return interpolate(used, rank / used.count, histogram);
}

const NO_BUCKET: HistogramBucket = { lower: 0, upper: 0, lowerInclusive: false, upperInclusive: false, count: 0 };

/** The bucket with which the sum of counts reaches the rank, or the last one. */
function findRank(
  buckets: readonly HistogramBucket[],
  rank: number,
): { bucket: HistogramBucket; index: number; count: number } {
  let count = 0;
  let last = NO_BUCKET;
  for (const [index, bucket] of buckets.entries()) {
    last = bucket;
    if (bucket.count === 0) continue;
    count += bucket.count;
    if (count >= rank) return { bucket, index, count };
  }
  return { bucket: last, index: buckets.length, count };
}

/** With observations of one sign only, nothing is on the other side of zero. */
function withNaturalBounds(bucket: HistogramBucket, histogram: NativeHistogram): HistogramBucket {
  const { positive, negative } = histogram;
  if (usesCustomBuckets(histogram)) {
    return bucket.lower === -Infinity && bucket.upper > 0 ? { ...bucket, lower: 0 } : bucket;
  }
  if (!(bucket.lower < 0 && bucket.upper > 0)) return bucket;
  if (negative.indexes.length === 0 && positive.indexes.length > 0) return { ...bucket, lower: 0 };
  if (positive.indexes.length === 0 && negative.indexes.length > 0) return { ...bucket, upper: 0 };
  return bucket;
}

function interpolate({ lower, upper }: HistogramBucket, fraction: number, histogram: NativeHistogram): number {
  if (usesCustomBuckets(histogram) || (lower <= 0 && upper >= 0)) return lower + (upper - lower) * fraction;
  const logLower = Math.log2(Math.abs(lower));
  const logUpper = Math.log2(Math.abs(upper));
  if (lower > 0) return 2 ** (logLower + (logUpper - logLower) * fraction);
  return -(2 ** (logUpper + (logLower - logUpper) * (1 - fraction)));
}

interface FractionResult {
  readonly value: number;
  /** Observations of NaN are in no fraction. */
  readonly hasNan: boolean;
}

/** The share of the observations between the bounds. */
export function nativeFraction(lower: number, upper: number, histogram: NativeHistogram): FractionResult {
  if (histogram.count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return { value: Number.NaN, hasNan: false };
  if (lower >= upper) return { value: 0, hasNan: false };
  const buckets = allBuckets(histogram);
  const isNanSum = Number.isNaN(histogram.sum);
  let inBuckets = 0;
  for (const { count } of buckets) inBuckets += count;
  const count = isNanSum ? inBuckets : histogram.count;
  const lowerRank = Math.min(rankOf(lower, buckets, histogram) ?? count, count);
  const upperRank = Math.min(rankOf(upper, buckets, histogram) ?? count, count);
  return { value: (upperRank - lowerRank) / histogram.count, hasNan: isNanSum && count < histogram.count };
}

/** How many observations are below the value; undefined where it is above all buckets. */
function rankOf(value: number, buckets: readonly HistogramBucket[], histogram: NativeHistogram): number | undefined {
  let rank = 0;
  for (const bucket of buckets) {
    const isZero = bucket.lower <= 0 && bucket.upper >= 0;
    const { lower, upper } = isZero ? withNaturalZero(bucket, histogram) : bucket;
    if (lower >= value) return rank;
    if (upper > value) {
      const isLinear = isZero || usesCustomBuckets(histogram);
      const fraction = isLinear ? undefined : exponentialShare(value, lower, upper);
      // The order of the operations is Prometheus' own: the last digits depend on it.
      if (fraction === undefined) return rank + (bucket.count * (value - lower)) / (upper - lower);
      return rank + bucket.count * fraction;
    }
    rank += bucket.count;
  }
  return undefined;
}

/** As {@link withNaturalBounds}, for buckets that only touch zero and custom ones, too. */
function withNaturalZero(bucket: HistogramBucket, { positive, negative }: NativeHistogram): HistogramBucket {
  if (negative.indexes.length === 0 && positive.indexes.length > 0) return { ...bucket, lower: 0 };
  if (positive.indexes.length === 0 && negative.indexes.length > 0) return { ...bucket, upper: 0 };
  return bucket;
}

function exponentialShare(value: number, lower: number, upper: number): number {
  const logLower = Math.log2(Math.abs(lower));
  const logUpper = Math.log2(Math.abs(upper));
  const logValue = Math.log2(Math.abs(value));
  if (value > 0) return (logValue - logLower) / (logUpper - logLower);
  return 1 - (logValue - logUpper) / (logLower - logUpper);
}

/** As if all observations of a bucket were in its middle, which is the geometric one in exponential buckets. */
export function nativeVariance(histogram: NativeHistogram): number {
  const mean = histogram.sum / histogram.count;
  const total = { sum: 0, rest: 0 };
  for (const { lower, upper, count } of allBuckets(histogram)) {
    if (count === 0) continue;
    const difference = middleOf(lower, upper, usesCustomBuckets(histogram)) - mean;
    kahanAdd(total, count * difference * difference);
  }
  return (total.sum + total.rest) / histogram.count;
}

function middleOf(lower: number, upper: number, isCustom: boolean): number {
  if (isCustom) return (upper + lower) / 2;
  if (lower <= 0 && upper >= 0) return 0;
  const middle = Math.sqrt(upper * lower);
  return upper < 0 ? -middle : middle;
}
