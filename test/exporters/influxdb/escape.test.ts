import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDialect } from '../../../exporters/influxdb/escape.ts';

const literal = createDialect(false);
const doubled = createDialect(true);

/** As InfluxDB 1 and 2 read a name: a special character is escaped if a backslash stands right before it. */
function readLiteral(text: string, special: RegExp): string {
  return text.replace(new RegExp(`\\\\(${special.source})`, 'g'), '$1');
}

/** As InfluxDB 3 reads a name: from the left, `\` and one of ` ,=\` is that character; other backslashes are themselves. */
function readDoubled(text: string): string {
  return text.replace(/\\([ ,=\\])/g, '$1');
}

/** Text of characters that mean something somewhere. */
const hard = fc.string({ unit: fc.constantFrom(...'\\\\\\ ,="ab#é'), maxLength: 12 });

describe('createDialect', () => {
  test('key is read back by the rules of InfluxDB 1 and 2, but for backslashes at the end', () => {
    fc.assert(
      fc.property(hard, (text) => {
        const kept = text.replace(/\\+$/, '');
        const written = literal.key(text);
        expect(readLiteral(written, /[ ,=]/)).toBe(kept);
        // Nothing that ends a key or a value stands there without a backslash before it.
        expect(written).not.toMatch(/(^|[^\\])[ ,=]/);
      }),
    );
  });

  test('key is read back by the rules of InfluxDB 3, but for backslashes at the end', () => {
    fc.assert(
      fc.property(hard, (text) => {
        const kept = text.replace(/\\+$/, '');
        expect(readDoubled(doubled.key(text))).toBe(kept);
      }),
    );
  });

  test('text is read back with all its characters', () => {
    fc.assert(
      fc.property(fc.oneof(hard, fc.string({ unit: 'grapheme' })), (text) => {
        for (const dialect of [literal, doubled]) {
          const written = dialect.text(text);
          expect(written).toMatch(/^"([^"\\]|\\["\\])*"$/u);
          expect(written.slice(1, -1).replace(/\\(["\\])/g, '$1')).toBe(text);
        }
      }),
    );
  });

  test.each([
    ['cpu', 'cpu', 'cpu'],
    ['a b,c=d', 'a\\ b\\,c=d', 'a\\ b\\,c=d'],
    ['#comment', '_comment', '_comment'],
    ['C:\\a', 'C:\\a', 'C:\\\\a'],
    ['a\\ b', 'a/\\ b', 'a\\\\\\ b'],
    ['ends\\\\', 'ends', 'ends'],
    ['\\', '', ''],
  ])('measurement %j', (name, ofLiteral, ofDoubled) => {
    expect([literal.measurement(name), doubled.measurement(name)]).toEqual([ofLiteral, ofDoubled]);
  });

  test.each([
    ['two\nlines', 'two\\nlines'],
    ['\t\r\f', '\\t\\r\\f'],
    ['\u0000\u001f\u007f', '\\u0000\\u001f\\u007f'],
  ])('key %j has control characters in letters', (text, written) => expect(literal.key(text)).toBe(written));
});
