/** time(), timestamp() and the parts of dates, all in UTC. */
import type { ArgumentValue, CallContext, WholeFunction } from '../functions.ts';
import { NO_LABELS } from '../labels.ts';
import { emptyColumns, pushFloat, type Vector } from '../values.ts';

const time: WholeFunction = {
  kind: 'whole',
  name: 'time',
  arguments: [],
  variadic: 0,
  returns: 'scalar',
  dependsOnTime: true,
  evaluate: (_values, { time_ms }) => time_ms / 1000,
};

const timestamp: WholeFunction = {
  kind: 'whole',
  name: 'timestamp',
  arguments: ['vector'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: true,
  evaluate([vector], context) {
    const { labels, times } = vector as Vector;
    return {
      labels: labels.map((one) => context.withoutName(one)),
      values: labels.map((_, row) => (times === undefined ? context.time_ms : times[row]!) / 1000),
    };
  },
};

const datePart = (name: string, part: (moment: Moment) => number): WholeFunction => ({
  kind: 'whole',
  name,
  arguments: ['vector'],
  variadic: 1,
  returns: 'vector',
  dependsOnTime: true,
  evaluate: (values, context) => mapDates(values, context, part),
});

function mapDates([vector]: readonly ArgumentValue[], context: CallContext, part: (moment: Moment) => number): Vector {
  if (vector === undefined) {
    return { labels: [NO_LABELS], values: [part(momentOf(Math.trunc(context.time_ms / 1000)))] };
  }
  const result = emptyColumns();
  const { labels, values, histograms } = vector as Vector;
  for (const [row, value] of values.entries()) {
    if (histograms?.[row] === undefined) pushFloat(result, context.withoutName(labels[row]!), part(momentOf(value)));
  }
  return result;
}

/** A second of the proleptic Gregorian calendar: `date` is it in a year that looks the same, `year` the true one. */
interface Moment {
  readonly date: Date;
  readonly year: number;
}

const MAX_DATE_SECONDS = 8.64e12;
/** From Go's first year to 1970: the first of January of -292277022399 begins its calendar (package time, absoluteZeroYear). */
const ZERO_YEAR = -292_277_022_399;
const UNIX_TO_ZERO = 62_135_596_800n + 9_223_371_966_579_724_800n;
const DAYS_IN_400_YEARS = 146_097n;
const MIN_INT64 = -(2n ** 63n);

/** Seconds that no Date can hold are taken as Go takes them, with the overflow of its 64 bits: NaN has a year, too. */
function momentOf(seconds: number): Moment {
  const whole = Math.trunc(seconds);
  if (Math.abs(whole) <= MAX_DATE_SECONDS) {
    const date = new Date(whole * 1000);
    return { date, year: date.getUTCFullYear() };
  }
  const exact = whole >= -(2 ** 63) && whole < 2 ** 63 ? BigInt(whole) : MIN_INT64;
  const sinceZero = BigInt.asUintN(64, exact + UNIX_TO_ZERO);
  const cycle = DAYS_IN_400_YEARS * 86_400n;
  // 2001 is a first year of 400, as the year in which the calendar begins.
  const date = new Date(Date.UTC(2001, 0, 1) + Number(sinceZero % cycle) * 1000);
  return { date, year: ZERO_YEAR + Number(sinceZero / cycle) * 400 + date.getUTCFullYear() - 2001 };
}

export const dateFunctions = [
  datePart('day_of_month', ({ date }) => date.getUTCDate()),
  datePart('day_of_week', ({ date }) => date.getUTCDay()),
  datePart('day_of_year', ({ date }) => {
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
    return Math.round((utcDay(year, month, day) - utcDay(year, 0, 1)) / 86_400_000) + 1;
  }),
  datePart('days_in_month', ({ date }) => {
    const last = new Date(utcDay(date.getUTCFullYear(), date.getUTCMonth() + 1, 0));
    return last.getUTCDate();
  }),
  datePart('hour', ({ date }) => date.getUTCHours()),
  datePart('minute', ({ date }) => date.getUTCMinutes()),
  datePart('month', ({ date }) => date.getUTCMonth() + 1),
  time,
  timestamp,
  datePart('year', ({ year }) => year),
] as const;

/** Date.UTC takes the years 0 to 99 for 1900 to 1999. */
function utcDay(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month, day);
}
