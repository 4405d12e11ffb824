import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import severity from '../../../processors/severity/index.ts';
import type { AnyValue } from '../../../src/model/attributes.ts';
import type { LogBatch, LogRecord } from '../../../src/model/batch.ts';
import { logBatch, logRecord, runProcessor } from '../../support/processor.ts';

const UNSET = { severityNumber: 0, severityText: '' };

async function process(config: Record<string, unknown>, record: LogRecord): Promise<LogRecord> {
  const run = runProcessor(severity, config);
  await run.consume(logBatch([record]));
  expect(run.dropped.size).toBe(0);
  return (run.out[0] as LogBatch).records[0]!;
}

async function levelOf(config: Record<string, unknown>, body: AnyValue, more: Partial<LogRecord> = {}) {
  const { severityNumber, severityText } = await process(config, logRecord(body, { ...UNSET, ...more }));
  return [severityNumber, severityText];
}

describe('severity from words of the body', () => {
  test.each([
    ['2026-01-01 12:00:00,123 ERROR [main] c.e.Foo - broke', 17, 'ERROR'],
    ['2026-01-01T00:00:00Z WRN disk nearly full', 13, 'WRN'],
    ['ts=1 level=warn msg="INFO is no level here"', 13, 'warn'],
    ['{"time":"x","level":"debug","msg":"y"}', 5, 'debug'],
    ['severity: critical', 18, 'critical'],
    ['2026/01/01 00:00:00 [error] 7#7: *1 open() failed', 17, 'error'],
    ['[Thu Jan 01 00:00:00 2026] [core:notice] [pid 1] AH00094', 10, 'notice'],
    ['warning: unused variable', 13, 'warning'],
    ['git: fatal: not a repository', 21, 'fatal'],
    ['E0102 15:04:05.678901       1 file.go:1] broke', 17, 'E'],
    ['I0102 15:04:05.678901       1 file.go:1] ERROR handled', 9, 'I'],
    ['level=unheard-of then WARN', 13, 'WARN'],
    ['<info> NetworkManager', 9, 'info'],
  ])('%s', async (body, number, text) => {
    expect(await levelOf({}, body)).toEqual([number, text]);
  });

  test.each([
    'no error was found',
    'INFORMATIVE TERRORS and ERRORS',
    'user error rate information',
    `${'x'.repeat(300)} ERROR`,
    '',
    'E0102 is a part number',
  ])('finds none in %.40s', async (body) => {
    expect(await levelOf({}, body)).toEqual([0, '']);
  });

  test('is not looked for when switched off', async () => {
    expect(await levelOf({ words: false }, 'ERROR x')).toEqual([0, '']);
  });
});

describe('severity from attributes', () => {
  test.each<[Record<string, unknown>, AnyValue, number, string]>([
    [{}, 'WARN', 13, 'WARN'],
    [{}, ' Information ', 9, ' Information '],
    [{}, 30, 0, ''],
    [{ numbers: 'pino' }, 30, 9, '30'],
    [{ numbers: 'pino' }, 35, 10, '35'],
    [{ numbers: 'pino' }, 60, 21, '60'],
    [{ numbers: 'pino' }, 99, 21, '99'],
    [{ numbers: 'pino' }, 5, 0, ''],
    [{ numbers: 'python' }, '30', 13, '30'],
    [{ numbers: 'python' }, 50, 21, '50'],
    [{ numbers: 'syslog' }, 3, 17, '3'],
    [{ numbers: 'syslog' }, 0, 21, '0'],
    [{ numbers: 'syslog' }, 8, 0, ''],
    [{ numbers: 'otel' }, 24, 24, '24'],
    [{ numbers: 'otel' }, 25, 0, ''],
    [{ mapping: { Schlimm: 'error2', '30': 'warn' } }, 'SCHLIMM', 18, 'SCHLIMM'],
    [{ mapping: { '30': 5 }, numbers: 'pino' }, 30, 5, '30'],
    [{ mapping: { error: 'info' } }, 'error', 9, 'error'],
    [{ text: 'short_name' }, 'notice', 10, 'INFO2'],
    [{ attributes: ['other'] }, 'WARN', 0, ''],
    [{}, { nested: 'WARN' }, 0, ''],
  ])('%j of %j', async (config, level, number, text) => {
    expect(await levelOf(config, 'x', { attributes: { level } })).toEqual([number, text]);
    if (!('attributes' in config)) expect(await levelOf(config, { level })).toEqual([number, text]);
  });

  test('takes the first that names one, before the text and the body', async () => {
    const attributes = { lvl: 'debug', severity: 'nonsense' };
    expect(await levelOf({}, 'ERROR', { attributes, severityText: 'fatal' })).toEqual([5, 'debug']);
    expect(await levelOf({}, 'ERROR', { severityText: 'fatal' })).toEqual([21, 'fatal']);
    expect(await levelOf({}, 'ERROR', { severityText: 'dreadful' })).toEqual([17, 'ERROR']);
  });

  test('removes the attribute that named it, if asked to', async () => {
    const record = logRecord('x', { ...UNSET, attributes: { level: 'warn', a: 1 } });
    expect((await process({ remove: true }, record)).attributes).toEqual({ a: 1 });
    expect((await process({}, record)).attributes).toBe(record.attributes);
  });
});

describe('severity', () => {
  test.each([
    ['(?P<severity>[A-Z]) +\\w+:', 'W  tag: x', 13, 'W'],
    ['^\\w+ (\\w+)', 'app warning ERROR', 13, 'warning'],
    ['info|warn', 'so we warn', 13, 'warn'],
  ])('from what the pattern %s finds', async (pattern, body, number, text) => {
    expect(await levelOf({ pattern }, body)).toEqual([number, text]);
  });

  test('takes the default where nothing names one, and keeps the text that is there', async () => {
    expect(await levelOf({ default: 'info' }, 'x')).toEqual([9, 'INFO']);
    expect(await levelOf({ default: 10 }, 'x', { severityText: 'meh' })).toEqual([10, 'meh']);
    expect(await levelOf({ default: 'info' }, 'x', { severityNumber: 17 })).toEqual([17, '']);
  });

  test('leaves a record that has one, unless told to overwrite', async () => {
    expect(await levelOf({}, 'ERROR', { severityNumber: 5, severityText: 'D' })).toEqual([5, 'D']);
    const attributes = { level: 'error' };
    expect(await levelOf({ overwrite: true }, 'x', { severityNumber: 5, attributes })).toEqual([17, 'error']);
    expect(await levelOf({ overwrite: true, default: 'info' }, 'x', { severityNumber: 5 })).toEqual([5, '']);
  });

  test('looks only at the records that are meant', async () => {
    const config = { logs: { include: [{ event_names: ['mine'] }] } };
    expect(await levelOf(config, 'ERROR')).toEqual([0, '']);
    expect(await levelOf(config, 'ERROR', { eventName: 'mine' })).toEqual([17, 'ERROR']);
  });

  test('passes on the very same batch where nothing changes', async () => {
    const run = runProcessor(severity);
    const batch = logBatch([logRecord('ERROR'), logRecord('x', UNSET)], { otlp: Uint8Array.of(1) });
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });

  test('changes nothing but the severity, and gives a valid one, whatever the record holds', async () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constantFrom('warn', 'ERROR', 'trace4', null));
    const body = fc.oneof(value, fc.dictionary(fc.constantFrom('level', 'a'), value));
    const run = runProcessor(severity, { numbers: 'pino' });
    await fc.assert(
      fc.asyncProperty(body, fc.dictionary(fc.constantFrom('level', 'lvl', 'a'), value), async (each, attributes) => {
        run.out.length = 0;
        const before = logRecord(each, { ...UNSET, attributes });
        await run.consume(logBatch([before]));
        const { severityNumber, severityText, ...rest } = (run.out[0] as LogBatch).records[0]!;
        expect({ ...rest, ...UNSET }).toEqual(before);
        expect(severityNumber >= 0 && severityNumber <= 24).toBe(true);
        if (severityNumber === 0) expect(severityText).toBe('');
      }),
    );
  });

  test.each([
    [{ pattern: '(?=x)' }, 'look-ahead'],
    [{ mapping: { a: 25 } }, '25'],
    [{ mapping: { a: 'dreadful' } }, 'dreadful'],
    [{ default: 0 }, '0'],
    [{ numbers: 'java' }, 'java'],
  ])('refuses %j', (config, message) => {
    expect(() => runProcessor(severity, config)).toThrow(message);
  });
});
