/** JSON whose integers keep their digits. */
import { messageOf } from '../errors.ts';

/**
 * As `JSON.parse`, but an integer beyond 2^53 becomes a bigint.
 * @throws {SyntaxError}
 */
export function parseExact(text: string): unknown {
  try {
    return JSON.parse(text, exactly);
  } catch (error) {
    throw new SyntaxError(`Cannot read what the agent sends: ${messageOf(error)}`, { cause: error });
  }
}

function exactly(_: string, value: unknown, { source = '' }: { source?: string } = {}): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value;
}
