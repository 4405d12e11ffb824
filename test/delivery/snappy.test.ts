import fc from 'fast-check';
import { expect, test } from 'vitest';
import { snappyCompress } from '../../src/delivery/snappy.ts';
import { uncompress } from 'snappyjs';

/** The oracle; it comes without types. */
function expectSame(source: Uint8Array): Uint8Array {
  const compressed = snappyCompress(source);
  expect(Buffer.from(uncompress(compressed)).equals(source)).toBe(true);
  return compressed;
}

/** Bytes without any pattern, the same in each run. */
function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    // Xorshift (Marsaglia 2003).
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

const EDGES = [0, 1, 2, 3, 4, 14, 15, 16, 17, 59, 60, 61, 63, 64, 65, 67, 68, 69, 127, 128, 129, 255, 256, 257, 258];
const LARGE_EDGES = [2047, 2048, 2049, 16_383, 16_384, 65_535, 65_536, 65_537, 65_551, 131_072, 131_073, 200_000];

test.each([...EDGES, ...LARGE_EDGES])(
  'snappyCompress of %d bytes is read back: noise, one byte, a pattern',
  (length) => {
    const limit = 32 + length + Math.ceil(length / 6);
    expect(expectSame(noise(length)).length).toBeLessThanOrEqual(limit);
    expect(expectSame(Buffer.alloc(length, 7)).length).toBeLessThanOrEqual(20 + length / 16);
    expectSame(Buffer.from(Array.from({ length }, (_, at) => at % 251)));
  },
);

test.each(EDGES.filter((length) => length >= 4))('snappyCompress copies %d bytes from near and from far', (length) => {
  for (const distance of [length + 1, 2047, 2048, 2049, 40_000, 65_000]) {
    const repeated = noise(length, 9);
    const gap = noise(Math.max(0, distance - length), 5);
    expectSame(Buffer.concat([repeated, gap, repeated, noise(40, 3)]));
  }
});

test('snappyCompress keeps bytes that do not compress within a sixth more', () => {
  const source = noise(1_000_000);
  expect(expectSame(source).length).toBeLessThan(source.length * 1.001);
});

test('snappyCompress of what a metrics request is like is a fraction of it', () => {
  const line = (at: number): string =>
    `http_requests_total{method="GET",path="/api/${at % 50}",code="200"} ${at * 7}\n`;
  const source = Buffer.from(Array.from({ length: 2000 }, (_, at) => line(at)).join(''));
  expect(expectSame(source).length).toBeLessThan(source.length / 3);
});

test('snappyCompress does not read what it was told of an earlier body', () => {
  const [first, second] = [noise(70_000, 2), noise(70_000, 4)];
  const alone = Buffer.from(snappyCompress(second));
  snappyCompress(first);
  expect(Buffer.from(snappyCompress(second)).equals(alone)).toBe(true);
  expectSame(new Uint8Array(first.buffer, first.byteOffset + 3, 1000));
});

test('snappyCompress of any bytes is read back by snappyjs', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.record({ byte: fc.nat(255), times: fc.nat(400) }).map(({ byte, times }) => new Uint8Array(times).fill(byte)),
    fc
      .record({ unit: fc.uint8Array({ minLength: 1, maxLength: 9 }), times: fc.nat(60) })
      .map(({ unit, times }) => Uint8Array.from(Array.from({ length: times }, () => [...unit]).flat())),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, isTwice) => {
      const whole = Buffer.concat(pieces);
      expectSame(isTwice ? Buffer.concat([whole, whole]) : whole);
    }),
    { numRuns: 500 },
  );
});
