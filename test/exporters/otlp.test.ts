import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import otlp from '../../exporters/otlp.ts';
import { ConfigError, RefusedError, RetryableError, TooLargeError } from '../../src/errors.ts';
import type { MetricBatch } from '../../src/model/batch.ts';
import { encodeLogs } from '../../src/model/otlp/encode_logs.ts';
import { decodeLogsJson, decodeMetricsJson, decodeTracesJson } from '../../src/model/otlp/json.ts';
import { lazyMetricBatch } from '../../src/model/otlp/lazy_batch.ts';
import { decodeMetrics } from '../../src/model/otlp/decode_metrics.ts';
import { encodeMetrics } from '../../src/model/otlp/encode_metrics.ts';
import { countItems } from '../../src/model/otlp/requests.ts';
import { encodeResponse, encodeResponseJson } from '../../src/model/otlp/responses.ts';
import { runExporter } from '../support/exporter.ts';
import { startHttpBackEnd, type HttpBackEnd } from '../support/http_back_end.ts';
import { createLogs, createSpans, createSums } from '../support/telemetry.ts';
import { asRequest } from '../support/request.ts';

const never = new AbortController().signal;
let backEnd: HttpBackEnd;
const stops: (() => unknown)[] = [];
beforeEach(async () => {
  backEnd = await startHttpBackEnd();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await backEnd[Symbol.asyncDispose]();
});

function run(config: Readonly<Record<string, unknown>> = {}) {
  const made = runExporter(otlp, { endpoint: backEnd.url, ...config });
  stops.push(() => made.exporter.stop?.());
  return made;
}

describe('otlp over HTTP', () => {
  test('posts each signal to its path, as protobuf with gzip', async () => {
    const { exporter } = run();
    for (const batch of [createSums([1, 2]), createLogs('a'), createSpans('GET /')]) {
      for (const payload of exporter.encode(batch)) await exporter.send(asRequest(payload), batch.signal, never);
    }
    expect(backEnd.requests.map(({ path }) => path)).toEqual(['/v1/metrics', '/v1/logs', '/v1/traces']);
    expect(backEnd.requests[0]!.headers).toMatchObject({
      'content-type': 'application/x-protobuf',
      'content-encoding': 'gzip',
    });
    expect(backEnd.requests[0]!.headers['user-agent']).toMatch(/^sonde\/\S+ OTel-OTLP-Exporter-JavaScript\/\S+$/);
    expect([...decodeMetrics(backEnd.requests[0]!.body).values]).toEqual([1, 2]);
    expect(backEnd.requests[1]!.body.equals(encodeLogs(createLogs('a')))).toBe(true);
    expect(countItems(backEnd.requests[2]!.body, 'traces')).toBe(1);
  });

  test('http/json sends the same as JSON', async () => {
    const { exporter } = run({ protocol: 'http/json', compression: 'zstd' });
    for (const batch of [createSums([1, 2]), createLogs('a'), createSpans('GET /')]) {
      for (const payload of exporter.encode(batch)) await exporter.send(asRequest(payload), batch.signal, never);
    }
    const [metrics, logs, traces] = backEnd.requests;
    expect(metrics!.headers).toMatchObject({ 'content-type': 'application/json', 'content-encoding': 'zstd' });
    expect([...decodeMetricsJson(metrics!.body).values]).toEqual([1, 2]);
    expect(decodeLogsJson(logs!.body).records[0]!.body).toBe('a');
    expect(decodeTracesJson(traces!.body).count).toBe(1);
  });

  test.each([
    [{ endpoint: '/base/' }, ['/base/v1/metrics', '/base/v1/logs', '/base/v1/traces']],
    [{ endpoint: '', metrics_endpoint: '/own', logs_endpoint: '' }, ['/own', '/', '/v1/traces']],
  ])('addresses of %j', async (paths, expected) => {
    const config = Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, `${backEnd.url}${path}`]));
    const { exporter } = run(config);
    const payload = { body: new Uint8Array(), count: 0 };
    for (const signal of ['metrics', 'logs', 'traces'] as const) await exporter.send(asRequest(payload), signal, never);
    expect(backEnd.requests.map(({ path }) => path)).toEqual(expected);
  });

  test('headers go with every request and no text of them shows', async () => {
    const { exporter } = run({ headers: { Authorization: 'Bearer abc' } });
    await exporter.send(asRequest({ body: new Uint8Array(), count: 0 }), 'logs', never);
    expect(backEnd.requests[0]!.headers.authorization).toBe('Bearer abc');
    expect(() => run({ headers: { 'X-Key': 'hunter2\n' } })).toThrow(/^Cannot use header "X-Key": [A-Z_]+$/);
  });

  test.each([
    ['application/x-protobuf', () => encodeResponse({ rejected: 2, message: 'too old' })],
    ['application/json; charset=utf-8', () => encodeResponseJson({ rejected: 2, message: 'too old' }, 'metrics')],
  ])('reads a partial success in %s', async (type, body) => {
    const { exporter } = run();
    backEnd.answer = (_, response) => response.writeHead(200, { 'content-type': type }).end(body());
    const [payload] = exporter.encode(createSums([1, 2, 3]));
    expect(await exporter.send(asRequest(payload!), 'metrics', never)).toEqual({ rejected: 2, message: 'too old' });
  });

  test.each(['', '<html>fine</html>', '{"message":'])('takes the odd answer %j for success', async (body) => {
    const { exporter } = run();
    backEnd.answer = (_, response) => response.end(body);
    expect(await exporter.send(asRequest(exporter.encode(createSums([1]))[0]!), 'metrics', never)).toEqual({});
  });

  test.each([
    [400, RefusedError],
    [413, TooLargeError],
    [429, RetryableError],
    [500, RefusedError],
    [503, RetryableError],
  ])('status %d becomes a %o', async (status, kind) => {
    const { exporter } = run();
    backEnd.answer = (_, response) => response.writeHead(status).end();
    const error = await Promise.resolve(
      exporter.send(asRequest({ body: new Uint8Array(), count: 0 }), 'logs', never),
    ).catch((thrown: unknown) => thrown);
    expect((error as Error).constructor).toBe(kind);
  });

  test('what came encoded goes on byte for byte, unknown fields too', () => {
    const { exporter } = run();
    const bytes = Buffer.concat([encodeMetrics(createSums([1])), Buffer.from([0x9a, 0x06, 0x01, 0x41])]);
    const [payload] = exporter.encode(lazyMetricBatch(bytes, 1));
    expect(payload!.body).toBe(bytes);
  });

  test('splits what is over max_request_bytes and loses no item', () => {
    const { exporter, dropped } = run({ max_request_bytes: 600 });
    const payloads = exporter.encode(createSums(Array.from({ length: 100 }, (_, index) => index)));
    expect(payloads.length).toBeGreaterThan(5);
    expect(Math.max(...payloads.map(({ body }) => body.length))).toBeLessThanOrEqual(600);
    expect(payloads.flatMap(({ body }) => [...decodeMetrics(body).values])).toEqual(
      Array.from({ length: 100 }, (_, index) => index),
    );
    expect(payloads.every(({ body, count }) => countItems(body, 'metrics') === count)).toBe(true);
    expect(dropped.size).toBe(0);
  });

  test('leaves out, and counts, an item that alone is over max_request_bytes', () => {
    const { exporter, dropped } = run({ max_request_bytes: 600 });
    const payloads = exporter.encode(createLogs('a', 'x'.repeat(1000), 'b'));
    expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect([...dropped]).toEqual([['too_large', 1]]);
  });

  test('JSON over max_request_bytes asks to be split', async () => {
    const { exporter } = run({ protocol: 'http/json', max_request_bytes: 600 });
    const [payload] = exporter.encode(createSums([1, 2, 3, 4]));
    await expect(exporter.send(asRequest(payload!), 'metrics', never)).rejects.toThrow(TooLargeError);
    for (const part of exporter.split!(payload!, 'metrics')) expect(part.count).toBe(2);
  });

  test('split halves a request', () => {
    const { exporter } = run();
    const [payload] = exporter.encode(createSums([1, 2, 3]));
    const parts = exporter.split!(payload!, 'metrics');
    expect(parts.map(({ count }) => count)).toEqual([2, 1]);
    expect(parts.flatMap(({ body }) => [...decodeMetrics(body).values])).toEqual([1, 2, 3]);
  });
});

describe('otlp temporality', () => {
  const valuesOf = (payloads: readonly { body: Uint8Array }[]) =>
    payloads.flatMap(({ body }) => {
      const { series, values } = decodeMetrics(body);
      return series.map(({ metric }, row) => [metric.temporality, values[row]]);
    });

  test('cumulative hands sums on as they are', () => {
    const { exporter } = run();
    expect(valuesOf(exporter.encode(createSums([7])))).toEqual([['cumulative', 7]]);
  });

  test('delta sends what was added; a total from before the agent only sets the baseline, and is counted', () => {
    const { exporter, dropped } = run({ temporality: 'delta' });
    expect(exporter.encode(createSums([7, 8], 60))).toEqual([]);
    expect([...dropped]).toEqual([['delta_baseline', 2]]);
    expect(valuesOf(exporter.encode(createSums([9, 8], 120)))).toEqual([
      ['delta', 2],
      ['delta', 0],
    ]);
  });

  test('lowmemory leaves sums cumulative', () => {
    const { exporter } = run({ temporality: 'lowmemory' });
    const batch: MetricBatch = createSums([7]);
    expect(valuesOf(exporter.encode(batch))).toEqual([['cumulative', 7]]);
  });

  test('delta leaves up-down counters and gauges as they are', () => {
    const { exporter } = run({ temporality: 'delta' });
    expect(valuesOf(exporter.encode(createSums([7], 60, { isMonotonic: false })))).toEqual([['cumulative', 7]]);
  });
});

test.each([
  [{ endpoint: 'localhost:4318' }, 'endpoint', 'Cannot use "localhost:4318": not an http:// or https:// URL'],
  [{ logs_endpoint: 'ftp://a' }, 'logs_endpoint', 'Cannot use "ftp://a": not an http:// or https:// URL'],
  [
    { protocol: 'grpc', endpoint: 'http://a:1/v1/metrics' },
    'endpoint',
    'Cannot use "http://a:1/v1/metrics": a gRPC endpoint is only scheme, host and port',
  ],
  [{ protocol: 'grpc', endpoint: 'a b' }, 'endpoint', 'Cannot use "a b": not host:port, unix:/path or a URL'],
  [{ protocol: 'grpc', compression: 'zstd' }, 'compression', 'Cannot compress with zstd: gRPC has only gzip'],
])('create refuses %j and names the option', (config, option, message) => {
  let error: unknown;
  try {
    runExporter(otlp, config);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).problems[0]).toMatchObject({ message, path: `exporters.otlp.${option}` });
});
