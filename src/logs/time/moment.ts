/** A date and a time as they are read, field by field, and the Unix nanoseconds that they are. */
import type { Zone } from './zone.ts';

/** Fields of the time that is being read; one object for all, as lines come by the million. */
export class Moment {
  /** NaN where the text has none. */
  year = NaN;
  /** 1 to 12. */
  month = NaN;
  day = NaN;
  hour = 0;
  minute = 0;
  second = 0;
  nanosecond = 0;
  /** From UTC; NaN where the text has no zone. */
  offset_s = NaN;
  isAfternoon: boolean | undefined;
  /** Of texts that count seconds, by which alone the time is known; NaN for others. */
  unix_s = NaN;

  clear(): void {
    this.year = NaN;
    this.month = NaN;
    this.day = NaN;
    this.hour = 0;
    this.minute = 0;
    this.second = 0;
    this.nanosecond = 0;
    this.offset_s = NaN;
    this.isAfternoon = undefined;
    this.unix_s = NaN;
  }
}

/** What decides times that leave something out. */
export interface TimeContext {
  readonly zone: Zone;
  readonly now_ms: () => number;
}

const DAY_MS = 86_400_000;

/**
 * Unix nanoseconds; undefined where there is no such date or time. Without a year it is the latest that does not lie in
 * the future: logs tell the past (a day is left for clocks that are ahead).
 */
export function unixTime(moment: Moment, context: TimeContext): bigint | undefined {
  if (!Number.isNaN(moment.unix_s)) return nanoseconds(moment.unix_s, moment.nanosecond);
  const { month, day, minute, second } = moment;
  let { hour } = moment;
  if (moment.isAfternoon !== undefined) {
    if (hour < 1 || hour > 12) return undefined;
    hour = (hour % 12) + (moment.isAfternoon ? 12 : 0);
  }
  // A leap second, as 23:59:60, is the second after it, as POSIX has it.
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return undefined;
  const dayTime_ms = ((hour * 60 + minute) * 60 + second) * 1000;
  const now_ms = Number.isNaN(moment.year) || Number.isNaN(moment.offset_s) ? context.now_ms() : 0;
  const inYear = (year: number): number => {
    if (!isDate(year, month, day)) return NaN;
    const wall_ms = daysSince1970(year, month, day) * DAY_MS + dayTime_ms;
    // In no zone is it near now: asking the zone costs more than all the rest.
    if (now_ms > 0 && wall_ms > now_ms + 3 * DAY_MS && Number.isNaN(moment.year)) return NaN;
    return Number.isNaN(moment.offset_s) ? context.zone(wall_ms, now_ms) : wall_ms - moment.offset_s * 1000;
  };
  let time_ms = NaN;
  if (Number.isNaN(moment.year)) {
    const next = new Date(now_ms).getUTCFullYear() + 1;
    // The 29th of February may be eight years back.
    for (let year = next; year > next - 10; year--) {
      time_ms = inYear(year);
      if (time_ms <= now_ms + DAY_MS) break;
      time_ms = NaN;
    }
  } else {
    time_ms = inYear(moment.year);
  }
  return Number.isNaN(time_ms) ? undefined : nanoseconds(time_ms / 1000, moment.nanosecond);
}

/** Undefined where 64 bits, which OTLP gives to a time, do not hold it. */
export function nanoseconds(unix_s: number, nanosecond: number): bigint | undefined {
  if (unix_s < 0 || unix_s > 18_446_744_072) return undefined;
  return BigInt(unix_s) * 1_000_000_000n + BigInt(nanosecond);
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDate(year: number, month: number, day: number): boolean {
  const days = DAYS[month - 1];
  if (days === undefined || !(day >= 1)) return false;
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return day <= (month === 2 && isLeap ? 29 : days);
}

/** Of a date of the Gregorian calendar; a year is counted from March, so that the leap day is its last. */
function daysSince1970(year: number, month: number, day: number): number {
  const fromMarch = month > 2 ? year : year - 1;
  const era = Math.floor(fromMarch / 400);
  const yearOfEra = fromMarch - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
