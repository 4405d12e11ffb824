import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cursor, key, readKeyed } from '../../src/procfs/bytes.ts';

const at = (text: string) => new Cursor(key(text));

describe('Cursor', () => {
  test('number reads unsigned integers and leaves anything else where it is', () => {
    const cursor = at('  12\t7 x9 9x 3.5\n4');
    expect(cursor.number()).toBe(12);
    expect(cursor.number()).toBe(7);
    expect(cursor.number()).toBeNaN();
    expect(cursor.field()).toBe('x9');
    expect(cursor.number()).toBeNaN();
    expect(cursor.field()).toBe('9x');
    expect(cursor.number()).toBeNaN();
    expect(cursor.field()).toBe('3.5');
    expect(cursor.number()).toBeNaN();
    expect(cursor.isAtLineEnd).toBe(true);
    expect(cursor.nextLine()).toBe(true);
    expect(cursor.number()).toBe(4);
    expect(cursor.isAtEnd).toBe(true);
    expect(cursor.number()).toBeNaN();
    expect(cursor.nextLine()).toBe(false);
  });

  test('decimal reads what Number reads, to the last bit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000 }), fc.integer({ min: 0, max: 999_999 }), (whole, fraction) => {
        const text = `${whole}.${String(fraction).padStart(6, '0')}`;
        expect(at(text).decimal()).toBe(Number(text));
      }),
    );
    expect(at('17').decimal()).toBe(17);
    expect(at('1.').decimal()).toBeNaN();
    expect(at('.5').decimal()).toBeNaN();
    expect(at('1.5e3').decimal()).toBeNaN();
  });

  test('signed reads negative integers', () => {
    const cursor = at('-2 5 - -x -');
    expect(cursor.signed()).toBe(-2);
    expect(cursor.signed()).toBe(5);
    expect(cursor.signed()).toBeNaN();
    expect(cursor.field()).toBe('-');
    expect(cursor.signed()).toBeNaN();
    expect(cursor.field()).toBe('-x');
    expect(cursor.signed()).toBeNaN();
    expect(cursor.field()).toBe('-');
  });

  test('number reads back every integer that a double holds', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (first, second) => {
        const cursor = at(`${first} ${second}\n`);
        expect([cursor.number(), cursor.number()]).toEqual([first, second]);
      }),
    );
  });

  test('take moves behind the expected bytes, and stays before others', () => {
    const cursor = at('cpu0 17');
    expect(cursor.take(key('cpu1'))).toBe(false);
    expect(cursor.take(key('cpu'))).toBe(true);
    expect(cursor.digits()).toBe(0);
    expect(cursor.take(key(' 17 '))).toBe(false);
    expect(cursor.number()).toBe(17);
  });

  test('skipFields stays in its line', () => {
    const cursor = at('a b\nc d');
    cursor.skipFields(9);
    expect(cursor.isAtLineEnd).toBe(true);
    cursor.nextLine();
    cursor.skipFields(1);
    expect(cursor.field()).toBe('d');
    expect(cursor.field()).toBe('');
  });

  test('quoteLine shows the line that the cursor is in, shortened', () => {
    const cursor = at(`first "one"\n${'x'.repeat(100)}\n`);
    expect(cursor.quoteLine()).toBe('"first \\"one\\""');
    cursor.nextLine();
    expect(cursor.quoteLine()).toBe(`"${'x'.repeat(80)}…"`);
  });
});

describe('readKeyed', () => {
  const keys = [key('pgfault '), key('pgmajfault '), key('oom_kill ')];

  test('finds each key at the beginning of a line, whatever their order', () => {
    const values = new Float64Array(3);
    readKeyed(key('nr_pgfault 1\noom_kill 3\npgfault 4\npgfault_x 5\n'), keys, values);
    expect([...values]).toEqual([4, NaN, 3]);
    readKeyed(key('pgfault 1\npgmajfault 2\noom_kill 3'), keys, values);
    expect([...values]).toEqual([1, 2, 3]);
  });

  test('gives NaN for what is no number and for an empty file', () => {
    const values = new Float64Array(3);
    readKeyed(key('pgfault x\n'), keys, values);
    expect([...values]).toEqual([NaN, NaN, NaN]);
    readKeyed(key(''), keys, values);
    expect([...values]).toEqual([NaN, NaN, NaN]);
  });
});

test('Cursor nextLine finds the end of lines of any length', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(700), { minLength: 1, maxLength: 6 }), (lengths) => {
      const cursor = at(lengths.map((length) => 'x'.repeat(length) + '\n').join(''));
      let position = 0;
      for (const length of lengths) {
        expect(cursor.position).toBe(position);
        position += length + 1;
        expect(cursor.nextLine()).toBe(position < cursor.bytes.length);
      }
    }),
  );
});
