/** What was added to a histogram between two cumulative points. */
import type { DistributionPoint, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint } from './batch.ts';

/**
 * The point that holds what `point` has more than `before`. Without minimum and maximum: of what was added, nobody knows
 * them.
 * @returns undefined where `point` does not continue `before`: its buckets differ, or something fell
 */
export function subtractPoint(point: DistributionPoint, before: DistributionPoint): DistributionPoint | undefined {
  if (point.type === 'histogram' && before.type === 'histogram') return subtractHistogram(point, before);
  if (point.type === 'exponential_histogram' && before.type === 'exponential_histogram') {
    return subtractExponential(point, before);
  }
  return undefined;
}

function subtractHistogram(point: HistogramPoint, before: HistogramPoint): HistogramPoint | undefined {
  const { explicitBounds } = point;
  if (explicitBounds.length !== before.explicitBounds.length || point.count < before.count) return undefined;
  if (point.bucketCounts.length !== before.bucketCounts.length) return undefined;
  if (explicitBounds.some((bound, index) => bound !== before.explicitBounds[index])) return undefined;
  const bucketCounts = point.bucketCounts.map((count, index) => count - before.bucketCounts[index]!);
  if (bucketCounts.some((count) => count < 0n)) return undefined;
  return {
    type: 'histogram',
    count: point.count - before.count,
    ...differenceOfSums(point, before),
    explicitBounds,
    bucketCounts,
  };
}

function subtractExponential(
  point: ExponentialHistogramPoint,
  before: ExponentialHistogramPoint,
): ExponentialHistogramPoint | undefined {
  // Within one run the resolution only falls and the zero bucket only grows.
  if (point.scale > before.scale || point.zeroThreshold < before.zeroThreshold || point.count < before.count) {
    return undefined;
  }
  const shift = before.scale - point.scale;
  const base = 2 ** (2 ** -point.scale);
  const isZero = (index: number): boolean => base ** (index + 1) <= point.zeroThreshold;
  let zeroBefore = before.zeroCount;
  const absorb = (count: bigint): void => {
    zeroBefore += count;
  };
  const positive = subtractBuckets(point.positive, before.positive, shift, isZero, absorb);
  const negative = subtractBuckets(point.negative, before.negative, shift, isZero, absorb);
  const zeroCount = point.zeroCount - zeroBefore;
  if (positive === undefined || negative === undefined || zeroCount < 0n) return undefined;
  return {
    type: 'exponential_histogram',
    count: point.count - before.count,
    ...differenceOfSums(point, before),
    scale: point.scale,
    zeroCount,
    zeroThreshold: point.zeroThreshold,
    positive,
    negative,
  };
}

/**
 * @param shift by how much the scale fell: so many times, pairs of buckets became one
 * @param absorb takes what is now in the zero bucket
 */
function subtractBuckets(
  { offset, bucketCounts }: ExponentialBuckets,
  before: ExponentialBuckets,
  shift: number,
  isZero: (index: number) => boolean,
  absorb: (count: bigint) => void,
): ExponentialBuckets | undefined {
  const left = [...bucketCounts];
  for (const [position, count] of before.bucketCounts.entries()) {
    if (count === 0n) continue;
    const index = Math.floor((before.offset + position) / 2 ** shift);
    const rest = left[index - offset];
    if (isZero(index)) absorb(count);
    else if (rest === undefined) return undefined;
    else left[index - offset] = rest - count;
  }
  return left.some((count) => count < 0n) ? undefined : { offset, bucketCounts: left };
}

/** A sum is left out where one of the points has none: there were negative values (or nobody counted). */
function differenceOfSums(point: { sum?: number }, before: { sum?: number }): { sum?: number } {
  return point.sum === undefined || before.sum === undefined ? {} : { sum: point.sum - before.sum };
}
