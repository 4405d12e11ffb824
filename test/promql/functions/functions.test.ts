/** Cases that are easy to get wrong, by themselves; that all of it is as Prometheus has it shows ../corpus.test.ts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEngine, type QueryResult } from '../../../src/promql/engine.ts';
import { createMean, kahanAdd, kahanTotal } from '../../../src/promql/functions/kahan.ts';
import { classicFraction, classicQuantile } from '../../../src/promql/functions/classic_quantiles.ts';
import { nativeFraction, nativeQuantile } from '../../../src/promql/functions/native_quantiles.ts';
import { formatShort, invalidQuantile, quantileOf } from '../../../src/promql/functions/quantile.ts';
import { labelsText } from '../../../src/promql/labels.ts';
import { load, parseHistogram } from '../../support/queryable.ts';

const MINUTE = 60_000;

function ask(series: string, query: string, minutes: number): QueryResult {
  return createEngine({ queryable: load(series, { interval_ms: MINUTE }) }).instant(query, minutes * MINUTE);
}

/** `labels value` of each row. */
function rowsOf(result: QueryResult): string[] {
  if (result.type !== 'vector') throw new Error(`no vector but a ${result.type}`);
  return result.rows.map(({ labels, value }) => `${labelsText(labels)} ${value}`);
}

test('rate goes up to half a distance beyond the samples, and not below zero', () => {
  expect(rowsOf(ask('c_total 0+60x10', 'rate(c_total[5m])', 5))).toEqual(['{} 1']);
  expect(rowsOf(ask('c_total _ _ _ _ _ 600 660', 'increase(c_total[20m])', 8))).toEqual(['{} 120']);
  // Zero was ten seconds before the first sample.
  expect(rowsOf(ask('c_total _ _ _ _ _ 10 70', 'increase(c_total[20m])', 6))).toEqual(['{} 70']);
});

test('increase adds what was counted before a reset, irate takes the new count', () => {
  expect(rowsOf(ask('c_total 10 20 5 15', 'increase(c_total[3m])', 3))).toEqual(['{} 22.5']);
  expect(rowsOf(ask('c_total 10 20 5', 'irate(c_total[5m])', 2))).toEqual([`{} ${5 / 60}`]);
  expect(rowsOf(ask('c_total 10 20 5', 'idelta(c_total[5m])', 2))).toEqual(['{} -15']);
});

test('rate tells of names that are no counters, and increase of histograms among floats', () => {
  const { infos } = ask('memory 0+60x10', 'rate(memory[5m])', 5);
  expect(infos).toEqual([
    'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "memory" (1:6)',
  ]);
  const mixed = ask('m_total 1 {{schema:0 count:1 sum:1 buckets:[1]}} 2', 'increase(m_total[5m])', 2);
  expect(rowsOf(mixed)).toEqual([]);
  expect(mixed.warnings[0]).toContain('encountered a mix of histograms and floats for metric name "m_total"');
});

test('a mark of an ended series is no sample of a range', () => {
  expect(rowsOf(ask('s 1 2 stale 4', 'count_over_time(s[5m])', 3))).toEqual(['{} 3']);
});

test('sort puts NaN last in both directions', () => {
  const series = 'a{n="1"} NaN\na{n="2"} 2\na{n="3"} Inf\na{n="4"} -Inf';
  const order = (query: string): string[] => rowsOf(ask(series, query, 0)).map((row) => row.split(' ').at(-1)!);
  expect(order('sort(a)')).toEqual(['-Infinity', '2', 'Infinity', 'NaN']);
  expect(order('sort_desc(a)')).toEqual(['Infinity', '2', '-Infinity', 'NaN']);
});

test('label_replace fills in groups by number and name, and leaves others empty', () => {
  const series = 'a{instance="host:9090"} 1';
  const replaced = (template: string, pattern: string): string[] =>
    rowsOf(
      ask(series, `label_replace(a, "x", ${JSON.stringify(template)}, "instance", ${JSON.stringify(pattern)})`, 0),
    );
  expect(replaced('$1', '(.*):(.*)')).toEqual(['{__name__="a", instance="host:9090", x="host"} 1']);
  expect(replaced('${port}$1x$9$$', '(.*):(?P<port>.*)')).toEqual([
    '{__name__="a", instance="host:9090", x="9090$"} 1',
  ]);
  expect(replaced('$1', 'other')).toEqual(['{__name__="a", instance="host:9090"} 1']);
});

test('label_replace is not held up by an expression that backtracks', () => {
  const series = `a{text="${'a'.repeat(5000)}b"} 1`;
  expect(rowsOf(ask(series, 'label_replace(a, "x", "y", "text", "(a+)+(a|aa)+c")', 0))).toHaveLength(1);
});

test('label_replace refuses what is no expression and what is no name', () => {
  expect(() => ask('a 1', 'label_replace(a, "x", "", "", "(")', 0)).toThrow(
    'invalid regular expression in label_replace(): (',
  );
  expect(() => ask('a 1', 'label_join(a, "", "")', 0)).toThrow('invalid destination label name in label_join()');
});

test('absent has the labels that are asked for by equality, but those asked for twice', () => {
  expect(rowsOf(ask('', 'absent(a{b="c",d=~"e",f="g",f="h"})', 0))).toEqual(['{b="c"} 1']);
});

test.each([
  ['days_in_month(vector(951782400))', 29],
  ['day_of_year(vector(1735603200))', 366],
  ['day_of_week(vector(-1))', 3],
  ['year(vector(-62135596800))', 1],
  ['year(vector(NaN))', 292277026596],
  ['hour(vector(1e30))', 15],
])('%s is %d, as in Go', (query, expected) => {
  expect(rowsOf(ask('', query, 0))).toEqual([`{} ${expected}`]);
});

test('quantileOf counts NaN as the smallest', () => {
  expect(quantileOf(1, Float64Array.of(3, Number.NaN, 1))).toBe(3);
  expect(quantileOf(0, Float64Array.of(3, Number.NaN, 1))).toBeNaN();
  expect(quantileOf(0.75, Float64Array.of(3, Number.NaN, 1))).toBe(2);
  expect(quantileOf(2, Float64Array.of(1))).toBe(Infinity);
  expect(quantileOf(0.5, new Float64Array(0))).toBeNaN();
});

test('quantileOf lies between the numbers', () => {
  const numbers = fc.array(fc.double({ noNaN: true, min: -1e300, max: 1e300 }), { minLength: 1 });
  fc.assert(
    fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (values, quantile) => {
      const result = quantileOf(quantile, Float64Array.from(values));
      expect(result).toBeGreaterThanOrEqual(Math.min(...values) - Math.abs(Math.min(...values)) * 1e-15);
      expect(result).toBeLessThanOrEqual(Math.max(...values) + Math.abs(Math.max(...values)) * 1e-15);
    }),
  );
});

test.each([
  [2, '2'],
  [-0.5, '-0.5'],
  [123456, '123456'],
  [1234567, '1.234567e+06'],
  [1e21, '1e+21'],
  [0.0001, '0.0001'],
  [-0, '-0'],
  [1.5e-7, '1.5e-07'],
  [Infinity, '+Inf'],
  [Number.NaN, 'NaN'],
])('formatShort writes %d as Go does', (value, text) => {
  expect(formatShort(value)).toBe(text);
  if (!(value >= 0 && value <= 1)) return;
  expect(invalidQuantile(value)).toBeUndefined();
});

test('kahanAdd keeps what a plain sum loses', () => {
  const sum = { sum: 0, rest: 0 };
  for (const value of [1, 1e100, 1, -1e100]) kahanAdd(sum, value);
  expect(kahanTotal(sum)).toBe(2);
});

test('createMean does not overflow where the sum does', () => {
  const mean = createMean(Number.MAX_VALUE);
  for (let i = 0; i < 3; i++) mean.add(Number.MAX_VALUE);
  expect(mean.mean() / Number.MAX_VALUE).toBeCloseTo(1, 12);
});

test('classicQuantile holds counts up that fall, and says so', () => {
  const buckets = [8, 1, 2, Infinity, 4].map((upper) => ({ upper, count: { 1: 10, 2: 8, 4: 12, 8: 12 }[upper] ?? 20 }));
  expect(classicQuantile(0.55, buckets)).toEqual({ value: 3, wasForced: true });
  expect(classicQuantile(0.99, buckets)).toEqual({ value: 8, wasForced: true });
});

test('classicFraction is the inverse of classicQuantile', () => {
  const buckets = [
    { upper: 1, count: 10 },
    { upper: 2, count: 30 },
    { upper: Infinity, count: 30 },
  ];
  fc.assert(
    fc.property(fc.double({ min: 0.34, max: 0.99, noNaN: true }), (quantile) => {
      const { value } = classicQuantile(quantile, buckets);
      expect(classicFraction(-Infinity, value, buckets)).toBeCloseTo(quantile, 10);
    }),
  );
});

test('nativeFraction is the inverse of nativeQuantile', () => {
  const histogram = parseHistogram(
    'schema:1 count:20 sum:30 z_bucket:2 z_bucket_w:0.01 buckets:[4 0 8] n_buckets:[6] offset:2 n_offset:1',
  );
  fc.assert(
    fc.property(fc.double({ min: 0.01, max: 0.99, noNaN: true }), (quantile) => {
      const { value } = nativeQuantile(quantile, histogram);
      expect(nativeFraction(-Infinity, value, histogram).value).toBeCloseTo(quantile, 10);
    }),
  );
});

test('nativeQuantile says what observations of NaN did', () => {
  const histogram = parseHistogram('schema:0 count:20 sum:NaN buckets:[4 8]');
  expect(nativeQuantile(0.9, histogram)).toEqual({ value: Number.NaN, nanEffect: 'result' });
  expect(nativeQuantile(0.5, histogram).nanEffect).toBe('skewed');
  expect(nativeFraction(0, Infinity, histogram)).toEqual({ value: 0.6, hasNan: true });
});
