import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRandom } from '../../bench/anomaly_series.ts';
import { fadeTail, observeTail, TAIL_BUCKETS, tailThreshold } from '../../src/anomaly/tail.ts';

function thresholdOf(draw: () => number, count: number, rare: number): number | undefined {
  const counts = new Uint16Array(TAIL_BUCKETS);
  for (let i = 0; i < count; i++) observeTail(counts, 0, draw());
  return tailThreshold(counts, 0, rare, 1.3);
}

test('tailThreshold extrapolates exponential and normal tails to what is exceeded once in a million', () => {
  const random = createRandom(1);
  // -ln 1e-6 = 13.8; of the absolute value of normal noise 4.9.
  expect(thresholdOf(() => -Math.log(1 - random.next()), 5000, 1e-6)).toBeCloseTo(13.8, -1);
  const normal = thresholdOf(() => Math.abs(random.gaussian()), 5000, 1e-6)!;
  expect(normal).toBeGreaterThan(4.5);
  expect(normal).toBeLessThan(6.2);
});

test('tailThreshold says nothing of few samples', () => {
  expect(thresholdOf(() => 1, 99, 1e-6)).toBeUndefined();
  expect(thresholdOf(() => 1, 100, 1e-6)).toBeGreaterThan(0.9);
});

test('observeTail takes any size and never overflows', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 50 }), (sizes) => {
      const counts = new Uint16Array(3 * TAIL_BUCKETS);
      for (const size of sizes) observeTail(counts, TAIL_BUCKETS, size);
      expect(counts.subarray(TAIL_BUCKETS, 2 * TAIL_BUCKETS).reduce((sum, each) => sum + each, 0)).toBe(sizes.length);
      expect(counts.subarray(0, TAIL_BUCKETS).every((each) => each === 0)).toBe(true);
      expect(counts.subarray(2 * TAIL_BUCKETS).every((each) => each === 0)).toBe(true);
    }),
  );
  const counts = new Uint16Array(TAIL_BUCKETS);
  for (let i = 0; i < 100_000; i++) observeTail(counts, 0, 1);
  expect(Math.max(...counts)).toBeLessThan(12_000);
});

test('fadeTail lets what was counted weigh less', () => {
  const counts = new Uint16Array(TAIL_BUCKETS).fill(10);
  fadeTail(counts, 0, 0.5);
  expect([...counts].every((count) => count === 5)).toBe(true);
});
