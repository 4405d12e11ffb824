import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePatterns, whatIsWrongWith } from '../../src/text/pattern.ts';

describe('compilePatterns', () => {
  test('exact fits whole texts alone', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 4 }), fc.string(), (patterns, text) => {
        expect(compilePatterns('exact', patterns)(text)).toBe(patterns.includes(text));
      }),
    );
  });

  test('glob fits whole texts, regexp any part of them', () => {
    expect(compilePatterns('glob', ['a', 'system.*'])('system.cpu')).toBe(true);
    expect(compilePatterns('glob', ['cpu'])('system.cpu')).toBe(false);
    expect(compilePatterns('regexp', ['x', 'cpu'])('system.cpu')).toBe(true);
    expect(compilePatterns('regexp', ['^cpu'])('system.cpu')).toBe(false);
  });

  test('no pattern fits nothing', () => {
    for (const kind of ['exact', 'glob', 'regexp'] as const) expect(compilePatterns(kind, [])('')).toBe(false);
  });
});

test.each([
  ['exact', '[', undefined],
  ['glob', 'a*', undefined],
  ['glob', '[": ', 'it is no glob: the bracket at 0 is not closed'],
  ['regexp', '": (', 'it is no regular expression: the group at 3 is not closed'],
  [
    'regexp',
    'a'.repeat(9000),
    'it is no regular expression: Cannot use a regular expression of 9000 characters: at most 8192 are allowed',
  ],
] as const)('whatIsWrongWith of the %s %j (%#)', (kind, pattern, message) => {
  expect(whatIsWrongWith(kind, pattern)).toBe(message);
});
