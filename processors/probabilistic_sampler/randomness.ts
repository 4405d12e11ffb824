/** Where the randomness of an item comes from: its trace id, or a hash as the Collector's sampler has made it since 2018. */
import { DIGITS, toDigits, type Randomness } from './threshold.ts';

const HASH_BITS = 14;
const HASH_MASK = 2 ** HASH_BITS - 1;

/** The 56 bits that W3C Trace Context Level 2 (section 3.2.2.3.1) has trace ids be random in. Undefined for no trace id. */
export function traceIdRandomness(traceId: string): Randomness | undefined {
  return /^0*$/.test(traceId) ? undefined : traceId.slice(-DIGITS);
}

/** FNV-1a of 32 bits over the seed, lowest byte first, and the bytes. */
export function hash32(bytes: Uint8Array, seed: number): number {
  let hash = 0x811c9dc5;
  for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((seed >>> shift) & 0xff), 0x01000193);
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/**
 * The hash as a randomness, by which the threshold decides as `hash < share` did: its highest 14 bits are those of the hash,
 * inverted. What is below them only fills up, in the Collector's way, so that both write the same `rv`.
 */
export function hashRandomness(bytes: Uint8Array, seed: number): Randomness {
  const hash = hash32(bytes, seed);
  const hashed = hash & HASH_MASK;
  const unused = hash >>> (32 - HASH_BITS);
  const mixed = (BigInt(unused) ^ (BigInt(unused) << 10n)) << 14n;
  return toDigits((BigInt(HASH_MASK - hashed) << 42n) | mixed | BigInt(hashed));
}

/** The probability that 14 bits of a hash can express, rounded down as the Collector does it in single precision. */
export function hashProbability(percentage: number): number {
  const buckets = HASH_MASK + 1;
  return Math.trunc(Math.fround(Math.fround(percentage) * Math.fround(buckets / 100))) / buckets;
}
