import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEngine, type QueryResult } from '../../src/promql/engine.ts';
import { PromqlError } from '../../src/promql/errors.ts';
import { labelsKey, labelsText } from '../../src/promql/labels.ts';
import { parse } from '../../src/promql/parse.ts';
import { printExpression } from '../../src/promql/print.ts';
import { load } from '../support/queryable.ts';

const series = load(`
  a_total{x="1",y="p"} 0+3x40 stale _x5 0+2x20
  a_total{x="2",y="p"} 5+1x80
  a_total{x="2",y="q"} _x20 1+7x60
  b{x="1"} 3-1x30 NaN Inf 4x30
  b{x="2"} 8x80
  c{y="p",x="1"} 1x10 stale _x3 2x5 _x30 3x10
  d{} {{schema:0 sum:5 count:4 buckets:[1 2 1]}}+{{schema:0 sum:1 count:2 buckets:[1 0 1]}}x80
`);

const selector = fc.constantFrom('a_total', 'a_total{x="2"}', 'b', 'c', '{__name__=~"b|c"}', 'a_total{y!="q"}', 'd');
const shift = fc.constantFrom('', '', '', ' offset 1m', ' offset -45s', ' @ 600', ' @ start()', ' @ end() offset 30s');
const labels = fc.constantFrom('x', 'y', 'x, y', '');

/** Expressions of all kinds, most of which are valid. */
const { vector } = fc.letrec<{ vector: string; scalar: string }>((tie) => ({
  scalar: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('1', '2.5', '-3', '1m', 'Inf', 'NaN', 'time()'),
    fc
      .tuple(tie('scalar'), fc.constantFrom('+', '*', '^', '> bool'), tie('scalar'))
      .map(([left, op, right]) => `(${left} ${op} ${right})`),
    tie('vector').map((inner) => `scalar(${inner})`),
  ),
  vector: fc.oneof(
    { depthSize: 'small' },
    fc.tuple(selector, shift).map(([name, moved]) => name + moved),
    fc
      .tuple(
        fc.constantFrom('rate', 'sum_over_time', 'last_over_time', 'count_over_time', 'changes'),
        selector,
        fc.constantFrom('1m', '100s', '7m'),
        shift,
      )
      .map(([name, of, range, moved]) => `${name}(${of}[${range}]${moved})`),
    fc
      .tuple(
        fc.constantFrom('max_over_time', 'avg_over_time'),
        tie('vector'),
        fc.constantFrom('2m:30s', '3m:', '50s:7s'),
        shift,
      )
      .map(([name, of, range, moved]) => `${name}((${of})[${range}]${moved})`),
    fc
      .tuple(
        fc.constantFrom('sum', 'avg', 'min', 'max', 'count', 'stddev', 'topk', 'quantile'),
        fc.constantFrom('by', 'without'),
        labels,
        tie('vector'),
      )
      .map(
        ([op, how, names, of]) =>
          `${op} ${how} (${names}) (${op === 'topk' ? '2, ' : op === 'quantile' ? '0.3, ' : ''}${of})`,
      ),
    fc
      .tuple(
        tie('vector'),
        fc.constantFrom('+', '/', '>', '== bool', 'and', 'or', 'unless'),
        fc.constantFrom('', ' on (x)', ' ignoring (y)'),
        tie('vector'),
      )
      .map(([left, op, matching, right]) => `(${left}) ${op}${matching} (${right})`),
    fc
      .tuple(tie('vector'), fc.constantFrom('-', '*', '<', '>= bool'), tie('scalar'))
      .map(([left, op, right]) => `(${left}) ${op} ${right}`),
    tie('vector').map((inner) => `-(${inner})`),
    tie('vector').map((inner) => `abs(${inner})`),
    tie('vector').map((inner) => `label_replace(${inner}, "z", "$1-", "x", "(.*)")`),
    tie('scalar').map((inner) => `vector(${inner})`),
  ),
}));

/** By series and time; undefined where the query ends with an error that a user may see. */
function pointsOf(run: () => QueryResult): Map<string, string> | undefined {
  let result: QueryResult;
  try {
    result = run();
  } catch (error) {
    if (error instanceof PromqlError) return undefined;
    throw error;
  }
  const points = new Map<string, string>();
  if (result.type === 'vector') {
    for (const { labels: of, value, histogram, time_ms } of result.rows)
      points.set(`${labelsText(of)} ${time_ms}`, String(histogram?.sum ?? value));
  } else if (result.type === 'matrix') {
    for (const { labels: of, times, values, histograms } of result.rows) {
      times.forEach((time, row) =>
        points.set(`${labelsText(of)} ${time}`, String(histograms?.[row]?.sum ?? values[row]!)),
      );
    }
  }
  return points;
}

describe('createEngine', () => {
  it('createEngine answers a range query as instant queries at its steps', () => {
    fc.assert(
      fc.property(
        vector,
        fc.integer({ min: 0, max: 600 }),
        fc.integer({ min: 1, max: 200 }),
        (query, start_s, step_s) => {
          const [start, step] = [start_s * 1000, step_s * 1000];
          const end = start + 6 * step;
          const engine = createEngine({ queryable: series, limits: { time_ms: 60_000 } });
          const whole = pointsOf(() => engine.range(query, start, end, step));
          // A series that becomes one with another at a later step is an error of the whole alone.
          if (whole === undefined) return;
          // `@ start()` and `@ end()` mean the whole query's.
          const fixed = query.replaceAll('start()', String(start / 1000)).replaceAll('end()', String(end / 1000));
          const single = new Map<string, string>();
          for (let time = start; time <= end; time += step) {
            for (const [key, value] of pointsOf(() => engine.instant(fixed, time)) ?? []) single.set(key, value);
          }
          expect(whole).toEqual(single);
        },
      ),
      { numRuns: 300 },
    );
  }, 60_000);

  it('createEngine answers again what it answered before, though it remembers the expression', () => {
    fc.assert(
      fc.property(vector, (query) => {
        const engine = createEngine({ queryable: series, limits: { time_ms: 60_000 } });
        const expression = parse(query);
        for (const time of [600_000, 900_000, 600_000]) {
          const fresh = pointsOf(() =>
            createEngine({ queryable: series, limits: { time_ms: 60_000 } }).instant(query, time),
          );
          expect(pointsOf(() => engine.instant(expression, time))).toEqual(fresh);
        }
      }),
      { numRuns: 200 },
    );
  }, 60_000);

  it('createEngine matches vectors as trying all pairs does', () => {
    const rows = fc.uniqueArray(
      fc.record({
        x: fc.constantFrom('', '1', '2'),
        y: fc.constantFrom('', 'p', 'q'),
        value: fc.integer({ min: 1, max: 9 }),
      }),
      {
        selector: ({ x, y }) => `${x}/${y}`,
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(
        rows,
        rows,
        fc.constantFrom<'on' | 'ignoring'>('on', 'ignoring'),
        fc.subarray(['x', 'y']),
        (left, right, how, names) => {
          const line = (name: string) => (row: { x: string; y: string; value: number }) =>
            `${name}{x="${row.x}",y="${row.y}"} ${row.value}`;
          const engine = createEngine({
            queryable: load([...left.map(line('l')), ...right.map(line('r'))].join('\n')),
          });
          const used = (['x', 'y'] as const).filter((name) => names.includes(name) === (how === 'on'));
          const key = (row: { x: string; y: string }): string => used.map((name) => row[name]).join('/');
          const isUnique = (all: typeof left): boolean => new Set(all.map(key)).size === all.length;
          const answer = pointsOf(() => engine.instant(`l + ${how} (${names.join(', ')}) r`, 0));
          const pairs = left.flatMap((one) =>
            right
              .filter((other) => key(other) === key(one))
              .map((other) => ({ key: key(one), sum: one.value + other.value })),
          );
          const isAmbiguous =
            left.length > 0 && (!isUnique(right) || new Set(pairs.map((pair) => pair.key)).size < pairs.length);
          if (right.length === 0) expect(answer).toEqual(new Map());
          else if (isAmbiguous) expect(answer).toBeUndefined();
          else expect([...answer!.values()].toSorted()).toEqual(pairs.map(({ sum }) => String(sum)).toSorted());
        },
      ),
      { numRuns: 300 },
    );
  }, 60_000);
});

describe('parse', () => {
  it('parse reads what printExpression writes as the same expression', () => {
    fc.assert(
      fc.property(vector, (query) => {
        const expression = parse(query);
        const bare = (of: unknown): unknown =>
          JSON.parse(
            JSON.stringify(of, (key, value: unknown) => (key === 'position' || key === 'function' ? undefined : value)),
          );
        expect(bare(parse(printExpression(expression)))).toEqual(bare(expression));
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  it('parse answers any text with an expression or an error of its own', () => {
    const pieces = fc.constantFrom(
      'a',
      '{',
      '}',
      '(',
      ')',
      '[',
      ']',
      '"',
      "'",
      '`',
      '\\',
      ',',
      '=',
      '=~',
      '!',
      '-',
      '+',
      '^',
      '*',
      '@',
      ':',
      '5m',
      '1e',
      '.',
      '0x',
      ' ',
      '\n',
      '#',
      'by',
      'on',
      'sum',
      'rate',
      'offset',
      'bool',
      'é',
      '\u{1f600}',
      '\ud800',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces, { maxLength: 30 }).map((all) => all.join('')),
        ),
        (text) => {
          try {
            expect(parse(text).position.end).toBeLessThanOrEqual(text.length);
          } catch (error) {
            expect(error).toMatchObject({
              name: 'PromqlError',
              reason: 'parse',
              message: expect.stringMatching(/^\d+:\d+: parse error: /),
            });
          }
        },
      ),
      { numRuns: 3000 },
    );
  }, 60_000);
});

describe('labelsKey', () => {
  it('labelsKey is equal for equal sets, whatever object they are', () => {
    const [one, other] = [load('a{b="c",d="e"} 1'), load('a{d="e",b="c"} 1')];
    expect(labelsKey(one.series[0]!.labels)).toBe(labelsKey(other.series[0]!.labels));
  });
});
