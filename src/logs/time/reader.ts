/** Reads times: at the front of a text, or as the value of a field. */
import * as v from 'valibot';
import { option, optional } from '../../config/options.ts';
import type { AnyValue } from '../../model/attributes.ts';
import { DoubleValue } from '../../model/attributes.ts';
import { compileLayout, whatIsWrongWithLayout, type ReadTime } from './layout.ts';
import { Moment, unixTime, type TimeContext } from './moment.ts';
import { recognizeTime } from './recognize.ts';
import { createZone, whatIsWrongWithLocation } from './zone.ts';

/** Digits behind the point of a second that each unit stands for. */
const UNITS = { unix: 9, unix_ms: 6, unix_us: 3, unix_ns: 0 } as const;

/** What users say of the times in their lines. */
export const timestampOption = option(
  v.strictObject({
    field: optional(
      v.pipe(v.string(), v.minLength(1, 'the name of a field')),
      'The field, or named group, that holds the time; those that are usual, as time, ts and timestamp, if left out.',
    ),
    layout: optional(
      v.pipe(
        v.string(),
        v.rawCheck(({ dataset, addIssue }) => {
          if (!dataset.typed || Object.hasOwn(UNITS, dataset.value)) return;
          const wrong = whatIsWrongWithLayout(dataset.value);
          if (wrong !== undefined) addIssue({ message: wrong });
        }),
      ),
      'How times are written, in the words of strptime(3), as "%d.%m.%Y %H:%M:%S.%f"; or unix, unix_ms, unix_us, unix_ns. The usual ways are recognised if left out.',
    ),
    location: option(
      v.pipe(
        v.string(),
        v.rawCheck(({ dataset, addIssue }) => {
          const wrong = dataset.typed ? whatIsWrongWithLocation(dataset.value) : undefined;
          if (wrong !== undefined) addIssue({ message: wrong });
        }),
      ),
      'Where clocks are that do not say it: Local, UTC, an offset as +02:00, or a name as Europe/Berlin.',
      'Local',
    ),
  }),
  'The time of each line.',
  {},
);

export interface TimestampConfig {
  readonly field?: string | undefined;
  readonly layout?: string | undefined;
  readonly location: string;
}

export interface TimeReader {
  /** The time that a text has at `at`; undefined where there is none. */
  readAt(text: string, at: number): bigint | undefined;
  /** Where the time that was read last ends. */
  readonly end: number;
  /** The time that a field holds. */
  readValue(value: AnyValue): bigint | undefined;
}

export function createTimeReader(
  { layout, location }: Pick<TimestampConfig, 'layout' | 'location'>,
  now_ms: () => number = Date.now,
): TimeReader {
  const context: TimeContext = { zone: createZone(location), now_ms };
  const unit = layout !== undefined && Object.hasOwn(UNITS, layout) ? UNITS[layout as keyof typeof UNITS] : undefined;
  const read = layout === undefined ? recognizeTime : unit === undefined ? compileLayout(layout) : readNothing;
  const isRecognizing = layout === undefined;
  const moment = new Moment();
  const reader = {
    end: 0,
    readAt(text: string, at: number): bigint | undefined {
      moment.clear();
      const end = read(text, at, moment);
      if (end < 0) return undefined;
      reader.end = end;
      return unixTime(moment, context);
    },
    readValue(value: AnyValue): bigint | undefined {
      const text = textOf(value);
      if (text === undefined) return undefined;
      if (unit !== undefined || isRecognizing) {
        const time = unixTimeOf(text, unit);
        if (time !== undefined || unit !== undefined) return time;
      }
      const time = reader.readAt(text, 0);
      return reader.end === text.length ? time : undefined;
    },
  };
  return reader;
}

/** Unix time is a field's: at the front of a line digits may be anything. */
const readNothing: ReadTime = () => -1;

function textOf(value: AnyValue): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof DoubleValue) return String(value.value);
  // As MongoDB has it: {"$date": "…"}.
  if (typeof value === 'object' && value !== null && '$date' in value)
    return textOf((value as { $date: AnyValue }).$date);
  return undefined;
}

/** Since 1970 in seconds, or parts of them: which, the number of digits tells for all times from 1973 to 5138. */
function unixTimeOf(text: string, unit: number | undefined): bigint | undefined {
  const first = text.charCodeAt(0);
  if (!(first >= 0x30 && first <= 0x39) || text.length > 40) return undefined;
  const match = /^(\d{1,20})(?:\.(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, whole, fraction = ''] = match;
  const digits = unit ?? unitOf(whole!.length);
  if (digits === undefined) return undefined;
  const time = BigInt(whole! + fraction.padEnd(digits, '0').slice(0, digits));
  return time < 1n << 64n ? time : undefined;
}

function unitOf(digits: number): number | undefined {
  if (digits < 9 || digits > 19) return undefined;
  return digits <= 11 ? UNITS.unix : digits <= 14 ? UNITS.unix_ms : digits <= 17 ? UNITS.unix_us : UNITS.unix_ns;
}
