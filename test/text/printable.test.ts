import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable } from '../../src/text/printable.ts';

test.each([
  ['a plain äöü 漢字 😀 text', 'a plain äöü 漢字 😀 text'],
  ['two\nlines\r\n\tand a tab', 'two\\nlines\\r\\n\\tand a tab'],
  ['\u001b[2J cleared', '\\u001b[2J cleared'],
  ['\u009b31m C1', '\\u009b31m C1'],
  ['user\u202Etxt.exe', 'user\\u202etxt.exe'],
  ['half \ud800 of a pair', 'half \\ud800 of a pair'],
])('printable escapes what moves a cursor: %j', (text, expected) => {
  expect(printable(text)).toBe(expected);
});

test('printable cuts long text and says so', () => {
  expect(printable('abcdef', 3)).toBe('abc…');
  expect(printable('abc', 3)).toBe('abc');
});

test('printable leaves no control character, whatever it is given', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(/\p{Cc}/u);
      expect(printable(text).isWellFormed()).toBe(true);
    }),
  );
});
