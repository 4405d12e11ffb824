/**
 * Probabilities as thresholds of 56 bits: an item is kept if its randomness is at least the threshold, so the share
 * that is kept is (2^56 - threshold) / 2^56. Both are 14 lower-case hexadecimal digits here, and compared as text.
 * https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
 */

/** 14 digits. */
export type Threshold = string;
/** 14 digits. */
export type Randomness = string;

export const DIGITS = 14;
export const ALWAYS: Threshold = '0'.repeat(DIGITS);
/** Greater than any randomness. */
export const NEVER: Threshold = 'never';

const SCALE = 2 ** 56;
const SMALLEST = 1 / SCALE;

/**
 * The threshold of a probability, with so many significant digits, where leading zeros and f's do not count.
 * @returns NEVER for what is too small to be expressed
 */
export function thresholdOf(probability: number, precision: number = DIGITS): Threshold {
  if (probability >= 1) return ALWAYS;
  if (!(probability >= SMALLEST)) return NEVER;
  const leading = Math.max(leadingDigits(probability), leadingDigits(1 - probability));
  const shift = BigInt(4 * (DIGITS - Math.min(DIGITS, precision + leading)));
  let threshold = BigInt(SCALE) - BigInt(Math.round(probability * SCALE));
  if (shift > 0n) threshold = ((threshold + (1n << (shift - 1n))) >> shift) << shift;
  return toDigits(threshold);
}

export function probabilityOf(threshold: Threshold): number {
  return threshold === NEVER ? 0 : Number(BigInt(SCALE) - BigInt(`0x${threshold}`)) / SCALE;
}

/** As `th` and `sampling.threshold` write it: without trailing zeros. */
export function thresholdText(threshold: Threshold): string {
  return threshold === ALWAYS ? '0' : threshold.replace(/0+$/, '');
}

/** Undefined for what is no threshold. */
export function parseThreshold(text: string): Threshold | undefined {
  return /^[0-9a-f]{1,14}$/i.test(text) ? text.toLowerCase().padEnd(DIGITS, '0') : undefined;
}

/** Undefined for what is no randomness (`rv`, `sampling.randomness`). */
export function parseRandomness(text: string): Randomness | undefined {
  return /^[0-9a-f]{14}$/i.test(text) ? text.toLowerCase() : undefined;
}

export function toDigits(value: bigint): string {
  return value.toString(16).padStart(DIGITS, '0');
}

/** Hexadecimal zeros behind the point of a number between 0 and 1. */
function leadingDigits(share: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, share);
  const exponent = ((view.getUint16(0) >> 4) & 0x7ff) - 1022;
  return Math.floor(-exponent / 4);
}
