/** Sets of characters, as rising ranges of code points. */

/** First and last code point, both inclusive. */
export type Range = readonly [from: number, to: number];

const LAST_CODE_POINT = 0x10ffff;

/** The same set in rising ranges that neither overlap nor touch. */
export function normalize(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const result: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

/** All characters that are not in the set. */
export function invert(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  let from = 0;
  for (const range of normalize(ranges)) {
    if (range[0] > from) result.push([from, range[0] - 1]);
    from = range[1] + 1;
  }
  if (from <= LAST_CODE_POINT) result.push([from, LAST_CODE_POINT]);
  return result;
}

/** The set with every other case of its characters (Unicode simple folding). */
export function foldCase(ranges: readonly Range[]): Range[] {
  const result: Range[] = [...ranges];
  for (const [code, others] of caseVariants()) {
    if (ranges.some(([from, to]) => code >= from && code <= to)) {
      for (const other of others) result.push([other, other]);
    }
  }
  return normalize(result);
}

let variants: ReadonlyMap<number, readonly number[]> | undefined;

/** The last cased character of Unicode is U+1E943. */
const LAST_CASED = 0x1e943;

/** For each cased character those that differ from it in case alone; about 2,800, made at the first `(?i)`. */
function caseVariants(): ReadonlyMap<number, readonly number[]> {
  if (variants !== undefined) return variants;
  const byLower = new Map<number, number[]>();
  for (let code = 0x41; code <= LAST_CASED; code++) {
    if (code === 0xd800) code = 0xe000;
    const character = String.fromCodePoint(code);
    const lower = character.toLowerCase();
    const upper = character.toUpperCase();
    if (lower === upper) continue;
    // By way of the upper case, so that the long s and the Kelvin sign meet s and k.
    const folded = (isOneCharacter(upper) ? upper : character).toLowerCase();
    if (!isOneCharacter(folded)) continue;
    const key = folded.codePointAt(0)!;
    const family = byLower.get(key);
    if (family === undefined) byLower.set(key, [code]);
    else family.push(code);
  }
  const result = new Map<number, readonly number[]>();
  for (const family of byLower.values()) {
    if (family.length > 1) for (const code of family) result.set(code, family);
  }
  return (variants = result);
}

function isOneCharacter(text: string): boolean {
  return text.length === (text.codePointAt(0)! > 0xffff ? 2 : 1);
}
