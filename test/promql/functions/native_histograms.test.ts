import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addHistograms,
  allBuckets,
  boundOf,
  compactHistogram,
  divideHistogram,
  equalHistograms,
  hasReset,
  reduceSchema,
  scaleHistogram,
  subtractHistograms,
} from '../../../src/promql/native_histograms.ts';
import type { NativeHistogram } from '../../../src/store/queryable.ts';
import { parseHistogram } from '../../support/queryable.ts';

/** Whole counts, so that sums are exact. */
const histogramsOf = (
  schema: fc.Arbitrary<number>,
  zeroThreshold: fc.Arbitrary<number>,
): fc.Arbitrary<NativeHistogram> =>
  fc
    .record({
      schema,
      zeroCount: fc.nat(20),
      zeroThreshold,
      positive: fc.dictionary(fc.integer({ min: -20, max: 20 }).map(String), fc.integer({ min: 1, max: 9 })),
      negative: fc.dictionary(fc.integer({ min: -20, max: 20 }).map(String), fc.integer({ min: 1, max: 9 })),
      sum: fc.integer(),
    })
    .map(({ positive, negative, ...rest }): NativeHistogram => {
      const empty = { ...parseHistogram(''), schema: rest.schema };
      const side = (buckets: Record<string, number>): NativeHistogram['positive'] => {
        const all = Object.entries(buckets).map(([index, count]) => [Number(index), count] as const);
        // What is within the zero bucket counts there.
        const rows = all.filter(([index]) => boundOf(empty, index - 1) >= rest.zeroThreshold);
        const sorted = rows.toSorted(([one], [other]) => one - other);
        return {
          indexes: Int32Array.from(sorted, ([index]) => index),
          counts: Float64Array.from(sorted, ([, count]) => count),
        };
      };
      const all = { ...rest, positive: side(positive), negative: side(negative), counterReset: 'unknown' as const };
      return { ...all, count: inBuckets({ ...all, count: 0 }) };
    });

const schemas = fc.integer({ min: -4, max: 8 });
const histograms = histogramsOf(schemas, fc.constantFrom(0, 0.001, 0.3, 2));
/**
 * Of different resolution or different zero buckets. Where both differ, and one's zero bucket ends within a bucket of the lower
 * resolution, Prometheus counts observations twice, and so do we.
 */
const pairs = fc.oneof(
  fc.tuple(histogramsOf(schemas, fc.constant(0)), histogramsOf(schemas, fc.constant(0))),
  schemas.chain((schema) => {
    const same = histogramsOf(fc.constant(schema), fc.constantFrom(0, 0.001, 0.3, 2));
    return fc.tuple(same, same);
  }),
);

function inBuckets({ zeroCount, positive, negative }: NativeHistogram): number {
  return [...positive.counts, ...negative.counts].reduce((sum, one) => sum + one, zeroCount);
}

const combined = (result: ReturnType<typeof addHistograms>): NativeHistogram => {
  if (typeof result === 'string') throw new Error(`incompatible: ${result}`);
  return result;
};

test('addHistograms and subtractHistograms keep all observations in buckets, whatever the resolutions and zero buckets', () => {
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const sum = combined(addHistograms(one, other));
      expect(sum.count).toBe(one.count + other.count);
      expect(inBuckets(sum)).toBe(sum.count);
      expect(sum.schema).toBe(Math.min(one.schema, other.schema));
      const difference = combined(subtractHistograms(one, other));
      expect(inBuckets(difference)).toBe(one.count - other.count);
    }),
  );
});

test('addHistograms does not care about the order', () => {
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const sums = [addHistograms(one, other), addHistograms(other, one)].map((sum) => compactHistogram(combined(sum)));
      expect(equalHistograms(sums[0]!, sums[1]!)).toBe(true);
    }),
  );
});

test('subtractHistograms takes away what addHistograms added, of the same layout', () => {
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const sum = combined(addHistograms(one, other));
      const rest = compactHistogram(combined(subtractHistograms(sum, other)));
      expect(inBuckets(rest)).toBe(one.count);
      const own = combined(subtractHistograms(sum, sum));
      expect(compactHistogram(own)).toMatchObject({ count: 0, zeroCount: 0 });
      expect(allBuckets(compactHistogram(own))).toEqual([]);
    }),
  );
});

test('hasReset finds none in a histogram that only grew, and one wherever a count fell', () => {
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const grown = combined(addHistograms(one, other));
      expect(hasReset(grown, one)).toBe(false);
      expect(hasReset(one, grown)).toBe(
        other.count > 0 || grown.schema < one.schema || grown.zeroThreshold > one.zeroThreshold,
      );
    }),
  );
});

test('reduceSchema keeps counts and the outer bounds of the buckets', () => {
  fc.assert(
    fc.property(histograms, fc.nat(4), (one, steps) => {
      const schema = Math.max(-4, one.schema - steps);
      const reduced = reduceSchema(one, schema);
      expect(inBuckets(reduced)).toBe(one.count);
      for (const side of ['positive', 'negative'] as const) {
        const [last, own] = [reduced[side].indexes.at(-1), one[side].indexes.at(-1)];
        expect(last === undefined).toBe(own === undefined);
        if (last !== undefined) expect(boundOf(reduced, last)).toBeGreaterThanOrEqual(boundOf(one, own!));
      }
    }),
  );
});

test('boundOf has the bounds of Prometheus to the last digit', () => {
  const of = (schema: number, index: number): number => boundOf({ ...parseHistogram(''), schema }, index);
  expect(of(0, 0)).toBe(1);
  expect(of(1, 1)).toBe(1.414213562373095);
  expect(of(2, 3)).toBe(2 * 0.8408964152537144);
  expect(of(8, 255)).toBe(2 * 0.9972960560854698);
  expect(of(8, -1)).toBe(0.9972960560854698);
  expect(of(-4, 1)).toBe(65_536);
  expect(of(-4, 64)).toBe(Number.MAX_VALUE);
  expect(of(0, 1024)).toBe(Number.MAX_VALUE);
  expect(of(0, 1025)).toBe(Infinity);
  expect(of(0, -1074)).toBe(5e-324);
});

test('allBuckets cuts buckets off at the zero bucket and names custom bounds', () => {
  const zero = parseHistogram('schema:0 count:9 z_bucket:2 z_bucket_w:0.75 buckets:[3] n_buckets:[4]');
  expect(allBuckets(zero)).toEqual([
    { lower: -1, upper: -0.75, lowerInclusive: true, upperInclusive: false, count: 4 },
    { lower: -0.75, upper: 0.75, lowerInclusive: true, upperInclusive: true, count: 2 },
    { lower: 0.75, upper: 1, lowerInclusive: false, upperInclusive: true, count: 3 },
  ]);
  expect(allBuckets(zero, false).map(({ lower, upper }) => [lower, upper])).toEqual([
    [-1, -0.5],
    [-0.75, 0.75],
    [0.5, 1],
  ]);
  const custom = parseHistogram('schema:-53 count:6 custom_values:[1 5] buckets:[1 2 3]');
  expect(allBuckets(custom).map(({ lower, upper, count }) => [lower, upper, count])).toEqual([
    [-Infinity, 1, 1],
    [1, 5, 2],
    [5, Infinity, 3],
  ]);
});

test('hasReset sees a filled bucket that is missing, of a difference too', () => {
  const before = parseHistogram('schema:0 count:-1 n_buckets:[-1]');
  expect(hasReset(parseHistogram('schema:0 count:0'), before)).toBe(true);
  expect(hasReset(parseHistogram('schema:0 count:0'), parseHistogram('schema:0 n_buckets:[0]'))).toBe(false);
});

test('addHistograms refuses exponential with custom buckets, and custom buckets of other bounds', () => {
  const [exponential, one, other] = [
    'schema:0',
    'schema:-53 custom_values:[1 2]',
    'schema:-53 custom_values:[1 3]',
  ].map(parseHistogram);
  expect(addHistograms(exponential!, one!)).toBe('schema');
  expect(subtractHistograms(one!, other!)).toBe('bounds');
});

test.each([
  ['gauge', 'reset', 'gauge'],
  ['unknown', 'reset', 'unknown'],
  ['reset', 'not_reset', 'unknown'],
  ['reset', 'reset', 'reset'],
])('addHistograms makes of %s and %s a histogram that is %s', (one, other, expected) => {
  const [left, right] = [one, other].map((hint) => parseHistogram(`schema:0 counter_reset_hint:${hint}`));
  expect(combined(addHistograms(left!, right!)).counterReset).toBe(expected);
});

test('divideHistogram by zero leaves the zero bucket alone', () => {
  const histogram = parseHistogram('schema:0 count:3 sum:4 z_bucket:1 z_bucket_w:0.1 buckets:[2]');
  expect(divideHistogram(histogram, 0)).toMatchObject({ count: Infinity, sum: Infinity, zeroCount: Infinity });
  expect(allBuckets(divideHistogram(histogram, 0))).toHaveLength(1);
  expect(scaleHistogram(histogram, 2)).toMatchObject({ count: 6, sum: 8, zeroCount: 2 });
});
