import { describe, expect, test } from 'vitest';
import { createGroups, type GroupOptions } from '../../../receivers/logs/groups.ts';
import { groupingOf } from '../../../receivers/logs/multiline.ts';
import { PARTIAL } from '../../../receivers/logs/split.ts';

const NONE = { start_pattern: undefined, end_pattern: undefined, indented: false, max_lines: 500 };
const grouping = (format: string, multiline: Partial<Parameters<typeof groupingOf>[0]['multiline']> = {}) =>
  groupingOf({ format, multiline: { ...NONE, ...multiline }, max_line_size: 1000 })!;

/** Each line begins at its index times 100. */
function group(options: GroupOptions, lines: readonly string[], { emitted = 0, isFlushed = false } = {}) {
  const records: string[] = [];
  const starts: number[] = [];
  const flags: number[] = [];
  const groups = createGroups(options, emitted, (text, start, _, flag) => {
    records.push(text);
    starts.push(start);
    flags.push(flag);
    return true;
  });
  lines.forEach((line, index) => groups.take(line, index * 100, (index + 1) * 100, 0));
  if (isFlushed) groups.flush();
  return { records, starts, flags, waiting: groups.waiting?.start };
}

const TRACE = ['start one', '  at a', '  at b', 'start two', 'more', 'start three'];

describe('createGroups joins', () => {
  test('lines up to the next that begins a record', () => {
    const { records, starts, waiting } = group(grouping('none', { start_pattern: '^start' }), TRACE);
    expect(records).toEqual(['start one\n  at a\n  at b', 'start two\nmore']);
    expect(starts).toEqual([0, 300]);
    expect(waiting).toBe(500);
  });

  test('indented lines to the one before', () => {
    const { records, waiting } = group(grouping('none', { indented: true }), TRACE, { isFlushed: true });
    expect(records).toEqual(['start one\n  at a\n  at b', 'start two', 'more', 'start three']);
    expect(waiting).toBeUndefined();
  });

  test('lines up to one that ends a record', () => {
    const { records, waiting } = group(grouping('none', { end_pattern: ';$' }), ['a', 'b;', 'c;', 'd']);
    expect(records).toEqual(['a\nb;', 'c;']);
    expect(waiting).toBe(300);
  });

  test('no more lines and bytes than a record may have', () => {
    const few = group(grouping('none', { start_pattern: '^start', max_lines: 2 }), ['start', 'b', 'c', 'd', 'e']);
    expect(few.records).toEqual(['start\nb', 'c\nd']);
    const long = group(grouping('none', { start_pattern: '^start' }), ['start', 'x'.repeat(600), 'y'.repeat(600)]);
    expect(long.records).toEqual([`start\n${'x'.repeat(600)}`]);
  });

  test('parts of CRI lines, each stream by itself', () => {
    const lines = [
      '2024-01-01T00:00:00.1Z stdout P one ',
      '2024-01-01T00:00:00.2Z stderr F other',
      '2024-01-01T00:00:00.3Z stdout P two ',
      '2024-01-01T00:00:00.4Z stdout F three',
      '2024-01-01T00:00:00.5Z stdout F',
    ];
    for (const format of ['cri', 'auto']) {
      expect(group(grouping(format), lines).records).toEqual([
        '2024-01-01T00:00:00.2Z stderr F other',
        '2024-01-01T00:00:00.1Z stdout F one two three',
        '2024-01-01T00:00:00.5Z stdout F',
      ]);
    }
  });

  test('nothing twice when it begins again where a part waits', () => {
    const lines = ['2024-01-01T00:00:00.1Z stdout P one ', '2024-01-01T00:00:00.2Z stderr F other'];
    const first = group(grouping('cri'), lines);
    expect([first.records.length, first.waiting]).toEqual([1, 0]);
    const second = group(grouping('cri'), [...lines, '2024-01-01T00:00:00.3Z stdout F two'], { emitted: 200 });
    expect(second.records).toEqual(['2024-01-01T00:00:00.1Z stdout F one two']);
  });

  test('parts of Docker lines', () => {
    const line = (log: string, stream = 'stdout') => JSON.stringify({ log, stream, time: 't' });
    const lines = [line('one "'), line('other\n', 'stderr'), line('two"\n'), line('three\n')];
    expect(group(grouping('docker'), lines).records).toEqual([
      line('other\n', 'stderr'),
      line('one "two"\n'),
      line('three\n'),
    ]);
  });

  test('lines of containers by what is in them', () => {
    const lines = ['start', '  at x', 'start'].map((text) => `2024-01-01T00:00:00.1Z stdout F ${text}`);
    expect(group(grouping('cri', { indented: true }), lines).records).toEqual([`${lines[0]}\n  at x`]);
  });

  test('what is flushed is marked where its line goes on', () => {
    const { records, flags } = group(grouping('cri'), ['2024-01-01T00:00:00.1Z stdout P one '], { isFlushed: true });
    expect(records).toEqual(['2024-01-01T00:00:00.1Z stdout F one ']);
    expect(flags).toEqual([PARTIAL]);
  });
});

test('groupingOf needs no groups where each line is a record', () => {
  expect(groupingOf({ format: 'json', multiline: NONE, max_line_size: 1 })).toBeUndefined();
});
