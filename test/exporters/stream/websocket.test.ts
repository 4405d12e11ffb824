import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closeFrame, createReader } from '../../../exporters/stream/websocket.ts';

const MASK = [0x37, 0xfa, 0x21, 0x3d];

interface FrameOptions {
  readonly opcode?: number;
  readonly isFinal?: boolean;
  readonly payload?: Uint8Array | string;
  readonly isMasked?: boolean;
  readonly reserved?: number;
  /** Instead of the true one. */
  readonly length?: bigint;
}

/** A frame as a client sends it (RFC 6455, section 5.2). */
function frame({
  opcode = 1,
  isFinal = true,
  payload = '',
  isMasked = true,
  reserved = 0,
  length,
}: FrameOptions): Buffer {
  const bytes = Buffer.from(payload as Uint8Array);
  const size = length ?? BigInt(bytes.length);
  const head = [(isFinal ? 0x80 : 0) | reserved | opcode];
  const mask = isMasked ? 0x80 : 0;
  if (size < 126n) head.push(mask | Number(size));
  else if (size < 65_536n) head.push(mask | 126, Number(size >> 8n), Number(size & 0xffn));
  else
    head.push(
      mask | 127,
      ...Array.from({ length: 8 }, (_, index) => Number((size >> BigInt(8 * (7 - index))) & 0xffn)),
    );
  if (!isMasked) return Buffer.concat([Buffer.from(head), bytes]);
  return Buffer.concat([Buffer.from(head), Buffer.from(MASK), bytes.map((byte, index) => byte ^ MASK[index % 4]!)]);
}

interface Heard {
  readonly texts: string[];
  readonly answers: string[];
  closed: readonly [code: number, reason: string] | undefined;
}

function read(pieces: readonly Uint8Array[], max_bytes = 70_000): Heard {
  const heard: Heard = { texts: [], answers: [], closed: undefined };
  const take = createReader(max_bytes, {
    text: (message) => heard.texts.push(message),
    answer: (answer) => heard.answers.push(answer.toString('hex')),
    close: (code, reason) => {
      expect(heard.closed).toBeUndefined();
      heard.closed = [code, reason];
    },
  });
  for (const piece of pieces) take(Buffer.from(piece));
  return heard;
}

test('createReader reads messages of any length, in pieces of any size, whole or of several frames', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          text: fc.oneof(
            fc.string({ unit: 'grapheme' }),
            fc.integer({ min: 0, max: 69_000 }).map((n) => 'a'.repeat(n)),
          ),
          cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
        }),
        { maxLength: 5 },
      ),
      fc.integer({ min: 1, max: 20_000 }),
      (messages, size) => {
        const wire = Buffer.concat(
          messages.flatMap(({ text, cuts }) => {
            const bytes = Buffer.from(text);
            const ends = [...cuts.map((cut) => Math.floor(cut * bytes.length)).toSorted((a, b) => a - b), bytes.length];
            return ends.flatMap((end, index) => [
              frame({
                opcode: index === 0 ? 1 : 0,
                isFinal: index === ends.length - 1,
                payload: bytes.subarray(ends[index - 1] ?? 0, end),
              }),
              // Control frames may come in between.
              frame({ opcode: 9, payload: 'p' }),
            ]);
          }),
        );
        // Some hundreds of pieces show as much as thousands.
        const step = Math.max(size, Math.ceil(wire.length / 300));
        const pieces = Array.from({ length: Math.ceil(wire.length / step) }, (_, index) =>
          wire.subarray(index * step, (index + 1) * step),
        );
        const heard = read(pieces);
        expect(heard.texts).toEqual(messages.map(({ text }) => text));
        expect(new Set(heard.answers).size).toBeLessThanOrEqual(1);
        expect(heard.closed).toBeUndefined();
      },
    ),
  );
});

test.each([
  ['a frame without a mask', [frame({ isMasked: false })], 1002],
  ['a reserved bit', [frame({ reserved: 0x40 })], 1002],
  ['an unknown opcode', [frame({ opcode: 3 })], 1002],
  ['a long control frame', [frame({ opcode: 9, payload: 'x'.repeat(126) })], 1002],
  ['a control frame of several', [frame({ opcode: 9, isFinal: false })], 1002],
  ['a continuation of nothing', [frame({ opcode: 0 })], 1002],
  ['a message within another', [frame({ isFinal: false }), frame({})], 1002],
  [
    'endless empty frames',
    [frame({ isFinal: false }), ...Array<Buffer>(200).fill(frame({ opcode: 0, isFinal: false }))],
    1002,
  ],
  ['a close code of one byte', [frame({ opcode: 8, payload: 'x' })], 1002],
  ['a close code that none may send', [frame({ opcode: 8, payload: Uint8Array.of(0x03, 0xed) })], 1002],
  ['a binary message', [frame({ opcode: 2 })], 1003],
  ['a text that is no UTF-8', [frame({ payload: Uint8Array.of(0xc3, 0x28) })], 1007],
  ['a long message', [frame({ payload: 'x'.repeat(70_001) })], 1009],
  [
    'a message that is long in sum',
    Array<Buffer>(3)
      .fill(frame({ opcode: 1, isFinal: false, payload: 'x'.repeat(40_000) }))
      .map((one, index) => (index === 0 ? one : frame({ opcode: 0, isFinal: false, payload: 'x'.repeat(40_000) }))),
    1009,
  ],
  ['a length of 2^63', [frame({ length: 2n ** 63n })], 1009],
])('createReader closes on %s, and reads nothing more', (_, pieces, code) => {
  const heard = read([...pieces, frame({ payload: 'more' })]);
  expect(heard.closed?.[0]).toBe(code);
  expect(heard.texts).toEqual([]);
});

test('createReader says goodbye with the code of the client', () => {
  expect(read([frame({ opcode: 8 })]).closed).toEqual([1000, '']);
  expect(read([frame({ opcode: 8, payload: Buffer.from([0x0f, 0xa0, 0x68, 0x69]) })]).closed).toEqual([4000, '']);
});

test('createReader survives whatever comes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (pieces) => {
      read(pieces, 200);
    }),
  );
});

test('closeFrame cuts the reason between characters', () => {
  const frameBytes = closeFrame(1013, 'é'.repeat(100));
  expect(frameBytes.subarray(0, 4)).toEqual(Buffer.from([0x88, 124, 0x03, 0xf5]));
  expect(frameBytes.subarray(4).toString()).toBe('é'.repeat(61));
});
