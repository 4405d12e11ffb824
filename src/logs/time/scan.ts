/** Digits, fractions, zones and names of months, read at a place of a text. */
import type { Moment } from './moment.ts';

export const ZERO = 0x30;

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Two digits; NaN where there are none. */
export function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}

export function fourDigits(text: string, at: number): number {
  return twoDigits(text, at) * 100 + twoDigits(text, at + 2);
}

/** Where the digits that begin here end. */
export function endOfDigits(text: string, at: number): number {
  let end = at;
  while (isDigit(text.charCodeAt(end))) end++;
  return end;
}

/** Nanoseconds of a fraction of a second; digits beyond the ninth are cut off. */
export function fractionOf(text: string, start: number, end: number): number {
  let nanosecond = 0;
  for (let index = 0; index < 9; index++) {
    const at = start + index;
    nanosecond = nanosecond * 10 + (at < end ? text.charCodeAt(at) - ZERO : 0);
  }
  return nanosecond;
}

/** Reads `Z`, `+02:00`, `+0200` or `+02` into the moment; returns where it ends, -1 where there is none. */
export function readOffset(text: string, at: number, moment: Moment): number {
  const code = text.charCodeAt(at);
  if (code === 0x5a || code === 0x7a) {
    moment.offset_s = 0;
    return at + 1;
  }
  if (code !== 0x2b && code !== 0x2d) return -1;
  const hours = twoDigits(text, at + 1);
  if (!(hours <= 23)) return -1;
  let end = at + 3;
  let minutes = twoDigits(text, text.charCodeAt(end) === 0x3a ? end + 1 : end);
  if (minutes <= 59) end += text.charCodeAt(end) === 0x3a ? 3 : 2;
  else minutes = 0;
  moment.offset_s = (code === 0x2d ? -1 : 1) * (hours * 60 + minutes) * 60;
  return end;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const LONG_MONTHS = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

/** 1 to 12 by three letters, in any case; 0 where they are no month. */
export function monthAt(text: string, at: number): number {
  const first = text.charCodeAt(at) | 0x20;
  // Most texts that are asked begin with another letter.
  if (first < 0x61 || first > 0x73) return 0;
  return MONTHS.indexOf(text.slice(at, at + 3).toLowerCase()) + 1;
}

/** Where the name of a month ends, which may be written out. */
export function endOfMonth(text: string, at: number, month: number): number {
  const long = LONG_MONTHS[month - 1]!;
  if (text.slice(at, at + long.length).toLowerCase() === long) return at + long.length;
  return at + 3;
}
