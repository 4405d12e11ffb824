/** JSON whose integers keep their digits. */

/** As `JSON.parse`, but an integer beyond 2^53 becomes a bigint. */
export function parseExact(text: string): unknown {
  return JSON.parse(text, exactly);
}

function exactly(_: string, value: unknown, { source = '' }: { source?: string } = {}): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value;
}
