/** Times as programs write them, recognised without being told how: by their first characters. */
import { compileLayout, type ReadTime } from './layout.ts';
import type { Moment } from './moment.ts';
import { endOfDigits, fourDigits, fractionOf, isDigit, monthAt, readOffset, twoDigits } from './scan.ts';

/** `Jan  2 15:04:05`, of syslog. */
const SYSLOG = compileLayout('%b %e %H:%M:%S');
/** `Jan 2 2024 15:04:05`, of Cisco; `Jan 2, 2024 3:04:05 PM`, of java.util.logging, and the same by 24 hours. */
const YEAR_THIRD = ['%b %e %Y %H:%M:%S', '%b %e, %Y %I:%M:%S %p', '%b %e, %Y %H:%M:%S'].map((layout) =>
  compileLayout(layout),
);
/** `02/Jan/2024:15:04:05 +0000`, of access logs. */
const CLF = compileLayout('%d/%b/%Y:%H:%M:%S');
/** `02 Jan 2024 15:04:05`, of Redis and RFC 2822; `02-Jan-2024 15:04:05`, of Tomcat and BIND. */
const DAY_FIRST = ['%d %b %Y %H:%M:%S', '%d-%b-%Y %H:%M:%S'].map((layout) => compileLayout(layout));
/** `Tue Jan  2 15:04:05 2024`, of ctime(3). */
const CTIME = compileLayout('%a %b %e %H:%M:%S');
const CTIME_YEAR = compileLayout(' %Y');
const CTIME_ZONE_YEAR = compileLayout(' %Z %Y');

/** Reads the time that begins at `at`; returns where it ends, -1 where there is none. */
export const recognizeTime: ReadTime = (text, at, moment) => {
  const first = text.charCodeAt(at);
  if (isDigit(first)) return readFromDigit(text, at, moment);
  const isLetter = (first | 0x20) >= 0x61 && (first | 0x20) <= 0x7a;
  return isLetter ? readFromLetter(text, at, moment) : -1;
};

function readFromDigit(text: string, at: number, moment: Moment): number {
  const fifth = text.charCodeAt(at + 4);
  if (fifth === 0x2d || fifth === 0x2f) return readIso(text, at, moment);
  const third = text.charCodeAt(at + 2);
  if (third === 0x2f) return withZone(text, withFraction(text, CLF(text, at, moment), moment), moment);
  if (isDigit(third)) return readCompact(text, at, moment);
  return firstOf(DAY_FIRST, text, at, moment);
}

/** `2024-01-02T15:04:05.123456789+02:00` and its like: a slash, a space or a comma for a dash, a T or a point. */
function readIso(text: string, at: number, moment: Moment): number {
  const dash = text.charCodeAt(at + 4);
  const separator = text.charCodeAt(at + 10);
  const isDate = text.charCodeAt(at + 7) === dash;
  const isSeparated = separator === 0x54 || separator === 0x20 || separator === 0x74 || separator === 0x5f;
  if (!isDate || !isSeparated || text.charCodeAt(at + 13) !== 0x3a) return -1;
  moment.year = fourDigits(text, at);
  moment.month = twoDigits(text, at + 5);
  moment.day = twoDigits(text, at + 8);
  moment.hour = twoDigits(text, at + 11);
  moment.minute = twoDigits(text, at + 14);
  let end = at + 16;
  if (text.charCodeAt(end) === 0x3a) {
    moment.second = twoDigits(text, end + 1);
    end = withFraction(text, end + 3, moment);
  }
  const { year, month, day, hour, minute, second } = moment;
  return Number.isNaN(year + month + day + hour + minute + second) ? -1 : withZone(text, end, moment);
}

/** `20240102T150405Z` of ISO 8601, and `20240102 15:04:05.678901` of glog. */
function readCompact(text: string, at: number, moment: Moment): number {
  const separator = text.charCodeAt(at + 8);
  if (separator !== 0x54 && separator !== 0x20) return -1;
  moment.year = fourDigits(text, at);
  moment.month = twoDigits(text, at + 4);
  moment.day = twoDigits(text, at + 6);
  moment.hour = twoDigits(text, at + 9);
  const colon = text.charCodeAt(at + 11) === 0x3a ? 1 : 0;
  if (colon === 0 && separator === 0x20) return -1;
  moment.minute = twoDigits(text, at + 11 + colon);
  moment.second = twoDigits(text, at + 13 + 2 * colon);
  if (colon === 1 && text.charCodeAt(at + 14) !== 0x3a) return -1;
  const { year, month, day, hour, minute, second } = moment;
  if (Number.isNaN(year + month + day + hour + minute + second)) return -1;
  return withZone(text, withFraction(text, at + 15 + 2 * colon, moment), moment);
}

function readFromLetter(text: string, at: number, moment: Moment): number {
  if (monthAt(text, at) > 0) {
    const end = SYSLOG(text, at, moment);
    if (end > 0 && !isDigit(text.charCodeAt(end))) return withFraction(text, end, moment);
    moment.clear();
    return firstOf(YEAR_THIRD, text, at, moment);
  }
  if (!isWeekday(text, at)) return -1;
  if (text.charCodeAt(at + 3) === 0x2c) return firstOf(DAY_FIRST, text, at + 5, moment);
  const time = withFraction(text, CTIME(text, at, moment), moment);
  if (time < 0) return -1;
  const end = CTIME_YEAR(text, time, moment);
  return end > 0 ? end : CTIME_ZONE_YEAR(text, time, moment);
}

const WEEKDAYS = new Set(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']);

function isWeekday(text: string, at: number): boolean {
  const fourth = text.charCodeAt(at + 3);
  return (fourth === 0x20 || fourth === 0x2c) && WEEKDAYS.has(text.slice(at, at + 3));
}

function firstOf(layouts: readonly ReadTime[], text: string, at: number, moment: Moment): number {
  for (const layout of layouts) {
    const end = layout(text, at, moment);
    if (end > 0) return withZone(text, withFraction(text, end, moment), moment);
    moment.clear();
  }
  return -1;
}

function withFraction(text: string, at: number, moment: Moment): number {
  if (at < 0) return -1;
  const code = text.charCodeAt(at);
  if ((code !== 0x2e && code !== 0x2c) || !isDigit(text.charCodeAt(at + 1))) return at;
  const end = endOfDigits(text, at + 1);
  moment.nanosecond = fractionOf(text, at + 1, end);
  return end;
}

/**
 * A zone right behind the time, or behind a space if it cannot be anything else. Names but UTC are not read: IST is a
 * zone of three countries.
 */
function withZone(text: string, at: number, moment: Moment): number {
  if (at < 0) return -1;
  const code = text.charCodeAt(at);
  if (code !== 0x20) {
    const end = code === 0x5a || code === 0x7a || code === 0x2b || code === 0x2d ? readOffset(text, at, moment) : -1;
    return end < 0 ? at : end;
  }
  const next = text.charCodeAt(at + 1);
  if (next === 0x2b || next === 0x2d) {
    const end = readOffset(text, at + 1, moment);
    if (end >= at + 6 && !isDigit(text.charCodeAt(end))) return end;
    moment.offset_s = NaN;
  } else if (next === 0x55 || next === 0x47) {
    const name = text.slice(at + 1, at + 4);
    if ((name === 'UTC' || name === 'GMT') && !/[A-Za-z0-9]/.test(text.charAt(at + 4))) {
      moment.offset_s = 0;
      return at + 4;
    }
  }
  return at;
}
