import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BitReader, BitWriter } from '../../src/store/bits.ts';
import { CHUNK_LENGTH, decodeNumbers, encodeNumbers } from '../../src/store/number_codec.ts';

function roundTrip(values: readonly number[]): { readonly back: number[]; readonly bytes: number } {
  const writer = new BitWriter();
  // What stands before and behind must not matter.
  writer.byte(0xff);
  encodeNumbers(writer, Float64Array.from(values), values.length);
  const end = writer.length;
  writer.byte(0xff);
  const reader = new BitReader();
  reader.open(writer.view(), 1);
  const back = new Float64Array(CHUNK_LENGTH + 1);
  decodeNumbers(reader, back, 1, values.length);
  expect(reader.position).toBe(end);
  return { back: [...back.subarray(1, values.length + 1)], bytes: end - 1 };
}

const special = [
  NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  5e-324,
  2 ** 53,
  -(2 ** 53),
  2 ** 50,
  2 ** 50 + 1,
  1.7e308,
  0.1,
  1e-9,
];
const chunkOf = (value: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
  fc.array(value, { minLength: 1, maxLength: CHUNK_LENGTH });
const step = fc.oneof(
  fc.constant(0),
  fc.integer({ min: -3, max: 3 }),
  fc.maxSafeInteger().map((n) => n % 2 ** 45),
);

test.each<[string, fc.Arbitrary<number[]>]>([
  ['any doubles', chunkOf(fc.double())],
  ['special values among others', chunkOf(fc.oneof(fc.constantFrom(...special), fc.integer()))],
  ['whole numbers of any size', chunkOf(fc.maxSafeInteger())],
  [
    'counters and gauges that go up and down',
    fc.tuple(fc.maxSafeInteger(), chunkOf(step)).map(([start, steps]) => {
      let value = start % 2 ** 49;
      return steps.map((by) => (value += by));
    }),
  ],
  [
    'multiples, as of pages',
    fc
      .tuple(fc.integer({ min: 0, max: 35 }), chunkOf(fc.integer({ min: -99, max: 99 })))
      .map(([shift, values]) => values.map((value) => value * 2 ** shift + 4096)),
  ],
  [
    'decimals',
    fc
      .tuple(fc.integer({ min: 1, max: 9 }), chunkOf(fc.integer()))
      .map(([decimals, values]) => values.map((value) => value / 10 ** decimals)),
  ],
])('encodeNumbers and decodeNumbers keep %s to the bit', (_, values) => {
  fc.assert(
    fc.property(values, (given) => {
      const { back } = roundTrip(given);
      expect(back.length).toBe(given.length);
      for (const [i, value] of given.entries()) expect(Object.is(back[i], value), `${i}: ${value}`).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['a constant', Array.from({ length: 32 }, () => 17_179_869_184), 9],
  ['a constant fraction', Array.from({ length: 32 }, () => 0.25), 5],
  ['a steady counter', Array.from({ length: 32 }, (_, i) => 5_000_000 + 1500 * i), 9],
  ['CPU seconds that go up by some ticks', Array.from({ length: 32 }, (_, i) => (98_765 + 7 * i + (i % 3)) / 100), 20],
  ['bytes in pages', Array.from({ length: 32 }, (_, i) => 4096 * (1000 + ((i * 7) % 5))), 24],
])('encodeNumbers writes %s in few bytes', (_, values, most) => {
  expect(roundTrip(values).bytes).toBeLessThanOrEqual(most);
});
