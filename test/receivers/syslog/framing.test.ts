import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFramer } from '../../../receivers/syslog/framing.ts';

interface Read {
  readonly messages: string[];
  readonly truncated: string[];
  bad: number;
}

function read(chunks: readonly Uint8Array[], { maxMessage_bytes = 2048, isWhole = true } = {}): Read {
  const result: Read = { messages: [], truncated: [], bad: 0 };
  const framer = createFramer({
    maxMessage_bytes,
    onMessage(bytes, isTruncated) {
      const text = Buffer.from(bytes).toString('latin1');
      result.messages.push(text);
      if (isTruncated) result.truncated.push(text);
    },
    onBadFrame: () => void result.bad++,
  });
  for (const chunk of chunks) framer.push(chunk);
  framer.end(isWhole);
  return result;
}

const text = (...parts: string[]): Buffer[] => parts.map((part) => Buffer.from(part, 'latin1'));

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => Buffer.from(bytes.subarray(places[index], end)));
}

const counted = (messages: readonly string[]): Buffer =>
  Buffer.from(messages.map((message) => `${message.length} ${message}`).join(''), 'latin1');
const lines = (messages: readonly string[]): Buffer =>
  Buffer.from(messages.map((message) => `${message}\n`).join(''), 'latin1');

describe('createFramer', () => {
  const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array).toString('latin1'));
  const messages = fc.array(
    bytes.map((body) => `<13>${body}`),
    { minLength: 1, maxLength: 10 },
  );
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });

  test('gives counted messages, line feeds in them too, however the stream is cut', () => {
    fc.assert(
      fc.property(messages, shares, (sent, at) => {
        expect(read(cut(counted(sent), at))).toEqual({ messages: sent, truncated: [], bad: 0 });
      }),
    );
  });

  test('gives messages by lines, however the stream is cut', () => {
    const oneLine = messages.map((sent) => sent.map((message) => message.replaceAll('\n', ' ')));
    fc.assert(
      fc.property(oneLine, shares, (sent, at) => {
        expect(read(cut(lines(sent), at))).toEqual({ messages: sent, truncated: [], bad: 0 });
      }),
    );
  });

  test('gives the same of any bytes, however they are cut, and loses none of a line', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        shares,
        fc.integer({ min: 1, max: 50 }),
        (array, at, maxMessage_bytes) => {
          const whole = Buffer.from(array);
          expect(read(cut(whole, at), { maxMessage_bytes })).toEqual(read([whole], { maxMessage_bytes }));
        },
      ),
    );
  });

  test('takes a line that begins with a number for a line', () => {
    expect(read(text('12 monkeys\n2024-01-01 text\n')).messages).toEqual(['12 monkeys', '2024-01-01 text']);
    expect(read(text('1', '2', ' ', 'x\n')).messages).toEqual(['12 x']);
    expect(read(text('12')).messages).toEqual(['12']);
  });

  test('keeps the beginning of a message that is too long, and goes on behind it', () => {
    const long = `<13>${'x'.repeat(100)}`;
    const limits = { maxMessage_bytes: 10 };
    const result = { messages: ['<13>xxxxxx', '<14>a'], truncated: ['<13>xxxxxx'], bad: 0 };
    expect(read(cut(counted([long, '<14>a']), [0.1, 0.3, 0.5]), limits)).toEqual(result);
    expect(read(cut(lines([long, '<14>a']), [0.1, 0.3, 0.5]), limits)).toEqual(result);
  });

  test('reads lines from where a length should stand and does not', () => {
    expect(read(text('5 <13>a<14>b\n<15>c\n'))).toEqual({
      messages: ['<13>a', '<14>b', '<15>c'],
      truncated: [],
      bad: 1,
    });
    expect(read(text('5 <13>a12x\n')).messages).toEqual(['<13>a', '12x']);
    expect(read(text('5 <13>a1234567890 <14>b\n'))).toMatchObject({ messages: ['<13>a', '1234567890 <14>b'], bad: 1 });
  });

  test('bears line feeds between counted messages, empty lines and a last line without end', () => {
    expect(read(text('5 <13>a\n5 <14>b\n'))).toEqual({ messages: ['<13>a', '<14>b'], truncated: [], bad: 0 });
    expect(read(text('\n\n<13>a\n\n<14>b')).messages).toEqual(['<13>a', '<14>b']);
  });

  test('waits for the first byte before it decides', () => {
    expect(read(text('', '4 <13>')).messages).toEqual(['<13>']);
  });

  test('says what it knows to be incomplete', () => {
    expect(read(text('20 <13>a')).truncated).toEqual(['<13>a']);
    expect(read(text('<13>a'), { isWhole: false }).truncated).toEqual(['<13>a']);
  });

  test('holds no more of an endless line than a message may have', () => {
    const before = process.memoryUsage().arrayBuffers;
    const chunk = Buffer.alloc(65_536, 'x');
    const { messages: got } = read(Array.from({ length: 1000 }, () => chunk));
    expect(got.map(({ length }) => length)).toEqual([2048]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  });
});
