import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Series, type DistributionPoint, type Metric, type MetricBatch } from '../../../src/model/batch.ts';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { metricBatch, numberBatch, rowsOf } from './arbitraries.ts';

const INTEGERS = [0n, -1n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n, 42n];
const DOUBLES = [0.5, -0, NaN, Infinity, -Infinity, 5e-324, 3];

/** The same series with other times, values and points; all that makes the message shorter or longer stays. */
function vary(batch: MetricBatch, round: number): MetricBatch {
  const integers = batch.series.map((_, row) => INTEGERS[(row + round) % INTEGERS.length]!);
  const values = batch.series.map(({ metric }, row) => {
    if (Number.isNaN(batch.values[row]) && metric.valueType === 'int') return NaN;
    const isNumber = metric.kind === 'gauge' || metric.kind === 'sum';
    if (!isNumber || ((batch.flags?.[row] ?? 0) & 1) !== 0) return NaN;
    return metric.valueType === 'int' ? Number(integers[row]) : DOUBLES[(row + round) % DOUBLES.length]!;
  });
  const exact = integers.flatMap((value, row) =>
    batch.series[row]!.metric.valueType === 'int' && !Number.isNaN(values[row]) && !Number.isSafeInteger(Number(value))
      ? [[row, value] as const]
      : [],
  );
  const { exactValues: _, ...rest } = batch;
  return {
    ...rest,
    values: Float64Array.from(values),
    time: BigInt(round) + 7n,
    ...(batch.times !== undefined && { times: batch.times.map((time) => BigInt.asUintN(64, time + BigInt(round))) }),
    ...(exact.length > 0 && { exactValues: new Map(exact) }),
    ...(batch.points !== undefined && { points: batch.points.map((point) => point && varyPoint(point, round)) }),
  };
}

function varyPoint(point: DistributionPoint, round: number): DistributionPoint {
  const count = BigInt.asUintN(64, point.count + BigInt(round));
  const sum = point.sum === undefined ? {} : { sum: DOUBLES[round % DOUBLES.length]! };
  if (point.type === 'exponential_histogram') return { ...point, count, ...sum };
  if (point.type === 'summary') {
    const quantiles = point.quantiles.map(({ quantile }) => ({ quantile, value: round }));
    return { ...point, count, sum: round, quantiles };
  }
  return { ...point, count, ...sum, bucketCounts: point.bucketCounts.toReversed() };
}

const resource = { attributes: { 'service.name': 'shop' }, schemaUrl: '' };
const scope = { name: 's', version: '', attributes: {}, schemaUrl: '' };
const metric: Metric = {
  name: 'm',
  description: '',
  unit: '1',
  kind: 'gauge',
  isMonotonic: false,
  temporality: 'unspecified',
  valueType: 'double',
};

function gauge(attributes: Readonly<Record<string, string>>, value: number, startTime = 0n): Uint8Array {
  const series = [new Series(resource, scope, metric, attributes, startTime)];
  return encodeMetrics({ signal: 'metrics', count: 1, series, values: Float64Array.of(value), time: 1n });
}

describe('decodeMetrics of messages that come again', { timeout: 60_000 }, () => {
  test('decodeMetrics reads what differs, whatever was there before', () => {
    fc.assert(
      fc.property(metricBatch, (batch) => {
        for (let round = 0; round < 4; round++) {
          const varied = vary(batch, round);
          expect(rowsOf(decodeMetrics(encodeMetrics(varied)))).toEqual(rowsOf(varied));
        }
      }),
    );
  });

  test('decodeMetrics hands over the very same layout from the second time on', () => {
    fc.assert(
      fc.property(numberBatch, (batch) => {
        fc.pre(batch.count > 0);
        const layouts = [0, 1, 2, 3].map((round) => decodeMetrics(encodeMetrics(vary(batch, round))).series);
        expect(layouts[2]).toBe(layouts[1]);
        expect(layouts[3]).toBe(layouts[1]);
      }),
    );
  });

  test('decodeMetrics takes no message for another one of the same length', () => {
    for (let round = 0; round < 3; round++) {
      for (const id of ['a', 'b', 'c']) {
        for (const start of [5n, 6n]) {
          const { series, values } = decodeMetrics(gauge({ id }, round, start));
          expect([series[0]!.attributes, series[0]!.startTime, [...values]]).toEqual([{ id }, start, [round]]);
        }
      }
    }
  });

  test('decodeMetrics reads more kinds of messages than it keeps', () => {
    for (let round = 0; round < 3; round++) {
      for (let id = 100; id < 250; id++) {
        const { series, values } = decodeMetrics(gauge({ id: `${id}`, padding: 'x'.repeat(60_000) }, id + round));
        expect([series[0]!.attributes['id'], values[0]]).toEqual([`${id}`, id + round]);
      }
    }
  });

  test('decodeMetrics refuses what is damaged where messages may differ', () => {
    const histogram: Metric = { ...metric, kind: 'exponential_histogram', temporality: 'cumulative' };
    const series = [new Series(resource, scope, histogram, {}, 1n)];
    const buckets = { offset: 1, bucketCounts: [5n] };
    const zeros = { count: 5n, scale: 0, zeroCount: 0n, zeroThreshold: 0 };
    const point: DistributionPoint = { type: 'exponential_histogram', ...zeros, positive: buckets, negative: buckets };
    const values = Float64Array.of(NaN);
    const bytes = encodeMetrics({ signal: 'metrics', count: 1, series, values, time: 1n, points: [point] });
    for (let round = 0; round < 3; round++) expect(decodeMetrics(bytes).points).toEqual([point]);
    const damaged = Buffer.from(bytes);
    // The length of the packed counts, which lie in a message of their own.
    damaged[damaged.indexOf(Buffer.of(0x12, 1, 5)) + 1] = 99;
    expect(() => decodeMetrics(damaged)).toThrow(SyntaxError);
  });
});
