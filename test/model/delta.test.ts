import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  NO_RECORDED_VALUE,
  Series,
  type DistributionPoint,
  type ExponentialHistogramPoint,
  type HistogramPoint,
  type Metric,
  type MetricBatch,
} from '../../src/model/batch.ts';
import { createDeltaConverter, type DeltaConverter } from '../../src/model/delta.ts';
import { subtractPoint } from '../../src/model/delta_points.ts';

const RESOURCE = { attributes: { 'host.name': 'a' }, schemaUrl: '' };
const SCOPE = { name: 's', version: '1', attributes: {}, schemaUrl: '' };

function metric(changes: Partial<Metric> = {}): Metric {
  return {
    name: 'requests',
    description: '',
    unit: '1',
    kind: 'sum',
    isMonotonic: true,
    temporality: 'cumulative',
    valueType: 'int',
    ...changes,
  };
}

interface Row {
  readonly start: bigint;
  readonly value?: number;
  readonly exact?: bigint;
  readonly point?: DistributionPoint;
  readonly hasEnded?: boolean;
  readonly metric?: Metric;
  readonly name?: string;
}

function batchAt(time: bigint, ...rows: Row[]): MetricBatch {
  const exact = rows.flatMap((row, index): [number, bigint][] => (row.exact === undefined ? [] : [[index, row.exact]]));
  return {
    signal: 'metrics',
    count: rows.length,
    series: rows.map(
      (row) => new Series(RESOURCE, SCOPE, row.metric ?? metric(), { name: row.name ?? 'a' }, row.start),
    ),
    values: Float64Array.from(rows, (row) => row.value ?? (row.exact === undefined ? NaN : Number(row.exact))),
    time,
    ...(rows.some((row) => row.hasEnded) && {
      flags: Uint32Array.from(rows, (row) => (row.hasEnded ? NO_RECORDED_VALUE : 0)),
    }),
    ...(exact.length > 0 && { exactValues: new Map(exact) }),
    ...(rows.some((row) => row.point !== undefined) && { points: rows.map((row) => row.point) }),
  };
}

/** What comes out, as `[start, time, value]` rows. */
function convert(converter: DeltaConverter, time: bigint, ...rows: Row[]): unknown[] {
  const batch = converter.convert(batchAt(time, ...rows));
  return batch.series.map((series, row) => [series.startTime, batch.times?.[row] ?? batch.time, batch.values[row]]);
}

describe('createDeltaConverter', () => {
  test('the first point with a known start counts fully, the next ones what was added', () => {
    const delta = createDeltaConverter();
    expect(convert(delta, 100n, { start: 50n, value: 7 })).toEqual([[50n, 100n, 7]]);
    expect(convert(delta, 200n, { start: 50n, value: 9 })).toEqual([[100n, 200n, 2]]);
    expect(convert(delta, 300n, { start: 50n, value: 9 })).toEqual([[200n, 300n, 0]]);
  });

  test.each([0n, 100n])('the first point with the unknown start %d is a baseline', (start) => {
    const delta = createDeltaConverter();
    expect(convert(delta, 100n, { start, value: 7 })).toEqual([]);
    expect(convert(delta, 200n, { start, value: 9 })).toEqual([[100n, 200n, 2]]);
  });

  test('initialValue drop never counts a first point, auto only that of a stream that began since', () => {
    const drop = createDeltaConverter({ initialValue: 'drop' });
    expect(convert(drop, 100n, { start: 50n, value: 7 })).toEqual([]);
    const auto = createDeltaConverter({ initialValue: 'auto', since: 60n });
    expect(convert(auto, 100n, { start: 50n, value: 7 }, { start: 70n, value: 3, name: 'b' })).toEqual([
      [70n, 100n, 3],
    ]);
    expect(convert(auto, 200n, { start: 50n, value: 8 })).toEqual([[100n, 200n, 1]]);
  });

  test('a new start after the last point is a reset: the value counts fully from there', () => {
    const delta = createDeltaConverter();
    convert(delta, 100n, { start: 50n, value: 7 });
    expect(convert(delta, 200n, { start: 150n, value: 9 })).toEqual([[150n, 200n, 9]]);
    expect(convert(delta, 300n, { start: 150n, value: 10 })).toEqual([[200n, 300n, 1]]);
  });

  test('a new run that starts with its first point is a baseline', () => {
    const delta = createDeltaConverter();
    convert(delta, 100n, { start: 50n, value: 7 });
    expect(convert(delta, 200n, { start: 200n, value: 9 })).toEqual([]);
    expect(convert(delta, 300n, { start: 200n, value: 10 })).toEqual([[200n, 300n, 1]]);
  });

  test('a value that falls under the same start is a reset since the last point', () => {
    const delta = createDeltaConverter();
    convert(delta, 100n, { start: 50n, value: 7 });
    expect(convert(delta, 200n, { start: 50n, value: 3 })).toEqual([[100n, 200n, 3]]);
  });

  test('a start that moves a little is no reset', () => {
    const delta = createDeltaConverter();
    convert(delta, 100n, { start: 50n, value: 7 });
    expect(convert(delta, 200n, { start: 51n, value: 9 })).toEqual([[100n, 200n, 2]]);
  });

  test('a point that is not newer than the one before is left out', () => {
    const delta = createDeltaConverter();
    convert(delta, 100n, { start: 50n, value: 7 });
    expect(convert(delta, 100n, { start: 50n, value: 7 })).toEqual([]);
    expect(convert(delta, 90n, { start: 50n, value: 6 })).toEqual([]);
    expect(convert(delta, 200n, { start: 50n, value: 8 })).toEqual([[100n, 200n, 1]]);
  });

  test('the end of a series goes on, once, and what comes back begins anew', () => {
    const delta = createDeltaConverter();
    convert(delta, 100n, { start: 50n, value: 7 });
    const ended = delta.convert(batchAt(200n, { start: 50n, hasEnded: true }));
    expect(ended.flags![0]).toBe(NO_RECORDED_VALUE);
    expect(ended.series[0]).toMatchObject({ startTime: 100n, metric: { temporality: 'delta' } });
    expect(delta.size).toBe(0);
    expect(convert(delta, 250n, { start: 50n, hasEnded: true })).toEqual([]);
    expect(convert(delta, 300n, { start: 250n, value: 2 })).toEqual([[250n, 300n, 2]]);
  });

  test('gauges, up-down counters, deltas and metrics that are not included pass unchanged', () => {
    const delta = createDeltaConverter({ includes: ({ name }) => name !== 'other' });
    const batch = batchAt(
      100n,
      { start: 0n, value: 1, metric: metric({ kind: 'gauge', isMonotonic: false, temporality: 'unspecified' }) },
      { start: 50n, value: 2, metric: metric({ isMonotonic: false }) },
      { start: 50n, value: 3, metric: metric({ temporality: 'delta' }) },
      { start: 50n, value: 4, metric: metric({ name: 'other' }) },
    );
    expect(delta.convert(batch)).toBe(batch);
    expect(delta.size).toBe(0);
  });

  test('rows that pass stay beside rows that are converted', () => {
    const delta = createDeltaConverter();
    const gauge = {
      start: 0n,
      metric: metric({ kind: 'gauge', isMonotonic: false, temporality: 'unspecified' }),
    } as const;
    convert(delta, 100n, { ...gauge, value: 5 }, { start: 50n, value: 7, name: 'b' });
    const batch = delta.convert(batchAt(200n, { ...gauge, value: 6 }, { start: 50n, value: 9, name: 'b' }));
    expect([...batch.values]).toEqual([6, 2]);
    expect(batch.series.map((series) => series.metric.temporality)).toEqual(['unspecified', 'delta']);
  });

  test('integers beyond 2^53 are exact', () => {
    const delta = createDeltaConverter();
    const big = 2n ** 60n + 1n;
    expect(delta.convert(batchAt(100n, { start: 50n, exact: big })).exactValues!.get(0)).toBe(big);
    const next = delta.convert(batchAt(200n, { start: 50n, exact: big + 3n }));
    expect(next.values[0]).toBe(3);
    expect(next.exactValues).toBeUndefined();
    const far = delta.convert(batchAt(300n, { start: 50n, exact: big + 2n ** 61n }));
    expect(far.exactValues!.get(0)).toBe(2n ** 61n - 3n);
  });

  test('a stream that stays away is forgotten', () => {
    let now_ms = 0;
    const delta = createDeltaConverter({ maxStaleness_ms: 1000, now: () => now_ms });
    convert(delta, 100n, { start: 50n, value: 1, name: 'a' }, { start: 50n, value: 1, name: 'b' });
    now_ms = 900;
    convert(delta, 200n, { start: 50n, value: 2, name: 'a' });
    now_ms = 1200;
    convert(delta, 300n, { start: 50n, value: 3, name: 'a' });
    expect(delta.size).toBe(1);
  });

  test('deltas add up to what happened, without gap or overlap, whatever resets come between', () => {
    const steps = fc.array(fc.record({ add: fc.nat(1000), kind: fc.constantFrom('run', 'run', 'reset', 'restart') }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const delta = createDeltaConverter();
        let start = 1n;
        let total = 0;
        let happened = 0;
        let counted = 0;
        let end = 1n;
        for (const [index, { add, kind }] of all.entries()) {
          const time = BigInt(index + 1) * 100n;
          // A fall that the value does not show cannot be seen; a new start says it.
          if (kind === 'reset' && add < total) total = 0;
          if (kind === 'restart') {
            total = 0;
            start = time - 50n;
          }
          total += add;
          happened += add;
          for (const row of convert(delta, time, { start, value: total }) as [bigint, bigint, number][]) {
            expect(row[0]).toBeGreaterThanOrEqual(end);
            expect(row[0]).toBeLessThan(row[1]);
            [, end] = row;
            counted += row[2];
          }
        }
        expect(counted).toBe(happened);
      }),
    );
  });
});

describe('subtractPoint of histograms', () => {
  const point = (bucketCounts: bigint[], changes: Partial<HistogramPoint> = {}): HistogramPoint => ({
    type: 'histogram',
    count: bucketCounts.reduce((sum, count) => sum + count, 0n),
    sum: 10,
    explicitBounds: [1, 2],
    bucketCounts,
    ...changes,
  });

  test('subtracts count, sum and buckets and leaves minimum and maximum out', () => {
    const later = point([3n, 1n, 4n], { sum: 25, min: 0, max: 9 });
    expect(subtractPoint(later, point([1n, 1n, 0n]))).toEqual(point([2n, 0n, 4n], { sum: 15 }));
  });

  test.each([
    ['a bucket fell', point([2n, 1n, 9n])],
    ['bounds differ', point([1n, 1n, 0n], { explicitBounds: [1, 3] })],
    ['number of buckets differs', point([1n, 1n], { explicitBounds: [1] })],
    ['count fell', point([1n, 1n, 90n])],
  ])('is undefined where %s', (_, before) => {
    expect(subtractPoint(point([3n, 1n, 4n]), before)).toBeUndefined();
  });

  test('leaves the sum out where one of the points has none', () => {
    const { sum: _, ...without } = point([1n, 0n, 0n]);
    expect(subtractPoint(point([3n, 1n, 4n]), without)).not.toHaveProperty('sum');
  });

  test('a converter counts a reset histogram fully', () => {
    const delta = createDeltaConverter();
    const histogram = {
      start: 50n,
      metric: metric({ kind: 'histogram', isMonotonic: false, valueType: 'double' }),
    } as const;
    delta.convert(batchAt(100n, { ...histogram, point: point([5n, 0n, 0n]) }));
    const reset = delta.convert(batchAt(200n, { ...histogram, point: point([1n, 1n, 0n]) }));
    expect(reset.points![0]).toEqual(point([1n, 1n, 0n]));
    const next = delta.convert(batchAt(300n, { ...histogram, point: point([1n, 2n, 0n], { sum: 12 }) }));
    expect(next.points![0]).toEqual(point([0n, 1n, 0n], { sum: 2 }));
    expect(next.series[0]!.startTime).toBe(200n);
  });
});

describe('subtractPoint of exponential histograms', () => {
  /** A point of positive values, by the definition of the buckets. */
  function pointOf(values: readonly number[], scale: number, zeroThreshold = 0): ExponentialHistogramPoint {
    const indexes = values
      .filter((value) => value > zeroThreshold)
      .map((value) => Math.ceil(Math.log2(value) * 2 ** scale) - 1);
    const offset = Math.min(...indexes, 0);
    const bucketCounts = Array.from({ length: Math.max(...indexes, offset) - offset + 1 }, () => 0n);
    for (const index of indexes) bucketCounts[index - offset]! += 1n;
    return {
      type: 'exponential_histogram',
      count: BigInt(values.length),
      scale,
      zeroCount: BigInt(values.length - indexes.length),
      zeroThreshold,
      positive: { offset, bucketCounts },
      negative: { offset: 0, bucketCounts: [] },
    };
  }
  const counts = ({ positive }: ExponentialHistogramPoint): Record<string, string> =>
    Object.fromEntries(
      positive.bucketCounts.flatMap((count, at) => (count === 0n ? [] : [[positive.offset + at, String(count)]])),
    );

  // Powers of two times an odd step keep away from bucket borders, where rounding of the logarithm decides.
  const value = fc
    .tuple(fc.integer({ min: -8, max: 8 }), fc.nat(9))
    .map(([power, step]) => 2 ** power * (1.03 + step / 11));

  test('what was added between two points of falling scale is what came between', () => {
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 20 }),
        fc.array(value, { maxLength: 20 }),
        fc.integer({ min: 0, max: 4 }),
        fc.nat(6),
        (before, added, scale, fall) => {
          const difference = subtractPoint(pointOf([...before, ...added], scale - fall), pointOf(before, scale));
          const expected = pointOf(added, scale - fall);
          expect(difference).toMatchObject({ count: expected.count, zeroCount: 0n, scale: scale - fall });
          expect(counts(difference as ExponentialHistogramPoint)).toEqual(counts(expected));
        },
      ),
    );
  });

  test('a zero bucket that grew takes what it covers', () => {
    const difference = subtractPoint(pointOf([0.3, 0.7, 5, 6], 0, 1), pointOf([0.3, 5], 0));
    expect(difference).toMatchObject({ count: 2n, zeroCount: 1n });
    expect(counts(difference as ExponentialHistogramPoint)).toEqual({ 2: '1' });
  });

  test.each([
    ['the scale rose', pointOf([1.5], -1)],
    ['the zero bucket shrank', pointOf([1.5], 0, 1)],
    ['a bucket fell', pointOf([1.5, 1.5], 0)],
    ['a bucket is gone', pointOf([100], 0)],
  ])('is undefined where %s', (_, before) => {
    expect(subtractPoint(pointOf([1.5, 3], 0), before)).toBeUndefined();
  });

  test('is undefined for points of different kinds', () => {
    const histogram: HistogramPoint = { type: 'histogram', count: 0n, explicitBounds: [], bucketCounts: [] };
    expect(subtractPoint(pointOf([1.5], 0), histogram)).toBeUndefined();
  });
});
