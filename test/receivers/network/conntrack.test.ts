import { describe, expect, test } from 'vitest';
import { parseConntrackStat } from '../../../receivers/network/conntrack.ts';

describe('parseConntrackStat', () => {
  test('parseConntrackStat reads the first number of the first CPU, which is hexadecimal', () => {
    expect(parseConntrackStat(Buffer.from('entries  clashres\n00000a2f  00000000\n00000a2f  00000000\n'))).toBe(0xa2f);
  });
  test.each([[''], ['entries\n'], ['entries\nxyz 1\n'], ['entries\n-1\n']])('parseConntrackStat refuses %j', (text) => {
    expect(() => parseConntrackStat(Buffer.from(text))).toThrow(SyntaxError);
  });
});
