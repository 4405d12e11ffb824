import { describe, expect, it } from 'vitest';
import { PromqlError } from '../../src/promql/errors.ts';
import { parse } from '../../src/promql/parse.ts';
import { printExpression } from '../../src/promql/print.ts';

function refusal(query: string): string {
  try {
    parse(query);
  } catch (error) {
    if (error instanceof PromqlError && error.reason === 'parse') return error.message;
    throw error;
  }
  return 'accepted';
}

describe('parse', () => {
  it.each([
    ['a + b offset 5m', '(a) + (b offset 5m)'],
    ['-a offset 5m', '-(a offset 5m)'],
    ['a - b @ 10 * c', 'a - ((b @ 10) * c)'],
    ['-1 ^ 2', '-(1 ^ 2)'],
    ['2 ^ 3 ^ 2', '2 ^ (3 ^ 2)'],
    ['a ^ -b ^ c', 'a ^ (-(b ^ c))'],
    ['a ^ -b * c', '(a ^ (-b)) * c'],
    ['-a * b', '(-a) * b'],
    ['a or b and c unless d', 'a or ((b and c) unless d)'],
    ['a - b - c', '(a - b) - c'],
    ['a == b + c', 'a == (b + c)'],
    ['a atan2 b % c', '(a atan2 b) % c'],
    ['1 - 2', '(1) - (2)'],
    ['# one\na # two\n[5m] # three\n @ 5', 'a[5m] @ 5'],
    ['# one\nsum # two\n by # three\n (x, # four\n y) ( # five\n c) # six', 'sum by (x, y) (c)'],
    ['a + # one\n on # two\n ( # three\n x) group_left # four\n (y) b', 'a + on (x) group_left (y) b'],
    ['- # one\n a{ # two\n b = # three\n "c" # four\n } offset # five\n 5m', '-(a{b="c"} offset 5m)'],
    ['sum(a) -1', '(sum(a)) - (1)'],
  ])('parse binds %s as %s', (query, grouped) => {
    const strip = (text: string): unknown =>
      JSON.parse(
        JSON.stringify(parse(text), (key, value: unknown) => (key === 'position' ? undefined : value)),
        (_key, value: unknown) => {
          const node = value as { kind?: string; expression?: unknown } | null;
          return node !== null && typeof node === 'object' && node.kind === 'parentheses' ? node.expression : value;
        },
      );
    expect(strip(query)).toEqual(strip(grouped));
  });

  it.each([
    ['0x1F', 31],
    ['1e3', 1000],
    ['.5', 0.5],
    ['5.', 5],
    ['1_000', 1000],
    ['010', 8],
    ['-Inf', -Infinity],
    ['nan', Number.NaN],
    ['5m', 300],
    ['-1h30m', -5400],
    ['1ms', 0.001],
  ])('parse reads the number %s', (query, value) => {
    expect(parse(query)).toMatchObject({ kind: 'number', value });
  });

  it.each([
    [String.raw`"a\"b\\\n\x41\101\u00e9\U0001f600"`, 'a"b\\\nAAé😀'],
    ['\'it is "so"\'', 'it is "so"'],
    ['`raw \\n`', 'raw \\n'],
    [String.raw`"\xc3\xa9"`, 'é'],
  ])('parse reads the string %s', (query, value) => {
    expect(parse(query)).toMatchObject({ kind: 'string', value });
  });

  it('parse reads names of any characters in braces', () => {
    expect(parse('{"my metric", "a label"=~"x|y"}')).toMatchObject({
      matchers: [
        { name: '__name__', op: '=', value: 'my metric' },
        { name: 'a label', op: '=~', value: 'x|y' },
      ],
    });
  });

  it('parse keeps positions of offsets and ranges', () => {
    expect(parse('1 + rate(a[5m] offset 1m)')).toMatchObject({
      right: {
        position: { start: 4, end: 25 },
        arguments: [{ position: { start: 9, end: 24 }, selector: { offset_ms: 60_000 } }],
      },
    });
  });

  it.each([
    ['', '1:1: parse error: no expression found in input'],
    ['# only a comment', '1:1: parse error: no expression found in input'],
    ['1 +', '1:4: parse error: unexpected end of input'],
    ['a b', '1:3: parse error: unexpected identifier "b"'],
    ['sum(a', '1:4: parse error: unclosed left parenthesis'],
    ['a)', '1:2: parse error: unexpected ")"'],
    ['a{b="c}', '1:5: parse error: unterminated quoted string'],
    ['a[5mm]', '1:3: parse error: bad number or duration syntax: "5mm"'],
    ['1 +\n foo(a)', '2:2: parse error: unknown function with name "foo"'],
    ['é', '1:1: parse error: unexpected "é"'],
    ['{a="é"} + foo()', '1:12: parse error: unknown function with name "foo"'],
    ['rate(a)', '1:6: parse error: expected type range vector in call to function "rate", got instant vector'],
    ['abs(1)', '1:5: parse error: expected type instant vector in call to function "abs", got scalar'],
    ['time(1)', '1:1: parse error: expected 0 argument(s) in call to "time", got 1'],
    ['round()', '1:1: parse error: expected at least 1 argument(s) in call to "round", got 0'],
    ['round(a, 1, 2)', '1:1: parse error: expected at most 2 argument(s) in call to "round", got 3'],
    ['sum(1)', '1:5: parse error: expected type instant vector in aggregation expression, got scalar'],
    ['sum(a, b)', '1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2'],
    ['topk(a)', '1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1'],
    ['topk(a, b)', '1:6: parse error: expected type scalar in aggregation parameter, got instant vector'],
    ['1 == 2', '1:3: parse error: comparisons between scalars must use BOOL modifier'],
    ['1 + bool 2', '1:3: parse error: bool modifier can only be used on comparison operators'],
    ['1 and 2', '1:1: parse error: set operator "and" not allowed in binary scalar expression'],
    ['a and on(b) group_left c', '1:1: parse error: no grouping allowed for "and" operation'],
    ['a + on(b) group_left(b) c', '1:3: parse error: label "b" must not occur in ON and GROUP clause at once'],
    ['1 + on(b) a', '1:1: parse error: vector matching only allowed between instant vectors'],
    ['a[5m] + 1', '1:1: parse error: binary expression must contain only scalar and instant vector types'],
    [
      '-a[5m]',
      '1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "range vector"',
    ],
    ['1[5m:]', '1:1: parse error: subquery is only allowed on instant vector, got scalar instead'],
    ['sum(a)[5m]', '1:7: parse error: ranges only allowed for vector selectors'],
    ['a offset 1m[5m]', '1:12: parse error: no offset modifiers allowed before range'],
    ['a @ 1[5m]', '1:6: parse error: no @ modifiers allowed before range'],
    ['a offset 1m offset 2m', '1:1: parse error: offset may not be set multiple times'],
    ['a @ 1 @ 2', '1:1: parse error: @ <timestamp> may not be set multiple times'],
    [
      'sum(a) offset 1m',
      '1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery',
    ],
    ['a @ Inf', '1:1: parse error: timestamp out of bounds for @ modifier: Infinity'],
    ['a[0s]', '1:3: parse error: duration must be greater than 0'],
    ['a[999999y]', '1:3: parse error: duration out of range'],
    ['{}', '1:1: parse error: vector selector must contain at least one non-empty matcher'],
    ['{a=~".*"}', '1:1: parse error: vector selector must contain at least one non-empty matcher'],
    ['a{__name__="b"}', '1:1: parse error: metric name must not be set twice: "a" or "b"'],
    [String.raw`"\c"`, String.raw`1:1: parse error: error unquoting string "\c": unknown escape sequence "\c"`],
    [String.raw`"\xff"`, String.raw`1:1: parse error: error unquoting string "\xff": escapes make no valid UTF-8`],
  ])('parse refuses %s as Prometheus does', (query, message) => {
    expect(refusal(query)).toBe(message);
  });

  it('parse names a pattern that is none', () => {
    expect(refusal('a{b=~"("}')).toMatch(/^1:3: parse error: error parsing regexp: /);
  });

  it.each([
    ['limitk(1, a)', 'limitk() is experimental and is not supported'],
    ['a[5m] smoothed', 'the modifier "smoothed" is not supported'],
    ['a anchored', 'the modifier "anchored" is not supported'],
    ['a + fill(0) b', 'the modifier "fill" is not supported'],
    ['a </ b', 'the operator "</" is not supported'],
    ['a[1m + 1m]', 'experimental duration expression is not enabled: "1m + 1m"'],
    ['a offset (5m)', 'experimental duration expression is not enabled: "(5m)"'],
  ])('parse refuses %s by name', (query, message) => {
    expect(refusal(query)).toContain(message);
  });

  it.each([
    ['brackets in brackets', `${'('.repeat(5000)}1${')'.repeat(5000)}`, /nested more than 500 deep/],
    ['calls in calls', `${'abs('.repeat(5000)}a${')'.repeat(5000)}`, /nested more than 500 deep/],
    ['signs on signs', `${'-'.repeat(20_000)}a`, /parse error/],
    ['powers of powers', Array.from({ length: 2000 }, () => 'a').join('^'), /parse error/],
    ['sums of sums', Array.from({ length: 20_000 }, () => 'a').join('+'), /parse error/],
    ['blanks at the end', `a +${' '.repeat(60_000)}`, /unexpected end of input/],
    ['comments', `a +${'# x #'.repeat(10_000)}`, /unexpected end of input/],
    ['a text of a megabyte', `a${' '.repeat(1_000_000)}`, /longer than 65536 characters/],
    ['thousands of patterns', `a{${'b=~"(a{30}){30}",'.repeat(3000)}}`, /more than 500 patterns/],
    ['a pattern of repetitions', 'a{b=~"((a{100}){100}){100}"}', /error parsing regexp/],
  ])('parse ends with an error at %s', (_what, query, message) => {
    expect(refusal(query)).toMatch(message);
  });
});

describe('printExpression', () => {
  it.each([
    ['sum by(a,"b c")(x)', 'sum by (a, "b c") (x)'],
    ['sum(x)without(a)', 'sum without (a) (x)'],
    ['topk(3,x)', 'topk(3, x)'],
    ['a{z="1",b!~"x.*"}', 'a{b!~"x.*",z="1"}'],
    ['{"a.b",c="d"}', '{__name__="a.b",c="d"}'],
    ['{__name__=~"a|b"}', '{__name__=~"a|b"}'],
    ['a*on(x)group_left(y)b', 'a * on (x) group_left (y) b'],
    ['a>bool 1', 'a > bool 1'],
    ['rate(a[90s]offset -1h)', 'rate(a[1m30s] offset -1h)'],
    ['a@1.5 offset 1w', 'a @ 1.500 offset 1w'],
    ['a[1d:5s]@end()', 'a[1d:5s] @ end()'],
    ['a[8d:]', 'a[8d:]'],
    ['-(a+1e3)', '-(a + 1000)'],
    ['vector(1e-7)', 'vector(0.0000001)'],
    ['1h + Inf', '1h + +Inf'],
    [`label_replace(a,"b",'$1\t',"c","(.*)")`, String.raw`label_replace(a, "b", "$1\t", "c", "(.*)")`],
  ])('printExpression writes %s as %s', (query, text) => {
    expect(printExpression(parse(query))).toBe(text);
    expect(printExpression(parse(text))).toBe(text);
  });
});
