import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { whatIsWrongWithLayout } from '../../../src/logs/time/layout.ts';
import { createTimeReader } from '../../../src/logs/time/reader.ts';
import { timestampText } from '../../../src/text/timestamp.ts';

const now_ms = (): number => Date.parse('2026-11-22T06:00:00Z');

function read(text: string, location = 'UTC', layout?: string): string | undefined {
  const time = createTimeReader({ location, layout }, now_ms).readValue(text);
  return time === undefined ? undefined : timestampText(time);
}

describe('createTimeReader recognizes', () => {
  test.each([
    ['2026-01-02T15:04:05Z', '2026-01-02T15:04:05.000000000Z'],
    ['2026-01-02t15:04:05.1z', '2026-01-02T15:04:05.100000000Z'],
    ['2026-01-02T15:04:05.123456789Z', '2026-01-02T15:04:05.123456789Z'],
    ['2026-01-02T15:04:05.1234567899Z', '2026-01-02T15:04:05.123456789Z'],
    ['2026-01-02T15:04:05,5+02:00', '2026-01-02T13:04:05.500000000Z'],
    ['2026-01-02T15:04:05-0730', '2026-01-02T22:34:05.000000000Z'],
    ['2026-01-02 15:04:05+02', '2026-01-02T13:04:05.000000000Z'],
    ['2026-01-02 15:04:05.123 +0200', '2026-01-02T13:04:05.123000000Z'],
    ['2026-01-02 15:04:05,123', '2026-01-02T15:04:05.123000000Z'],
    ['2026/01/02 15:04:05', '2026-01-02T15:04:05.000000000Z'],
    ['2026-01-02 15:04', '2026-01-02T15:04:00.000000000Z'],
    ['2026-01-02 15:04:05.123 UTC', '2026-01-02T15:04:05.123000000Z'],
    ['20260102T150405Z', '2026-01-02T15:04:05.000000000Z'],
    ['20260102 15:04:05.678901', '2026-01-02T15:04:05.678901000Z'],
    ['02/Jan/2026:15:04:05 +0100', '2026-01-02T14:04:05.000000000Z'],
    ['Jan  2 15:04:05', '2026-01-02T15:04:05.000000000Z'],
    ['Jan 02 15:04:05.123456', '2026-01-02T15:04:05.123456000Z'],
    ['Jan 2 2024 15:04:05', '2024-01-02T15:04:05.000000000Z'],
    ['Jan 2, 2024 3:04:05 PM', '2024-01-02T15:04:05.000000000Z'],
    ['Jan 2, 2024 12:04:05\u202fAM', '2024-01-02T00:04:05.000000000Z'],
    ['02 Jan 2024 15:04:05.123', '2024-01-02T15:04:05.123000000Z'],
    ['02-Jan-2024 15:04:05.123', '2024-01-02T15:04:05.123000000Z'],
    ['Tue Jan  2 15:04:05 2024', '2024-01-02T15:04:05.000000000Z'],
    ['Tue Jan 02 15:04:05.123456 2024', '2024-01-02T15:04:05.123456000Z'],
    ['Tue Jan  2 15:04:05 UTC 2024', '2024-01-02T15:04:05.000000000Z'],
    ['Tue, 02 Jan 2024 15:04:05 +0100', '2024-01-02T14:04:05.000000000Z'],
    ['2026-06-30T23:59:60Z', '2026-07-01T00:00:00.000000000Z'],
    ['1704207845', '2024-01-02T15:04:05.000000000Z'],
    ['1704207845.123456789', '2024-01-02T15:04:05.123456789Z'],
    ['1704207845123', '2024-01-02T15:04:05.123000000Z'],
    ['1704207845123.5', '2024-01-02T15:04:05.123500000Z'],
    ['1704207845123456', '2024-01-02T15:04:05.123456000Z'],
    ['1704207845123456789', '2024-01-02T15:04:05.123456789Z'],
  ])('%s', (text, time) => expect(read(text)).toBe(time));

  test.each([
    '',
    '5',
    '12345678',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-02T24:00:00Z',
    '2026-01-02T15:60:00Z',
    '2026-01-02',
    '2026-01-02T15:04:05Zx',
    '15:04:05',
    'Feb 30 00:00:00',
    'Jan 2, 2024 13:04:05 PM',
    '1.2.3.4',
    '1e9',
    '99999999999999999999',
    '1969-12-31T23:59:59Z',
    'Mon',
    'May',
    '02/01/2026 15:04:05',
  ])('no time in %j', (text) => expect(read(text)).toBeUndefined());

  test('every time that RFC 3339 can write, to the nanosecond', () => {
    const nanosecond = fc.bigInt({ min: 0n, max: 4_102_444_800_000_000_000n });
    const minutes = fc.integer({ min: -14 * 60, max: 14 * 60 });
    fc.assert(
      fc.property(nanosecond, minutes, fc.constantFrom('T', ' '), (time, offset, separator) => {
        const wall = timestampText(time + BigInt(offset) * 60_000_000_000n);
        const hours = String(Math.trunc(Math.abs(offset) / 60)).padStart(2, '0');
        const zone = `${offset < 0 ? '-' : '+'}${hours}:${String(Math.abs(offset) % 60).padStart(2, '0')}`;
        fc.pre(time + BigInt(offset) * 60_000_000_000n >= 0n);
        const text = wall.replace('T', separator).replace('Z', zone);
        expect(createTimeReader({ location: 'Local' }).readValue(text)).toBe(time);
      }),
    );
  });
});

describe('createTimeReader gives a time without a year', () => {
  test.each([
    ['2026-01-01T00:00:05Z', 'Dec 31 23:59:59', '2025-12-31T23:59:59'],
    ['2025-12-31T23:59:59Z', 'Jan  1 00:00:01', '2026-01-01T00:00:01'],
    ['2026-11-22T06:00:00Z', 'Nov 22 06:00:00', '2026-11-22T06:00:00'],
    ['2026-11-22T06:00:00Z', 'Nov 24 06:00:00', '2025-11-24T06:00:00'],
    ['2026-11-22T06:00:00Z', 'Feb 29 12:00:00', '2024-02-29T12:00:00'],
    ['2103-11-22T06:00:00Z', 'Feb 29 12:00:00', '2096-02-29T12:00:00'],
  ])('at %s, of %s, the latest that is not to come', (now, text, expected) => {
    const reader = createTimeReader({ location: 'UTC' }, () => Date.parse(now));
    expect(timestampText(reader.readValue(text)!)).toBe(`${expected}.000000000Z`);
  });
});

describe('createTimeReader in Europe/Berlin', () => {
  const at = (now: string, text: string): string | undefined => {
    const time = createTimeReader({ location: 'Europe/Berlin' }, () => Date.parse(now)).readValue(text);
    return time === undefined ? undefined : timestampText(time).slice(0, 19);
  };

  test('knows summer and winter', () => {
    expect(at('2026-11-22T06:00:00Z', '2026-01-02 12:00:00')).toBe('2026-01-02T11:00:00');
    expect(at('2026-11-22T06:00:00Z', '2026-07-02 12:00:00')).toBe('2026-07-02T10:00:00');
  });
  test('goes on from before the change in the hour that clocks skip', () => {
    expect(at('2026-11-22T06:00:00Z', '2026-03-29 02:30:00')).toBe('2026-03-29T01:30:00');
  });
  test('takes the first of the hours that clocks show twice', () => {
    expect(at('2026-11-22T06:00:00Z', '2026-10-25 02:30:00')).toBe('2026-10-25T00:30:00');
  });
  test('takes the second of them while it lasts', () => {
    expect(at('2026-10-25T01:30:02Z', '2026-10-25 02:30:00')).toBe('2026-10-25T01:30:00');
    expect(at('2026-10-25T00:30:02Z', '2026-10-25 02:30:00')).toBe('2026-10-25T00:30:00');
  });
  test('agrees with Temporal in any minute', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), (second) => {
        const wall = Temporal.Instant.fromEpochMilliseconds(second * 1000)
          .toZonedDateTimeISO('UTC')
          .toPlainDateTime();
        const expected = wall.toZonedDateTime('Europe/Berlin').epochMilliseconds;
        const reader = createTimeReader({ location: 'Europe/Berlin' }, now_ms);
        expect(reader.readValue(wall.toString({ smallestUnit: 'second' }))).toBe(
          expected < 0 ? undefined : BigInt(expected) * 1_000_000n,
        );
      }),
    );
  });
});

test('Local is the zone of the process, daylight saving included', () => {
  const before = process.env['TZ'];
  try {
    process.env['TZ'] = 'America/New_York';
    expect(read('2026-07-02 12:00:00', 'Local')).toBe('2026-07-02T16:00:00.000000000Z');
    expect(read('2026-03-08 02:30:00', 'Local')).toBe('2026-03-08T07:30:00.000000000Z');
    expect(read('2026-11-01 01:30:00', 'Local')).toBe('2026-11-01T05:30:00.000000000Z');
    const reader = createTimeReader({ location: 'Local' }, () => Date.parse('2026-11-01T06:30:01Z'));
    expect(timestampText(reader.readValue('2026-11-01 01:30:00')!)).toBe('2026-11-01T06:30:00.000000000Z');
  } finally {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  }
});

describe('a layout', () => {
  test.each([
    ['%d.%m.%Y %H:%M:%S.%f', '02.01.2026 15:04:05.25', '2026-01-02T15:04:05.250000000Z'],
    ['%m/%d/%y %I:%M:%S %p', '01/02/26 03:04:05 pm', '2026-01-02T15:04:05.000000000Z'],
    ['%A, %d-%B-%Y %T %z', 'Friday, 02-January-2026 15:04:05 +0100', '2026-01-02T14:04:05.000000000Z'],
    ['%FT%R', '2026-01-02T15:04', '2026-01-02T15:04:00.000000000Z'],
    ['%s.%f', '1704207845.5', '2024-01-02T15:04:05.500000000Z'],
    ['%% %D', '% 01/02/26', '2026-01-02T00:00:00.000000000Z'],
    ['unix_us', '5', '1970-01-01T00:00:00.000005000Z'],
    ['unix', '5.000000001', '1970-01-01T00:00:05.000000001Z'],
  ])('%s reads %s', (layout, text, time) => expect(read(text, 'UTC', layout)).toBe(time));

  test('reads nothing else', () => {
    expect(read('2026-01-02T15:04:05Z', 'UTC', '%d.%m.%Y %H:%M')).toBeUndefined();
    expect(read('02.01.2026 15:04 h', 'UTC', '%d.%m.%Y %H:%M')).toBeUndefined();
    expect(read('2026-01-02T15:04:05Z', 'UTC', 'unix')).toBeUndefined();
  });

  test.each([
    ['%d.%m.%Y %Q', '"%Q" at 9 means nothing'],
    ['%d %b %', 'the layout ends with a percent sign'],
    ['%H:%M:%S', 'the layout has no day: %d or %e'],
    ['%d.%H', 'the layout has no month: %m or %b'],
    ['%d.%m. %I:%M', 'the layout has an hour of twelve without %p; %H is one of 24'],
  ])('%s is refused: %s', (layout, reason) => expect(whatIsWrongWithLayout(layout)).toBe(reason));
});
