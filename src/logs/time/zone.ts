/** Where clocks without a zone stand: from the date and time of a wall clock to Unix time, daylight saving included. */

/** Wall-clock time, as milliseconds of the same digits in UTC, to Unix milliseconds; `now_ms` decides what is ambiguous. */
export type Zone = (wall_ms: number, now_ms: number) => number;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Why a text is no location; undefined where it is one. */
export function whatIsWrongWithLocation(location: string): string | undefined {
  try {
    createZone(location);
    return undefined;
  } catch {
    // What V8 says of it tells the user less than this.
    return 'it is none of Local, UTC, an offset such as +02:00 and a name such as Europe/Berlin';
  }
}

/**
 * A zone by `Local` (the machine's own), `UTC`, an offset as `+02:00`, or a name as `Europe/Berlin`. A time that clocks
 * skip counts from before the change; of a time that they show twice the first is meant, unless it is just now that they
 * show it for the second time.
 * @throws {RangeError} where there is no such zone
 */
export function createZone(location: string): Zone {
  if (/^(utc|gmt|z)$/i.test(location)) return (wall_ms) => wall_ms;
  const offset = /^([+-])(\d\d):?(\d\d)$/.exec(location);
  if (offset !== null) {
    const offset_ms = Number(`${offset[1]}1`) * (Number(offset[2]) * HOUR_MS + Number(offset[3]) * MINUTE_MS);
    return (wall_ms) => wall_ms - offset_ms;
  }
  return perMinute(/^local$/i.test(location) ? localTimes : timesIn(location));
}

/** Both Unix times that a wall clock may mean; mostly the same one twice. */
type Meanings = readonly [earlier_ms: number, later_ms: number];

/** Lines follow each other closely, and no zone changes within a minute. */
function perMinute(meaningsOf: (wall_ms: number) => Meanings): Zone {
  let known = NaN;
  let earlier = 0;
  let later = 0;
  return (wall_ms, now_ms) => {
    const rest = wall_ms % MINUTE_MS;
    const minute = wall_ms - rest;
    if (minute !== known) {
      [earlier, later] = meaningsOf(minute);
      known = minute;
    }
    const isSecond = later !== earlier && Math.abs(now_ms - later) < HOUR_MS && later <= now_ms + MINUTE_MS;
    return (isSecond ? later : earlier) + rest;
  };
}

/** By `Date`, as Temporal costs megabytes, which only who names another zone need pay. */
function localTimes(wall_ms: number): Meanings {
  const wall = new Date(wall_ms);
  const earlier = new Date(0);
  earlier.setFullYear(wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate());
  earlier.setHours(wall.getUTCHours(), wall.getUTCMinutes(), wall.getUTCSeconds(), 0);
  const first = earlier.getTime();
  // Three hours on, any change of clocks that repeats this time is over.
  const later = wall_ms + new Date(first + 3 * HOUR_MS).getTimezoneOffset() * MINUTE_MS;
  const isShownTwice = later > first && later + new Date(later).getTimezoneOffset() * -MINUTE_MS === wall_ms;
  return [first, isShownTwice ? later : first];
}

function timesIn(name: string): (wall_ms: number) => Meanings {
  const times = (wall_ms: number): Meanings => {
    const wall = Temporal.Instant.fromEpochMilliseconds(wall_ms).toZonedDateTimeISO('UTC').toPlainDateTime();
    const first = wall.toZonedDateTime(name, { disambiguation: 'compatible' }).epochMilliseconds;
    const last = wall.toZonedDateTime(name, { disambiguation: 'later' }).epochMilliseconds;
    return [first, last];
  };
  times(0);
  return times;
}
