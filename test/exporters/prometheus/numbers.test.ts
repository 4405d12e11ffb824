import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_NUMBER_LENGTH, secondsText, writeNumber } from '../../../exporters/prometheus/numbers.ts';
import { canonicalNumber } from '../../../src/prometheus/canonical_number.ts';

function text(value: number): string {
  const bytes = Buffer.alloc(MAX_NUMBER_LENGTH + 1);
  return bytes.toString('latin1', 0, writeNumber(bytes, 0, value));
}

test.each([
  [0, '0'],
  [-0, '0'],
  [7, '7'],
  [2147483647, '2147483647'],
  [2147483648, '2147483648'],
  [-2147483648, '-2147483648'],
  [1e10, '10000000000'],
  [Number.MAX_SAFE_INTEGER, '9007199254740991'],
  [2 ** 63, '9223372036854776000'],
  [1e21, '1e+21'],
  [0.1, '0.1'],
  [-12345.67, '-12345.67'],
  [1e-7, '1e-7'],
  [0.000001, '0.000001'],
  [-0.0000010533117237881222, '-0.0000010533117237881222'],
  [999999999.999999, '999999999.999999'],
  [NaN, 'NaN'],
  [Infinity, '+Inf'],
  [-Infinity, '-Inf'],
])('writeNumber writes %d as %s', (value, expected) => {
  expect(text(value)).toBe(expected);
});

test('writeNumber writes what reads back as the same number, and no longer than JavaScript does', () => {
  const numbers = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer().map((cents) => cents / 100),
    fc.maxSafeInteger(),
    fc.double({ min: -1e9, max: 1e9, noNaN: true }),
  );
  fc.assert(
    fc.property(numbers, (value) => {
      expect(Number(text(value))).toBe(value === 0 ? 0 : value);
      expect(text(value).length).toBeLessThanOrEqual(String(value).length);
      expect(text(value).length).toBeLessThanOrEqual(MAX_NUMBER_LENGTH);
    }),
    { numRuns: 2000 },
  );
});

// "Considerations: Canonical Numbers" of OpenMetrics 1.0.
test.each([
  [0, '0.0'],
  [0.001, '0.001'],
  [0.99, '0.99'],
  [1, '1.0'],
  [1.7, '1.7'],
  [10, '10.0'],
  [1e-10, '1e-10'],
  [1e-9, '1e-09'],
  [1e-5, '1e-05'],
  [0.0001, '0.0001'],
  [100000, '100000.0'],
  [1e6, '1e+06'],
  [1.1e23, '1.1e+23'],
  [1e100, '1e+100'],
  [-5, '-5.0'],
  [Infinity, '+Inf'],
])('canonicalNumber writes %d as %s in OpenMetrics', (value, expected) => {
  expect(canonicalNumber(value, true)).toBe(expected);
});

test('canonicalNumber leaves integers without a point in the text format', () => {
  expect(canonicalNumber(5, false)).toBe('5');
  expect(canonicalNumber(1234567, false)).toBe('1.234567e+06');
});

test('secondsText keeps every nanosecond', () => {
  expect(secondsText(1_732_200_000_123_456_789n)).toBe('1732200000.123456789');
  expect(secondsText(1_732_200_000_500_000_000n)).toBe('1732200000.5');
  expect(secondsText(1_732_200_000_000_000_000n)).toBe('1732200000');
});
