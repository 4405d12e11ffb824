import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseMetric, parsePoints, parseSeries } from '../../../src/rules/unit_test/series_notation.ts';
import { histogramNotation, parseHistogram } from '../../../src/rules/unit_test/histogram_notation.ts';

test.each([
  ['0+10x3', [0, 10, 20, 30]],
  ['5-1x2 7x1 8', [5, 4, 3, 7, 7, 8]],
  ['1 _ _x3 2', [1, undefined, undefined, undefined, undefined, 2]],
  ['1 stale -2', [1, 'stale', -2]],
  ['Inf -inf +Inf', [Infinity, -Infinity, Infinity]],
  ['1e3 -2.5e-1 .5 1_000 010', [1000, -0.25, 0.5, 1000, 8]],
  ['  1   2 ', [1, 2]],
  ['', []],
])('parsePoints reads %j', (text, points) => expect(parsePoints(text)).toEqual(points));

test('parsePoints adds steps up as promtool does', () => expect(parsePoints('0+0.1x3')[3]).toBe(0.1 + 0.1 + 0.1));

test('parsePoints adds histograms up', () => {
  const shown = parsePoints('{{schema:0 sum:3 count:3 buckets:[1 2]}}+{{schema:0 sum:1 count:1 buckets:[1]}}x1').map(
    (point) => histogramNotation(point as never),
  );
  expect(shown).toEqual(['{{count:3 sum:3 buckets:[1 2]}}', '{{count:4 sum:4 buckets:[2 2]}}']);
});

test.each([
  '1 2,3',
  'infx3',
  'stalex2',
  '1+Infx3',
  '0xff1',
  'a',
  '1x',
  '--1',
  '{{schema:9}}',
  '{{sam:1}}',
  '{{sum:1 sum:2}}',
])('parsePoints refuses %j', (text) => expect(() => parsePoints(text)).toThrow(SyntaxError));

test('parsePoints refuses more points than any test needs', () => {
  expect(() => parsePoints('1x100000000')).toThrow('Cannot read values: they are more than 1000000');
});

test('parsePoints reads anything, or says that it is none', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789+-x_ .eInfNastl{}:[]') }), (text) => {
      try {
        parsePoints(text);
      } catch (error) {
        expect(error instanceof SyntaxError || error instanceof RangeError).toBe(true);
      }
    }),
  );
});

test('parseSeries tells the series from its values', () => {
  expect(parseSeries('a{b="} 1", c="d"} 1 2')).toEqual({
    labels: new Map([
      ['__name__', 'a'],
      ['b', '} 1'],
      ['c', 'd'],
    ]),
    points: [1, 2],
  });
  expect(parseSeries('{"x.y",a="b"} 3').labels.get('__name__')).toBe('x.y');
  expect(parseSeries('h {{count:1}}').points).toHaveLength(1);
});

test.each(['a{b=~"c"}', 'a offset 5m', 'rate(a[5m])', 'a{', '1'])('parseMetric refuses %s', (text) =>
  expect(() => parseMetric(text)).toThrow(),
);

test('histogramNotation writes what parseHistogram reads', () => {
  const texts = [
    'schema:1 count:4 sum:3 z_bucket:1 z_bucket_w:0.001 counter_reset_hint:gauge offset:1 buckets:[1 2] n_offset:-2 n_buckets:[1 0 3]',
    'schema:-53 count:3 sum:4 custom_values:[1 2.5] buckets:[1 2]',
  ];
  for (const text of texts) expect(histogramNotation(parseHistogram(text))).toBe(`{{${text}}}`);
});
