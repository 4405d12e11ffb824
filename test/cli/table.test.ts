import fc from 'fast-check';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { renderTable, wrap } from '../../src/cli/table.ts';

test('renderTable makes each column as wide as its widest cell', () => {
  expect(
    renderTable([
      ['a', 'long', 'x'],
      ['longer', 'b', 'y'],
    ]),
  ).toBe('a       long  x\nlonger  b     y\n');
});

test('renderTable counts no styles', () => {
  expect(
    stripVTControlCharacters(
      renderTable([
        ['\x1b[1mab\x1b[22m', 'x'],
        ['abc', 'y'],
      ]),
    ),
  ).toBe('ab   x\nabc  y\n');
});

test('renderTable leaves no blanks at the end of a line', () => {
  expect(
    renderTable(
      [
        ['a', ''],
        ['ab', 'x'],
      ],
      { indent: 2 },
    ),
  ).toBe('  a\n  ab  x\n');
});

test('renderTable breaks the last column within its own column', () => {
  const text = renderTable([['name', 'one two three four five six seven eight nine']], { columns: 46 });
  expect(text).toBe('name  one two three four five six seven eight\n      nine\n');
});

test('renderTable puts the last column below where it has no room beside the others', () => {
  const rows = [
    ['a name of a certain length', 'type', 'what it does'],
    ['other', 'type', ''],
    ['', '', 'a note'],
  ];
  expect(renderTable(rows, { columns: 60, indent: 2 })).toBe(
    '  a name of a certain length  type\n      what it does\n  other                       type\n      a note\n',
  );
});

test('wrap loses no word and makes no line too wide that has a blank to break at', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z/.]{1,40}$/)), fc.integer({ min: 1, max: 60 }), (words, width) => {
      const lines = wrap(words.join(' '), width);
      expect(lines.join(' ')).toBe(words.join(' '));
      for (const line of lines) if (line.includes(' ')) expect(line.length).toBeLessThanOrEqual(width);
    }),
  );
});
