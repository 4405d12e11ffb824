import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ExponentialBuckets, ExponentialHistogramPoint, SummaryPoint } from '../../src/model/batch.ts';
import { addPoints } from '../../src/model/distributions.ts';

const NO_BUCKETS: ExponentialBuckets = { offset: 0, bucketCounts: [] };

/** The histogram of positive values at a scale: bucket i holds (base^i, base^(i+1)] of base = 2^(2^-scale). */
function histogramOf(values: readonly number[], scale: number): ExponentialHistogramPoint {
  const indices = values.map((value) => Math.ceil(Math.log2(value) * 2 ** scale) - 1);
  const offset = indices.length === 0 ? 0 : Math.min(...indices);
  const length = indices.length === 0 ? 0 : Math.max(...indices) - offset + 1;
  const bucketCounts = Array.from({ length }, () => 0n);
  for (const index of indices) bucketCounts[index - offset]! += 1n;
  return {
    type: 'exponential_histogram',
    count: BigInt(values.length),
    scale,
    zeroCount: 0n,
    zeroThreshold: 0,
    positive: { offset, bucketCounts },
    negative: NO_BUCKETS,
  };
}

describe('addPoints', () => {
  test('of exponential histograms is the histogram of all values, at a scale that both fit', () => {
    // Powers of 2 with halves between them lie on no bucket's edge but exactly known ones.
    const value = fc.integer({ min: -40, max: 40 }).map((exponent) => 1.5 * 2 ** exponent);
    const some = fc.array(value, { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(
        some,
        some,
        fc.integer({ min: -3, max: 0 }),
        fc.integer({ min: -3, max: 0 }),
        (a, b, scaleA, scaleB) => {
          const sum = addPoints(histogramOf(a, scaleA), histogramOf(b, scaleB)) as ExponentialHistogramPoint;
          expect(sum).toEqual(histogramOf([...a, ...b], Math.min(scaleA, scaleB)));
        },
      ),
    );
  });

  test('of exponential histograms far apart lowers the scale until the buckets are few', () => {
    const sum = addPoints(histogramOf([1.5], 5), histogramOf([1.5 * 2 ** 60], 5)) as ExponentialHistogramPoint;
    expect(sum.positive.bucketCounts.length).toBeLessThanOrEqual(160);
    expect(sum).toEqual(histogramOf([1.5, 1.5 * 2 ** 60], sum.scale));
    expect(sum.scale).toBe(1);
  });

  test('adds what both know of sum, least and greatest, and negative and zero counts', () => {
    const point = {
      ...histogramOf([3], 0),
      negative: { offset: 1, bucketCounts: [2n] },
      zeroCount: 1n,
      sum: 1,
      min: -4,
    };
    expect(addPoints(point, { ...point, max: 3 })).toEqual({
      ...point,
      count: 2n,
      sum: 2,
      positive: { offset: 1, bucketCounts: [2n] },
      negative: { offset: 1, bucketCounts: [4n] },
      zeroCount: 2n,
    });
  });

  test('has no answer for other zero buckets, other kinds and summaries', () => {
    const point = histogramOf([3], 0);
    const summary: SummaryPoint = { type: 'summary', count: 1n, sum: 1, quantiles: [] };
    expect(addPoints(point, { ...point, zeroThreshold: 0.1 })).toBeUndefined();
    expect(addPoints(summary, summary)).toBeUndefined();
    expect(addPoints(point, { type: 'histogram', count: 1n, explicitBounds: [], bucketCounts: [1n] })).toBeUndefined();
  });
});
