import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNetDev } from '../../../receivers/network/net_dev.ts';

const HEADINGS = 'Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n';
const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const ROW = NUMBERS.join(' ');

function interfacesOf(file: Uint8Array): [string, number[]][] {
  const found: [string, number[]][] = [];
  parseNetDev(file, (bytes, start, end, fields) => {
    found.push([Buffer.from(bytes.subarray(start, end)).toString(), Array.from(fields)]);
  });
  return found;
}
const parse = (text: string): [string, number[]][] => interfacesOf(Buffer.from(HEADINGS + text));

describe('parseNetDev', () => {
  test.each([
    ['an aligned line', `  eth0: ${NUMBERS.join('     ')}\n`, 'eth0'],
    ['a number right behind the colon, as old kernels write it', `eth0:${ROW}\n`, 'eth0'],
    ['more numbers than today', `eth0: ${ROW} 17 18\n`, 'eth0'],
    ['a name with a dot and a hyphen', `br-1a2b.100: ${ROW}\n`, 'br-1a2b.100'],
    ['a name that is a number', `1: ${ROW}\n`, '1'],
    ['a name of other letters', `интф: ${ROW}\n`, 'интф'],
    ['a hostile name', `"}{\\;$(x): ${ROW}\n`, '"}{\\;$(x)'],
    ['a name that objects have', `__proto__: ${ROW}\n`, '__proto__'],
  ])('parseNetDev reads %s', (_, text, name) => {
    expect(parse(text)).toEqual([[name, NUMBERS]]);
  });

  test.each([
    ['too few numbers', 'eth0: 1 2 3\n'],
    ['a word among the numbers', `eth0: x ${ROW}\n`],
    ['a negative number', `eth0: -1 ${ROW}\n`],
    ['no colon', `eth0 ${ROW}\n`],
    ['no name', `: ${ROW}\n`],
    ['nothing', '\n'],
    ['no end', `eth0: ${ROW}`],
    ['other bytes', '\u0000\u0001\u00ff\n'],
  ])('parseNetDev refuses a line with %s, but not the lines around it', (_, bad) => {
    const good = `eth1: ${ROW}\n`;
    const names: string[] = [];
    const file = Buffer.from(bad.endsWith('\n') ? HEADINGS + good + bad + good : HEADINGS + good + bad);
    const run = (): void =>
      parseNetDev(file, (bytes, start, end) => void names.push(Buffer.from(bytes.subarray(start, end)).toString()));
    expect(run).toThrow(SyntaxError);
    expect(names).toEqual(bad.endsWith('\n') ? ['eth1', 'eth1'] : ['eth1']);
  });

  test('parseNetDev finds nothing in an empty file, or below headings alone', () => {
    expect(interfacesOf(Buffer.alloc(0))).toEqual([]);
    expect(parse('')).toEqual([]);
  });

  test('parseNetDev returns or throws a SyntaxError, whatever the bytes', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom(`eth0: ${ROW}\n`, ':', '\n', ' 7').map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          for (const [name, fields] of interfacesOf(Buffer.concat(pieces)))
            expect([name.length > 0, fields.length]).toEqual([true, 16]);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
    );
  });

  test('parseNetDev reads back what was written', () => {
    const row = fc.tuple(fc.stringMatching(/^[!-9;-~]{1,15}$/), fc.array(fc.nat(), { minLength: 16, maxLength: 16 }));
    fc.assert(
      fc.property(fc.array(row), (rows) => {
        expect(parse(rows.map(([name, fields]) => `${name.padStart(6)}: ${fields.join('   ')}\n`).join(''))).toEqual(
          rows,
        );
      }),
    );
  });
});
