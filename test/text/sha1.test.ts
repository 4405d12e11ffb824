import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha1 } from '../../src/text/sha1.ts';

test('sha1 agrees with the examples of RFC 3174', () => {
  expect(sha1(Buffer.from('abc')).toString('hex')).toBe('a9993e364706816aba3e25717850c26c9cd0d89d');
  expect(sha1(Buffer.from('')).toString('hex')).toBe('da39a3ee5e6b4b0d3255bfef95601890afd80709');
});

test('sha1 agrees with node:crypto on any bytes, whatever their padding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
      expect(sha1(content).equals(createHash('sha1').update(content).digest())).toBe(true);
    }),
  );
});
