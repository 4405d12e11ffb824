import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSyslog, SYSLOG_FACILITY_NAMES, type SyslogMessage } from '../../src/logs/syslog.ts';

const now_ns = BigInt(Date.parse('2026-11-22T06:00:00Z')) * 1_000_000n;

function parse(text: string, isPriorityOptional = false): SyslogMessage | undefined {
  return parseSyslog(text, { now_ns, location: 'UTC', isPriorityOptional });
}

describe('parseSyslog of RFC 5424', () => {
  test('gives back what any message holds', () => {
    const name = fc.stringMatching(/^[!-~]{1,32}$/).filter((text) => text !== '-');
    const sdName = name.map((text) => text.replace(/[="\]]/g, '_'));
    const elements = fc.dictionary(sdName, fc.dictionary(sdName, fc.string({ unit: 'grapheme' })), {
      minKeys: 1,
      maxKeys: 3,
      noNullPrototype: true,
    });
    const field = fc.option(name, { nil: '' });
    const message = fc.string({ unit: 'grapheme' }).filter((text) => !/[\n\r\0]$|^\ufeff/.test(text));
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 191 }),
        fc.tuple(field, field, field, field),
        fc.option(elements, { nil: undefined }),
        message,
        fc.boolean(),
        (priority, fields, data, text, hasMark) => {
          const escaped = (value: string): string => value.replace(/["\\\]]/g, '\\$&');
          const parameters = (element: Readonly<Record<string, string>>): string =>
            Object.entries(element)
              .map(([key, value]) => ` ${key}="${escaped(value)}"`)
              .join('');
          const structured =
            data === undefined
              ? '-'
              : Object.entries(data)
                  .map(([id, element]) => `[${id}${parameters(element)}]`)
                  .join('');
          const header = fields.map((one) => (one === '' ? '-' : one)).join(' ');
          const mark = hasMark ? '\ufeff' : '';
          const read = parse(`<${priority}>1 2026-11-22T05:00:00.000001+01:00 ${header} ${structured} ${mark}${text}`)!;
          expect([read.hostname, read.appName, read.procId, read.msgId]).toEqual(fields);
          expect(read).toMatchObject({ version: 1, time: 1_795_320_000_000_001_000n, message: text });
          expect([read.facility, read.severity]).toEqual([priority >> 3, priority & 7]);
          expect(read.structuredData).toEqual(data);
        },
      ),
    );
  });

  test('keeps a backslash that escapes nothing, and joins parameters that come twice', () => {
    const message = parse('<34>1 - - - - - [a x="\\n\\]" ip="::1" ip="10.0.0.1"] m')!;
    expect(message.structuredData).toEqual({ a: { x: '\\n]', ip: '::1,10.0.0.1' } });
  });

  test('keeps what is no structured data in the message', () => {
    expect(parse('<34>1 - host app - - [not data] text')).toMatchObject({
      structuredData: undefined,
      message: '[not data] text',
    });
    expect(parse('<34>1 - host app - - text')!.message).toBe('text');
    expect(parse('<34>1 - host app - -')).toMatchObject({ hostname: 'host', message: '' });
  });
});

describe('parseSyslog of RFC 3164', () => {
  test.each([
    ['<30>Nov 22 05:00:00 web1 sshd[12]: text', { hostname: 'web1', appName: 'sshd', procId: '12', message: 'text' }],
    ['<30>Nov  2 05:00:00 sshd[12]: text\n\0', { hostname: '', appName: 'sshd', procId: '12', message: 'text' }],
    ['<30>sshd[12]: text', { time: 0n, appName: 'sshd', procId: '12', message: 'text' }],
    ['<30>only text', { time: 0n, appName: '', message: 'only text' }],
    ['<30>', { time: 0n, message: '' }],
    [
      '<30>2026-11-22T05:00:00.5Z web1 app: text',
      { time: 1_795_323_600_500_000_000n, hostname: 'web1', appName: 'app' },
    ],
    ['<30>Nov 22 2025 05:00:00 asa1 : %ASA-6-302013: Built', { hostname: 'asa1', message: ': %ASA-6-302013: Built' }],
    ['<30>Nov 22 05:00:00 2001:db8::1 app: text', { hostname: '2001:db8::1', appName: 'app', message: 'text' }],
    ['<30>Nov 22 05:00:00 web1 My::Module[1]: text', { appName: 'My::Module', procId: '1' }],
    ['<30>Nov 22 05:00:00 web1 app[unit.service]: text', { appName: 'app', procId: 'unit.service' }],
    ['<30>Nov 22 05:00:00 web1 see http://example.com: ok', { appName: '', message: 'see http://example.com: ok' }],
    ['<189>29: *Apr 22 13:58:40.411: %SYS-5-X: text', { time: 1_776_866_320_411_000_000n, appName: '%SYS-5-X' }],
    ['<30>1 is not a version', { version: 0, message: '1 is not a version' }],
  ])('%j', (text, expected) => expect(parse(text)).toMatchObject(expected));

  test.each(['', 'text', '<', '<>', '<192>x', '<1234>x', '<a>x', '30>x', 'Nov 22 05:00:00 web1 app: text'])(
    'is not %j',
    (text) => expect(parse(text)).toBeUndefined(),
  );

  test('is a line of a file without priority where that is asked for', () => {
    expect(parse('Nov 22 05:00:00 web1 app[1]: text', true)).toMatchObject({
      severity: undefined,
      facility: undefined,
      severityNumber: 0,
      hostname: 'web1',
      attributes: { 'host.name': 'web1', 'syslog.appname': 'app', 'process.pid': 1 },
    });
    expect(parse('no time', true)).toBeUndefined();
  });
});

test('parseSyslog gives severities by the log data model', () => {
  const numbers = Array.from({ length: 8 }, (_, code) => parse(`<${code}>x`)!.severityNumber);
  expect(numbers).toEqual([21, 19, 18, 17, 13, 10, 9, 5]);
  expect(parse('<165>x')).toMatchObject({ severityText: 'notice', attributes: { 'syslog.facility': 'local4' } });
  expect(SYSLOG_FACILITY_NAMES).toHaveLength(24);
});
