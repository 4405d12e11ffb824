import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pointValue } from '../../../exporters/elasticsearch/points.ts';
import type { DistributionPoint } from '../../../src/model/batch.ts';
import { metric, metricBatch, series } from '../../support/processor.ts';

const valueOf = (point: DistributionPoint) =>
  pointValue(metricBatch([series(metric('a', { kind: point.type }))], [NaN], { points: [point] }), 0);

const none = { offset: 0, bucketCounts: [] };

test.each<[string, DistributionPoint, unknown]>([
  [
    'a histogram is the middles of its buckets; the outermost have half their bound, and their bound',
    { type: 'histogram', count: 6n, explicitBounds: [10, 20], bucketCounts: [1n, 2n, 3n] },
    { json: '{"counts":[1,2,3],"values":[5.0,15.0,20.0]}' },
  ],
  [
    'a lowest bound that is not positive stands for itself',
    { type: 'histogram', count: 3n, explicitBounds: [-10, 0], bucketCounts: [1n, 1n, 1n] },
    { json: '{"counts":[1,1,1],"values":[-10.0,-5.0,0.0]}' },
  ],
  [
    'a histogram without buckets is its mean',
    { type: 'histogram', count: 4n, sum: 10, explicitBounds: [], bucketCounts: [4n] },
    { json: '{"counts":[4],"values":[2.5]}' },
  ],
  [
    'an empty histogram is empty',
    { type: 'histogram', count: 0n, explicitBounds: [], bucketCounts: [] },
    { json: '{"counts":[],"values":[]}' },
  ],
  [
    'a histogram with an infinite bound has a bucket without a middle',
    { type: 'histogram', count: 1n, explicitBounds: [1, Infinity], bucketCounts: [0n, 1n, 0n] },
    'not_finite',
  ],
  [
    'an exponential histogram of large numbers ends where doubles do',
    {
      type: 'exponential_histogram',
      count: 1n,
      scale: -10,
      zeroCount: 0n,
      zeroThreshold: 0,
      positive: { offset: 1, bucketCounts: [1n] },
      negative: none,
    },
    'not_finite',
  ],
  [
    'a summary is its sum and count',
    { type: 'summary', count: 2n ** 63n - 1n, sum: 1, quantiles: [] },
    { json: '{"sum":1.0,"value_count":9223372036854775807}' },
  ],
])('%s', (_, point, expected) => {
  expect(valueOf(point)).toEqual(expected);
});

test('the values of an exponential histogram rise, and their counts sum to its own', () => {
  const buckets = fc.record({
    offset: fc.integer({ min: -2000, max: 2000 }),
    bucketCounts: fc.array(fc.bigInt({ min: 0n, max: 5n }), { maxLength: 20 }),
  });
  const scale = fc.integer({ min: 1, max: 20 });
  fc.assert(
    fc.property(buckets, buckets, scale, fc.bigInt({ min: 0n, max: 3n }), (positive, negative, drawn, zeroCount) => {
      const total = [...positive.bucketCounts, ...negative.bucketCounts].reduce((sum, each) => sum + each, zeroCount);
      const value = valueOf({
        type: 'exponential_histogram',
        count: total,
        scale: drawn,
        zeroCount,
        zeroThreshold: 0,
        positive,
        negative,
      });
      if (value === 'not_finite') return;
      const { counts, values } = JSON.parse((value as { json: string }).json) as { counts: number[]; values: number[] };
      expect(values.every((each, index) => index === 0 || each > values[index - 1]!)).toBe(true);
      expect(counts.reduce((sum, each) => sum + each, 0)).toBe(Number(total));
    }),
  );
});
