/** Against what the Collector's pkg/sampling and probabilisticsamplerprocessor answer to the same questions (their tests). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  hash32,
  hashProbability,
  hashRandomness,
  traceIdRandomness,
} from '../../../processors/probabilistic_sampler/randomness.ts';
import {
  ALWAYS,
  NEVER,
  parseThreshold,
  probabilityOf,
  thresholdOf,
  thresholdText,
} from '../../../processors/probabilistic_sampler/threshold.ts';

const text = (probability: number, precision?: number) => thresholdText(thresholdOf(probability, precision));

describe('thresholdOf', () => {
  test.each([
    [1 / 3, 3, 'aab'],
    [2 / 3, 3, '555'],
    [1, 3, '0'],
    [1 / 3, 14, 'aaaaaaaaaaaaac'],
    [0.01, 4, 'fd70a'],
    [0.01, 3, 'fd71'],
    [0.4, 3, '99a'],
    [0.2, 6, 'cccccd'],
    [2 ** -28, 4, 'fffffff'],
    [2 ** -56, 3, 'ffffffffffffff'],
    [3 * 2 ** -56, 3, 'fffffffffffffd'],
    [16 * 2 ** -56, 3, 'fffffffffffff'],
    [Math.fround((1 - 8e-7) * 100) / 100, 10, '00000cccccccd'],
    [1 - 0x456789a * 2 ** -28, 7, '456789a'],
    [1 - 0x456789a * 2 ** -28, 4, '4568'],
    [1 - 0x456789a * 2 ** -40, 4, '0004568'],
    [1 - 0x789abcdef * 2 ** -40, 2, '079'],
    [1 - 0x80801 * 2 ** -28, 3, '00808'],
  ])('is for %f with %i digits %s', (probability, precision, expected) => {
    expect(text(probability, precision)).toBe(expected);
  });

  test('is NEVER for what cannot be expressed, and ALWAYS for everything', () => {
    expect(thresholdOf(2 ** -57)).toBe(NEVER);
    expect(thresholdOf(0)).toBe(NEVER);
    expect(thresholdOf(NaN)).toBe(NEVER);
    expect(thresholdOf(1.5)).toBe(ALWAYS);
    expect(probabilityOf(NEVER)).toBe(0);
    expect(probabilityOf(ALWAYS)).toBe(1);
  });

  test('gives back the probability as exactly as its digits allow, and falls as it rises', () => {
    const share = fc.double({ min: 1e-9, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, share, fc.integer({ min: 1, max: 14 }), (a, b, precision) => {
        const threshold = thresholdOf(a, precision);
        const error = Math.abs(probabilityOf(threshold) - a) / a;
        expect(error).toBeLessThanOrEqual(16 ** -precision * 16 + 1e-6);
        expect(parseThreshold(thresholdText(threshold))).toBe(threshold);
        if (a <= b) expect(thresholdOf(a) >= thresholdOf(b)).toBe(true);
      }),
    );
  });
});

describe('hash', () => {
  test('is what the Collector hashes', () => {
    expect(hash32(new Uint8Array(0), 0) & 0x3fff).toBe(0x3515);
    expect(hash32(new Uint8Array(16), 0) & 0x3fff).toBe(0x2455);
  });

  test.each([
    [100, '0'],
    [75, '4'],
    [50, '8'],
    [25, 'c'],
    [10, 'e668'],
    [100 / 3, 'aaac'],
  ])('keeps %f %% with the threshold %s', (percentage, expected) => {
    expect(text(hashProbability(percentage))).toBe(expected);
  });

  test('decides by the threshold as by hash < share', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(), fc.integer({ min: 1, max: 16384 }), (bytes, seed, share) => {
        const isKept = (hash32(bytes, seed) & 0x3fff) < share;
        const randomness = hashRandomness(bytes, seed);
        expect(randomness).toMatch(/^[0-9a-f]{14}$/);
        expect(randomness >= thresholdOf(share / 16384)).toBe(isKept);
      }),
    );
  });
});

test('traceIdRandomness takes the last 56 bits, and none of an empty trace id', () => {
  expect(traceIdRandomness('fefefefefefefefefe80000000000001')).toBe('80000000000001');
  expect(traceIdRandomness('')).toBeUndefined();
  expect(traceIdRandomness('0'.repeat(32))).toBeUndefined();
});
