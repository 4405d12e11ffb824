/** Whatever a line holds, no parser throws, changes what objects inherit, or takes more than linear time. */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { FORMATS, type LineParser } from '../../src/logs/format.ts';
import { parseSyslog } from '../../src/logs/syslog.ts';
import { parserOf } from './config.ts';

const PATTERN = '^(?P<time>\\S+) +(?P<level>\\w+)(?: +(?P<message>.*))?$';
const parsers = FORMATS.map((format): [string, () => LineParser] => [
  format,
  () => parserOf({ format, ...(format === 'regex' ? { pattern: PATTERN } : {}) }),
]);

/** Pieces of which lines are made: most properties of lines depend on a few characters. */
const piece = fc.constantFrom(
  ...'{|}|"|\\|=| |:|,|[|]|<|>|\u0000|\ufeff|\ud800|é|😀|1|0|.|2026-11-22T05:00:00|.123456789|Z|+02:00|stdout F |stderr P'.split(
    '|',
  ),
  ...'Nov 22 05:00:00 |Feb 29 |<34>|<34>1 |- | - - [|22/Nov/2026:05:00:00 +0000] "|GET / HTTP/1.1" 200 1|\\x41|\\u0041'.split(
    '|',
  ),
  ...'{"log":"|"stream":"stdout"|"time":"2026-11-22T05:00:00Z"|__proto__|"constructor":|level=|msg="|I1122 05:00:00.1 '.split(
    '|',
  ),
  ...'ERROR|[error]|level: |host app[1]: |1795323600|12345678901234567890|1e999'.split('|'),
);
const line = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
  // As long as lines get.
  fc.tuple(piece, piece, fc.integer({ min: 1, max: 4000 })).map(([first, rest, count]) => first + rest.repeat(count)),
);

describe.each(parsers)('%s', (_, create) => {
  test('takes any line without throwing', () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 3 }), (lines) => {
        const parser = create();
        for (const text of lines) {
          const parsed = parser.parse(text);
          if (parsed === undefined) continue;
          expect(Object.getPrototypeOf(parsed.attributes)).toBe(Object.prototype);
          expect(parsed.time).toBeGreaterThanOrEqual(0n);
          expect(parsed.time).toBeLessThan(1n << 64n);
          expect(parsed.traceId).toMatch(/^([0-9a-f]{32})?$/);
        }
      }),
      { numRuns: 100 },
    );
  });
});

test('parseSyslog takes any text without throwing', () => {
  fc.assert(
    fc.property(line, fc.boolean(), (text, isPriorityOptional) => {
      const message = parseSyslog(text, { now_ns: 1_795_323_600_000_000_000n, location: 'UTC', isPriorityOptional });
      if (message !== undefined) expect(text).toContain(message.message);
    }),
    { numRuns: 300 },
  );
});

test('a key __proto__ is an attribute like any other', () => {
  for (const text of ['{"__proto__":{"polluted":1},"msg":"x"}', '{"__proto__":{"polluted":1},"n":1.0,"msg":"x"}']) {
    const { attributes } = parserOf({ format: 'json' }).parse(text)!;
    expect(Object.keys(attributes)[0]).toBe('__proto__');
    expect(Object.hasOwn(attributes, 'polluted')).toBe(false);
  }
  expect(Object.keys(parserOf({ format: 'logfmt' }).parse('__proto__=1 msg=x')!.attributes)).toEqual(['__proto__']);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

describe('work', () => {
  afterEach(() => vi.restoreAllMocks());

  const attacks: Readonly<Record<string, (size: number) => string>> = {
    'open quotes': (size) => `a="${'\\"'.repeat(size)}`,
    'open brackets': (size) => `{"a":${'['.repeat(size)}`,
    'closed brackets': (size) => `{"a":${'['.repeat(size)}${']'.repeat(size)}}`,
    'deep objects': (size) => `${'{"a":'.repeat(size)}1${'}'.repeat(size)}`,
    digits: (size) => `{"a":${'9'.repeat(size)}}`,
    'a decimal': (size) => `{"a":1.${'0'.repeat(size)}1x}`,
    spaces: (size) => `Nov 22 05:00:00 ${' '.repeat(size)}x`,
    'spaces in a time': (size) => `Nov ${' '.repeat(size)}`,
    elements: (size) => `<34>1 - - - - - ${'[a b="c"]'.repeat(size)}`,
    parameters: (size) => `<34>1 - - - - - [a${' b="c"'.repeat(size)}`,
    'one parameter': (size) => `<34>1 - - - - - [a${' b="c"'.repeat(size)}]`,
    colons: (size) => `<34>${':'.repeat(size)}`,
    'brackets of time': (size) => `a - - ${' ['.repeat(size)}`,
    'a request': (size) => `a - - [22/Nov/2026:05:00:00 +0000] "GET ${'/ HTTP/1.'.repeat(size)}" 200 1`,
    'escaped bytes': (size) => `a - - [22/Nov/2026:05:00:00 +0000] "GET ${'\\x4'.repeat(size)}" 200 1`,
    levels: (size) => 'level:'.repeat(size),
    'words of levels': (size) => 'E'.repeat(size),
    pairs: (size) => 'a=b '.repeat(size),
    'bare keys': (size) => `level=info msg=x ${'a '.repeat(size)}`,
    'a fraction': (size) => `2026-11-22T05:00:00.${'1'.repeat(size)} stdout F x`,
  };

  /** Characters that are looked at, one by one or by what V8 does with a whole text. */
  function countSteps(run: () => void): number {
    let steps = 0;
    const { charCodeAt, slice, indexOf, startsWith, endsWith, replace, split, includes, trim } = String.prototype;
    const { exec } = RegExp.prototype;
    const spied = { slice, indexOf, startsWith, endsWith, replace, split, includes, trim };
    vi.spyOn(String.prototype, 'charCodeAt').mockImplementation(function (this: string, at: number) {
      steps++;
      return charCodeAt.call(this, at);
    });
    for (const [name, method] of Object.entries(spied)) {
      vi.spyOn(String.prototype, name as 'slice').mockImplementation(function (this: string, ...given: unknown[]) {
        const result = (method as (...given: unknown[]) => string).apply(this, given);
        // What is cut out shares the characters of the text.
        steps += name === 'slice' ? 1 : name === 'startsWith' || name === 'endsWith' ? 20 : this.length;
        return result;
      });
    }
    vi.spyOn(RegExp.prototype, 'exec').mockImplementation(function (this: RegExp, text: string) {
      const from = this.global ? this.lastIndex : 0;
      const match = exec.call(this, text);
      steps += (match === null ? text.length : match.index + match[0].length) - from;
      return match;
    });
    try {
      run();
    } finally {
      vi.restoreAllMocks();
    }
    return steps;
  }

  test.each(Object.keys(attacks))('on %s grows no faster than the line', (name) => {
    const attack = attacks[name]!;
    const short = attack(2000);
    const long = attack(16_000);
    for (const [format, create] of parsers) {
      const [few, many] = [short, long].map((text) => countSteps(() => create().parse(text))) as [number, number];
      // Ten times is what the length may grow by, with what every line costs.
      expect(many, format).toBeLessThanOrEqual(10 * few + 1000);
    }
  });

  test('is none on a line that is longer than any line of a log', () => {
    const parser = parserOf({ format: 'json' });
    const text = `{"msg":"${'x'.repeat(1 << 20)}"}`;
    expect(parser.parse(text)).toBeUndefined();
    expect(countSteps(() => parser.parse(text))).toBeLessThan(10);
  });
});
