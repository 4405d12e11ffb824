import { createHmac } from 'node:crypto';
import { metrics } from '@opentelemetry/api';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import redaction from '../../../processors/redaction/index.ts';
import { DoubleValue, type AnyValue, type Attributes } from '../../../src/model/attributes.ts';
import type { LogBatch } from '../../../src/model/batch.ts';
import { createMeterProvider } from '../../../src/otel/meter_provider.ts';
import { createTimeLimit } from '../../../src/time_limit.ts';
import {
  logBatch,
  logRecord,
  metricBatch,
  RESOURCE,
  runProcessor,
  type ProcessorRun,
  series,
  table,
} from '../../support/processor.ts';

const MASK = '[REDACTED]';
const KEY = 'a key of at least 16 characters';

async function redact(
  body: AnyValue,
  attributes: Attributes = {},
  config: Record<string, unknown> = {},
  run: ProcessorRun = runProcessor(redaction, config),
) {
  run.out.length = 0;
  await run.consume(logBatch([logRecord(body, { attributes })]));
  const record = (run.out[0] as LogBatch).records[0]!;
  expect(run.dropped.size).toBe(0);
  return { body: record.body, attributes: record.attributes, run };
}

describe('redaction of logs', () => {
  test('passes on the very same batch where nothing is secret', async () => {
    const run = runProcessor(redaction);
    const batch = logBatch([logRecord('all is well', { attributes: { user: 'bob', n: 4_111_111_111_111_112 } })], {
      otlp: Uint8Array.of(1),
    });
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });

  test('masks texts in bodies, structured ones too, and values for their name', async () => {
    const { body, attributes } = await redact(
      {
        message: 'login password=hunter2',
        db: { Password: 'hunter2', hosts: ['redis://a:b@c', 'd'], port: 1 },
        tokens: 12,
        refreshToken: ['a', 'b'],
        hasSecret: true,
        token: '',
        raw: Uint8Array.of(1),
        ratio: new DoubleValue(1),
        nothing: null,
      },
      {
        'http.request.header.authorization': ['Basic eA=='],
        'url.full': 'https://u:p@h/?token=abc',
        'card.number': 4_111_111_111_111_111,
        exact: 5_555_555_555_554_444n,
      },
    );
    expect(body).toEqual({
      message: `login password=${MASK}`,
      db: { Password: MASK, hosts: [`redis://a:${MASK}@c`, 'd'], port: 1 },
      tokens: 12,
      refreshToken: MASK,
      hasSecret: true,
      token: '',
      raw: Uint8Array.of(1),
      ratio: new DoubleValue(1),
      nothing: null,
    });
    expect(attributes).toEqual({
      'http.request.header.authorization': MASK,
      'url.full': `https://u:${MASK}@h/?token=${MASK}`,
      'card.number': MASK,
      exact: MASK,
    });
  });

  test('masks names of attributes and keeps both values of names that become one', async () => {
    const { attributes } = await redact('x', { a: 1, 'token=abc': 2, 'token=def': 3, [`token=${MASK}.2`]: 4 });
    expect(attributes).toEqual({ a: 1, [`token=${MASK}`]: 2, [`token=${MASK}.3`]: 3, [`token=${MASK}.2`]: 4 });
  });

  test('keeps a key named __proto__ what it is', async () => {
    const body = JSON.parse('{"__proto__": {"password": "x"}, "a": "token=b"}') as AnyValue;
    const { body: masked } = await redact(body);
    expect(JSON.stringify(masked)).toBe(`{"__proto__":{"password":"${MASK}"},"a":"token=${MASK}"}`);
  });

  test('masks what nests too deep to be searched', async () => {
    let body: AnyValue = 'harmless';
    for (let depth = 0; depth < 70; depth++) body = [body];
    const { body: masked } = await redact(body);
    expect(JSON.stringify(masked)).toBe(`${'['.repeat(64)}"${MASK}"${']'.repeat(64)}`);
  });

  test('masks attributes of the resource, once for each resource, unless told not to', async () => {
    const resource = { ...RESOURCE, attributes: { 'process.command_line': 'x --password abc' } };
    const run = runProcessor(redaction);
    for (let i = 0; i < 2; i++) await run.consume(logBatch([logRecord('x', { resource })]));
    const [first, second] = run.out.map((batch) => (batch as LogBatch).records[0]!.resource);
    expect(first!.attributes).toEqual({ 'process.command_line': `x --password ${MASK}` });
    expect(second).toBe(first);
    const off = runProcessor(redaction, { resource_attributes: false });
    await off.consume(logBatch([logRecord('x', { resource })]));
    expect((off.out[0] as LogBatch).records[0]!.resource).toBe(resource);
  });

  test('looks for chosen rules, own patterns and own keys', async () => {
    const config = {
      rules: ['email'],
      patterns: [{ name: 'order', pattern: 'order-(\\d+)' }],
      keys: ['x.*'],
      allowed_keys: ['x.y', 'free'],
      mask: '***',
    };
    const { body, attributes } = await redact(
      'password=abc a@b.org order-123',
      { 'X.Z': 1, 'x.y': 'a@b.org', free: { m: 'a@b.org' }, password: 'b' },
      config,
    );
    expect(body).toBe('password=abc *** order-***');
    expect(attributes).toEqual({ 'X.Z': '***', 'x.y': 'a@b.org', free: { m: 'a@b.org' }, password: 'b' });
  });

  test('puts a keyed hash that is equal for equal secrets', async () => {
    const config = { replacement: 'hash', hash_key: KEY };
    const { body, attributes } = await redact('token=abc password=abc secret=d', { secret: 'abc' }, config);
    const hash = (text: string) => `[HASH:${createHmac('sha256', KEY).update(text).digest('hex').slice(0, 16)}]`;
    expect(body).toBe(`token=${hash('abc')} password=${hash('abc')} secret=${hash('d')}`);
    expect(attributes).toEqual({ secret: hash('abc') });
    expect(hash('abc')).not.toBe(hash('d'));
    // What was hashed once is not hashed again.
    expect((await redact(body as string, {}, config)).body).toBe(body);
  });

  test('searches only the records that are meant', async () => {
    const run = runProcessor(redaction, { logs: { exclude: [{ event_names: ['raw'] }] } });
    await run.consume(logBatch([logRecord('token=a', { eventName: 'raw' }), logRecord('token=a')]));
    expect((run.out[0] as LogBatch).records.map(({ body }) => body)).toEqual(['token=a', `token=${MASK}`]);
  });

  test('finds a secret wherever it stands, and changes nothing else', async () => {
    const run = runProcessor(redaction);
    const noise = fc.string({ unit: fc.constantFrom(...'abz 019.,\n{}[]é😀') });
    await fc.assert(
      fc.asyncProperty(
        noise,
        noise,
        fc.string({ unit: fc.constantFrom(...'aB3$!%'), minLength: 3 }),
        async (before, after, value) => {
          fc.pre(!value.startsWith('$'));
          const { body, attributes } = await redact(
            `${before} password=${value} ${after}`,
            { [`${before}.password`]: value, x: before },
            {},
            run,
          );
          expect(body).toBe(`${before} password=${MASK} ${after}`);
          expect(attributes).toEqual({ [`${before}.password`]: MASK, x: before });
        },
      ),
    );
  });

  test('does the same a second time', async () => {
    const run = runProcessor(redaction);
    const texts = fc.string({
      unit: fc.constantFrom('password', '=', ':', ' ', '"', 'a', '1', '://', '@', '[', ']', '\\', 'Bearer'),
    });
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const { body } = await redact(text, {}, {}, run);
        expect((await redact(body!, {}, {}, run)).body).toBe(body);
      }),
    );
  });
});

describe('redaction of metrics', () => {
  test('masks attributes; series that become one are merged and counted', async () => {
    const run = runProcessor(redaction);
    const layout = [
      series('requests', { url: '/a?token=x' }),
      series('requests', { url: '/a?token=y' }),
      series('requests', { url: '/b' }),
    ];
    await run.consume(metricBatch(layout, [1, 2, 3]));
    await run.consume(metricBatch(layout, [2, 3, 4]));
    const [first, second] = run.metrics();
    expect(table(first!)).toEqual([
      ['requests', { url: `/a?token=${MASK}` }, 3],
      ['requests', { url: '/b' }, 3],
    ]);
    expect(second!.series).toBe(first!.series);
    expect(run.dropped).toEqual(new Map([['merged', 2]]));
  });

  test('passes on the very same batch where nothing is secret', async () => {
    const run = runProcessor(redaction, { metrics: { exclude: [{ metric_names: ['b'] }] } });
    const batch = metricBatch([series('a', { k: 'v' }), series('b', { secret: 'x' })], [1, 2]);
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });
});

describe('redaction counts', () => {
  afterEach(() => metrics.disable());

  test('what it masked by rule, as a metric of the agent, until it stops', async () => {
    const provider = createMeterProvider(RESOURCE, 1n, 2n);
    provider.register();
    const run = runProcessor(redaction);
    await run.processor.start?.();
    await run.consume(logBatch([logRecord('token=a token=b', { attributes: { secret: 'c' } })]));
    const collect = async () => {
      const meters = provider
        .meters()
        .map((meter) => meter.collect({ time: 3n, receiver: 'self', onDemand: false, limit: createTimeLimit() }));
      return (await Promise.all(meters)).flatMap(({ batches }) => batches.flatMap(table));
    };
    const of = { 'sonde.component.id': 'redaction', 'sonde.pipeline.name': 'logs' };
    expect(await collect()).toEqual([
      ['sonde.redaction.masked', { ...of, 'sonde.redaction.rule': 'key_value' }, 2],
      ['sonde.redaction.masked', { ...of, 'sonde.redaction.rule': 'key' }, 1],
    ]);
    expect(run.said).toEqual([]);
    await run.processor.stop?.();
    expect((await collect()).every((row) => Number.isNaN((row as unknown[])[2]))).toBe(true);
  });
});

describe('redaction options', () => {
  test.each([
    [{ patterns: [{ name: 'a', pattern: '(?=b)' }] }, 'look-ahead'],
    [{ patterns: [{ name: 'A b', pattern: 'b' }] }, 'lower-case'],
    [{ keys: ['['] }, 'bracket'],
    [{ rules: ['passwords'] }, 'passwords'],
    [{ replacement: 'hash' }, 'needs hash_key'],
    [{ replacement: 'hash', hash_key: 'short' }, 'fewer than 16'],
    [{ hash_key: KEY }, 'no meaning'],
  ])('refuse %j', (config, message) => {
    expect(() => runProcessor(redaction, config)).toThrow(message);
  });
});
