import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { compileMatchers, matcherText, parseMatcher } from '../../src/notify/matchers.ts';
import { createSilenceFile } from '../../src/notify/silence_file.ts';
import { createSilences, silenceState, type SilenceDraft } from '../../src/notify/silences.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { labelsOf } from './notifications.ts';

const draft = (overrides: Partial<SilenceDraft> = {}): SilenceDraft => ({
  matchers: [{ name: 'device', op: '=', value: 'sda' }],
  startsAt_ms: 100,
  endsAt_ms: 200,
  createdBy: 'me',
  comment: 'why',
  untilResolved: false,
  ...overrides,
});
const sda = labelsOf({ alertname: 'DiskFull', device: 'sda' });

test.each([
  ['severity="critical"', 'severity', '=', 'critical'],
  ['severity=critical', 'severity', '=', 'critical'],
  [' instance =~ "db.*" ', 'instance', '=~', 'db.*'],
  ['team!=a b', 'team', '!=', 'a b'],
  ['"a b"!~"x\\"\\n"', 'a b', '!~', 'x"\n'],
  ['path="a=~b"', 'path', '=', 'a=~b'],
  ['empty=', 'empty', '=', ''],
])('parseMatcher reads %s', (text, name, op, value) => {
  expect(parseMatcher(text)).toEqual({ name, op, value });
});

test.each(['', 'x', '="y"', 'a="b', 'a=~"("', 'a=~")|("', 'a=~"(?=x)"', '{a="b"}', 'a="\\q"'])(
  'parseMatcher refuses %s',
  (text) => expect(() => parseMatcher(text)).toThrow(SyntaxError),
);

test('parseMatcher reads what matcherText writes', () => {
  const name = fc.string({ minLength: 1, unit: 'binary' });
  fc.assert(
    fc.property(
      name,
      fc.constantFrom('=' as const, '!=' as const),
      fc.string({ unit: 'binary' }),
      (name, op, value) => {
        expect(parseMatcher(matcherText({ name, op, value }))).toEqual({ name, op, value });
      },
    ),
  );
});

test('compileMatchers matches whole values, line breaks too, and takes an absent label for an empty one', () => {
  const matches = (text: string, labels: Record<string, string>): boolean =>
    compileMatchers([parseMatcher(text)])(labelsOf(labels));
  expect(matches('a=~"b|c"', { a: 'b' })).toBe(true);
  expect(matches('a=~"b|c"', { a: 'bc' })).toBe(false);
  expect(matches('a=~"b.*"', { a: 'b\nc' })).toBe(true);
  expect(matches('a!~"b"', {})).toBe(true);
  expect(matches('a=""', {})).toBe(true);
  expect(matches('a!=""', {})).toBe(false);
});

test('a silence holds from its beginning to its end', () => {
  const silences = createSilences();
  const { id } = silences.set(draft(), 50);
  expect(silences.silencedBy(sda, 99)).toEqual([]);
  expect(silences.silencedBy(sda, 100)).toEqual([id]);
  expect(silences.silencedBy(labelsOf({ device: 'sdb' }), 150)).toEqual([]);
  expect(silences.silencedBy(sda, 199)).toEqual([id]);
  expect(silences.silencedBy(sda, 200)).toEqual([]);
  expect(silences.list(200).map((silence) => silenceState(silence, 200))).toEqual(['expired']);
  expect(silences.list(200 + 121 * 3_600_000)).toEqual([]);
});

test('Silences.set lengthens one that holds, and ends it where another thing would be silenced', () => {
  const silences = createSilences();
  const first = silences.set(draft(), 100);
  const longer = silences.set(draft({ id: first.id, endsAt_ms: 500, comment: 'longer' }), 150);
  expect(longer).toMatchObject({ id: first.id, startsAt_ms: 100, endsAt_ms: 500, comment: 'longer' });
  const other = silences.set(draft({ id: first.id, endsAt_ms: 500, matchers: [parseMatcher('device=sdb')] }), 160);
  expect(other.id).not.toBe(first.id);
  expect(other.startsAt_ms).toBe(160);
  expect(silences.get(first.id, 160)).toMatchObject({ endsAt_ms: 160 });
  expect(silences.silencedBy(sda, 170)).toEqual([]);
  expect(silences.expire(other.id, 170)).toBe(true);
  expect(silences.expire(other.id, 171)).toBe(false);
  expect(silences.expire('unknown', 171)).toBe(false);
});

test.each([
  [{ matchers: [] }, TypeError, 'at least one matcher'],
  [{ matchers: [{ name: 'a', op: '=~', value: '.*' }] as const }, TypeError, 'match everything'],
  [{ matchers: [{ name: 'a', op: '=~', value: '(' }] as const }, SyntaxError, ''],
  [{ matchers: [{ name: '', op: '=', value: 'x' }] as const }, TypeError, 'names no label'],
  [{ endsAt_ms: 100 }, TypeError, 'before it begins'],
  [{ startsAt_ms: 10, endsAt_ms: 20 }, TypeError, 'in the past'],
  [{ endsAt_ms: NaN }, TypeError, 'no time'],
  [{ comment: 'x'.repeat(5000) }, RangeError, '4096'],
  [{ matchers: Array.from({ length: 65 }, () => parseMatcher('a=b')) }, RangeError, '64'],
  [{ untilResolved: true, matchers: [parseMatcher('a!=b'), parseMatcher('c=d')] }, TypeError, 'acknowledgement'],
  [{ id: 'unknown' }, TypeError, 'none with this id'],
])('Silences.set refuses %j', (overrides, kind, words) => {
  const silences = createSilences();
  const set = (): unknown => silences.set(draft(overrides), 50);
  expect(set).toThrow(kind);
  expect(set).toThrow(words);
  expect(silences.list(50)).toEqual([]);
});

test('Silences.set has room for a thousand, and gives up those that ended first', () => {
  const silences = createSilences();
  for (let index = 0; index < 1000; index++) silences.set(draft({ endsAt_ms: 1000 + index }), 100);
  expect(() => silences.set(draft({ endsAt_ms: 5000 }), 999)).toThrow(RangeError);
  silences.set(draft({ endsAt_ms: 5000 }), 1000);
  expect(silences.list(1000)).toHaveLength(1000);
});

test('createSilenceFile keeps silences through a restart, readable by its owner alone', () => {
  const path = join(folder(), 'state/silences.json');
  const log = createRecordedLog();
  const silences = createSilences(createSilenceFile(path, log));
  expect(existsSync(path)).toBe(false);
  const { id } = silences.set(draft({ untilResolved: true, matchers: [parseMatcher('device="s\\"d"')] }), 50);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const again = createSilences(createSilenceFile(path, log));
  expect(again.list(60)).toEqual(silences.list(60));
  again.resolved(labelsOf({ device: 's"d' }), 150);
  expect(createSilences(createSilenceFile(path, log)).get(id, 150)).toMatchObject({ endsAt_ms: 150 });
  expect(log.lines).toEqual([]);
});

test.each(['', '{"version":1}', '{"version":1,"silences":[{"id":1}]}', readyText({ op: '=~', value: '(' })])(
  'createSilenceFile sets a damaged file aside: %s',
  (text) => {
    const path = join(folder(), 'silences.json');
    writeFileSync(path, text);
    const log = createRecordedLog();
    expect(createSilenceFile(path, log).load()).toEqual([]);
    expect(readFileSync(`${path}.bad`, 'utf8')).toBe(text);
    expect(log.lines).toHaveLength(1);
  },
);

test('createSilenceFile says once that it cannot write, and silences hold all the same', () => {
  const path = join(folder(), 'a-file/silences.json');
  writeFileSync(join(path, '..'), '');
  const log = createRecordedLog();
  const silences = createSilences(createSilenceFile(path, log));
  silences.set(draft(), 50);
  silences.set(draft(), 50);
  expect(silences.silencedBy(sda, 150)).toHaveLength(2);
  expect(log.lines.map(({ message }) => message).filter((text) => text.startsWith('Cannot keep'))).toHaveLength(1);
});

function readyText(matcher: Readonly<Record<string, string>>): string {
  const [silence] = [{ id: 'x', startsAt_ms: 0, endsAt_ms: 1, updatedAt_ms: 0, createdBy: '', comment: '' }];
  return JSON.stringify({
    version: 1,
    silences: [{ ...silence, untilResolved: false, matchers: [{ name: 'a', ...matcher }] }],
  });
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sonde-silences-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
