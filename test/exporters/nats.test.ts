import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import nats from '../../exporters/nats.ts';
import { PermanentError, RetryableError, TooLargeError } from '../../src/errors.ts';
import { decodeMetrics } from '../../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../../src/model/otlp/encode_logs.ts';
import { lazyLogBatch } from '../../src/model/otlp/lazy_batch.ts';
import { countItems } from '../../src/model/otlp/requests.ts';
import { runExporter } from '../support/exporter.ts';
import { freePort } from '../support/free_port.ts';
import { startFakeNats, type FakeNats, type Published } from '../support/nats_server.ts';
import { asRequest } from '../support/request.ts';
import { createLogs, createSpans, createSums } from '../support/telemetry.ts';

const ack = { stream: 'OTEL', seq: 1 };
const soon = (): AbortSignal => AbortSignal.timeout(20_000);
let server: FakeNats;
const stops: (() => unknown)[] = [];
beforeEach(async () => {
  server = await startFakeNats();
  server.answer = () => ack;
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await server[Symbol.asyncDispose]();
});

async function start(config: Readonly<Record<string, unknown>> = {}) {
  const run = runExporter(nats, { servers: [server.url], ...config });
  stops.push(() => run.exporter.stop!());
  await run.exporter.start!();
  return run;
}

const thrownBy = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
/** Without what the client asks for its own sake. */
const messages = (): Published[] => server.published.filter(({ subject }) => !subject.startsWith('$JS'));

describe('nats', () => {
  test('publishes each signal to its subject, with an id and the stream that must take it', async () => {
    const { exporter } = await start();
    for (const batch of [createSums([1, 2]), createLogs('a'), createSpans('GET /')]) {
      for (const payload of exporter.encode(batch)) {
        await exporter.send({ ...payload, id: `id-${batch.signal}` }, batch.signal, soon());
      }
    }
    expect(messages().map(({ subject, headers }) => [subject, headers])).toEqual(
      ['metrics', 'logs', 'traces'].map((signal) => [
        `otel.${signal}`,
        {
          'content-type': 'application/x-protobuf',
          'content-encoding': 'zstd',
          'nats-msg-id': `id-${signal}`,
          'nats-expected-stream': 'OTEL',
        },
      ]),
    );
    const [metrics, logs, traces] = messages().map(({ data }) => zstdDecompressSync(data));
    expect([...decodeMetrics(metrics).values]).toEqual([1, 2]);
    expect(logs.equals(encodeLogs(createLogs('a')))).toBe(true);
    expect(countItems(traces, 'traces')).toBe(1);
  });

  test('subject and subjects say where to, and compression how', async () => {
    const config = { stream: 'other', subject: 'eu.{signal}.otlp', subjects: { logs: 'eu.journal' } };
    const { exporter } = await start({ ...config, compression: 'gzip' });
    const plain = await start({ ...config, compression: 'none' });
    await exporter.send(asRequest(exporter.encode(createSums([1]))[0]), 'metrics', soon());
    await plain.exporter.send(asRequest(exporter.encode(createLogs('a'))[0]), 'logs', soon());
    const [metrics, logs] = messages();
    expect([metrics.subject, metrics.headers['content-encoding']]).toEqual(['eu.metrics.otlp', 'gzip']);
    expect(countItems(gunzipSync(metrics.data), 'metrics')).toBe(1);
    expect([logs.subject, logs.headers['content-encoding']]).toEqual(['eu.journal', undefined]);
    expect(logs.headers['nats-expected-stream']).toBe('other');
    expect(countItems(logs.data, 'logs')).toBe(1);
  });

  test('what came encoded waits and travels byte for byte', async () => {
    const { exporter } = await start({ compression: 'none' });
    const bytes = Buffer.concat([encodeLogs(createLogs('a')), Buffer.from([0x9a, 0x06, 0x01, 0x41])]);
    const [payload] = exporter.encode(lazyLogBatch(bytes, 1));
    expect(payload.body).toBe(bytes);
    await exporter.send(asRequest(payload), 'logs', soon());
    expect(messages()[0].data.equals(bytes)).toBe(true);
  });

  test('splits what is over max_request_bytes, and counts an item that alone is over it', async () => {
    const { exporter, dropped } = await start({ max_request_bytes: 600 });
    const payloads = exporter.encode(createLogs('a', 'x'.repeat(1000), 'b'));
    expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect([...dropped]).toEqual([['too_large', 1]]);
  });

  test('a message over the server’s max_payload, with its headers, asks to be split', async () => {
    server.info = { max_payload: 1000 };
    const { exporter } = await start({ compression: 'none' });
    const [payload] = exporter.encode(createLogs('x'.repeat(700), 'y'.repeat(700)));
    const error = await thrownBy(Promise.resolve(exporter.send(asRequest(payload), 'logs', soon())));
    expect(error).toBeInstanceOf(TooLargeError);
    expect((error as Error).message).toMatch(
      /^Cannot publish to "otel.logs": \d{4} bytes are more than the server’s max_payload$/,
    );
    expect(messages()).toEqual([]);
    for (const part of exporter.split!(payload, 'logs')) await exporter.send(asRequest(part), 'logs', soon());
    expect(messages().map(({ data }) => countItems(data, 'logs'))).toEqual([1, 1]);
  });

  const apiError = (code: number, err_code: number, description: string) => ({
    error: { code, err_code, description },
  });
  test.each([
    ['503' as const, RetryableError, /no stream takes this subject, or the account has no JetStream$/],
    [apiError(400, 10054, 'message size exceeds maximum allowed'), TooLargeError, /maximum allowed \(10054\)$/],
    [apiError(400, 10060, 'expected stream does not match'), RetryableError, /another stream than "OTEL" takes it/],
    [apiError(503, 10077, 'maximum messages exceeded'), RetryableError, /maximum messages exceeded \(10077\)$/],
    [apiError(404, 10059, 'stream not found'), RetryableError, /stream not found \(10059\)$/],
    [apiError(400, 10109, 'invalid operation on sealed stream'), RetryableError, /sealed stream \(10109\)$/],
    [apiError(400, 10158, 'message deletes not permitted'), PermanentError, /not permitted \(10158\)$/],
    [undefined, RetryableError, /no acknowledgement in time$/],
  ])('the answer %j is what it means', async (answer, kind, words) => {
    server.answer = () => answer;
    const { exporter } = await start(answer === undefined ? { timeout: '150ms' } : {});
    const [payload] = exporter.encode(createSums([1]));
    const error = (await thrownBy(Promise.resolve(exporter.send(asRequest(payload), 'metrics', soon())))) as Error;
    expect(error.constructor).toBe(kind);
    expect(error.message).toMatch(/^Cannot publish to "otel.metrics": /);
    expect(error.message).toMatch(words);
  });

  test('a publication that the server does not permit fails at once, and may be tried again', async () => {
    server.answer = ({ subject }) => {
      server.say(`-ERR 'Permissions Violation for Publish to "${subject}"'`);
      return undefined;
    };
    const { exporter, log } = await start();
    const [payload] = exporter.encode(createSums([1]));
    const error = (await thrownBy(Promise.resolve(exporter.send(asRequest(payload), 'metrics', soon())))) as Error;
    expect(error.constructor).toBe(RetryableError);
    expect(error.message).toContain('the server does not permit it');
    expect(log.lines.filter(({ message }) => message.startsWith('The server says: '))).toHaveLength(1);
  });

  test('a request under way fails when the connection is lost, and the next goes by a new one', async () => {
    server.answer = () => undefined;
    const { exporter, log } = await start();
    const [payload] = exporter.encode(createSums([1]));
    const lost = thrownBy(Promise.resolve(exporter.send(asRequest(payload), 'metrics', soon())));
    await expect.poll(() => messages().length).toBe(1);
    server.answer = () => ack;
    server.cut();
    expect(await lost).toBeInstanceOf(RetryableError);
    await exporter.send(asRequest(payload), 'metrics', soon());
    expect(messages()).toHaveLength(2);
    const said = log.lines.map(({ message }) => message);
    expect(said[0]).toMatch(/^Connected to /);
    expect(said[1]).toMatch(/^The connection to 127\.0\.0\.1:\d+ was lost.*; connects again$/);
    expect(said[2]).toMatch(/^Connected to /);
  });

  test('without a server the words say why, and it starts all the same', async () => {
    await server[Symbol.asyncDispose]();
    // At a port that nobody gets meanwhile.
    server = await startFakeNats(await freePort());
    await server[Symbol.asyncDispose]();
    const { exporter, log } = await start();
    const [payload] = exporter.encode(createSums([1]));
    await expect.poll(() => log.lines.length).toBe(1);
    const error = await thrownBy(Promise.resolve(exporter.send(asRequest(payload), 'metrics', AbortSignal.abort())));
    expect(error).toBeInstanceOf(RetryableError);
    expect((error as Error).message).toMatch(/^Cannot connect to nats:\/\/127\.0\.0\.1:\d+: connection refused$/);
    const { port } = new URL(server.url);
    server = await startFakeNats(Number(port));
    server.answer = () => ack;
    await exporter.send(asRequest(payload), 'metrics', soon());
  });

  test('create_stream makes the stream where it is missing', async () => {
    const created: unknown[] = [];
    server.answer = ({ subject, data }) => {
      if (subject === '$JS.hub.API.STREAM.INFO.OTEL') return apiError(404, 10059, 'stream not found');
      if (subject !== '$JS.hub.API.STREAM.CREATE.OTEL') return ack;
      created.push(JSON.parse(data.toString()));
      return { config: {}, state: {} };
    };
    const create_stream = { max_bytes: '1GiB', max_age: '1d', replicas: 3, duplicate_window: '5m', storage: 'memory' };
    const { exporter } = await start({ domain: 'hub', create_stream });
    await exporter.send(asRequest(exporter.encode(createSums([1]))[0]), 'metrics', soon());
    expect(created).toEqual([
      expect.objectContaining({
        name: 'OTEL',
        subjects: ['otel.metrics', 'otel.logs', 'otel.traces'],
        storage: 'memory',
        num_replicas: 3,
        max_bytes: 2 ** 30,
        max_age: 86_400e9,
        discard: 'new',
        retention: 'limits',
        duplicate_window: 300e9,
      }),
    ]);
  });

  test.each([
    [{ config: {}, state: {} }, undefined, 1],
    [apiError(404, 10059, 'stream not found'), apiError(400, 10058, 'stream name already in use'), 1],
    [apiError(404, 10059, 'stream not found'), apiError(500, 10047, 'insufficient storage resources'), 0],
  ])('a stream that is found (%j) or answers %j to being made: %d messages', async (found, made, count) => {
    server.answer = ({ subject }) => {
      if (subject.startsWith('$JS.API.STREAM.INFO')) return found;
      return subject.startsWith('$JS.API.STREAM.CREATE') ? made : ack;
    };
    const { exporter, log } = await start({ create_stream: {} });
    const abort = new AbortController();
    const sent = exporter.send(asRequest(exporter.encode(createSums([1]))[0]), 'metrics', abort.signal);
    if (count > 0) await sent;
    else {
      const words = 'Cannot create the stream "OTEL": insufficient storage resources';
      const failed = thrownBy(Promise.resolve(sent));
      await expect.poll(() => log.lines[0]?.message).toBe(`${words}; tries again`);
      abort.abort();
      expect(await failed).toEqual(new RetryableError(words));
    }
    expect(messages()).toHaveLength(count);
  });

  test.each([
    { servers: [] },
    { servers: ['http://localhost:4222'] },
    { servers: ['nats://me:secret@localhost:4222'] },
    { subject: 'otel metrics' },
    { subject: 'otel.>' },
    { subjects: { spans: 'otel.spans' } },
    { stream: 'a.b' },
    { inbox_prefix: '_INBOX.>' },
  ])('refuses the options %j', (config) => {
    expect(() => runExporter(nats, config)).toThrow();
  });
});
