import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { connect } from 'node:net';
import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import otlpReceiver from '../../receivers/otlp.ts';
import { createServe } from '../../src/api/http_server.ts';
import { PermanentError, RetryableError } from '../../src/errors.ts';
import type { Batch, MetricBatch } from '../../src/model/batch.ts';
import { decodeMetrics } from '../../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../src/model/otlp/encode_metrics.ts';
import { encodeLogsJson, encodeMetricsJson, encodeTracesJson } from '../../src/model/otlp/json.ts';
import { decodeResponse, decodeStatus, decodeStatusJson } from '../../src/model/otlp/responses.ts';
import { Writer } from '../../src/model/otlp/writer.ts';
import { createCertificates, type Certificates } from '../support/certificates.ts';
import { runReceiver, type ReceiverRun } from '../support/collect.ts';
import { createLogs, createSpans, createSums } from '../support/telemetry.ts';

type Next = NonNullable<NonNullable<Parameters<typeof runReceiver>[1]>['next']>;

const serve = createServe({ page: () => {}, log: { info() {}, warn() {}, error() {} } });
const runs: ReceiverRun[] = [];
afterEach(async () => {
  for (const run of runs.splice(0)) await run.stop();
});

async function start(config: Readonly<Record<string, unknown>>, next?: Next): Promise<ReceiverRun> {
  const run = await runReceiver(otlpReceiver, { config, serve, ...(next !== undefined && { next }) });
  runs.push(run);
  return run;
}

/** A receiver on free ports, and its addresses. */
async function startHttp(options: Readonly<Record<string, unknown>> = {}, next?: Next, rest = {}) {
  const run = await start({ protocols: { http: { endpoint: '127.0.0.1:0', ...options } }, ...rest }, next);
  return { run, url: addressIn(run, 'HTTP') };
}

async function startGrpc(options: Readonly<Record<string, unknown>> = {}, next?: Next, rest = {}) {
  const run = await start({ protocols: { grpc: { endpoint: '127.0.0.1:0', ...options } }, ...rest }, next);
  return { run, address: addressIn(run, 'gRPC') };
}

function addressIn(run: ReceiverRun, protocol: string): string {
  const line = run.said.find((said) => said.includes(`OTLP over ${protocol} on `));
  return line!.slice(line!.indexOf(' on ') + 4);
}

const consumer = (consume: (batch: Batch) => Promise<void> | void): Next => ({
  metrics: { consume },
  logs: { consume },
  traces: { consume },
});

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

async function post(url: string, body: Uint8Array, headers: Record<string, string> = {}, method = 'POST') {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': PROTOBUF, ...headers },
    ...(method === 'POST' && { body: Buffer.from(body) }),
  });
  return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
}

const sums = encodeMetrics(createSums([1, 2, 3]));

describe('otlp over HTTP', () => {
  test('takes each signal in protobuf, undecoded, and answers with an empty success', async () => {
    const { run, url } = await startHttp();
    const logs = encodeLogs(createLogs('a', 'b'));
    const spans = createSpans('GET /').otlp;
    for (const [path, body] of [
      ['metrics', sums],
      ['logs', logs],
      ['traces', spans],
    ] as const) {
      const answer = await post(`${url}/v1/${path}`, body);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe(PROTOBUF);
      expect(decodeResponse(answer.body)).toEqual({ rejected: 0, message: '' });
    }
    expect(run.handedOver.map(({ signal, count }) => [signal, count])).toEqual([
      ['metrics', 3],
      ['logs', 2],
      ['traces', 1],
    ]);
    for (const [index, body] of [sums, logs, spans].entries()) {
      expect(Buffer.from(run.handedOver[index]!.otlp!).equals(body)).toBe(true);
    }
  });

  test('takes each signal in JSON', async () => {
    const { run, url } = await startHttp();
    for (const [path, body] of [
      ['metrics', encodeMetricsJson(createSums([1, 2, 3]))],
      ['logs', encodeLogsJson(createLogs('a', 'b'))],
      ['traces', encodeTracesJson(createSpans('GET /'))],
    ] as const) {
      const answer = await post(`${url}/v1/${path}`, body, { 'content-type': `${JSON_TYPE}; charset=utf-8` });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe(JSON_TYPE);
      expect(JSON.parse(Buffer.from(answer.body).toString())).toEqual({});
    }
    const [metrics, logs, traces] = run.handedOver;
    expect([...decodeMetrics(metrics!.otlp!).values]).toEqual([1, 2, 3]);
    expect(logs).toMatchObject({ count: 2, records: [{ body: 'a' }, { body: 'b' }] });
    expect(traces).toMatchObject({ signal: 'traces', count: 1 });
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['deflate', deflateSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['identity', (body: Uint8Array) => body],
  ] as const)('takes Content-Encoding %s', async (encoding, compress) => {
    const { run, url } = await startHttp();
    expect((await post(`${url}/v1/metrics`, compress(sums), { 'content-encoding': encoding })).status).toBe(200);
    expect(Buffer.from(run.handedOver[0]!.otlp!).equals(sums)).toBe(true);
  });

  test('answers only after the pipelines took the data', async () => {
    const taken = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { url } = await startHttp(
      {},
      consumer(() => {
        asked.resolve();
        return taken.promise;
      }),
    );
    let isAnswered = false;
    const answer = post(`${url}/v1/metrics`, sums).finally(() => {
      isAnswered = true;
    });
    await asked.promise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAnswered).toBe(false);
    taken.resolve();
    expect((await answer).status).toBe(200);
  });

  test('an empty request is a success and bothers no pipeline', async () => {
    const { run, url } = await startHttp();
    expect((await post(`${url}/v1/metrics`, new Uint8Array())).status).toBe(200);
    expect((await post(`${url}/v1/logs`, Buffer.from('{}'), { 'content-type': JSON_TYPE })).status).toBe(200);
    expect(run.handedOver).toEqual([]);
  });

  test.each([
    [new RetryableError('Cannot take more: memory is short'), 503, 14, '1'],
    [new RetryableError('Cannot take more', { retryAfter_ms: 2500 }), 503, 14, '3'],
    [new PermanentError('Cannot take this: too odd'), 400, 3, null],
  ])('answers %o of a pipeline with %d', async (error, httpStatus, code, retryAfter) => {
    const { url } = await startHttp(
      {},
      consumer(() => Promise.reject(error)),
    );
    const answer = await post(`${url}/v1/metrics`, sums);
    expect(answer.status).toBe(httpStatus);
    expect(answer.headers.get('retry-after')).toBe(retryAfter);
    expect(decodeStatus(answer.body)).toEqual({ code, message: error.message });
    const json = await post(`${url}/v1/metrics`, encodeMetricsJson(createSums([1])), { 'content-type': JSON_TYPE });
    expect(json.headers.get('content-type')).toBe(JSON_TYPE);
    expect(decodeStatusJson(json.body)).toEqual({ code, message: error.message });
  });

  test('answers a bug with 500, tells the log and shows the sender nothing of it', async () => {
    const { run, url } = await startHttp(
      {},
      consumer(() => Promise.reject(new TypeError('secret detail'))),
    );
    const answer = await post(`${url}/v1/metrics`, sums);
    expect(answer.status).toBe(500);
    expect(decodeStatus(answer.body)).toMatchObject({ code: 13 });
    expect(Buffer.from(answer.body).toString()).not.toContain('secret');
    expect(run.said.at(-1)).toBe('once bug: Cannot take a request: secret detail');
  });

  test.each([
    ['protobuf that ends early', sums.subarray(0, -3), {}],
    ['noise', Buffer.from('hello, this is no protobuf'), {}],
    ['broken JSON', Buffer.from('{"resourceMetrics":['), { 'content-type': JSON_TYPE }],
    ['JSON of a wrong shape', Buffer.from('{"resourceMetrics":7}'), { 'content-type': JSON_TYPE }],
    ['deep JSON', Buffer.from('['.repeat(100_000)), { 'content-type': JSON_TYPE }],
    ['noise as gzip', Buffer.from('hello'), { 'content-encoding': 'gzip' }],
    ['gzip that ends early', gzipSync(sums).subarray(0, -9), { 'content-encoding': 'gzip' }],
    ['zstd that ends early', zstdCompressSync(sums).subarray(0, -9), { 'content-encoding': 'zstd' }],
    ['noise as zstd', Buffer.from('hello'), { 'content-encoding': 'zstd' }],
  ])('answers %s with 400', async (_, body, headers) => {
    const { run, url } = await startHttp();
    const answer = await post(`${url}/v1/metrics`, body, headers);
    expect(answer.status).toBe(400);
    expect(run.handedOver).toEqual([]);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['deflate', deflateSync],
  ] as const)('takes %s of every size, in one go or as a stream', async (encoding, compress) => {
    const { run, url } = await startHttp();
    const encodings = { 'content-encoding': encoding };
    for (const size of [0, 100, 5000, 40_000, 70_000, 300_000, 1_200_000, 5_000_000]) {
      // An unknown field of so many bytes.
      const writer = new Writer();
      writer.data(0x7a, Buffer.alloc(size, 'all telemetry is equal '));
      const body = Buffer.concat([sums, writer.take()]);
      // Twice, for the memory of the first must not be used again.
      expect((await post(`${url}/v1/metrics`, compress(body), encodings)).status).toBe(200);
      expect((await post(`${url}/v1/metrics`, compress(sums), encodings)).status).toBe(200);
      const [large, small] = run.handedOver.slice(-2).map((batch) => Buffer.from(batch.otlp!));
      expect([large!.equals(body), small!.equals(sums)]).toEqual([true, true]);
    }
  });

  test('takes gzip of several members, whose last says the size of itself alone', async () => {
    const { run, url } = await startHttp();
    const large = Buffer.concat(Array.from({ length: 50 }, () => sums));
    const body = Buffer.concat([gzipSync(large), gzipSync(sums)]);
    expect((await post(`${url}/v1/metrics`, body, { 'content-encoding': 'gzip' })).status).toBe(200);
    expect(Buffer.from(run.handedOver[0]!.otlp!).equals(Buffer.concat([large, sums]))).toBe(true);
  });

  test('answers another method with 405, other types and encodings with 415', async () => {
    const { url } = await startHttp();
    const get = await post(`${url}/v1/metrics`, sums, {}, 'GET');
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await post(`${url}/v1/metrics`, sums, { 'content-type': 'text/plain' })).status).toBe(415);
    const br = await post(`${url}/v1/metrics`, sums, { 'content-encoding': 'br' });
    expect([br.status, br.headers.get('accept-encoding')]).toEqual([415, 'gzip, zstd, deflate']);
    expect((await post(`${url}/v1/metrics`, gzipSync(sums), { 'content-encoding': 'gzip, gzip' })).status).toBe(415);
  });

  test('answers a signal that no pipeline takes with 404, saying so', async () => {
    const { url } = await startHttp({}, { ...consumer(() => {}), traces: undefined });
    const answer = await post(`${url}/v1/traces`, createSpans('a').otlp);
    expect(answer.status).toBe(404);
    expect(decodeStatus(answer.body).message).toBe('Cannot take traces: no pipeline here does');
  });

  test('answers a request over max_request_bytes with 413, with and without its length', async () => {
    const { run, url } = await startHttp({ max_request_bytes: 1000 });
    const body = Buffer.alloc(5000);
    expect((await post(`${url}/v1/metrics`, body)).status).toBe(413);
    const chunked = await fetch(`${url}/v1/metrics`, {
      method: 'POST',
      headers: { 'content-type': PROTOBUF },
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    expect(run.handedOver).toEqual([]);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['deflate', deflateSync],
  ] as const)('stops a %s bomb at max_request_bytes', async (encoding, compress) => {
    const { run, url } = await startHttp({ max_request_bytes: 100_000 });
    const bomb = compress(Buffer.alloc(50 << 20));
    expect(bomb.length).toBeLessThan(100_000);
    const answer = await post(`${url}/v1/metrics`, bomb, { 'content-encoding': encoding });
    expect(answer.status).toBe(413);
    expect(decodeStatus(answer.body)).toMatchObject({ code: 8 });
    expect(run.handedOver).toEqual([]);
  });

  test('refuses a zstd frame that wants a window beyond 8 MiB', async () => {
    const { url } = await startHttp();
    // Magic, a descriptor without content size, and a window of 2^(10 + 20) bytes.
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x01, 0x00, 0x00]);
    expect((await post(`${url}/v1/metrics`, frame, { 'content-encoding': 'zstd' })).status).toBe(400);
  });

  test('asks to come again while max_inflight_bytes are under way, and takes it later', async () => {
    const taken = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const next = consumer(() => {
      asked.resolve();
      return taken.promise;
    });
    const { url } = await startHttp({}, next, { max_inflight_bytes: sums.length + 10 });
    const first = post(`${url}/v1/metrics`, sums);
    await asked.promise;
    const second = await post(`${url}/v1/metrics`, sums);
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1']);
    taken.resolve();
    expect((await first).status).toBe(200);
    expect((await post(`${url}/v1/metrics`, sums)).status).toBe(200);
  });

  test('what was read of refused and broken requests is no longer under way', async () => {
    const { url } = await startHttp({ max_request_bytes: 5000 }, undefined, { max_inflight_bytes: 6000 });
    const broken = gzipSync(Buffer.alloc(4000)).subarray(0, -4);
    for (let round = 0; round < 5; round += 1) {
      expect((await post(`${url}/v1/metrics`, broken, { 'content-encoding': 'gzip' })).status).toBe(400);
      expect(
        (await post(`${url}/v1/metrics`, gzipSync(Buffer.alloc(5500)), { 'content-encoding': 'gzip' })).status,
      ).toBe(413);
    }
    expect((await post(`${url}/v1/metrics`, sums)).status).toBe(200);
  });

  test.each([
    ['HTTP', {}],
    ['HTTP with gzip', { 'content-encoding': 'gzip' }],
  ])('a large body by %s that pipelines decoded is no longer under way', async (_, headers) => {
    const values = Array.from({ length: 2000 }, (_unused, index) => index);
    const large = encodeMetrics(createSums(values));
    const decoded: MetricBatch[] = [];
    const next = consumer((batch) => {
      if (batch.signal === 'metrics' && batch.values.length > 0) decoded.push(batch);
    });
    const { url } = await startHttp({}, next, { max_inflight_bytes: large.length + 10 });
    const body = 'content-encoding' in headers ? gzipSync(large) : large;
    for (let round = 0; round < 3; round += 1) {
      expect((await post(`${url}/v1/metrics`, body, headers)).status).toBe(200);
    }
    expect(decoded.map((batch) => [...batch.values])).toEqual([values, values, values]);
    // Its bytes are gone, and so are not handed on.
    expect(decoded.map(({ otlp }) => otlp)).toEqual([undefined, undefined, undefined]);
  });

  test('a sender that goes away while the pipelines work frees what it held once', async () => {
    const taken = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const next = consumer(() => {
      asked.resolve();
      return taken.promise;
    });
    const { url } = await startHttp({}, next, { max_inflight_bytes: sums.length });
    const controller = new AbortController();
    const leaving = fetch(`${url}/v1/metrics`, {
      method: 'POST',
      headers: { 'content-type': PROTOBUF },
      body: Buffer.from(sums),
      signal: controller.signal,
    }).catch(() => {});
    await asked.promise;
    controller.abort();
    await leaving;
    // Still under way: the pipelines have it.
    expect((await post(`${url}/v1/metrics`, sums)).status).toBe(503);
    taken.resolve();
    while ((await post(`${url}/v1/metrics`, sums)).status !== 200);
    const double = encodeMetrics(createSums([1, 2, 3, 4, 5, 6, 7, 8]));
    expect((await post(`${url}/v1/metrics`, double)).status).toBe(503);
  });

  test('a sender that goes away in the middle of a body costs nothing', async () => {
    const { run, url } = await startHttp({}, undefined, { max_inflight_bytes: sums.length + 10 });
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    const head = `POST /v1/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${PROTOBUF}\r\nContent-Length: 1000\r\n\r\n`;
    socket.write(head + 'x'.repeat(sums.length));
    await new Promise((resolve) => socket.once('connect', resolve));
    // The request is being read once another no longer fits.
    while ((await post(`${url}/v1/metrics`, sums)).status !== 503);
    socket.destroy();
    while ((await post(`${url}/v1/metrics`, sums)).status !== 200);
    expect(run.handedOver.every(({ count }) => count === 3)).toBe(true);
  });
});

const METHODS = {
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
};

function exportTo(
  address: string,
  method: string,
  body: Uint8Array,
  options: { creds?: ReturnType<typeof credentials.createSsl>; gzip?: boolean } = {},
): Promise<Uint8Array> {
  const client = new Client(address, options.creds ?? credentials.createInsecure(), {
    'grpc.default_compression_algorithm': options.gzip === true ? 2 : 0,
    'grpc.max_send_message_length': -1,
  });
  return new Promise<Uint8Array>((resolve, reject) => {
    client.makeUnaryRequest<Uint8Array, Uint8Array>(
      method,
      (bytes) => Buffer.from(bytes),
      (bytes) => bytes,
      body,
      new Metadata(),
      (error, answer) => (error === null ? resolve(answer!) : reject(error)),
    );
  }).finally(() => client.close());
}

async function grpcErrorOf(sending: Promise<unknown>): Promise<ServiceError> {
  return await sending.then(
    () => expect.unreachable('the request succeeded'),
    (error: unknown) => error as ServiceError,
  );
}

describe('otlp over gRPC', () => {
  test('takes each signal, with and without gzip, undecoded', async () => {
    const { run, address } = await startGrpc();
    const logs = encodeLogs(createLogs('a', 'b'));
    const spans = createSpans('GET /').otlp;
    expect(decodeResponse(await exportTo(address, METHODS.metrics, sums))).toEqual({ rejected: 0, message: '' });
    await exportTo(address, METHODS.logs, logs, { gzip: true });
    await exportTo(address, METHODS.traces, spans);
    for (const [index, body] of [sums, logs, spans].entries()) {
      expect(Buffer.from(run.handedOver[index]!.otlp!).equals(body)).toBe(true);
    }
  });

  test.each([
    [new RetryableError('Cannot take more'), status.UNAVAILABLE, undefined],
    [new RetryableError('Cannot take more', { retryAfter_ms: 2500 }), status.UNAVAILABLE, 2500],
    [new PermanentError('Cannot take this'), status.INVALID_ARGUMENT, undefined],
  ])('answers %o of a pipeline with status %d', async (error, code, retryAfter_ms) => {
    const { address } = await startGrpc(
      {},
      consumer(() => Promise.reject(error)),
    );
    const answer = await grpcErrorOf(exportTo(address, METHODS.metrics, sums));
    expect(answer).toMatchObject({ code, details: error.message });
    const [details] = answer.metadata.get('grpc-status-details-bin');
    expect(details === undefined ? undefined : decodeStatus(details as Buffer).retryAfter_ms).toBe(retryAfter_ms);
  });

  test('answers a bug with INTERNAL and shows the sender nothing of it', async () => {
    const { address } = await startGrpc(
      {},
      consumer(() => Promise.reject(new TypeError('secret detail'))),
    );
    const answer = await grpcErrorOf(exportTo(address, METHODS.metrics, sums));
    expect(answer.code).toBe(status.INTERNAL);
    expect(answer.details).not.toContain('secret');
  });

  test('answers noise with INVALID_ARGUMENT', async () => {
    const { run, address } = await startGrpc();
    expect((await grpcErrorOf(exportTo(address, METHODS.metrics, Buffer.from('noise noise')))).code).toBe(
      status.INVALID_ARGUMENT,
    );
    expect(run.handedOver).toEqual([]);
  });

  test('answers a signal that no pipeline takes, and a method that is none, with UNIMPLEMENTED', async () => {
    const { address } = await startGrpc({}, { ...consumer(() => {}), traces: undefined });
    const spans = createSpans('a').otlp;
    expect(await grpcErrorOf(exportTo(address, METHODS.traces, spans))).toMatchObject({
      code: status.UNIMPLEMENTED,
      details: 'Cannot take traces: no pipeline here does',
    });
    expect((await grpcErrorOf(exportTo(address, '/other.Service/Export', spans))).code).toBe(status.UNIMPLEMENTED);
  });

  test('stops requests over max_request_bytes and gzip bombs with RESOURCE_EXHAUSTED', async () => {
    const { run, address } = await startGrpc({ max_request_bytes: 100_000 });
    expect((await grpcErrorOf(exportTo(address, METHODS.metrics, Buffer.alloc(200_000)))).code).toBe(
      status.RESOURCE_EXHAUSTED,
    );
    const bomb = exportTo(address, METHODS.metrics, Buffer.alloc(50 << 20), { gzip: true });
    expect((await grpcErrorOf(bomb)).code).toBe(status.RESOURCE_EXHAUSTED);
    expect(run.handedOver).toEqual([]);
  });

  test('asks to come again while max_inflight_bytes are under way', async () => {
    const taken = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const next = consumer(() => {
      asked.resolve();
      return taken.promise;
    });
    const { address } = await startGrpc({}, next, { max_inflight_bytes: sums.length });
    const first = exportTo(address, METHODS.metrics, sums);
    await asked.promise;
    expect((await grpcErrorOf(exportTo(address, METHODS.metrics, sums))).code).toBe(status.UNAVAILABLE);
    taken.resolve();
    await first;
  });

  test('stop lets a request under way end', async () => {
    const taken = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { run, address } = await startGrpc(
      {},
      consumer(() => {
        asked.resolve();
        return taken.promise;
      }),
    );
    const sending = exportTo(address, METHODS.metrics, sums);
    await asked.promise;
    runs.splice(runs.indexOf(run), 1);
    const stopped = run.stop();
    taken.resolve();
    expect(decodeResponse(await sending)).toEqual({ rejected: 0, message: '' });
    await stopped;
    expect((await grpcErrorOf(exportTo(address, METHODS.metrics, sums))).code).toBe(status.UNAVAILABLE);
  });
});

describe('otlp protocols', () => {
  test.each([
    [{ http: { endpoint: '127.0.0.1:0' } }, ['HTTP']],
    [{ grpc: { endpoint: '127.0.0.1:0' } }, ['gRPC']],
    [{ http: { endpoint: '127.0.0.1:0' }, grpc: { endpoint: '127.0.0.1:0' } }, ['HTTP', 'gRPC']],
  ])('%j turns on %j', async (protocols, expected) => {
    const run = await start({ protocols });
    expect(
      run.said.map((line) => /over (\w+) on 127\.0\.0\.1|over (\w+) on http/.exec(line)).map((m) => m?.[1] ?? m?.[2]),
    ).toEqual(expected);
  });

  test('a protocol with nothing behind it has the defaults, and HTTP alone is the default', async () => {
    const { parse } = await import('valibot');
    const defaults = { insecure: false, max_request_bytes: 20 << 20 };
    expect(parse(otlpReceiver.config, { protocols: { grpc: null } }).protocols).toEqual({
      grpc: { endpoint: '127.0.0.1:4317', ...defaults },
    });
    expect(parse(otlpReceiver.config, {}).protocols).toEqual({ http: { endpoint: '127.0.0.1:4318', ...defaults } });
  });

  test('no protocol at all is a mistake', async () => {
    await expect(start({ protocols: {} })).rejects.toThrow('Cannot receive OTLP: no protocol is named');
  });

  test.each(['http', 'grpc'])(
    '%s refuses to listen beyond this machine without TLS unless insecure is written',
    async (name) => {
      const endpoint = '0.0.0.0:0';
      await expect(start({ protocols: { [name]: { endpoint } } })).rejects.toThrow(/^Cannot listen on 0\.0\.0\.0:0: /);
      const run = await start({ protocols: { [name]: { endpoint, insecure: true } } });
      expect(run.said).toHaveLength(1);
    },
  );

  test('a port in use is an error that names it, and what was opened before is closed', async () => {
    const { address } = await startGrpc();
    const http = { endpoint: '127.0.0.1:0' };
    await expect(start({ protocols: { http, grpc: { endpoint: address } } })).rejects.toThrow(
      `Cannot listen on ${address}: listen EADDRINUSE`,
    );
  });
});

describe('otlp over TLS', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = createCertificates();
  });
  afterAll(() => certificates.remove());
  const read = (path: string) => readFileSync(path);

  test('gRPC takes clients whose certificate client_ca_file signed, and no others', async () => {
    const { ca, server, client, stranger } = certificates;
    const { run, address } = await startGrpc({ tls: { ...server, client_ca_file: ca } });
    const as = (pair?: { key_file: string; cert_file: string }) =>
      exportTo(address.replace('127.0.0.1', 'localhost'), METHODS.metrics, sums, {
        creds: credentials.createSsl(read(ca), pair && read(pair.key_file), pair && read(pair.cert_file)),
      });
    await as(client);
    expect((await grpcErrorOf(as())).code).toBe(status.UNAVAILABLE);
    expect((await grpcErrorOf(as(stranger))).code).toBe(status.UNAVAILABLE);
    expect((await grpcErrorOf(exportTo(address, METHODS.metrics, sums))).code).toBe(status.UNAVAILABLE);
    expect(run.handedOver).toHaveLength(1);
  });

  test('gRPC refuses a key that is not that of the certificate, and a file that is not there', async () => {
    const { server, client } = certificates;
    const tls = { cert_file: server.cert_file, key_file: client.key_file };
    await expect(startGrpc({ tls })).rejects.toThrow(/key values mismatch/);
    await expect(startGrpc({ tls: { ...server, cert_file: '/does/not/exist' } })).rejects.toThrow(/ENOENT/);
  });

  test('HTTP takes clients whose certificate client_ca_file signed, and no others', async () => {
    const { ca, server, client, stranger } = certificates;
    const { run, url } = await startHttp({ tls: { ...server, client_ca_file: ca } });
    const as = (pair?: { key_file: string; cert_file: string }) =>
      new Promise<number>((resolve, reject) => {
        const options = { ca: read(ca), ...(pair && { key: read(pair.key_file), cert: read(pair.cert_file) }) };
        const request = httpsRequest(`${url}/v1/metrics`, {
          ...options,
          method: 'POST',
          agent: false,
          headers: { 'content-type': PROTOBUF },
        });
        request.on('response', (response) => resolve(response.resume().statusCode!));
        request.on('error', reject);
        request.end(sums);
      });
    expect(await as(client)).toBe(200);
    await expect(as()).rejects.toThrow();
    await expect(as(stranger)).rejects.toThrow();
    expect(run.handedOver).toHaveLength(1);
  });
});
