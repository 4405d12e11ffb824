import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileGlob } from '../../src/text/glob.ts';

const SPECIAL = fc.constantFrom(...Array.from('aé😀.*?[]{}\\,-!^(|)$+'));

describe('compileGlob', () => {
  test.each([
    ['system.*', 'system.cpu.time', true],
    ['system.*', 'my.system.cpu', false],
    ['*.time', 'system.cpu.time', true],
    ['*', '', true],
    ['*', 'a\nb', true],
    ['?', '😀', true],
    ['eth[0-9]', 'eth3', true],
    ['eth[!0-9]', 'eth3', false],
    ['eth[!0-9]', 'etha', true],
    ['[]]', ']', true],
    ['[a-]', '-', true],
    ['{cpu,mem*}.{a,b{1,2}}', 'memory.b2', true],
    ['{cpu,mem*}.{a,b{1,2}}', 'cpu.c', false],
    ['{,x}y', 'y', true],
    ['a.b', 'axb', false],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['a,b}', 'a,b}', true],
    ['(a|b)+$', '(a|b)+$', true],
  ])('%j on %j is %s', (glob, text, expected) => {
    expect(compileGlob(glob)(text)).toBe(expected);
  });

  test('of a text without special characters fits that text alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: SPECIAL }), fc.string({ unit: SPECIAL }), (text, other) => {
        const fits = compileGlob(text.replace(/[\\*?[{]/g, '\\$&'));
        expect(fits(text)).toBe(true);
        expect(fits(other)).toBe(text === other);
      }),
    );
  });

  test('finishes many stars on a long text', () => {
    expect(compileGlob('*a'.repeat(30) + 'b')('a'.repeat(50_000))).toBe(false);
  });

  test.each([
    ['[a', /bracket at 0 is not closed/],
    ['[]', /bracket at 0 is not closed/],
    ['{a', /brace at 0 is not closed/],
    ['a\\', /ends with a backslash/],
    ['[b-a]', /wrong way round/],
  ])('refuses %s', (glob, message) => {
    expect(() => compileGlob(glob)).toThrow(message);
  });
});
