import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import count from '../../../receivers/count/index.ts';
import type { LogRecord } from '../../../src/model/batch.ts';
import { runReceiver } from '../../support/collect.ts';
import { logBatch, logRecord, metricBatch, RESOURCE, series, table } from '../../support/processor.ts';

async function countOf(logs: Record<string, unknown> | undefined, records: readonly LogRecord[], more = {}) {
  const run = await runReceiver(count, { config: { ...(logs && { logs }), ...more } });
  await run.receiver.consume?.(logBatch(records));
  return { run, rows: (await run.collect()).flatMap(table) };
}

const RECORDS = [
  logRecord('all is well', { attributes: { 'http.route': '/a', code: 200 } }),
  logRecord('login failed', { attributes: { 'http.route': '/b', code: 401 }, severityNumber: 17, severityText: 'E' }),
  logRecord('login failed', { attributes: { 'http.route': '/b', code: 401 }, severityNumber: 17, severityText: 'E' }),
  logRecord({ user: { id: 7 } }, { attributes: { flag: true, list: [1, 2] } }),
];

describe('count', () => {
  test('counts every record as log.record.count, also before there was one', async () => {
    const { run, rows } = await countOf(undefined, []);
    expect(rows).toEqual([['log.record.count', {}, 0]]);
    await run.receiver.consume?.(logBatch(RECORDS));
    await run.receiver.consume?.(metricBatch([series('a')], [1]));
    const [batch] = await run.collect();
    expect(table(batch)).toEqual([['log.record.count', {}, 4]]);
    const { metric } = batch.series[0]!;
    expect(metric).toMatchObject({ kind: 'sum', isMonotonic: true, temporality: 'cumulative', valueType: 'int' });
    expect(metric.unit).toBe('{record}');
  });

  test('counts what rules mean, by attributes of record and resource and by fields', async () => {
    const { rows } = await countOf(
      {
        'app.failed': {
          description: 'Failed logins.',
          include: [{ match: 'regexp', bodies: ['failed$'] }],
          attributes: [{ key: 'http.route' }, { key: 'severity', field: 'severity_text' }, { key: 'host.name' }],
        },
        'app.codes': { attributes: [{ key: 'code', default_value: 0 }] },
        'app.users': { attributes: [{ key: 'user', field: 'body.user.id' }] },
        'app.lists': { attributes: [{ key: 'flag' }, { key: 'list' }] },
      },
      RECORDS,
    );
    expect(rows).toEqual([
      ['app.failed', { 'http.route': '/b', severity: 'E', 'host.name': 'test' }, 2],
      ['app.codes', { code: 200 }, 1],
      ['app.codes', { code: 401 }, 2],
      ['app.codes', { code: 0 }, 1],
      ['app.users', { user: 7 }, 1],
      ['app.lists', { flag: true, list: '[1,2]' }, 1],
    ]);
  });

  test('hands over one layout as long as no series is new', async () => {
    const { run } = await countOf({ 'a.b': { attributes: [{ key: 'code' }] } }, RECORDS);
    const [second] = await run.collect();
    await run.receiver.consume?.(logBatch(RECORDS));
    const [third] = await run.collect();
    expect(third.series).toBe(second.series);
    expect([...third.values]).toEqual([2, 4]);
  });

  test('counts together what is beyond the limit of series', async () => {
    const records = Array.from({ length: 10 }, (_, i) => logRecord('x', { attributes: { i } }));
    const { rows } = await countOf({ 'a.b': { attributes: [{ key: 'i' }] } }, records, { cardinality_limit: 3 });
    expect(rows).toEqual([
      ['a.b', { i: 0 }, 1],
      ['a.b', { i: 1 }, 1],
      ['a.b', { 'otel.metric.overflow': true }, 8],
    ]);
  });

  test('sums up to the number of records, whatever they are counted by', async () => {
    const record = fc.record({ a: fc.constantFrom('x', 'y', 1, true, null), b: fc.constantFrom('', 'z', 2.5) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(record)),
        fc.integer({ min: 1, max: 9 }),
        async (batches, cardinality_limit) => {
          const attributes = [
            { key: 'a', default_value: 'none' },
            { key: 'b', default_value: 'none' },
          ];
          const run = await runReceiver(count, { config: { logs: { 'a.b': { attributes } }, cardinality_limit } });
          for (const each of batches) {
            await run.receiver.consume?.(logBatch(each.map((attrs) => logRecord('x', { attributes: attrs }))));
          }
          const [batch] = await run.collect();
          expect(batch.count).toBeLessThanOrEqual(cardinality_limit);
          expect(batch.values.reduce((sum, value) => sum + value, 0)).toBe(batches.flat().length);
        },
      ),
    );
  });

  test.each([
    [{ logs: { 'no name': {} } }, 'the name of a metric'],
    [{ logs: { a: { attributes: [{ key: 'a', field: 'b' }] } } }, 'attributes.NAME'],
    [{ logs: { a: { include: [{}] } } }, 'at least one condition'],
  ])('refuses %j', async (config, message) => {
    await expect(runReceiver(count, { config })).rejects.toThrow(message);
  });

  test('takes the value of the record before that of its resource', async () => {
    const resource = { ...RESOURCE, attributes: { 'service.name': 'r' } };
    const own = logRecord('x', { resource, attributes: { 'service.name': 'own' } });
    const { rows } = await countOf({ n: { attributes: [{ key: 'service.name' }] } }, [
      own,
      logRecord('x', { resource }),
    ]);
    expect(rows).toEqual([
      ['n', { 'service.name': 'own' }, 1],
      ['n', { 'service.name': 'r' }, 1],
    ]);
  });
});
