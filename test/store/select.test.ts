import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Matcher } from '../../src/store/queryable.ts';
import { contentOf, HOUR, labelsOf, START, storeAt, textOf } from './store_at.ts';

const NAMES = ['__name__', 'job', 'instance', 'ünï', '\u{1f600}', '\uffee'];
const VALUES = ['', 'a', 'b', 'ab', 'a\nb', 'ä'];
const labels = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES), { noNullPrototype: true });
const matcher: fc.Arbitrary<Matcher> = fc.record({
  name: fc.constantFrom(...NAMES, 'none'),
  op: fc.constantFrom('=', '!=', '=~', '!~'),
  value: fc.constantFrom(...VALUES, 'a|b', 'a.*', '.+', '.*', '(a|ä)?b?', 'x'),
});

function matches(given: Record<string, string>, { name, op, value }: Matcher): boolean {
  const text = given[name] ?? '';
  if (op === '=' || op === '!=') return (text === value) === (op === '=');
  return new RegExp(`^(?:${value})$`, 'su').test(text) === (op === '=~');
}

const byBytes = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

test('select, labelNames and labelValues find what looking at every series finds, also after some were forgotten', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(labels, fc.boolean()), { maxLength: 30 }),
      fc.array(matcher, { maxLength: 3 }),
      (all, matchers) => {
        const clock = { now: START };
        const { store } = storeAt(clock);
        for (const [given] of all) store.append(labelsOf(given), START, 1);
        clock.now = START + 2 * HOUR;
        const left = all.filter(([, isLasting]) => isLasting).map(([given]) => given);
        for (const given of left) store.append(labelsOf(given), clock.now, 1);
        const found = left
          .filter((given) => matchers.every((each) => matches(given, each)))
          .map((given) => Object.entries(given).filter(([, value]) => value !== ''));
        const sorted = found.map((pairs) => new Map(pairs.sort(([a], [b]) => byBytes(a, b))));
        const texts = new Set(sorted.map(textOf));
        expect(new Set(Object.keys(contentOf(store, matchers)))).toEqual(texts);
        expect(store.figures().series).toBe(new Set(left.map((given) => textOf(sortedLabels(given)))).size);
        const names = new Set(sorted.flatMap((pairs) => [...pairs.keys()]));
        expect(store.labelNames(matchers, START, clock.now)).toEqual([...names].sort(byBytes));
        for (const name of NAMES) {
          const values = new Set(sorted.flatMap((pairs) => pairs.get(name) ?? []));
          expect(store.labelValues(name, matchers, START, clock.now)).toEqual([...values].sort(byBytes));
        }
      },
    ),
    { numRuns: 500 },
  );
});

function sortedLabels(given: Record<string, string>): Map<string, string> {
  return new Map(
    Object.entries(given)
      .filter(([, value]) => value !== '')
      .sort(([a], [b]) => byBytes(a, b)),
  );
}

test('select leaves out series without samples in the span', () => {
  const clock = { now: START + HOUR };
  const { store } = storeAt(clock);
  store.append(labelsOf({ __name__: 'early' }), START, 1);
  store.append(labelsOf({ __name__: 'late' }), START + HOUR, 1);
  const values = (from: number, to: number): string[] => store.labelValues('__name__', [], from, to);
  expect(values(START, START + 1)).toEqual(['early']);
  expect(values(START + 1, START + 2)).toEqual([]);
  expect(values(START + 1, START + HOUR)).toEqual(['late']);
  expect(values(START, START + HOUR)).toEqual(['early', 'late']);
});

test.each(['(', 'a)(b', '(?=a)', 'a{1,100000}'])('select refuses the pattern %s by name', (value) => {
  const { store } = storeAt({ now: START });
  expect(() => store.select([{ name: 'job', op: '=~', value }], 0, 1)).toThrow(JSON.stringify(value));
});

test('select gives the same labels object for a series as long as someone has it', () => {
  const { store } = storeAt({ now: START });
  store.append(labelsOf({ b: '2', __name__: 'a', c: '' }), START, 1);
  const labelsNow = (): unknown => store.select([], 0, Infinity)[0]!.labels;
  const first = labelsNow();
  expect(labelsNow()).toBe(first);
  expect([...(first as Map<string, string>)]).toEqual([
    ['__name__', 'a'],
    ['b', '2'],
  ]);
});
