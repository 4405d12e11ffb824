/** Pieces of files into lines, without keeping any of them: what is incomplete is read again when there is more of it. */
import { openWindow, type Encoding } from './encodings.ts';
import type { Position } from './identity.ts';

/** The line goes on behind this part of it. */
export const PARTIAL = 1;
/** The line began before this part of it. */
export const CONTINUED = 2;
/** Some bytes were no text, and became U+FFFD. */
export const BROKEN = 4;
/** The rest of the line is left out. */
export const CUT = 8;

/**
 * @param start place of its first byte in the file
 * @param next place of what follows it
 * @returns false where no more can be taken now
 */
export type TakeLine = (text: string, start: number, next: number, flags: number) => boolean;

export interface SplitOptions {
  readonly encoding: Encoding;
  /** Longer lines are divided. */
  readonly maxLine_bytes: number;
  /** Whether all parts of a long line are handed over, or the first alone. */
  readonly keepsLongLines: boolean;
}

/**
 * @param data the file's bytes from `position` on
 * @param mustFlush whether a line that has not ended is taken as it is
 * @returns how far it came
 */
export function splitLines(
  data: Buffer,
  { offset, inLine }: Pick<Position, 'offset' | 'inLine'>,
  mustFlush: boolean,
  { encoding, maxLine_bytes, keepsLongLines }: SplitOptions,
  take: TakeLine,
): Pick<Position, 'offset' | 'inLine'> {
  const window = openWindow(data, encoding);
  const { length, unit } = window;
  const most = Math.max(unit * 2, maxLine_bytes - (maxLine_bytes % unit));
  let at = offset === 0 ? window.mark : 0;
  let state = inLine;
  const give = (from: number, to: number, next: number, flags: number): boolean => {
    const all = flags | (state === 'continued' ? CONTINUED : 0) | (window.isBroken(from, to) ? BROKEN : 0);
    return take(window.decode(from, to), offset + from, offset + next, all);
  };
  const result = (): Pick<Position, 'offset' | 'inLine'> => ({ offset: offset + at, inLine: state });
  /** What programs leave that go on at their old place in a file that was truncated. */
  const skipZeros = (end: number): void => {
    while (at < end && window.isZero(at)) at += unit;
  };
  /** Parts of the most bytes that a line may have, until the rest is no longer. @returns false to stop */
  const divide = (end: number): boolean => {
    while (state !== 'left_out' && end - at > most) {
      const cut = window.boundary(at, at + most);
      const start = at;
      at = cut;
      const goesOn = give(start, cut, cut, keepsLongLines ? PARTIAL : PARTIAL | CUT);
      state = keepsLongLines ? 'continued' : 'left_out';
      if (!goesOn) return false;
    }
    return true;
  };

  for (let end = window.newline(at); end !== -1; end = window.newline(at)) {
    if (window.isZero(at)) skipZeros(end);
    const next = end + unit;
    const stop = end > at && window.isReturn(end - unit) ? end - unit : end;
    if (stop - at > most && !divide(stop)) return result();
    let goesOn = true;
    if (state === '' || (state === 'continued' && stop > at)) goesOn = give(at, stop, next, 0);
    at = next;
    state = '';
    if (!goesOn) return result();
  }
  if (at < length && window.isZero(at)) skipZeros(length);
  if (length - at > most && !divide(length)) return result();
  if (state === 'left_out') at = length;
  else if (mustFlush && at < length) {
    const end = window.boundary(at, length);
    const start = at;
    at = end;
    give(start, end, end, PARTIAL);
    state = 'continued';
  }
  return result();
}
