import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import sdk from '../../exporters/sdk.ts';
import { toDeliveryError } from '../../exporters/sdk/export.ts';
import otlpReceiver from '../../receivers/otlp.ts';
import { createPush } from '../../src/delivery/push.ts';
import { ConfigError, PermanentError, RetryableError } from '../../src/errors.ts';
import {
  NO_RECORDED_VALUE,
  Series,
  type LogBatch,
  type Metric,
  type MetricBatch,
  type Signal,
} from '../../src/model/batch.ts';
import { decodeMetrics } from '../../src/model/otlp/decode_metrics.ts';
import { DoubleValue } from '../../src/model/attributes.ts';
import { createFigures, createPushConfig } from '../delivery/fixtures.ts';
import { runReceiver } from '../support/collect.ts';
import { runExporter } from '../support/exporter.ts';
import { createLogs, createSums } from '../support/telemetry.ts';
import { asRequest } from '../support/request.ts';

const never = new AbortController().signal;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sonde-sdk-'));
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

interface Seen {
  options: unknown;
  readonly exported: unknown[];
  results: { code: number; error?: Error }[];
  isDelta: boolean;
  isShutDown: boolean;
}

/** A package `back-end` in the working directory, whose exporter tells here what it is asked. */
function install(): Seen {
  const seen: Seen = { options: undefined, exported: [], results: [], isDelta: false, isShutDown: false };
  Object.assign(globalThis, { sondeTestExporter: seen });
  const root = join(folder, 'node_modules', 'back-end');
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"name":"back-end","version":"1.0.0","main":"index.js"}');
  writeFileSync(
    join(root, 'index.js'),
    `const seen = globalThis.sondeTestExporter;
    exports.Exporter = class {
      constructor(options) { seen.options = options; }
      export(data, done) { seen.exported.push(data); done(seen.results.shift() ?? { code: 0 }); }
      selectAggregationTemporality() { return seen.isDelta ? 0 : 1; }
      async forceFlush() {}
      async shutdown() { seen.isShutDown = true; }
    };
    exports.Broken = class { constructor() { throw new Error('no key'); } };
    exports.Other = class {};
    exports.version = '1';`,
  );
  return seen;
}

function run(config: Readonly<Record<string, unknown>> = {}, signals: readonly Signal[] = ['metrics']) {
  return runExporter(sdk, { package: 'back-end', export: 'Exporter', ...config }, signals);
}

const RESOURCE = { attributes: { 'service.name': 'a' }, schemaUrl: 'https://opentelemetry.io/schemas/1.44.0' };
const SCOPE = { name: 's', version: '1', attributes: {}, schemaUrl: '' };
function seriesOf(changes: Partial<Metric>, resource = RESOURCE): Series {
  const metric: Metric = {
    name: 'm',
    description: 'd',
    unit: 's',
    kind: 'gauge',
    isMonotonic: false,
    temporality: 'unspecified',
    valueType: 'double',
    ...changes,
  };
  return new Series(resource, SCOPE, metric, { int: 1, double: new DoubleValue(1), list: ['a'] }, 1_000_000_001n);
}

describe('sdk', () => {
  test('hands metrics to the exporter as ResourceMetrics, one for each resource', async () => {
    const seen = install();
    const other = { attributes: { 'service.name': 'b' }, schemaUrl: '' };
    const batch: MetricBatch = {
      signal: 'metrics',
      count: 5,
      series: [
        seriesOf({}),
        seriesOf({ name: 'total', kind: 'sum', isMonotonic: true, temporality: 'cumulative', valueType: 'int' }),
        seriesOf({ name: 'h', kind: 'histogram', temporality: 'delta' }),
        seriesOf({ name: 'e', kind: 'exponential_histogram', temporality: 'cumulative' }),
        seriesOf({}, other),
      ],
      values: Float64Array.of(0.5, 7, NaN, NaN, 2),
      time: 5_000_000_002n,
      points: [
        undefined,
        undefined,
        { type: 'histogram', count: 3n, sum: 4, min: 1, max: 2, explicitBounds: [1], bucketCounts: [1n, 2n] },
        {
          type: 'exponential_histogram',
          count: 3n,
          sum: 4,
          scale: 2,
          zeroCount: 1n,
          zeroThreshold: 0,
          positive: { offset: -1, bucketCounts: [1n, 1n] },
          negative: { offset: 0, bucketCounts: [] },
        },
        undefined,
      ],
    };
    const { exporter } = run();
    for (const payload of exporter.encode(batch)) await exporter.send(asRequest(payload), 'metrics', never);
    const [first, second] = seen.exported as ResourceMetrics[];
    expect(first!.resource.attributes).toEqual({ 'service.name': 'a' });
    expect(first!.resource.schemaUrl).toBe('https://opentelemetry.io/schemas/1.44.0');
    expect(second!.resource.attributes).toEqual({ 'service.name': 'b' });
    const point = { startTime: [1, 1], endTime: [5, 2], attributes: { int: 1, double: 1, list: ['a'] } };
    expect(first!.scopeMetrics).toEqual([
      {
        scope: { name: 's', version: '1', attributes: {} },
        metrics: [
          {
            descriptor: { name: 'm', description: 'd', unit: 's', valueType: 1 },
            aggregationTemporality: 1,
            dataPointType: 2,
            dataPoints: [{ ...point, value: 0.5 }],
          },
          {
            descriptor: { name: 'total', description: 'd', unit: 's', valueType: 0 },
            aggregationTemporality: 1,
            dataPointType: 3,
            isMonotonic: true,
            dataPoints: [{ ...point, value: 7 }],
          },
          {
            descriptor: { name: 'h', description: 'd', unit: 's', valueType: 1 },
            aggregationTemporality: 0,
            dataPointType: 0,
            dataPoints: [
              { ...point, value: { count: 3, sum: 4, min: 1, max: 2, buckets: { boundaries: [1], counts: [1, 2] } } },
            ],
          },
          {
            descriptor: { name: 'e', description: 'd', unit: 's', valueType: 1 },
            aggregationTemporality: 1,
            dataPointType: 1,
            dataPoints: [
              {
                ...point,
                value: {
                  count: 3,
                  sum: 4,
                  scale: 2,
                  zeroCount: 1,
                  positive: { offset: -1, bucketCounts: [1, 1] },
                  negative: { offset: 0, bucketCounts: [] },
                },
              },
            ],
          },
        ],
      },
    ]);
  });

  test('leaves out, and counts, what the SDK has no place for', () => {
    install();
    const { exporter, dropped } = run();
    const batch: MetricBatch = {
      signal: 'metrics',
      count: 3,
      series: [seriesOf({}), seriesOf({ kind: 'summary' }), seriesOf({})],
      values: Float64Array.of(1, NaN, NaN),
      time: 5n,
      flags: Uint32Array.of(0, 0, NO_RECORDED_VALUE),
      points: [undefined, { type: 'summary', count: 1n, sum: 1, quantiles: [] }, undefined],
    };
    const [payload] = exporter.encode(batch);
    expect(payload!.count).toBe(1);
    expect([...decodeMetrics(payload!.body).values]).toEqual([1]);
    expect([...dropped]).toEqual([['not_in_sdk', 2]]);
  });

  test('hands logs over as records whose resource and scope are the same objects', async () => {
    const seen = install();
    const { exporter } = run({}, ['logs']);
    const batch: LogBatch = createLogs('a', 'b');
    const traced = {
      traceId: '5b8efff798038103d269b633813fc60c',
      spanId: 'eee19b7ec3c1b174',
      flags: 1,
      eventName: 'e',
    };
    const records = [{ ...batch.records[0]!, ...traced, body: { deep: [1n, null] } }, batch.records[1]!];
    for (const payload of exporter.encode({ ...batch, records }))
      await exporter.send(asRequest(payload), 'logs', never);
    const [[first, second]] = seen.exported as [[ReadableLogRecord, ReadableLogRecord]];
    expect(first).toMatchObject({
      hrTime: [1_700_000_000, 0],
      hrTimeObserved: [1_700_000_000, 0],
      severityNumber: 9,
      severityText: 'INFO',
      body: { deep: [1, null] },
      eventName: 'e',
      attributes: { user: 'me' },
      droppedAttributesCount: 0,
      spanContext: { traceId: traced.traceId, spanId: traced.spanId, traceFlags: 1 },
    });
    expect(second).not.toHaveProperty('spanContext');
    expect(first.resource).toBe(second.resource);
    expect(first.resource.attributes).toEqual({ 'service.name': 'shop' });
    expect(first.instrumentationScope).toBe(second.instrumentationScope);
  });

  test('gives deltas to an exporter that asks for them', async () => {
    const seen = install();
    seen.isDelta = true;
    const { exporter, dropped } = run();
    expect(exporter.encode(createSums([7], 60))).toEqual([]);
    for (const payload of exporter.encode(createSums([9], 120)))
      await exporter.send(asRequest(payload), 'metrics', never);
    const [metrics] = seen.exported as ResourceMetrics[];
    const [data] = metrics!.scopeMetrics[0]!.metrics;
    expect(data).toMatchObject({ aggregationTemporality: 0, dataPoints: [{ value: 2 }] });
    expect([...dropped]).toEqual([['delta_baseline', 1]]);
  });

  test('gives options and headers to the constructor, and shuts the exporter down', async () => {
    const seen = install();
    const { exporter } = run({ options: { url: 'http://a', deep: { a: [1] } }, headers: { authorization: 'abc' } });
    expect(seen.options).toEqual({ url: 'http://a', deep: { a: [1] }, headers: { authorization: 'abc' } });
    await exporter.stop?.();
    expect(seen.isShutDown).toBe(true);
  });

  test('a repetition goes on after the resources that were exported', async () => {
    const seen = install();
    const { exporter } = run();
    const other = { attributes: { 'service.name': 'b' }, schemaUrl: '' };
    const batch: MetricBatch = {
      signal: 'metrics',
      count: 2,
      series: [seriesOf({}), seriesOf({}, other)],
      values: Float64Array.of(1, 2),
      time: 5n,
    };
    seen.results = [{ code: 0 }, { code: 1, error: new Error('busy') }];
    const [payload] = exporter.encode(batch);
    await expect(exporter.send(asRequest(payload!), 'metrics', never)).rejects.toThrow('Cannot export: busy');
    await exporter.send(asRequest(payload!), 'metrics', never);
    expect((seen.exported as ResourceMetrics[]).map(({ resource }) => resource.attributes['service.name'])).toEqual([
      'a',
      'b',
      'b',
    ]);
  });

  test.each([
    [
      { package: 'not-there' },
      'package',
      /^Cannot find the package not-there: it is not in .*node_modules .*\(run "npm install not-there" there\)$/,
    ],
    [{ export: 'Missing' }, 'export', /^Cannot find the class Missing in back-end$/],
    [{ export: 'version' }, 'export', /^Cannot find the class version in back-end$/],
    [{ export: 'constructor' }, 'export', /^Cannot find the class constructor in back-end$/],
    [{ export: 'Other' }, 'export', /^Cannot export with Other of back-end: it is no exporter$/],
    [{ export: 'Broken' }, 'options', /^Cannot make a Broken of back-end: no key$/],
  ])('create refuses %j and names the option', (config, option, message) => {
    install();
    let error: unknown;
    try {
      run(config);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ConfigError);
    const [problem] = (error as ConfigError).problems;
    expect(problem!.message).toMatch(message);
    expect(problem!.path).toBe(`exporters.sdk.${option}`);
  });

  test('create says which package a broken package lacks', () => {
    install();
    writeFileSync(join(folder, 'node_modules', 'back-end', 'index.js'), "require('its-own-need');");
    expect(() => run()).toThrow(/^Cannot load the package back-end: Cannot find module 'its-own-need'/);
  });

  test('create refuses two signals', () => {
    install();
    expect(() => run({}, ['metrics', 'logs'])).toThrow('Cannot run one Exporter for metrics and logs');
  });
});

test.each([
  [undefined, RetryableError],
  [new Error('connect ECONNREFUSED'), RetryableError],
  [Object.assign(new Error('x'), { code: 'ECONNRESET' }), RetryableError],
  [Object.assign(new Error('x'), { code: 14 }), RetryableError],
  [Object.assign(new Error('x'), { code: 8 }), RetryableError],
  [Object.assign(new Error('x'), { code: 3 }), PermanentError],
  [Object.assign(new Error('x'), { code: 16 }), PermanentError],
  [Object.assign(new Error('x'), { code: 503 }), RetryableError],
  [Object.assign(new Error('x'), { code: 400 }), PermanentError],
])('toDeliveryError takes %o as %o', (error, kind) => {
  expect(toDeliveryError(error)).toBeInstanceOf(kind);
});

test('the OTLP gRPC exporter of the SDK delivers through the queue, value for value', async () => {
  vi.restoreAllMocks();
  const config = { protocols: { grpc: { endpoint: '127.0.0.1:0' } } };
  const backEnd = await runReceiver(otlpReceiver, { config });
  const address = / on (\S+)$/.exec(backEnd.said[0]!)![1]!;
  const { exporter, log } = runExporter(
    sdk,
    {
      package: '@opentelemetry/exporter-metrics-otlp-grpc',
      export: 'OTLPMetricExporter',
      options: { url: `http://${address}` },
    },
    ['metrics'],
  );
  const figures = createFigures();
  const push = createPush({ exporter, config: createPushConfig({ queue: { max_bytes: 1 << 20 } }), figures, log });
  push.start();
  const sums = createSums([1, 2, 3]);
  await push.consume(sums);
  await push.stop(5000);
  await exporter.stop?.();
  await backEnd.stop();
  expect(figures).toMatchObject({ sent: 3, queued: 0 });
  const arrived = decodeMetrics(backEnd.handedOver[0]!.otlp!);
  expect([...arrived.values]).toEqual([1, 2, 3]);
  expect(arrived.time).toBe(sums.time);
  expect(arrived.series.map(({ key, startTime }) => [key, startTime])).toEqual(
    sums.series.map(({ key, startTime }) => [key, startTime]),
  );
});
