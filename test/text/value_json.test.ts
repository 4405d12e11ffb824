import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DoubleValue, type AnyValue } from '../../src/model/attributes.ts';
import { doubleJson, integerJson, textJson, valueJson } from '../../src/text/value_json.ts';

test.each<[AnyValue | undefined, string]>([
  [2 ** 60, '1152921504606846976'],
  [2n ** 63n - 1n, '9223372036854775807'],
  [-0, '-0'],
  [1.5, '1.5'],
  [1e300, '1e+300'],
  [new DoubleValue(3), '3.0'],
  [new DoubleValue(2 ** 60), '1152921504606847000.0'],
  [NaN, '"NaN"'],
  [-Infinity, '"-Infinity"'],
  [null, 'null'],
  [undefined, 'null'],
  [Uint8Array.of(255), '"/w=="'],
  ['\u0000"\\\ud800', '"\\u0000\\"\\\\\ufffd"'],
  [['a', [1], { b: [] }], '["a",[1],{"b":[]}]'],
  [{ 'a"': {}, b: null }, '{"a\\"":{},"b":null}'],
])('valueJson of %o is %s', (value, text) => {
  expect(valueJson(value)).toBe(text);
});

test('valueJson writes what is no number as null where a text would not do', () => {
  expect(valueJson([NaN, Infinity, { a: -Infinity }], 'null')).toBe('[null,null,{"a":null}]');
});

test('valueJson ends a value that nests without end', () => {
  let value: AnyValue = 1;
  for (let depth = 0; depth < 100; depth++) value = [value];
  expect(JSON.parse(valueJson(value))).toBeDefined();
});

test('doubleJson comes back as the same double, and never looks like an integer', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = doubleJson(value);
      expect(Object.is(JSON.parse(text), value)).toBe(true);
      expect(text).toMatch(/[.e]/);
    }),
  );
});

test('integerJson has all digits', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 53), max: 2 ** 53 }), fc.integer({ min: 0, max: 9 }), (base, shift) => {
      const value = base * 2 ** shift;
      expect(BigInt(integerJson(value))).toBe(BigInt(value));
    }),
  );
});

test('textJson is read back as the text, well formed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(JSON.parse(textJson(text))).toBe(text.toWellFormed());
    }),
  );
});
