import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import influxdb from '../../exporters/influxdb.ts';
import { ConfigError, PermanentError, RefusedError, RetryableError, TooLargeError } from '../../src/errors.ts';
import { Series, type Batch, type DistributionPoint } from '../../src/model/batch.ts';
import { DoubleValue } from '../../src/model/attributes.ts';
import { runExporter } from '../support/exporter.ts';
import { startHttpBackEnd, type HttpBackEnd } from '../support/http_back_end.ts';
import { logBatch, logRecord, metric, metricBatch, RESOURCE, series } from '../support/processor.ts';
import { asRequest } from '../support/request.ts';

const never = new AbortController().signal;
let backEnd: HttpBackEnd;
const stops: (() => unknown)[] = [];
beforeEach(async () => {
  backEnd = await startHttpBackEnd();
  backEnd.answer = (_, response) => response.writeHead(204).end();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await backEnd[Symbol.asyncDispose]();
});

const PLACES = {
  v1: { api: 'v1', database: 'd' },
  v2: { api: 'v2', bucket: 'b' },
  v3: { api: 'v3', database: 'd' },
} as const;

function run(config: Readonly<Record<string, unknown>> = PLACES.v2) {
  const made = runExporter(influxdb, { endpoint: backEnd.url, ...config }, ['metrics', 'logs']);
  stops.push(() => made.exporter.stop?.());
  return made;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** What a batch becomes on the wire. */
async function wire(batch: Batch, config: Readonly<Record<string, unknown>> = PLACES.v2): Promise<string[]> {
  const { exporter } = run(config);
  const before = backEnd.requests.length;
  for (const payload of exporter.encode(batch)) await exporter.send(asRequest(payload), batch.signal, never);
  return backEnd.requests.slice(before).flatMap(({ body }) => text(body).split('\n').slice(0, -1));
}

const gauge = (name = 'temp', valueType: 'int' | 'double' = 'double') => metric(name, { kind: 'gauge', valueType });
const one = (value = 1.5) => metricBatch([series(gauge())], [value], { time: 1_700_000_000_123_456_789n });

describe('influxdb requests', () => {
  test.each([
    [
      { ...PLACES.v1, retention_policy: 'a week', consistency: 'quorum', precision: 'us' },
      '/write?db=d&rp=a+week&consistency=quorum&precision=u',
    ],
    [PLACES.v1, '/write?db=d&precision=ns'],
    [{ api: 'v2', org: 'o&o', bucket: 'b', precision: 'us' }, '/api/v2/write?org=o%26o&bucket=b&precision=us'],
    [
      { ...PLACES.v3, accept_partial: false, precision: 's' },
      '/api/v3/write_lp?db=d&accept_partial=false&precision=second',
    ],
    [PLACES.v3, '/api/v3/write_lp?db=d&precision=nanosecond'],
  ])('%j go to %s', async (config, path) => {
    await wire(one(), config);
    expect(backEnd.requests.map((request) => request.path)).toEqual([path]);
    expect(backEnd.requests[0]!.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-encoding': 'gzip',
    });
  });

  test('a path of the endpoint stays before that of the API', async () => {
    await wire(one(), { ...PLACES.v1, endpoint: `${backEnd.url}/insert/0/influx/` });
    expect(backEnd.requests[0]!.path).toBe('/insert/0/influx/write?db=d&precision=ns');
  });

  test('logs always have nanoseconds', async () => {
    await wire(logBatch([logRecord('x', { time: 5n })]), { ...PLACES.v2, precision: 's' });
    expect(backEnd.requests[0]!.path).toBe('/api/v2/write?bucket=b&precision=ns');
    expect(text(backEnd.requests[0]!.body)).toMatch(/ 5\n$/);
  });

  test.each([
    [{ ...PLACES.v2, token: 's3' }, 'Token s3'],
    [{ ...PLACES.v3, token: 's3' }, 'Bearer s3'],
    [{ ...PLACES.v1, auth: { basic: { username: 'u', password: 'p' } } }, 'Basic dTpw'],
  ])('%j say who sends by %s', async (config, authorization) => {
    await wire(one(), config);
    expect(backEnd.requests[0]!.headers.authorization).toBe(authorization);
  });

  test('compression: none leaves bodies as they are', async () => {
    await wire(one(), { ...PLACES.v2, compression: 'none' });
    expect(backEnd.requests[0]!.headers['content-encoding']).toBeUndefined();
  });

  test.each([
    [{ api: 'v1' }, 'database', 'Cannot write to the API v1: database is missing'],
    [{ api: 'v2' }, 'bucket', 'Cannot write to the API v2: bucket is missing'],
    [{ api: 'v3', database: '' }, 'database', 'Cannot write to the API v3: database is missing'],
    [{ ...PLACES.v2, database: 'd' }, 'database', 'Cannot use database: the API v2 has no such thing'],
    [{ ...PLACES.v3, org: 'o' }, 'org', 'Cannot use org: the API v3 has no such thing'],
    [
      { ...PLACES.v1, accept_partial: true },
      'accept_partial',
      'Cannot use accept_partial: the API v1 has no such thing',
    ],
    [{ ...PLACES.v1, token: 't' }, 'token', 'Cannot use token: the API v1 has no such thing'],
    [
      { ...PLACES.v2, token: 't', auth: { bearer: { token: 'u' } } },
      'token',
      'Cannot use both token and auth: a request has one Authorization',
    ],
    [
      { ...PLACES.v2, endpoint: 'localhost:8086' },
      'endpoint',
      'Cannot use "localhost:8086": not an http:// or https:// URL',
    ],
    [
      { ...PLACES.v2, endpoint: 'http://u:hunter2@h' },
      'endpoint',
      'Cannot use the endpoint: it holds a user, a password or parameters',
    ],
  ])('create refuses %j and names the option', (config, name, message) => {
    expect(() => run(config)).toThrow(ConfigError);
    let problem: unknown;
    try {
      run(config);
    } catch (error) {
      problem = (error as ConfigError).problems[0];
    }
    expect(problem).toMatchObject({ message, path: `exporters.influxdb.${name}` });
  });

  test.each([
    [400, '{"code":"invalid","message":"bad"}', RefusedError],
    [401, '{}', RefusedError],
    [404, '{"error":"database not found"}', RetryableError],
    [413, '{}', TooLargeError],
    [429, '{}', RetryableError],
    [500, '{"error":"timeout"}', RetryableError],
    [503, '', RetryableError],
  ])('status %d with %s becomes a %o', async (status, body, kind) => {
    const { exporter } = run();
    backEnd.answer = (_, response) => response.writeHead(status).end(body);
    const [payload] = exporter.encode(one());
    const error = await Promise.resolve(exporter.send(asRequest(payload!), 'metrics', never)).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as Error).constructor).toBe(kind);
  });

  test('a partial write becomes a count, and what names its lines becomes a payload', async () => {
    const { exporter } = run(PLACES.v3);
    backEnd.answer = (_, response) =>
      response.writeHead(400).end('{"error":"partial write of line protocol occurred","data":[{"line_number":2}]}');
    const [payload] = exporter.encode(metricBatch([series(gauge('a')), series(gauge('b'))], [1, 2]));
    expect(await exporter.send(asRequest(payload!), 'metrics', never)).toMatchObject({
      refused: { count: 1, body: Buffer.from('b,host.name=test,otel.library.name=test gauge=2 1000000000\n') },
    });
  });

  test('split halves a request by items', () => {
    const { exporter } = run();
    const [payload] = exporter.encode(
      metricBatch([series(gauge('a')), series(gauge('b')), series(gauge('c'))], [1, 2, 3]),
    );
    expect(exporter.split!(payload!, 'metrics').map(({ count }) => count)).toEqual([2, 1]);
  });
});

describe('influxdb metrics', () => {
  test.each([
    ['telegraf-prometheus-v1', 'temp,host.name=test,otel.library.name=test gauge=1.5 1700000000123456789'],
    ['telegraf-prometheus-v2', 'prometheus,host.name=test,otel.library.name=test temp=1.5 1700000000123456789'],
    ['otel-v1', 'temp_1_gauge,host.name=test telemetry.sdk.name="test",value_double=1.5 1700000000123456789'],
  ])('schema %s', async (schema, line) => {
    expect(await wire(one(), { ...PLACES.v2, schema })).toEqual([line]);
  });

  test('each layout is written with the values and times of its batch', () => {
    const { exporter } = run();
    const layout = [series(gauge('a')), series(gauge('b', 'int'))];
    const bodies = [1, 2, 3].map((value) =>
      text(exporter.encode(metricBatch(layout, [value + 0.5, value], { time: BigInt(value) }))[0]!.body),
    );
    expect(bodies).toEqual(
      [1, 2, 3].map(
        (value) =>
          `a,host.name=test,otel.library.name=test gauge=${value}.5 ${value}\nb,host.name=test,otel.library.name=test gauge=${value}i ${value}\n`,
      ),
    );
  });

  test('attributes of the point override those of the scope and the resource, and empty ones are none', async () => {
    const resource = {
      attributes: { a: 'resource', b: 'resource', c: 'resource', d: [1, { e: true }] },
      schemaUrl: '',
    };
    const attributes = { c: 'point', empty: '', '': 'nameless', double: new DoubleValue(1), n: 2n ** 63n - 1n };
    const scope = { name: 'lib', version: '1.0', attributes: { b: 'scope', c: 'scope' }, schemaUrl: '' };
    const [line] = await wire(metricBatch([new Series(resource, scope, gauge(), attributes, 0n)], [1]));
    expect(line).toBe(
      'temp,a=resource,b=scope,c=point,d=[1\\,{"e":true}],double=1,n=9223372036854775807,otel.library.name=lib,otel.library.version=1.0 gauge=1 1000000000',
    );
  });

  test('a tag that would have the name of a field, or of what InfluxDB keeps for itself, gets another', async () => {
    const attributes = { gauge: 'g', gauge_: 'h', time: 't', _field: 'f', le: 'l' };
    expect(await wire(metricBatch([series(gauge(), attributes)], [1]))).toEqual([
      'temp,_field_=f,gauge__=g,gauge_=h,host.name=test,le=l,otel.library.name=test,time_=t gauge=1 1000000000',
    ]);
  });

  test('doubles have no exponent problem and integers all their digits', async () => {
    const values = [1e21, -1e-7, -0, 2 ** 53];
    const doubles = await wire(
      metricBatch(
        values.map((_, i) => series(gauge(), { i })),
        values,
      ),
    );
    expect(doubles.map((line) => / gauge=(\S+) /.exec(line)![1])).toEqual(['1e+21', '-1e-7', '-0', '9007199254740992']);
    const exactValues = new Map([[0, 2n ** 53n + 1n]]);
    const ints = await wire(metricBatch([series(gauge('n', 'int'))], [2 ** 53], { exactValues }));
    expect(ints[0]).toContain('gauge=9007199254740993i');
  });

  test.each([
    ['not_representable', gauge(), NaN, {}],
    ['not_representable', gauge(), -Infinity, {}],
    ['not_representable', gauge('n', 'int'), 2 ** 63, {}],
    ['bad_time', gauge(), 1, { time: 0n }],
    ['bad_time', gauge(), 1, { time: 2n ** 63n }],
    ['ended', gauge(), NaN, { flags: Uint32Array.of(1) }],
    ['unnamed', gauge(''), 1, {}],
    ['unnamed', gauge('\\'), 1, {}],
    ['too_large', gauge('x'.repeat(300)), 1, {}],
  ] as const)('drops as %s, and counts, %j of %d', (reason, of, value, more) => {
    const { exporter, dropped } = run({ ...PLACES.v2, max_request_bytes: 200 });
    expect(exporter.encode(metricBatch([series(of)], [value], more))).toEqual([]);
    expect([...dropped]).toEqual([[reason, 1]]);
  });

  test('a time of each row', async () => {
    const batch = metricBatch([series(gauge('a')), series(gauge('b'))], [1, 2], { times: BigUint64Array.of(7n, 0n) });
    const { exporter, dropped } = run();
    const [payload] = exporter.encode(batch);
    expect([payload!.count, text(payload!.body)]).toEqual([1, 'a,host.name=test,otel.library.name=test gauge=1 7\n']);
    expect([...dropped]).toEqual([['bad_time', 1]]);
  });

  const histogram: DistributionPoint = {
    type: 'histogram',
    count: 6n,
    sum: NaN,
    min: -Infinity,
    max: 3,
    explicitBounds: [1e-7, 5],
    bucketCounts: [1n, 2n, 3n],
  };
  const distributed = (point: DistributionPoint, of = metric('h', { kind: point.type, valueType: 'double' })) =>
    metricBatch([series(of, {}, { startTime: 3n })], [NaN], { points: [point] });

  test.each([
    [
      'telegraf-prometheus-v1',
      'v2',
      [
        'h,host.name=test,otel.library.name=test start_time_unix_nano=3i,count=6,max=3,0.0000001=1,5=3,+Inf=6 1000000000',
      ],
    ],
    [
      'telegraf-prometheus-v2',
      'v2',
      [
        'prometheus,host.name=test,otel.library.name=test start_time_unix_nano=3i,h_count=6,h_max=3 1000000000',
        'prometheus,host.name=test,otel.library.name=test,le=0.0000001 h_bucket=1 1000000000',
        'prometheus,host.name=test,otel.library.name=test,le=5 h_bucket=3 1000000000',
        'prometheus,host.name=test,otel.library.name=test,le=+Inf h_bucket=6 1000000000',
      ],
    ],
    [
      'otel-v1',
      'v2',
      [
        'h_1_histogram,host.name=test start_time_unix_nano=3i,telemetry.sdk.name="test",count=6u,cumulative_0.0000001=1u,cumulative_5=2u 1000000000',
      ],
    ],
    [
      'otel-v1',
      'v1',
      [
        'h_1_histogram,host.name=test start_time_unix_nano=3i,telemetry.sdk.name="test",count=6i,cumulative_0.0000001=1i,cumulative_5=2i 1000000000',
      ],
    ],
  ] as const)('a histogram by %s over %s, without what is no number', async (schema, api, lines) => {
    expect(await wire(distributed(histogram), { ...PLACES[api], schema })).toEqual(lines);
  });

  test('a histogram without buckets has none', async () => {
    const [line] = await wire(
      distributed({ type: 'histogram', count: 2n, sum: 1, explicitBounds: [], bucketCounts: [] }),
    );
    expect(line).toContain(' start_time_unix_nano=3i,count=2,sum=1 ');
  });

  test('drops as malformed a histogram whose buckets do not fit', () => {
    const { exporter, dropped } = run();
    expect(exporter.encode(distributed({ ...histogram, explicitBounds: [1] }))).toEqual([]);
    expect([...dropped]).toEqual([['malformed', 1]]);
  });

  test('the lines of a point stay together, and count as one', () => {
    const { exporter } = run({ ...PLACES.v2, schema: 'telegraf-prometheus-v2', max_lines: 5 });
    const layout = ['a', 'b', 'c'].map((name) => series(metric(name, { kind: 'histogram', valueType: 'double' })));
    const payloads = exporter.encode(
      metricBatch(layout, [NaN, NaN, NaN], { points: [histogram, histogram, histogram] }),
    );
    expect(payloads.map(({ count }) => count)).toEqual([1, 1, 1]);
  });

  test('an exemplar that leads to a span is a point of its own', async () => {
    const exemplar = { time: 9n, value: 5n, filteredAttributes: {}, traceId: 'aa', spanId: 'bb' };
    const exemplars = [
      [exemplar, { ...exemplar, time: 0n, value: 0.5 }, { ...exemplar, traceId: '' }, { ...exemplar, value: NaN }],
    ];
    expect(await wire(metricBatch([series(gauge())], [1], { exemplars }))).toEqual([
      'temp,host.name=test,otel.library.name=test gauge=1 1000000000',
      'temp_exemplar,span_id=bb,trace_id=aa gauge=5i 9',
      'temp_exemplar,span_id=bb,trace_id=aa gauge=0.5 1000000000',
    ]);
  });

  test('otel-v1 has the attributes of a scope as fields of their types', async () => {
    const scope = {
      name: 'a "b"\nc',
      version: '1',
      attributes: {
        int: 1,
        big: 2n ** 60n,
        whole: new DoubleValue(2),
        half: 0.5,
        no: NaN,
        flag: true,
        list: [1],
        none: null,
        time: 1,
        host: 'x',
      },
      schemaUrl: '',
    };
    const sum = metric('s', { unit: '{packet}', isMonotonic: false, valueType: 'double' });
    const [line] = await wire(metricBatch([new Series(RESOURCE, scope, sum, { host: 'tag' }, 0n)], [1]), {
      ...PLACES.v2,
      schema: 'otel-v1',
    });
    expect(line).toBe(
      's_{packet}_sum,host_=tag,host.name=test int=1i,big=1152921504606846976i,whole=2,half=0.5,flag=true,list="[1]",host="x",telemetry.sdk.name="a \\"b\\"\\\\nc",telemetry.sdk.version="1",value_cumulative_nonmonotonic_double=1 1000000000',
    );
  });
});

describe('influxdb logs', () => {
  test('a record has its dimensions as tags and the rest as fields', async () => {
    const record = logRecord('two\n"lines" \\', {
      time: 10n,
      observedTime: 11n,
      attributes: { 'service.name': 'own', n: 1 },
      traceId: 'aa',
      spanId: 'bb',
      eventName: 'boot',
      flags: 1,
      droppedAttributesCount: 3,
    });
    const { exporter } = run();
    const [payload] = exporter.encode(logBatch([record]));
    expect(text(payload!.body)).toBe(
      'logs,service.name=own,span_id=bb,trace_id=aa body="two\n\\"lines\\" \\\\",observed_time_unix_nano=11i,severity_number=9i,severity_text="INFO",event_name="boot",flags=1i,attributes="{\\"otel.library.name\\":\\"test\\",\\"host.name\\":\\"test\\",\\"n\\":1}",dropped_attributes_count=3u 10\n',
    );
  });

  test('log_dimensions name the attributes that become tags', async () => {
    const [line] = await wire(logBatch([logRecord('x', { attributes: { body: 'b' } })]), {
      ...PLACES.v1,
      log_dimensions: ['host.name', 'body', 'missing'],
    });
    expect(line).toMatch(/^logs,body_=b,host\.name=test body="x",/);
  });

  test('records of one nanosecond and the same tags get a nanosecond each; others keep theirs', () => {
    const { exporter } = run();
    const at = (time: bigint, host = '') => logRecord('x', { time, attributes: { 'service.name': host } });
    const [payload] = exporter.encode(logBatch([at(5n), at(5n), at(6n), at(5n), at(5n, 'b'), at(7n), at(20n)]));
    const times = text(payload!.body)
      .split('\n')
      .slice(0, -1)
      .map((line) => Number(/ (\d+)$/.exec(line)![1]));
    expect(times).toEqual([5, 6, 7, 8, 5, 9, 20]);
  });

  test('no two records of a batch have the same tags and time', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 6 })), (times) => {
        const { exporter } = run();
        const [payload] = exporter.encode(logBatch(times.map((time) => logRecord('x', { time: BigInt(time) }))));
        const found =
          payload === undefined ? [] : [...text(payload.body).matchAll(/ (\d+)\n/g)].map(([, time]) => time);
        expect(new Set(found).size).toBe(times.length);
      }),
      { numRuns: 30 },
    );
  });

  test('a record without any time has that of now', () => {
    const { exporter } = run();
    const before = BigInt(Date.now()) * 1_000_000n;
    const [payload] = exporter.encode(logBatch([logRecord('x', { time: 0n, observedTime: 0n })]));
    const time = BigInt(/ (\d+)\n$/.exec(text(payload!.body))![1]!);
    expect(time >= before && time <= BigInt(Date.now()) * 1_000_000n).toBe(true);
  });
});

test('influxdb encodes a batch that failed halfway no worse the next time', () => {
  const { exporter } = run();
  const broken = metricBatch([series(gauge('a')), series(gauge('b'))], [1, 2], {
    times: {
      0: 5n,
      get 1(): never {
        throw new PermanentError('broken');
      },
    } as never,
  });
  expect(() => exporter.encode(broken)).toThrow('broken');
  expect(text(exporter.encode(one())[0]!.body)).toBe(
    'temp,host.name=test,otel.library.name=test gauge=1.5 1700000000123456789\n',
  );
});
