import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flatten } from '../../src/prometheus/distributions.ts';
import type { ExponentialHistogramPoint } from '../../src/model/batch.ts';

const NONE = { offset: 0, bucketCounts: [] };

test('flatten adds up the buckets of a histogram', () => {
  const point = { type: 'histogram', count: 6n, sum: 20, explicitBounds: [1, 5], bucketCounts: [1n, 2n, 3n] } as const;
  expect(flatten(point)).toEqual({ edges: [1, 5], values: [1, 3], sum: 20, count: 6 });
});

test('flatten takes a histogram without buckets', () => {
  const point = { type: 'histogram', count: 6n, explicitBounds: [], bucketCounts: [] } as const;
  expect(flatten(point)).toEqual({ edges: [], values: [], sum: undefined, count: 6 });
});

test('flatten leaves +Inf, which every histogram has, out of the bounds', () => {
  const point = { type: 'histogram', count: 3n, explicitBounds: [1, Infinity], bucketCounts: [1n, 2n, 0n] } as const;
  expect(flatten(point)?.edges).toEqual([1]);
});

test.each([
  ['bounds that fall', [5, 1], [1n, 1n, 1n]],
  ['a bound twice', [1, 1], [1n, 1n, 1n]],
  ['a bound that is no number', [NaN], [1n, 1n]],
  ['too few counts', [1, 5], [1n, 1n]],
])('flatten refuses a histogram with %s', (_, explicitBounds, bucketCounts) => {
  expect(flatten({ type: 'histogram', count: 3n, explicitBounds, bucketCounts })).toBeUndefined();
});

test('flatten sorts quantiles, and refuses one that is there twice', () => {
  const quantiles = [
    { quantile: 0.9, value: 9 },
    { quantile: 0.5, value: 5 },
  ];
  expect(flatten({ type: 'summary', count: 2n, sum: 14, quantiles })).toEqual({
    edges: [0.5, 0.9],
    values: [5, 9],
    sum: 14,
    count: 2,
  });
  expect(flatten({ type: 'summary', count: 2n, sum: 1, quantiles: [quantiles[0]!, quantiles[0]!] })).toBeUndefined();
});

test('flatten merges exponential buckets to powers of two', () => {
  const point: ExponentialHistogramPoint = {
    type: 'exponential_histogram',
    count: 13n,
    sum: 30,
    scale: 1,
    zeroCount: 2n,
    zeroThreshold: 0,
    // (1, √2] (√2, 2] (2, 2√2] (2√2, 4]
    positive: { offset: 0, bucketCounts: [1n, 2n, 3n, 4n] },
    // [-√2, -1)
    negative: { offset: 0, bucketCounts: [1n] },
  };
  expect(flatten(point)).toEqual({ edges: [-1, 0, 2, 4], values: [1, 3, 6, 13], sum: 30, count: 13 });
});

test('flatten keeps exponential buckets that are wider than powers of two', () => {
  const positive = { offset: -1, bucketCounts: [1n, 2n] };
  const point = { type: 'exponential_histogram', count: 3n, scale: -1, zeroCount: 0n, zeroThreshold: 0 } as const;
  expect(flatten({ ...point, positive, negative: NONE })).toMatchObject({ edges: [0, 1, 4], values: [0, 1, 3] });
});

test('flatten counts what lies beyond the largest double in +Inf alone', () => {
  const positive = { offset: 2 ** 31 - 1, bucketCounts: [5n] };
  const point = { type: 'exponential_histogram', count: 5n, scale: 0, zeroCount: 0n, zeroThreshold: 0 } as const;
  const { edges, values, count } = flatten({ ...point, positive, negative: NONE })!;
  expect(edges.every(Number.isFinite)).toBe(true);
  expect(values).toEqual(values.map(() => 0));
  expect(count).toBe(5);
});

test('flatten gives rising bounds and counts for any exponential histogram', () => {
  const counts = fc.array(fc.bigInt({ min: 0n, max: 1000n }), { maxLength: 40 });
  const buckets = fc.record({ offset: fc.integer({ min: -3000, max: 3000 }), bucketCounts: counts });
  fc.assert(
    fc.property(
      buckets,
      buckets,
      fc.integer({ min: -10, max: 20 }),
      fc.bigInt({ min: 0n, max: 10n }),
      fc.constantFrom(0, 1e-9, 3),
      (positive, negative, scale, zeroCount, zeroThreshold) => {
        const count = [...positive.bucketCounts, ...negative.bucketCounts].reduce((a, b) => a + b, zeroCount);
        const point = {
          type: 'exponential_histogram',
          count,
          scale,
          zeroCount,
          zeroThreshold,
          positive,
          negative,
        } as const;
        const { edges, values, count: total } = flatten(point)!;
        expect(edges).toEqual([...new Set(edges)].sort((a, b) => a - b));
        expect(values).toEqual([...values].sort((a, b) => a - b));
        expect(values.at(-1)).toBeLessThanOrEqual(total);
      },
    ),
  );
});
