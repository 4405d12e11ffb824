import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Encoding } from '../../../receivers/logs/encodings.ts';
import { BROKEN, CONTINUED, CUT, PARTIAL, splitLines, type SplitOptions } from '../../../receivers/logs/split.ts';

interface Line {
  readonly text: string;
  readonly start: number;
  readonly flags: number;
}

const OPTIONS: SplitOptions = { encoding: 'utf-8', maxLine_bytes: 1024, keepsLongLines: true };

function split(
  data: Buffer,
  options: Partial<SplitOptions> = {},
  mustFlush = false,
  from: Parameters<typeof splitLines>[1] = { offset: 0, inLine: '' },
) {
  const lines: Line[] = [];
  const end = splitLines(Buffer.from(data), from, mustFlush, { ...OPTIONS, ...options }, (text, start, _, flags) => {
    lines.push({ text, start, flags });
    return true;
  });
  return { lines, end, texts: lines.map(({ text }) => text) };
}

describe('splitLines', () => {
  test('ends lines by \\n and \\r\\n, keeps empty ones, and says where each begins', () => {
    const { lines, end } = split(Buffer.from('a\r\nbc\n\nd\re\nrest'));
    expect(lines).toEqual([
      { text: 'a', start: 0, flags: 0 },
      { text: 'bc', start: 3, flags: 0 },
      { text: '', start: 6, flags: 0 },
      { text: 'd\re', start: 7, flags: 0 },
    ]);
    expect(end).toEqual({ offset: 11, inLine: '' });
  });

  test('takes the rest where it is told to, and what follows as its continuation', () => {
    const { lines, end } = split(Buffer.from('a\nrest'), {}, true);
    expect(lines[1]).toEqual({ text: 'rest', start: 2, flags: PARTIAL });
    expect(end).toEqual({ offset: 6, inLine: 'continued' });
    const more = split(Buffer.from(' of it\nb\n'), {}, false, end);
    expect(more.lines).toEqual([
      { text: ' of it', start: 6, flags: CONTINUED },
      { text: 'b', start: 13, flags: 0 },
    ]);
    expect(split(Buffer.from('\nb\n'), {}, false, end).texts).toEqual(['b']);
  });

  test('divides a long line between characters', () => {
    const { lines, end } = split(Buffer.from('äöü€😀end\nx\n'), { maxLine_bytes: 5 });
    expect(lines.map(({ text }) => text)).toEqual(['äö', 'ü€', '😀e', 'nd', 'x']);
    expect(lines.map(({ flags }) => flags)).toEqual([PARTIAL, PARTIAL | CONTINUED, PARTIAL | CONTINUED, CONTINUED, 0]);
    expect(end.inLine).toBe('');
  });

  test('leaves out the rest of a long line where only its first part is wanted', () => {
    const options = { maxLine_bytes: 4, keepsLongLines: false };
    const first = split(Buffer.from('abcdefgh'), options);
    expect(first.lines).toEqual([{ text: 'abcd', start: 0, flags: PARTIAL | CUT }]);
    expect(first.end).toEqual({ offset: 8, inLine: 'left_out' });
    expect(split(Buffer.from('ijkl\nnext\n'), options, false, first.end).texts).toEqual(['next']);
  });

  test('replaces and tells bytes that are no UTF-8', () => {
    const { lines } = split(Buffer.from([0x61, 0xff, 0x62, 10, 0xc3, 0xa4, 10, 0x80, 10]));
    expect(lines).toEqual([
      { text: 'a\ufffdb', start: 0, flags: BROKEN },
      { text: 'ä', start: 4, flags: 0 },
      { text: '\ufffd', start: 7, flags: BROKEN },
    ]);
  });

  test('skips zeros, which programs leave that do not notice a truncation', () => {
    const data = Buffer.concat([Buffer.alloc(100_000), Buffer.from('a\nb\n'), Buffer.alloc(5000)]);
    const { lines, end } = split(data);
    expect(lines.map(({ text, start }) => [text, start])).toEqual([
      ['a', 100_000],
      ['b', 100_002],
    ]);
    expect(end.offset).toBe(data.length);
  });

  test.each<[Encoding, Buffer, string[]]>([
    ['utf-8', Buffer.from('\ufeffa\n'), ['a']],
    ['latin1', Buffer.from([0xe4, 0xf6, 10]), ['äö']],
    ['utf-16le', Buffer.from('\ufeffä€😀\r\nb\n', 'utf16le'), ['ä€😀', 'b']],
    ['utf-16be', Buffer.from('\ufeffä€😀\r\nb\n', 'utf16le').swap16(), ['ä€😀', 'b']],
    // A newline's bytes may stand across two characters.
    ['utf-16le', Buffer.from('\u0a00\u000a', 'utf16le'), ['\u0a00']],
  ])('reads %s, without its byte order mark', (encoding, data, expected) => {
    expect(split(data, { encoding }).texts).toEqual(expected);
  });

  test('tells halves of surrogate pairs', () => {
    const { lines } = split(Buffer.from('a\ud800b\n', 'utf16le'), { encoding: 'utf-16le' });
    expect(lines).toEqual([{ text: 'a\ufffdb', start: 0, flags: BROKEN }]);
  });

  test.each<Encoding>(['utf-8', 'utf-16le', 'utf-16be'])(
    'gives the same lines of %s wherever the pieces end, and however far each is taken',
    (encoding) => {
      const text = fc.string({ unit: fc.constantFrom('a', 'ä', '€', '😀', ' ', '\n', '\n', '\r\n'), maxLength: 80 });
      fc.assert(
        fc.property(text, fc.array(fc.nat(30)), fc.integer({ min: 1, max: 4 }), (content, pieces, most) => {
          let data = Buffer.from(content, encoding === 'utf-8' ? 'utf8' : 'utf16le');
          if (encoding === 'utf-16be') data = Buffer.from(data).swap16();
          const expected = content.split('\n').slice(0, -1);
          const texts: string[] = [];
          let position: ReturnType<typeof splitLines> = { offset: 0, inLine: '' };
          let known = 0;
          for (const piece of [...pieces, data.length, data.length]) {
            known = Math.min(data.length, known + piece);
            let left = most;
            let before = -1;
            while (position.offset !== before) {
              before = position.offset;
              left = most;
              const window = Buffer.from(data.subarray(position.offset, known));
              position = splitLines(window, position, false, { ...OPTIONS, encoding }, (line) => {
                texts.push(line);
                return --left > 0;
              });
            }
          }
          expect(texts).toEqual(expected.map((line) => line.replace(/\r$/, '')));
        }),
      );
    },
  );
});
