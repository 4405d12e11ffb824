/** What stands in the place of a secret. */
import type { Secret } from '../../src/config/options.ts';

export interface ReplacementOptions {
  readonly replacement: 'mask' | 'hash';
  readonly mask: string;
  readonly hash_key?: Secret | undefined;
}

/** Hexadecimal digits of the hash that are kept: 64 bits, so that two secrets of one log hardly ever look the same. */
const HASH_DIGITS = 16;
/** A key that can be guessed makes the hash one without a key. */
const SHORTEST_KEY = 16;

/** @throws {RangeError} where the options do not go together */
export function createReplacement(
  id: string,
  { replacement, mask, hash_key }: ReplacementOptions,
): (secret: string) => string {
  const refuse = (reason: string): never => {
    throw new RangeError(`Cannot create "${id}": ${reason}`);
  };
  if (replacement === 'mask') {
    if (hash_key !== undefined) refuse('hash_key has no meaning without replacement: hash');
    return () => mask;
  }
  const key = hash_key?.reveal() ?? refuse('replacement: hash needs hash_key');
  if (key.length < SHORTEST_KEY) refuse(`hash_key has ${key.length} characters, fewer than ${SHORTEST_KEY}`);
  return (secret) => {
    const { createHmac } = process.getBuiltinModule('node:crypto');
    return `[HASH:${createHmac('sha256', key).update(secret).digest('hex').slice(0, HASH_DIGITS)}]`;
  };
}
