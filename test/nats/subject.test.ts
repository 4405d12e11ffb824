import fc from 'fast-check';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { matchesSubject, subject, subjectOf, subjectPattern } from '../../src/nats/subject.ts';

test.each([
  ['a.b', 'a.b', true],
  ['a.b', 'a.c', false],
  ['a.b', 'a', false],
  ['a', 'a.b', false],
  ['*.b', 'a.b', true],
  ['*', 'a.b', false],
  ['a.*', 'a', false],
  ['a.>', 'a.b', true],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a', false],
  ['>', 'a.b', true],
  ['a.*.c.>', 'a.b.c.d.e', true],
  ['a.*.c.>', 'a.b.d.d.e', false],
])('matchesSubject("%s", "%s") is %s', (pattern, name, expected) => {
  expect(matchesSubject(pattern, name)).toBe(expected);
});

test('matchesSubject knows a subject, also with any token as *, and any end as >', () => {
  const tokens = fc.array(fc.stringMatching(/^[^\s.*>]+$/), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(tokens, fc.nat(4), (name, at) => {
      const index = at % name.length;
      expect(matchesSubject(name.join('.'), name.join('.'))).toBe(true);
      expect(matchesSubject(name.with(index, '*').join('.'), name.join('.'))).toBe(true);
      expect(matchesSubject([...name.slice(0, index), '>'].join('.'), name.join('.'))).toBe(true);
      expect(matchesSubject(name.join('.'), [...name, 'x'].join('.'))).toBe(false);
    }),
  );
});

test.each([
  ['a.b', true, true],
  ['otel.{signal}', true, true],
  ['größe.µ', true, true],
  ['a.*', false, true],
  ['a.*.b.>', false, true],
  ['>', false, true],
  ['a.>.b', false, false],
  ['a*', false, false],
  ['a..b', false, false],
  ['.a', false, false],
  ['', false, false],
  ['a b', false, false],
])('"%s" may be published to: %s, and received: %s', (text, isSubject, isPattern) => {
  expect(v.is(subject(), text)).toBe(isSubject);
  expect(v.is(subjectPattern(), text)).toBe(isPattern);
});

test('subjectOf takes the subject of the signal before the common one', () => {
  const config = { subject: 'eu.{signal}.{signal}', subjects: { logs: 'journal', traces: undefined } };
  expect(subjectOf(config, 'metrics')).toBe('eu.metrics.metrics');
  expect(subjectOf(config, 'logs')).toBe('journal');
  expect(subjectOf(config, 'traces')).toBe('eu.traces.traces');
});
