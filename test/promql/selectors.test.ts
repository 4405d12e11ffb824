import { describe, expect, it } from 'vitest';
import { parse } from '../../src/promql/parse.ts';
import { selectorsOf } from '../../src/promql/selectors.ts';

function backOf(query: string): (readonly [string, number, boolean])[] {
  return selectorsOf(parse(query)).map(
    ({ matchers, back_ms, isFixed }) => [matchers[0]!.value, back_ms / 60_000, isFixed] as const,
  );
}

describe('selectorsOf', () => {
  it.each([
    ['a', [['a', 5, false]]],
    ['a offset 10m', [['a', 15, false]]],
    ['a offset -1h', [['a', 0, false]]],
    [
      'rate(a[7m]) / rate(b[8m] offset 1m)',
      [
        ['a', 7, false],
        ['b', 9, false],
      ],
    ],
    ['max_over_time(rate(a[5m] offset 2m)[1h:] offset 10m)', [['a', 77, false]]],
    ['max_over_time(a[1h:1m])', [['a', 65, false]]],
    ['a @ 100', [['a', 5, true]]],
    ['sum_over_time(a[1h:1m] @ end())', [['a', 65, true]]],
    [
      'topk(scalar(k), -(a))',
      [
        ['k', 5, false],
        ['a', 5, false],
      ],
    ],
    [
      'quantile_over_time(scalar(q), a[3m])',
      [
        ['q', 5, false],
        ['a', 3, false],
      ],
    ],
    ['1 + time()', []],
  ] as const)('selectorsOf says how far back %s looks', (query, expected) => {
    expect(backOf(query)).toEqual(expected);
  });

  it('selectorsOf takes the lookback that it is told', () => {
    expect(selectorsOf(parse('a{b="c"}'), { lookback_ms: 1000 })).toEqual([
      {
        matchers: [
          { name: 'b', op: '=', value: 'c' },
          { name: '__name__', op: '=', value: 'a' },
        ],
        back_ms: 1000,
        isFixed: false,
      },
    ]);
  });
});
