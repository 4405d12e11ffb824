import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { createLineParser, formatEntries } from '../../src/logs/format.ts';
import { ConfigError } from '../../src/errors.ts';
import { formatConfig, parserOf } from './config.ts';

describe('createLineParser refuses', () => {
  test.each([
    [{ format: 'regex' as const }, 'receivers.logs.format', 'pattern is missing'],
    [{ format: 'json' as const, pattern: '(?P<a>b)' }, 'receivers.logs.pattern', 'the format is json'],
    [{ format: 'clf' as const, timestamp: { field: 'a' } }, 'receivers.logs.timestamp.field', 'have none'],
    [{ format: 'none' as const, severity: { field: 'a' } }, 'receivers.logs.severity.field', 'have none'],
  ])('%j', (config, path, message) => {
    const create = () => createLineParser(formatConfig(config), { path: 'receivers.logs' });
    expect(create).toThrow(ConfigError);
    expect(create).toThrow(message);
    try {
      create();
    } catch (error) {
      expect((error as ConfigError).problems[0]).toMatchObject({ path });
    }
  });

  test.each([
    [{ pattern: '(?P<a>b' }, 'pattern', 'it is no regular expression: the group at 0 is not closed'],
    [{ pattern: '(?P<a>b)(?=c)' }, 'pattern', 'it is no regular expression: look-ahead at 8 is not supported'],
    [{ pattern: '(a)' }, 'pattern', 'it has no named group'],
    [{ timestamp: { layout: '%d.%m. %Q' } }, 'timestamp.layout', '"%Q" at 7 means nothing'],
    [{ timestamp: { location: 'Berlin' } }, 'timestamp.location', 'a name such as Europe/Berlin'],
  ])('the option %j at its place', (config, path, message) => {
    const result = v.safeParse(v.strictObject(formatEntries), config);
    expect(v.getDotPath(result.issues![0])).toBe(path);
    expect(result.issues![0].message).toContain(message);
  });
});

describe('json', () => {
  const parser = parserOf({ format: 'json' });

  test('keeps every integer of 64 bits, and every double', () => {
    const integer = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
    fc.assert(
      fc.property(integer, fc.double({ noNaN: true, noDefaultInfinity: true }), (whole, double) => {
        const { attributes } = parser.parse(`{"whole":${whole},"double":${JSON.stringify(double)}}`)!;
        expect(BigInt(attributes['whole'] as bigint)).toBe(whole);
        const read = attributes['double'];
        const value = typeof read === 'object' ? (read as { value: number }).value : Number(read);
        expect(value === double || (value === 0 && double === 0)).toBe(true);
      }),
    );
  });

  test('takes the last of fields of the same name', () => {
    expect(parser.parse('{"a":1,"a":2,"msg":"x"}')!.attributes).toEqual({ a: 2 });
  });

  test('keeps what nests deeper than 32 as its text', () => {
    const deep = `${'{"a":'.repeat(40)}[1.0,12345678901234567890]${'}'.repeat(40)}`;
    let value: unknown = parser.parse(deep)!.attributes;
    let depth = 0;
    for (; typeof value === 'object'; depth++) value = (value as { a: unknown }).a;
    expect(depth).toBe(32);
    expect(value).toBe(`${'{"a":'.repeat(8)}[1,"12345678901234567890"]${'}'.repeat(8)}`);
  });

  test.each([
    '',
    '[]',
    '1',
    '"x"',
    'null',
    '{',
    '{"a":}',
    '{"a":1} x',
    `{${Array.from({ length: 1001 }, (_, i) => `"${i}":1`)}}`,
  ])('is not %.20j', (text) => expect(parser.parse(text)).toBeUndefined());

  test('takes the field that is named for the time and the severity', () => {
    const named = parserOf({
      format: 'json',
      timestamp: { field: 'when', layout: '%d.%m.%Y %H:%M:%S', location: 'Europe/Berlin' },
      severity: { field: 'how', mapping: { schlimm: 'error' } },
    });
    expect(
      named.parse('{"when":"02.01.2026 15:04:05","how":"Schlimm","time":1704207845,"level":"info"}'),
    ).toMatchObject({
      time: 1_767_362_645_000_000_000n,
      severityNumber: 17,
      severityText: 'Schlimm',
      attributes: { time: 1_704_207_845, level: 'info' },
    });
  });

  test.each([
    ['auto', 30, 9],
    ['syslog', 3, 17],
    ['python', 30, 13],
    ['otel', 18, 18],
  ] as const)('takes numbers of %s', (numbers, level, severityNumber) => {
    const line = parserOf({ format: 'json', severity: { numbers } }).parse(`{"level":${level}}`)!;
    expect(line.severityNumber).toBe(severityNumber);
  });

  test('leaves what is no time, id or severity where it is', () => {
    const attributes = { time: 'noon', trace_id: 'x', span_id: '0000000000000000', level: 99.5, trace_flags: 'zz' };
    expect(parser.parse(JSON.stringify(attributes))).toMatchObject({ time: 0n, traceId: '', spanId: '', attributes });
  });
});

describe('regex', () => {
  test('makes fields of named groups, as JavaScript finds them', () => {
    const pattern = String.raw`^(?<time>\S+) (?<level>[A-Z]+)(?: \[(?<thread>[^\]]*)\])? (?<logger>\S+?): (?<message>.*)$`;
    const parser = parserOf({ format: 'regex', pattern });
    const word = fc.stringMatching(/^[a-z:[\] ]{0,12}$/);
    fc.assert(
      fc.property(fc.constantFrom('INFO', 'WARN', 'x'), word, word, (level, thread, message) => {
        const line = `2026-01-02T15:04:05Z ${level} [${thread}] ${message}`;
        const expected = new RegExp(pattern).exec(line)?.groups;
        const parsed = parser.parse(line);
        if (expected === undefined) {
          expect(parsed).toBeUndefined();
          return;
        }
        const { thread: found, logger } = expected;
        expect(parsed!.attributes).toEqual({ ...(found === undefined ? {} : { thread: found }), logger });
        expect(parsed!.body).toBe(expected['message']);
        expect(parsed!.time).toBe(1_767_366_245_000_000_000n);
      }),
    );
  });

  test('keeps the whole line as body without a group for it', () => {
    const parser = parserOf({ format: 'regex', pattern: 'took (?P<took>\\d+) ms' });
    expect(parser.parse('it took 12 ms')).toMatchObject({ body: 'it took 12 ms', attributes: { took: '12' } });
    expect(parser.parse('it did not take')).toBeUndefined();
  });
});

describe('a line of a container', () => {
  test('is read by its content only where it came whole', () => {
    const parser = parserOf({ format: 'cri' });
    const first = parser.parse('2026-11-22T05:00:00.5Z stdout P {"level":"warn",')!;
    const last = parser.parse('2026-11-22T05:00:00.6Z stdout F "msg":"x"}')!;
    expect([first.isPartial, last.isPartial, last.body]).toEqual([true, undefined, '"msg":"x"}']);
    expect([first.severityNumber, last.severityNumber]).toEqual([0, 0]);
    expect(parser.parse('2026-11-22T05:00:00.7Z stdout F {"level":"error"}')!.severityNumber).toBe(17);
  });

  test('keeps the time of the runtime where its own lacks a zone', () => {
    const parser = parserOf({ format: 'cri', timestamp: { location: 'Europe/Berlin' } });
    const line = parser.parse('2026-11-22T05:00:00.5Z stdout F 2026-11-22 05:00:00.4 INFO text')!;
    expect(line.time).toBe(1_795_323_600_500_000_000n);
  });

  test('is what the content is with content: none', () => {
    const parser = parserOf({ format: 'docker', content: 'none' });
    const line = parser.parse('{"log":"{\\"level\\":\\"warn\\"}\\n","stream":"stdout","time":"2026-11-22T05:00:00Z"}')!;
    expect([line.body, line.severityNumber]).toEqual(['{"level":"warn"}', 0]);
  });
});

describe('auto', () => {
  test.each([
    '{"cut',
    '{}x',
    '{not json}',
    '<b>bold</b>',
    '<13',
    'a=b',
    'PATH=/bin USER=root',
    'x=1 y=2 level',
    'level=info',
    '2026-11-22T05:00:00Z ERROR main[1]: text',
    '2026-11-22T05:00:00Z host app: text',
    'Nov or Dec',
    'Nov 22 is a day',
    '2026-11-22T05:00:00Z stdout X text',
    'std - - [not a time] "GET / HTTP/1.1" 200 1',
    'http://a?b=c&level=info msg=x',
  ])('keeps %j whole', (text) => {
    expect(parserOf({ format: 'auto' }).parse(text)).toMatchObject({ body: text, attributes: {} });
  });

  test('keeps any prose whole', () => {
    const word = fc.constantFrom(
      'the',
      'Nov',
      '22',
      '05:00:00',
      'GET',
      'a=b',
      '{',
      '}',
      '"',
      '[x]',
      '1.2.3.4',
      '-',
      '<p>',
      ':',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const text = words.join(' ');
        expect(parserOf({ format: 'auto' }).parse(text)).toMatchObject({ body: text, attributes: {} });
      }),
    );
  });

  test('knows the host of a file of syslog once it was sure of it', () => {
    const parser = parserOf({ format: 'auto' });
    const line = '2026-11-22T05:00:00Z web1 app: text';
    expect(parser.parse(line)!.body).toBe(line);
    parser.parse('2026-11-22T05:00:00Z web1 sshd[1]: text');
    expect(parser.parse(line)).toMatchObject({ body: 'text', attributes: { 'host.name': 'web1' } });
  });
});

test('none keeps any line as it is', () => {
  const parser = parserOf({ format: 'none' });
  const text = `{"level":"info"}${'x'.repeat(2 << 20)}`;
  expect(parser.parse(text)).toMatchObject({ body: text, time: 0n, severityNumber: 0, attributes: {} });
});
