/** Layouts of times in the words of strptime(3), as `%d/%b/%Y:%H:%M:%S %z`. */
import type { Moment } from './moment.ts';
import { endOfDigits, endOfMonth, fractionOf, isDigit, monthAt, readOffset } from './scan.ts';

/** Reads a time that begins at a place into the moment; returns where it ends, -1 where there is none. */
export type ReadTime = (text: string, at: number, moment: Moment) => number;

const SHORTHANDS: Readonly<Record<string, string>> = {
  F: '%Y-%m-%d',
  T: '%H:%M:%S',
  R: '%H:%M',
  D: '%m/%d/%y',
  c: '%a %b %e %H:%M:%S %Y',
  r: '%I:%M:%S %p',
};

/** Why a text is no layout; undefined where it is one. */
export function whatIsWrongWithLayout(layout: string): string | undefined {
  try {
    const used = new Set<string>();
    compileLayout(layout, used);
    return whatIsMissing(used);
  } catch (error) {
    return (error as SyntaxError).message;
  }
}

/**
 * Letters of directives go into `used`.
 * @throws {SyntaxError} with the place of what means nothing
 */
export function compileLayout(layout: string, used = new Set<string>()): ReadTime {
  const steps: ReadTime[] = [];
  const add = (source: string, place: number | undefined): void => {
    for (let index = 0; index < source.length; index++) {
      const character = source[index]!;
      if (character !== '%') {
        steps.push(/\s/.test(character) ? skipSpaces : literal(character));
        continue;
      }
      const at = place ?? index;
      const letter = source[++index];
      if (letter === undefined) throw new SyntaxError(`the layout ends with a percent sign`);
      if (letter === '%') {
        steps.push(literal('%'));
      } else if (Object.hasOwn(SHORTHANDS, letter)) {
        add(SHORTHANDS[letter]!, at);
      } else {
        if (!Object.hasOwn(DIRECTIVES, letter)) throw new SyntaxError(`"%${letter}" at ${at} means nothing`);
        used.add(letter);
        steps.push(DIRECTIVES[letter]!);
      }
    }
  };
  add(layout, undefined);
  return (text, at, moment) => {
    let end = at;
    for (const step of steps) {
      end = step(text, end, moment);
      if (end < 0) return -1;
    }
    return end;
  };
}

function whatIsMissing(used: ReadonlySet<string>): string | undefined {
  if (used.has('s')) return undefined;
  const has = (letters: string): boolean => Array.from(letters).some((letter) => used.has(letter));
  if (!has('de')) return 'the layout has no day: %d or %e';
  if (!has('mbBh')) return 'the layout has no month: %m or %b';
  if (has('Il') && !used.has('p')) return 'the layout has an hour of twelve without %p; %H is one of 24';
  return undefined;
}

function number(maxDigits: number, set: (moment: Moment, value: number) => void, mayBeSpaced = false): ReadTime {
  return (text, at, moment) => {
    let start = at;
    if (mayBeSpaced && text.charCodeAt(start) === 0x20) start++;
    let value = 0;
    let end = start;
    for (; end < start + maxDigits && isDigit(text.charCodeAt(end)); end++) {
      value = value * 10 + text.charCodeAt(end) - 0x30;
    }
    if (end === start) return -1;
    set(moment, value);
    return end;
  };
}

const fraction: ReadTime = (text, at, moment) => {
  const end = endOfDigits(text, at);
  moment.nanosecond = fractionOf(text, at, end);
  return end === at ? -1 : end;
};
const month: ReadTime = (text, at, moment) => {
  moment.month = monthAt(text, at);
  return moment.month === 0 ? -1 : endOfMonth(text, at, moment.month);
};
const day = number(2, (moment, value) => (moment.day = value), true);
const hour = number(2, (moment, value) => (moment.hour = value), true);

/** Letters as in strptime(3), and %f and %L, which are a fraction of a second with as many digits as there are. */
const DIRECTIVES: Readonly<Record<string, ReadTime>> = {
  Y: number(4, (moment, value) => (moment.year = value)),
  // POSIX: 69 to 99 are in the twentieth century.
  y: number(2, (moment, value) => (moment.year = value + (value < 69 ? 2000 : 1900))),
  m: number(2, (moment, value) => (moment.month = value)),
  b: month,
  B: month,
  h: month,
  d: day,
  e: day,
  H: hour,
  k: hour,
  I: hour,
  l: hour,
  M: number(2, (moment, value) => (moment.minute = value)),
  S: number(2, (moment, value) => (moment.second = value)),
  f: fraction,
  L: fraction,
  p: readHalf,
  P: readHalf,
  a: skipLetters,
  A: skipLetters,
  z: readOffset,
  Z: readZoneName,
  s: number(11, (moment, value) => (moment.unix_s = value)),
  n: skipSpaces,
  t: skipSpaces,
};

function literal(character: string): ReadTime {
  const code = character.charCodeAt(0);
  return (text, at) => (text.charCodeAt(at) === code ? at + 1 : -1);
}

function skipSpaces(text: string, at: number): number {
  let end = at;
  // 202f: between the time and AM, as the JDK and ICU write it.
  for (let code = text.charCodeAt(end); code === 0x20 || code === 0x09 || code === 0x202f;) {
    code = text.charCodeAt(++end);
  }
  return end;
}

function skipLetters(text: string, at: number): number {
  let end = at;
  for (let code = text.charCodeAt(end) | 0x20; code >= 0x61 && code <= 0x7a;) code = text.charCodeAt(++end) | 0x20;
  return end === at ? -1 : end;
}

function readHalf(text: string, at: number, moment: Moment): number {
  const half = text.slice(at, at + 2).toLowerCase();
  if (half !== 'am' && half !== 'pm') return -1;
  moment.isAfternoon = half === 'pm';
  return at + 2;
}

/** Only UTC says the same everywhere: IST is a zone of three countries, so others leave the time to the location. */
export function readZoneName(text: string, at: number, moment: Moment): number {
  const end = skipLetters(text, at);
  if (end < 0) return -1;
  const name = text.slice(at, end);
  if (name === 'UTC' || name === 'GMT' || name === 'Z') moment.offset_s = 0;
  return end;
}
