/** Numbers as text of an exposition, written straight into its bytes. */

/** Longest text of a number: -0.0000010533117237881222. */
export const MAX_NUMBER_LENGTH = 25;

/**
 * Writes the shortest text that reads back as `value`, and returns the position after it. Integers, and fractions of
 * up to six decimals below 10^9 (seconds from clock ticks, ratios), never become a string: a decimal of at most 15
 * digits that rounds to a double is that double's only shortest one.
 */
export function writeNumber(out: Uint8Array, at: number, value: number): number {
  let magnitude = value;
  if (value < 0) {
    out[at++] = 0x2d;
    magnitude = -value;
  }
  if (magnitude < 0x8000_0000 && magnitude === (magnitude | 0)) return writeInteger(out, at, magnitude | 0);
  if (magnitude <= Number.MAX_SAFE_INTEGER && magnitude === Math.floor(magnitude)) {
    const billions = Math.floor(magnitude / 1e9);
    if (billions > 0) {
      at = writeInteger(out, at, billions | 0);
      return writeDigits(out, at, 9, (magnitude - billions * 1e9) | 0);
    }
    return writeInteger(out, at, magnitude | 0);
  }
  if (magnitude < 1e9) {
    const millionths = Math.round(magnitude * 1e6);
    if (millionths / 1e6 === magnitude) {
      const whole = Math.floor(millionths / 1e6);
      return writeFraction(out, writeInteger(out, at, whole | 0), (millionths - whole * 1e6) | 0);
    }
  }
  return writeText(out, at, slowText(value, magnitude));
}

/** Unix nanoseconds as seconds, without the loss of a double. */
export function secondsText(time: bigint): string {
  const seconds = time / 1_000_000_000n;
  const rest = time % 1_000_000_000n;
  return rest === 0n ? `${seconds}` : `${seconds}.${`${rest}`.padStart(9, '0').replace(/0+$/, '')}`;
}

function slowText(value: number, magnitude: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (magnitude === Infinity) return value < 0 ? 'Inf' : '+Inf';
  return String(magnitude);
}

function writeInteger(out: Uint8Array, at: number, value: number): number {
  let length = 1;
  for (let limit = 10; length < 10 && value >= limit; limit *= 10) length++;
  return writeDigits(out, at, length, value);
}

function writeDigits(out: Uint8Array, at: number, length: number, value: number): number {
  for (let i = at + length - 1; i >= at; i--) {
    const tenth = (value / 10) | 0;
    out[i] = 0x30 + value - tenth * 10;
    value = tenth;
  }
  return at + length;
}

/** `millionths` (1–999,999) as `.25`. */
function writeFraction(out: Uint8Array, at: number, millionths: number): number {
  let length = 6;
  while (millionths % 10 === 0) {
    millionths = (millionths / 10) | 0;
    length--;
  }
  out[at] = 0x2e;
  return writeDigits(out, at + 1, length, millionths);
}

function writeText(out: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
}
