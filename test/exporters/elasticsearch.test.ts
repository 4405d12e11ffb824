import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import elasticsearch from '../../exporters/elasticsearch.ts';
import { ConfigError, RefusedError, RetryableError, TooLargeError } from '../../src/errors.ts';
import { DoubleValue, type AnyValue } from '../../src/model/attributes.ts';
import type { Batch, LogBatch, LogRecord, MetricBatch } from '../../src/model/batch.ts';
import { startElasticsearch, type ElasticsearchServer } from '../support/elasticsearch_server.ts';
import { runExporter } from '../support/exporter.ts';
import { logRecord, metric, metricBatch, series } from '../support/processor.ts';
import { asRequest } from '../support/request.ts';
import { createSpans } from '../support/telemetry.ts';

const never = new AbortController().signal;
const NOW = 1_700_000_000_000_000_001n;
const NOW_TEXT = '2023-11-14T22:13:20.000000001Z';
const RESOURCE = {
  attributes: { 'host.name': 'web-1', 'service.name': 'shop', 'os.type': 'darwin' },
  schemaUrl: 'https://s/1',
};
const SCOPE = { name: 'io.shop', version: '1.2', attributes: { build: 'x' }, schemaUrl: '' };

let server: ElasticsearchServer;
const stops: (() => unknown)[] = [];
beforeEach(async () => {
  server = await startElasticsearch();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await server[Symbol.asyncDispose]();
});

function run(config: Readonly<Record<string, unknown>> = {}) {
  const made = runExporter(elasticsearch, { endpoints: [server.url], ...config }, ['metrics', 'logs']);
  stops.push(() => made.exporter.stop?.());
  return made;
}

function record(body: AnyValue | undefined, overrides: Partial<LogRecord> = {}): LogRecord {
  return { ...logRecord('', { resource: RESOURCE, scope: SCOPE, time: NOW, observedTime: NOW }), body, ...overrides };
}

const logs = (...records: LogRecord[]): LogBatch => ({ signal: 'logs', count: records.length, records });

/** Encodes and sends; everything must be taken. */
async function push(config: Readonly<Record<string, unknown>>, batch: Batch) {
  const { exporter, dropped } = run(config);
  const payloads = exporter.encode(batch);
  for (const payload of payloads) {
    expect(await exporter.send(asRequest(payload), batch.signal, never)).toEqual({});
  }
  const sent = payloads.reduce((sum, { count }) => sum + count, 0);
  expect(sent + [...dropped.values()].reduce((sum, count) => sum + count, 0)).toBe(batch.count);
  return { documents: server.documents, sources: server.documents.map(({ source }) => source), dropped };
}

const FULL: Partial<LogRecord> = {
  observedTime: NOW + 5n,
  severityNumber: 17,
  severityText: 'ERR',
  attributes: {
    'http.route': '/a',
    nested: { deep: [1, 2.5] },
    'exception.type': 'E',
    big: 2n ** 63n - 1n,
    whole: new DoubleValue(3),
  },
  traceId: '5b8efff798038103d269b633813fc60c',
  spanId: 'eee19b7ec3c1b174',
  eventName: 'shop.sold',
  droppedAttributesCount: 3,
};

describe('elasticsearch logs in mapping otel', () => {
  test('are documents of OpenTelemetry’s fields in a data stream', async () => {
    const { documents } = await push({}, logs(record('hello', FULL)));
    expect(documents[0]!.index).toBe('logs-generic.otel-default');
    expect(documents[0]!.source).toEqual({
      '@timestamp': NOW_TEXT,
      observed_timestamp: '2023-11-14T22:13:20.000000006Z',
      data_stream: { type: 'logs', dataset: 'generic.otel', namespace: 'default' },
      severity_text: 'ERR',
      severity_number: 17,
      trace_id: '5b8efff798038103d269b633813fc60c',
      span_id: 'eee19b7ec3c1b174',
      event_name: 'shop.sold',
      attributes: {
        'http.route': '/a',
        nested: { deep: [1, 2.5] },
        'exception.type': 'E',
        big: 2n ** 63n - 1n,
        whole: 3,
      },
      dropped_attributes_count: 3,
      resource: { schema_url: 'https://s/1', attributes: RESOURCE.attributes },
      scope: { name: 'io.shop', version: '1.2', attributes: { build: 'x' } },
      body: { text: 'hello' },
    });
    expect(documents[0]!.text).toContain('"whole":3.0');
    const [{ path, params, headers }] = server.requests;
    expect(path).toBe('/_bulk');
    expect(params.get('require_data_stream')).toBe('true');
    expect(headers).toMatchObject({ 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' });
  });

  test.each<[AnyValue | undefined, unknown]>([
    ['a "line"\n', { text: 'a "line"\n' }],
    ['', { text: '' }],
    [7, { text: '7' }],
    [2n ** 63n - 1n, { text: '9223372036854775807' }],
    [NaN, { text: 'NaN' }],
    [Uint8Array.of(1, 2), { text: 'AQI=' }],
    [{ a: 2n ** 53n + 1n, nan: NaN }, { structured: { a: 2n ** 53n + 1n, nan: null } }],
    [[{ a: 1 }, { b: 2 }], { structured: [{ a: 1 }, { b: 2 }] }],
    [['a', 1], { structured: { value: ['a', 1] } }],
    [null, undefined],
    [undefined, undefined],
  ])('a body of %o', async (body, expected) => {
    const { sources } = await push({}, logs(record(body)));
    expect(sources[0]!.body).toEqual(expected);
  });
});

describe('elasticsearch logs in mapping ecs', () => {
  test('are documents of the Elastic Common Schema', async () => {
    const { documents } = await push({ mapping: 'ecs' }, logs(record('hello', FULL)));
    expect(documents[0]!.index).toBe('logs-generic-default');
    expect(documents[0]!.source).toEqual({
      '@timestamp': NOW_TEXT,
      event: { created: '2023-11-14T22:13:20.000000006Z', action: 'shop.sold', severity: 17 },
      data_stream: { type: 'logs', dataset: 'generic', namespace: 'default' },
      log: { level: 'ERR', logger: 'io.shop' },
      trace: { id: '5b8efff798038103d269b633813fc60c' },
      span: { id: 'eee19b7ec3c1b174' },
      http: { route: '/a' },
      nested: { deep: [1, 2.5] },
      error: { type: 'E' },
      big: 2n ** 63n - 1n,
      whole: 3,
      build: 'x',
      host: { hostname: 'web-1', name: 'web-1', os: { platform: 'darwin', type: 'macos' } },
      service: { name: 'shop' },
      agent: { name: 'otlp' },
      message: 'hello',
    });
    expect(server.requests[0]!.params.has('require_data_stream')).toBe(false);
  });

  test('a name that is a value and an object keeps both', async () => {
    const { sources } = await push(
      { mapping: 'ecs' },
      logs(
        record('a', { attributes: { user: 'me', 'user.id': 7, 'x.y': 1, x: 2, '..': 3 } }),
        record(
          { code: 7 },
          {
            resource: {
              attributes: {
                'telemetry.sdk.name': 'opentelemetry',
                'telemetry.sdk.language': 'nodejs',
                'telemetry.sdk.version': '3',
              },
              schemaUrl: '',
            },
          },
        ),
      ),
    );
    expect(sources[0]).toMatchObject({ user: { value: 'me', id: 7 }, x: { y: 1, value: 2 }, _: { _: { _: 3 } } });
    expect(sources[1]).toMatchObject({ message: '{"code":7}', agent: { name: 'opentelemetry/nodejs', version: '3' } });
    expect(sources[1]).not.toHaveProperty('telemetry');
  });
});

describe.each(['otel', 'ecs'] as const)('elasticsearch in mapping %s', (mapping) => {
  test.each(['', 'two words', '"\'\\', 'a\nb\r\tc', 'ä€😀', '\u0000\u0001\u001f\u007f\u0085\u2028'])(
    'brings the text %j over unchanged',
    async (text) => {
      const { sources } = await push({ mapping }, logs(record(text, { attributes: { value: text } })));
      const source = sources[0] as {
        attributes?: { value: string };
        value?: string;
        message?: string;
        body?: { text: string };
      };
      expect(source.attributes?.value ?? source.value).toBe(text);
      expect(source.body?.text ?? source.message).toBe(text);
    },
  );

  test('halves of surrogate pairs become U+FFFD, nameless attributes underscores, not-a-number nothing', async () => {
    const { documents } = await push(
      { mapping },
      logs(record('\ud800', { attributes: { '': 1, ' ': 2, nan: NaN, list: [Infinity, 1] } })),
    );
    expect(documents[0]!.text).toContain('"\ufffd"');
    expect(documents[0]!.text).not.toMatch(/nan|NaN|Infinity/);
    expect(documents[0]!.text).toContain('"list":[null,1]');
  });

  test('takes the time, else the observed time, else now', async () => {
    const { sources } = await push(
      { mapping },
      logs(
        record('b', { time: 0n, observedTime: NOW }),
        record('c', { time: 0n, observedTime: 0n }),
        record('d', { time: 2n ** 63n }),
      ),
    );
    expect(sources[0]!['@timestamp']).toBe(NOW_TEXT);
    expect(Date.parse(sources[1]!['@timestamp'] as string)).toBeGreaterThan(NOW > 0n ? 1_700_000_000_000 : 0);
    expect(sources[2]!['@timestamp']).toBe(NOW_TEXT);
  });

  test('makes the lines of the golden', async () => {
    const { exporter } = run({ mapping });
    const batches: Batch[] = [logs(record('first "line"\n', FULL), record({ code: 7 })), metricsOfEveryKind()];
    const text = batches
      .flatMap((batch) => exporter.encode(batch).map(({ body }) => Buffer.from(body).toString()))
      .join('');
    await expect(text).toMatchFileSnapshot(`../golden/exporters/elasticsearch.${mapping}.ndjson`);
  });

  test('whatever a record holds, its document is taken', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 12 });
    const scalar = fc.oneof(text, fc.double(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
    const value = fc.oneof(scalar, fc.dictionary(text, scalar, { maxKeys: 3 }));
    const attributes = fc.dictionary(fc.oneof(text, fc.constantFrom('a', 'a.b', 'a.b.c', 'log.level', 'host')), value, {
      maxKeys: 6,
    });
    await fc.assert(
      fc.asyncProperty(value, attributes, attributes, async (body, own, resource) => {
        await using strict = await startElasticsearch();
        const { exporter } = run({ mapping, endpoints: [strict.url] });
        const batch = logs(record(body, { attributes: own, resource: { attributes: resource, schemaUrl: '' } }));
        for (const payload of exporter.encode(batch)) {
          expect(await exporter.send(asRequest(payload), 'logs', never)).toEqual({});
        }
        expect(strict.documents).toHaveLength(1);
        await exporter.stop?.();
      }),
      { numRuns: 40 },
    );
  });
});

function metricsOfEveryKind(): MetricBatch {
  const gauge = metric('temperature', { kind: 'gauge', valueType: 'double', unit: 'Cel' });
  const histogram = metric('latency', { kind: 'histogram', unit: 's' });
  const exponential = metric('size', { kind: 'exponential_histogram', unit: 'By' });
  const summary = metric('old', { kind: 'summary', unit: 's' });
  const of = (each: Parameters<typeof series>[0], attributes = {}) =>
    series(each, attributes, { resource: RESOURCE, startTime: 5n });
  return metricBatch(
    [
      of(metric('requests'), { route: '/a' }),
      of(metric('open', { isMonotonic: false }), { route: '/a' }),
      of(metric('rate', { temporality: 'delta', valueType: 'double' }), { route: '/a' }),
      of(gauge),
      of(histogram),
      of(exponential),
      of(summary),
      of(metric('requests'), { route: '/b' }),
    ],
    [7, -3, 2, 20.5, NaN, NaN, NaN, 0],
    {
      time: NOW,
      exactValues: new Map([[7, 2n ** 63n - 1n]]),
      points: [
        undefined,
        undefined,
        undefined,
        undefined,
        { type: 'histogram', count: 6n, sum: 9, explicitBounds: [1, 2, 5], bucketCounts: [1n, 0n, 3n, 2n] },
        {
          type: 'exponential_histogram',
          count: 6n,
          scale: 0,
          zeroCount: 1n,
          zeroThreshold: 0,
          positive: { offset: 0, bucketCounts: [2n, 0n, 1n] },
          negative: { offset: 1, bucketCounts: [2n] },
        },
        { type: 'summary', count: 3n, sum: 4.5, quantiles: [{ quantile: 0.5, value: 1 }] },
        undefined,
      ],
    },
  );
}

describe('elasticsearch metrics in mapping otel', () => {
  test('points with the same attributes, unit and time are one document, each with its mapping', async () => {
    const { documents } = await push({}, metricsOfEveryKind());
    const summary = documents.map(({ source, dynamicTemplates, id }) => [
      id,
      source.attributes,
      source.unit,
      source.metrics,
      dynamicTemplates,
    ]);
    expect(summary).toEqual([
      [
        undefined,
        { route: '/a' },
        '1',
        { requests: 7, open: -3, rate: 2 },
        { 'metrics.requests': 'counter_long', 'metrics.open': 'gauge_long', 'metrics.rate': 'gauge_double' },
      ],
      [undefined, { route: '/b' }, '1', { requests: 2n ** 63n - 1n }, { 'metrics.requests': 'counter_long' }],
      [undefined, undefined, 'Cel', { temperature: 20.5 }, { 'metrics.temperature': 'gauge_double' }],
      [
        undefined,
        undefined,
        's',
        { latency: { counts: [1, 3, 2], values: [0.5, 3.5, 5] }, old: { sum: 4.5, value_count: 3 } },
        { 'metrics.latency': 'histogram', 'metrics.old': 'summary' },
      ],
      [
        undefined,
        undefined,
        'By',
        { size: { counts: [2, 1, 2, 1], values: [-3, 0, 1.5, 6] } },
        { 'metrics.size': 'histogram' },
      ],
    ]);
    expect(documents[0]!.source).toMatchObject({
      '@timestamp': NOW_TEXT,
      start_timestamp: '1970-01-01T00:00:00.000000005Z',
      data_stream: { type: 'metrics', dataset: 'generic.otel', namespace: 'default' },
      resource: { attributes: RESOURCE.attributes },
      _metric_names_hash: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(documents[0]!.text).toContain('"rate":2.0');
  });

  test('different metrics with the same attributes and time, sent apart, do not displace each other', async () => {
    const { exporter } = run();
    for (const name of ['a', 'b', 'a']) {
      const batch = metricBatch([series(name)], [1], { time: NOW });
      for (const payload of exporter.encode(batch)) {
        expect(await exporter.send(asRequest(payload), 'metrics', never)).toEqual({});
      }
    }
    expect(server.documents.map(({ source }) => source.metrics)).toEqual([{ a: 1 }, { b: 1 }]);
  });

  test('a map among the attributes is a text, because it is a dimension', async () => {
    const { sources } = await push({}, metricBatch([series('a', { map: { b: 1 } })], [1], { time: NOW }));
    expect(sources[0]!.attributes).toEqual({ map: '{"b":1}' });
  });
});

describe('elasticsearch metrics in mapping ecs', () => {
  test('a metric is a field of its dotted name', async () => {
    const { documents } = await push(
      { mapping: 'ecs' },
      metricBatch(
        [
          series('system.cpu.time', { 'cpu.mode': 'user' }, { resource: RESOURCE }),
          series('system.cpu.count', { 'cpu.mode': 'user' }, { resource: RESOURCE }),
        ],
        [2 ** 60, 8],
        { time: NOW },
      ),
    );
    expect(documents[0]!.text).toContain('"time":1152921504606846976');
    expect(documents[0]!.source).toMatchObject({
      '@timestamp': NOW_TEXT,
      data_stream: { type: 'metrics', dataset: 'generic', namespace: 'default' },
      host: { hostname: 'web-1', name: 'web-1' },
      cpu: { mode: 'user' },
      system: { cpu: { count: 8 } },
    });
    expect(documents[0]!.dynamicTemplates).toEqual({});
  });
});

describe.each(['otel', 'ecs'] as const)('elasticsearch metrics in mapping %s', (mapping) => {
  test('what JSON or Elasticsearch cannot express is left out and counted, the rest of its document sent', async () => {
    const layout = ['ended', 'nan', 'infinite', 'good', 'too_big', 'sumless', 'summary'].map((name) => series(name));
    const { dropped, documents } = await push(
      { mapping },
      metricBatch(layout, [NaN, NaN, -Infinity, 1, NaN, NaN, NaN], {
        time: NOW,
        flags: Uint32Array.of(1, 0, 0, 0, 0, 0, 0),
        points: [
          undefined,
          undefined,
          undefined,
          undefined,
          { type: 'histogram', count: 2n ** 64n - 1n, sum: 1, explicitBounds: [], bucketCounts: [] },
          { type: 'histogram', count: 2n, explicitBounds: [], bucketCounts: [] },
          { type: 'summary', count: 2n, sum: NaN, quantiles: [] },
        ],
      }),
    );
    expect(Object.fromEntries(dropped)).toEqual({ no_recorded_value: 1, not_finite: 3, not_representable: 2 });
    expect(documents).toHaveLength(1);
    expect(documents[0]!.text).toContain('"good":1');
  });

  test('points at different times are documents of their own, two at the same time are not both sent', async () => {
    const layout = [series('a'), series('a'), series('a'), series('b')];
    const times = BigUint64Array.of(NOW, NOW + 1n, NOW, NOW + 1n);
    const { documents, dropped } = await push({ mapping }, metricBatch(layout, [1, 2, 3, 4], { times }));
    expect([...dropped]).toEqual([['duplicate_point', 1]]);
    const pick = ({ source }: (typeof documents)[number]) =>
      (source.metrics ?? { a: source.a, b: source.b }) as { a?: number; b?: number };
    expect(documents.map((each) => [each.source['@timestamp'], pick(each).a, pick(each).b])).toEqual([
      [NOW_TEXT, 1, undefined],
      ['2023-11-14T22:13:20.000000002Z', undefined, 4],
      ['2023-11-14T22:13:20.000000002Z', 2, undefined],
    ]);
  });

  test('the same layout again gives the same documents with new times and values', async () => {
    const layout = [series('a'), series('b')];
    const { exporter } = run({ mapping });
    for (const [index, values] of [
      [1, 2],
      [3, NaN],
      [5, 6],
    ].entries()) {
      const batch = metricBatch(layout, values, { time: NOW + BigInt(index) });
      for (const payload of exporter.encode(batch)) {
        expect(await exporter.send(asRequest(payload), 'metrics', never)).toEqual({});
      }
    }
    const values = server.documents.map(({ source }) =>
      mapping === 'otel' ? source.metrics : { a: source.a, ...(source.b !== undefined && { b: source.b }) },
    );
    expect(values).toEqual([{ a: 1, b: 2 }, { a: 3 }, { a: 5, b: 6 }]);
  });
});

describe('elasticsearch targets', () => {
  test('dataset and namespace make the name of the data stream', async () => {
    const { documents } = await push({ data_stream: { dataset: 'shop', namespace: 'prod' } }, logs(record('a')));
    expect(documents[0]!.index).toBe('logs-shop.otel-prod');
  });

  test('by_attributes lets record, scope and resource decide, in names that Elasticsearch takes', async () => {
    const { documents } = await push(
      { data_stream: { by_attributes: true } },
      logs(
        record('a', {
          attributes: { 'data_stream.dataset': 'My-App/*', x: 1 },
          resource: { attributes: { 'data_stream.namespace': 'EU', 'data_stream.dataset': 'no' }, schemaUrl: '' },
        }),
        record('b'),
        record('c', { attributes: { 'data_stream.dataset': 'ä'.repeat(80) } }),
      ),
    );
    expect(documents.map(({ index }) => index)).toEqual([
      'logs-my_app__.otel-eu',
      'logs-generic.otel-default',
      `logs-${'ä'.repeat(47)}.otel-default`,
    ]);
    expect(documents[0]!.source.attributes).toEqual({ x: 1 });
  });

  test('without by_attributes the data decides nothing', async () => {
    const { documents } = await push({}, logs(record('a', { attributes: { 'data_stream.dataset': 'evil' } })));
    expect(documents[0]!.index).toBe('logs-generic.otel-default');
  });

  test('an index of the user’s own', async () => {
    const { documents } = await push({ index: 'sonde-{signal}' }, logs(record('a')));
    expect(documents[0]!.index).toBe('sonde-logs');
    expect(documents[0]!.source).not.toHaveProperty('data_stream');
    expect(server.requests[0]!.params.has('require_data_stream')).toBe(false);
  });

  test('a pipeline and an API key', async () => {
    await using strict = await startElasticsearch({ apiKey: 'c2VjcmV0', pipelines: ['clean'] });
    const { exporter, log } = run({ endpoints: [`${strict.url}/`], pipeline: 'clean', api_key: 'c2VjcmV0' });
    for (const payload of exporter.encode(logs(record('a')))) {
      expect(await exporter.send(asRequest(payload), 'logs', never)).toEqual({});
    }
    expect(strict.documents).toHaveLength(1);
    expect(JSON.stringify(log.lines)).not.toContain('c2VjcmV0');
  });
});

describe('elasticsearch answers', () => {
  const bodyOf = (text: string) => record(text);
  const reasonOf = (source: { readonly body?: unknown }) => (source.body as { text: string }).text;

  test('documents that a busy shard could not take come back to be sent again, refused ones with the reason', async () => {
    const { exporter } = run();
    server.judge = (source, attempt) => {
      const text = reasonOf(source);
      if (text === 'busy' && attempt === 1)
        return { status: 429, type: 'es_rejected_execution_exception', reason: 'rejected' };
      if (text === 'away' && attempt === 1)
        return { status: 503, type: 'unavailable_shards_exception', reason: 'primary shard is not active' };
      if (text === 'bad')
        return { status: 400, type: 'document_parsing_exception', reason: 'failed to parse field [x]' };
      return undefined;
    };
    const [payload] = exporter.encode(logs(...['good', 'busy', 'bad', 'away', 'fine'].map(bodyOf)));
    const result = await exporter.send(asRequest(payload!), 'logs', never);
    expect(result).toMatchObject({ again: { count: 2 }, refused: { count: 1 } });
    expect((result as { message: string }).message).toContain(
      '400 document_parsing_exception: failed to parse field [x]',
    );
    expect(Buffer.from((result as { refused: { body: Uint8Array } }).refused.body).toString()).toContain('"bad"');
    expect(
      await exporter.send(asRequest((result as { again: { body: Uint8Array; count: number } }).again), 'logs', never),
    ).toEqual({});
    expect(server.documents.map(({ source }) => reasonOf(source))).toEqual(['good', 'fine', 'busy', 'away']);
  });

  test('parts of metrics know how many points they hold', async () => {
    const { exporter } = run();
    const layout = [
      series('a', { k: 1 }),
      series('b', { k: 1 }),
      series('c', { k: 1 }),
      series('a', { k: 2 }),
      series('b', { k: 2 }),
    ];
    server.judge = (source, attempt) =>
      (source.attributes as { k: number }).k === 1 && attempt === 1
        ? { status: 429, type: 'x', reason: 'y' }
        : undefined;
    const [payload] = exporter.encode(metricBatch(layout, [1, 2, 3, 4, 5], { time: NOW }));
    expect(payload!.count).toBe(5);
    const result = (await exporter.send(asRequest(payload!), 'metrics', never)) as {
      again: { body: Uint8Array; count: number };
    };
    expect(result.again.count).toBe(3);
    expect(await exporter.send(asRequest(result.again), 'metrics', never)).toEqual({});
    expect(exporter.split!(payload!, 'metrics').map(({ count }) => count)).toEqual([3, 2]);
    expect(server.requests.every(({ body }) => body.startsWith('{'))).toBe(true);
  });

  test('a repeated request stores nothing twice, and counts as sent', async () => {
    const { exporter } = run();
    const [payload] = exporter.encode(logs(record('a'), record('a')));
    const request = asRequest(payload!);
    expect(await exporter.send(request, 'logs', never)).toEqual({});
    expect(await exporter.send(request, 'logs', never)).toEqual({});
    expect(await run().exporter.send(request, 'logs', never)).toEqual({});
    expect(server.documents).toHaveLength(2);
    expect(new Set(server.documents.map(({ id }) => id)).size).toBe(2);
  });

  test('what is left of a request keeps its ids, whatever the id of the request that carries it', async () => {
    const { exporter } = run();
    server.judge = (source, attempt) =>
      reasonOf(source) !== 'a' && attempt === 1 ? { status: 429, type: 'x', reason: 'y' } : undefined;
    const request = asRequest(exporter.encode(logs(record('a'), record('b'), record('c')))[0]!);
    const result = (await exporter.send(request, 'logs', never)) as { again: { body: Uint8Array; count: number } };
    expect(await exporter.send({ ...result.again, id: request.id }, 'logs', never)).toEqual({});
    expect(server.documents.map(({ id, source }) => [id, reasonOf(source)])).toEqual([
      [`${request.id}.0`, 'a'],
      [`${request.id}.1`, 'b'],
      [`${request.id}.2`, 'c'],
    ]);
  });

  test('document_id: none leaves the ids to Elasticsearch', async () => {
    const { documents } = await push({ document_id: 'none' }, logs(record('a')));
    expect(documents[0]!.id).toBeUndefined();
  });

  test.each([
    ['', 'no JSON'],
    ['{"errors":true,"items":[{"create":{"status":201}}', 'no JSON'],
    ['[]', 'no object'],
    ['{"errors":true}', 'no items for 2 documents'],
    ['{"errors":true,"items":[{"create":{"status":201}}]}', '1 items for 2 documents'],
    ['{"errors":true,"items":[{"create":{}},{"create":{"status":201}}]}', 'an item without a status'],
  ])('the answer %j says nothing, so the request is repeated', async (body, found) => {
    const { exporter } = run();
    server.answers.push({ status: 200, body });
    const [payload] = exporter.encode(logs(record('a'), record('b')));
    await expect(exporter.send(asRequest(payload!), 'logs', never)).rejects.toThrow(
      new RetryableError(`Cannot read the answer to a bulk request: ${found}`),
    );
  });

  test.each([
    [400, RefusedError],
    [401, RefusedError],
    [413, TooLargeError],
    [429, RetryableError],
    [500, RetryableError],
    [503, RetryableError],
  ])('status %d becomes a %o', async (status, kind) => {
    const { exporter } = run();
    server.answers.push({ status, body: '{}' });
    const [payload] = exporter.encode(logs(record('a')));
    const error: unknown = await Promise.resolve(exporter.send(asRequest(payload!), 'logs', never)).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as Error).constructor).toBe(kind);
  });
});

describe('elasticsearch requests', () => {
  test('are split over max_request_bytes without losing a document', async () => {
    const { exporter, dropped } = run({ max_request_bytes: 1500 });
    const records = Array.from({ length: 20 }, (_, index) => record(`line ${index}`));
    const payloads = exporter.encode(logs(...records));
    expect(payloads.length).toBeGreaterThan(4);
    expect(Math.max(...payloads.map(({ body }) => body.byteLength))).toBeLessThanOrEqual(1500);
    for (const payload of payloads) await exporter.send(asRequest(payload), 'logs', never);
    expect(server.documents.map(({ source }) => source.body)).toEqual(records.map(({ body }) => ({ text: body })));
    expect(dropped.size).toBe(0);
  });

  test('a document that alone is too large is dropped and counted', () => {
    const { exporter, dropped } = run({ max_request_bytes: 1500 });
    const payloads = exporter.encode(logs(record('a'), record('x'.repeat(1500)), record('b')));
    expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect([...dropped]).toEqual([['too_large', 1]]);
  });

  test('hold at most 2000 documents, so that their answers stay small', () => {
    const { exporter } = run({ document_id: 'none' });
    const payloads = exporter.encode(logs(...Array.from({ length: 2001 }, () => record('a'))));
    expect(payloads.map(({ count }) => count)).toEqual([2000, 1]);
  });

  test('one document cannot be split', () => {
    const { exporter } = run();
    const [payload] = exporter.encode(logs(record('a')));
    expect(exporter.split!(payload!, 'logs')).toEqual([payload]);
  });

  test('empty batches and traces make none', () => {
    const { exporter } = run();
    expect(exporter.encode(logs())).toEqual([]);
    expect(exporter.encode(metricBatch([], []))).toEqual([]);
    expect(exporter.encode(createSpans('a'))).toEqual([]);
  });

  test('go to the hosts in turn, and past one that is down', async () => {
    await using other = await startElasticsearch();
    const { exporter } = run({ endpoints: [server.url, other.url] });
    const send = async (text: string) => {
      for (const payload of exporter.encode(logs(record(text)))) await exporter.send(asRequest(payload), 'logs', never);
    };
    await send('a');
    await send('b');
    expect([server.documents.length, other.documents.length]).toEqual([1, 1]);
    server.answers.push({ status: 503 });
    await send('c');
    expect(other.documents).toHaveLength(2);
    await send('d');
    await send('e');
    // The one that failed rests.
    expect([server.documents.length, other.documents.length]).toEqual([1, 4]);
  });
});

test.each([
  [{ endpoints: ['es:9200'] }, 'endpoints[0]', 'Cannot use "es:9200": not an http:// or https:// URL'],
  [{ index: 'Sonde' }, 'index', 'Cannot use "Sonde" as an index: it has capitals'],
  [{ index: 'a b' }, 'index', 'Cannot use "a b" as an index: it has " " in it'],
  [{ index: '_a' }, 'index', 'Cannot use "_a" as an index: it begins with "-", "_" or "+", or is "." or ".."'],
  [{ index: 'a', data_stream: {} }, 'index', 'Cannot use both index and data_stream: give one of them'],
  [{ api_key: 'a', auth: { bearer: { token: 'b' } } }, 'api_key', 'Cannot use both api_key and auth: give one of them'],
])('elasticsearch refuses %j and names the option', (config, option, message) => {
  let error: unknown;
  try {
    runExporter(elasticsearch, config, ['logs']);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).problems[0]).toMatchObject({ message, path: `exporters.elasticsearch.${option}` });
});
