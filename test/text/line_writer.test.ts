import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineWriter, plainDecimal } from '../../src/text/line_writer.ts';

const written = (write: (writer: LineWriter) => void): string => {
  const writer = new LineWriter();
  write(writer);
  return writer.take().toString();
};

test('LineWriter.double writes what reads back as the same double', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.maxSafeInteger(),
        fc.integer().map((millionths) => millionths / 1e6),
        fc.maxSafeInteger().map((millionths) => millionths / 1e6),
        fc.integer().map((hundredths) => hundredths / 100),
      ),
      (value) => {
        const text = written((writer) => writer.double(value));
        expect(Object.is(Number(text), value)).toBe(true);
        expect(text).toBe(Object.is(value, -0) ? '-0' : String(value));
      },
    ),
  );
});

test.each([
  0,
  -0,
  1,
  -1,
  9,
  10,
  999_999_999,
  1e9,
  2147483647,
  2147483648,
  -2147483648,
  1e10,
  123456789012345,
  2 ** 53 - 1,
  2 ** 53,
  1e21,
  5e-324,
  0.1,
])('LineWriter.double writes %d', (value) =>
  expect(Object.is(Number(written((writer) => writer.double(value))), value)).toBe(true),
);

test.each([2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 0n])('LineWriter.integer writes all digits of %d', (value) => {
  expect(written((writer) => writer.integer(value))).toBe(String(value));
});

test('LineWriter.integer writes all digits of a double beyond 2^53', () => {
  expect(written((writer) => writer.integer(2 ** 62))).toBe('4611686018427387904');
});

test('LineWriter grows, and take from a position leaves what is before it', () => {
  const writer = new LineWriter();
  writer.text('ä'.repeat(100_000));
  const position = writer.position;
  writer.raw(Buffer.from('rest'));
  writer.byte(10);
  expect(writer.take(position).toString()).toBe('rest\n');
  expect(writer.take().toString()).toBe('ä'.repeat(100_000));
  expect(writer.position).toBe(0);
});

test.each([
  [1e-7, '0.0000001'],
  [-1.5e-10, '-0.00000000015'],
  [1e21, '1000000000000000000000'],
  [1.25e22, '12500000000000000000000'],
  [0.5, '0.5'],
  [10, '10'],
  [-0, '-0'],
])('plainDecimal writes %d as %s', (value, text) => expect(plainDecimal(value)).toBe(text));

test('plainDecimal has no exponent and reads back', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(plainDecimal(value)).toMatch(/^-?\d+(\.\d+)?$/);
      expect(Object.is(Number(plainDecimal(value)), value)).toBe(true);
    }),
  );
});
