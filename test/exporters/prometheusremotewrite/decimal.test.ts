import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decimal } from '../../../exporters/prometheusremotewrite/decimal.ts';

test.each([
  [0, '0'],
  [-0, '0'],
  [0.5, '0.5'],
  [-2.5, '-2.5'],
  [1e6, '1000000'],
  [1e21, '1000000000000000000000'],
  [-1.5e22, '-15000000000000000000000'],
  [1.25e-7, '0.000000125'],
  [-1e-7, '-0.0000001'],
  [Infinity, '+Inf'],
  [-Infinity, '-Inf'],
])('decimal writes %d as %s', (value, expected) => {
  expect(decimal(value)).toBe(expected);
});

test('decimal writes what reads back as the same number, without an exponent', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(decimal(value)).toMatch(/^-?\d+(\.\d+)?$/);
      expect(Number(decimal(value))).toBe(value === 0 ? 0 : value);
    }),
    { numRuns: 1000 },
  );
});
