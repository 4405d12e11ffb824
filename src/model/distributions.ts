/** Adds histogram points, exactly; what has no exact answer is undefined. */
import type { DistributionPoint, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint } from './batch.ts';

/** Buckets that OpenTelemetry's exponential histograms have at most by default, for each sign. */
const MAX_BUCKETS = 160;

/** Two points as one; undefined where they have different bounds or kinds, or are summaries. */
export function addPoints(a: DistributionPoint, b: DistributionPoint): DistributionPoint | undefined {
  if (a.type === 'histogram' && b.type === 'histogram') return addHistograms(a, b);
  if (a.type === 'exponential_histogram' && b.type === 'exponential_histogram') return addExponential(a, b);
  return undefined;
}

function addHistograms(a: HistogramPoint, b: HistogramPoint): HistogramPoint | undefined {
  if (!hasSameBounds(a, b)) return undefined;
  return {
    type: 'histogram',
    count: a.count + b.count,
    ...statistics(a, b),
    explicitBounds: a.explicitBounds,
    bucketCounts: a.bucketCounts.map((count, index) => count + b.bucketCounts[index]!),
  };
}

function hasSameBounds(a: HistogramPoint, b: HistogramPoint): boolean {
  return (
    a.bucketCounts.length === b.bucketCounts.length &&
    a.explicitBounds.length === b.explicitBounds.length &&
    a.explicitBounds.every((bound, index) => bound === b.explicitBounds[index])
  );
}

function addExponential(
  a: ExponentialHistogramPoint,
  b: ExponentialHistogramPoint,
): ExponentialHistogramPoint | undefined {
  if (a.zeroThreshold !== b.zeroThreshold) return undefined;
  const room = Math.max(MAX_BUCKETS, ...[a, b].flatMap((point) => [width(point.positive), width(point.negative)]));
  // The lower scale has the wider buckets, and the finer ones fit into them.
  let scale = Math.min(a.scale, b.scale);
  for (;;) {
    const positive = addBuckets(atScale(a.positive, a.scale - scale), atScale(b.positive, b.scale - scale), room);
    const negative = addBuckets(atScale(a.negative, a.scale - scale), atScale(b.negative, b.scale - scale), room);
    if (positive !== undefined && negative !== undefined) {
      return {
        type: 'exponential_histogram',
        count: a.count + b.count,
        ...statistics(a, b),
        scale,
        zeroCount: a.zeroCount + b.zeroCount,
        zeroThreshold: a.zeroThreshold,
        positive,
        negative,
      };
    }
    scale--;
  }
}

function width({ bucketCounts }: ExponentialBuckets): number {
  return bucketCounts.length;
}

/** The same counts in buckets 2^`by` times as wide: bucket i goes into bucket i >> by. */
function atScale(buckets: ExponentialBuckets, by: number): ExponentialBuckets {
  if (by === 0 || buckets.bucketCounts.length === 0) return buckets;
  // Beyond 31, a shift would start over; all indices are 32 bits wide, so nothing finer is left then.
  const shift = Math.min(by, 31);
  const offset = buckets.offset >> shift;
  const last = (buckets.offset + buckets.bucketCounts.length - 1) >> shift;
  const bucketCounts = Array.from({ length: last - offset + 1 }, () => 0n);
  buckets.bucketCounts.forEach((count, index) => {
    bucketCounts[((buckets.offset + index) >> shift) - offset]! += count;
  });
  return { offset, bucketCounts };
}

/** Undefined where the sum takes more than `room` buckets. */
function addBuckets(a: ExponentialBuckets, b: ExponentialBuckets, room: number): ExponentialBuckets | undefined {
  if (a.bucketCounts.length === 0) return b;
  if (b.bucketCounts.length === 0) return a;
  const offset = Math.min(a.offset, b.offset);
  const end = Math.max(a.offset + a.bucketCounts.length, b.offset + b.bucketCounts.length);
  if (end - offset > room) return undefined;
  const bucketCounts = Array.from({ length: end - offset }, () => 0n);
  for (const buckets of [a, b]) {
    buckets.bucketCounts.forEach((count, index) => {
      bucketCounts[buckets.offset + index - offset]! += count;
    });
  }
  return { offset, bucketCounts };
}

interface Statistics {
  readonly sum?: number;
  readonly min?: number;
  readonly max?: number;
}

/** Only what both points know. */
function statistics(a: Statistics, b: Statistics): Statistics {
  return {
    ...(a.sum === undefined || b.sum === undefined ? undefined : { sum: a.sum + b.sum }),
    ...(a.min === undefined || b.min === undefined ? undefined : { min: Math.min(a.min, b.min) }),
    ...(a.max === undefined || b.max === undefined ? undefined : { max: Math.max(a.max, b.max) }),
  };
}
