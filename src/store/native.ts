/** Exponential histograms of OpenTelemetry as native histograms (OpenTelemetry, "Prometheus and OpenMetrics Compatibility"). */
import type { ExponentialBuckets, ExponentialHistogramPoint } from '../model/batch.ts';
import type { NativeBuckets, NativeHistogram } from './queryable.ts';

/** The finest and the coarsest resolution that there is. */
const MAX_SCHEMA = 8;
const MIN_SCHEMA = -4;
/** What a point without a threshold of its own means by zero. */
const ZERO_THRESHOLD = 1e-128;
/** Numbers of buckets beyond it stand for no double. */
const MAX_INDEX = 2 ** 30;

/** Undefined where the point contradicts itself, or is too coarse. A point without a sum has NaN as its sum. */
export function toNativeHistogram(point: ExponentialHistogramPoint): NativeHistogram | undefined {
  if (!Number.isInteger(point.scale) || point.scale < MIN_SCHEMA) return undefined;
  const schema = Math.min(point.scale, MAX_SCHEMA);
  const positive = mergeBuckets(point.positive, point.scale - schema);
  const negative = mergeBuckets(point.negative, point.scale - schema);
  if (positive === undefined || negative === undefined) return undefined;
  const { sum = NaN } = point;
  const zeroCount = Number(point.zeroCount);
  const inBuckets = zeroCount + total(positive) + total(negative);
  const given = Number(point.count);
  // A smaller count was read while the buckets grew. A larger one counts values that are no number, which are in none.
  if (given > inBuckets && !Number.isNaN(sum)) return undefined;
  const zeroThreshold = point.zeroThreshold > 0 ? point.zeroThreshold : ZERO_THRESHOLD;
  const count = Math.max(given, inBuckets);
  return { schema, count, sum, zeroThreshold, zeroCount, positive, negative, counterReset: 'unknown' };
}

/** Filled buckets by Prometheus' number, which is one more: bucket i of OpenTelemetry has base^(i+1) as upper bound. */
function mergeBuckets({ offset, bucketCounts }: ExponentialBuckets, steps: number): NativeBuckets | undefined {
  const width = 2 ** steps;
  const indexes: number[] = [];
  const counts: number[] = [];
  for (let i = 0; i < bucketCounts.length; i++) {
    const count = Number(bucketCounts[i]!);
    if (count === 0) continue;
    const index = Math.floor((offset + i) / width) + 1;
    if (Math.abs(index) > MAX_INDEX) return undefined;
    if (indexes.at(-1) === index) counts[counts.length - 1]! += count;
    else {
      indexes.push(index);
      counts.push(count);
    }
  }
  return { indexes: Int32Array.from(indexes), counts: Float64Array.from(counts) };
}

function total({ counts }: NativeBuckets): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}
