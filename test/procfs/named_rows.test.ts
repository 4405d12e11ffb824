import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NamedRows } from '../../src/procfs/named_rows.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function pass<T>(rows: NamedRows<T>, names: readonly string[]): T[] {
  rows.begin();
  const found = names.map((name) => {
    const bytes = encode(`:${name}:`);
    return rows.at(bytes, 1, bytes.length - 1);
  });
  rows.end();
  return found;
}

test('NamedRows gives the same value for the same name in any order', () => {
  const rows = new NamedRows((name) => ({ name }));
  const [a, b, c] = pass(rows, ['a', 'b', 'c']);
  expect(pass(rows, ['c', 'a', 'b'])).toEqual([c, a, b]);
  expect(pass(rows, ['c', 'a', 'b']).map((row) => [a, b, c].indexOf(row))).toEqual([2, 0, 1]);
});

test('NamedRows forgets what a pass did not meet', () => {
  const rows = new NamedRows((name) => ({ name }));
  const [a, b] = pass(rows, ['a', 'b']);
  expect(pass(rows, ['b'])[0]).toBe(b);
  expect(rows.size).toBe(1);
  expect(pass(rows, ['a', 'b'])[0]).not.toBe(a);
});

test.each([
  ['an array', (text: string) => encode(text)],
  ['a buffer, whose slices are views', (text: string) => Buffer.from(text)],
])('NamedRows keeps its own copy of a name in %s', (_, bytesOf) => {
  const rows = new NamedRows((name) => ({ name }));
  const bytes = bytesOf('eth0');
  rows.begin();
  const eth0 = rows.at(bytes, 0, 4);
  rows.end();
  bytes.set(encode('eth1'));
  rows.begin();
  expect(rows.at(bytes, 0, 4)).not.toBe(eth0);
});

test('NamedRows holds after any passes what a Map would', () => {
  const names = fc.array(fc.constantFrom('a', 'b', 'aa', 'ab', '', '__proto__'), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(names, { maxLength: 8 }), (passes) => {
      const rows = new NamedRows((name) => ({ name }));
      let model = new Map<string, { name: string }>();
      for (const listed of passes) {
        const found = pass(rows, listed);
        const next = new Map<string, { name: string }>();
        listed.forEach((name, index) => {
          expect(found[index].name).toBe(name);
          const before = model.get(name) ?? next.get(name);
          if (before !== undefined) expect(found[index]).toBe(before);
          next.set(name, found[index]);
        });
        model = next;
        expect(rows.size).toBe(model.size);
      }
    }),
  );
});
