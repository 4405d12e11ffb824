/** What an application sends to the receiver `otlp` leaves by the exporter `otlp` as it came. */
import { afterEach, expect, test } from 'vitest';
import otlpExporter from '../../../exporters/otlp.ts';
import otlpReceiver from '../../../receivers/otlp.ts';
import { createServe } from '../../../src/api/http_server.ts';
import { createPush } from '../../../src/delivery/push.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { TooLargeError } from '../../../src/errors.ts';
import { createFigures, createPushConfig } from '../../delivery/fixtures.ts';
import { runReceiver, type ReceiverRun } from '../../support/collect.ts';
import { runExporter } from '../../support/exporter.ts';
import { createLogs, createSpans, createSums } from '../../support/telemetry.ts';
import { asRequest } from '../../support/request.ts';

const serve = createServe({ page: () => {}, log: { info() {}, warn() {}, error() {} } });
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function startReceiver(
  protocol: 'http' | 'grpc',
  next?: Parameters<typeof runReceiver>[1],
  options: Readonly<Record<string, unknown>> = {},
) {
  const run: ReceiverRun = await runReceiver(otlpReceiver, {
    config: { protocols: { [protocol]: { endpoint: '127.0.0.1:0', ...options } } },
    serve,
    ...next,
  });
  stops.push(() => run.stop());
  const address = / on (?:http:\/\/)?(\S+)$/.exec(run.said[0]!)![1]!;
  return { run, url: `http://${address}` };
}

test.each([
  ['http', 'http/protobuf'],
  ['http', 'grpc'],
  ['grpc', 'grpc'],
  ['grpc', 'http/protobuf'],
] as const)('bytes that come by %s leave by %s unchanged', async (comesBy, leavesBy) => {
  const backEnd = await startReceiver(leavesBy === 'grpc' ? 'grpc' : 'http');
  const { exporter, log } = runExporter(otlpExporter, { endpoint: backEnd.url, protocol: leavesBy });
  stops.push(async () => exporter.stop?.());
  const figures = createFigures();
  const config = createPushConfig({ queue: { max_bytes: 1 << 20 } });
  const push = createPush({ exporter, config, figures, log });
  push.start();
  const front = await startReceiver(comesBy, { next: { metrics: push, logs: push, traces: push } });
  const client = runExporter(otlpExporter, {
    endpoint: front.url,
    protocol: comesBy === 'grpc' ? 'grpc' : 'http/protobuf',
  }).exporter;
  stops.push(async () => client.stop?.());

  const unknownField = Buffer.from([0x9a, 0x06, 0x03, 0x61, 0x62, 0x63]);
  const bodies = {
    metrics: Buffer.concat([encodeMetrics(createSums([1, 2])), unknownField]),
    logs: Buffer.concat([encodeLogs(createLogs('a')), unknownField]),
    traces: Buffer.concat([createSpans('GET /').otlp, unknownField]),
  };
  const never = new AbortController().signal;
  for (const signal of ['metrics', 'logs', 'traces'] as const) {
    await client.send(asRequest({ body: bodies[signal], count: 1 }), signal, never);
  }
  await push.stop(5000);
  expect(backEnd.run.handedOver.map(({ signal }) => signal)).toEqual(['metrics', 'logs', 'traces']);
  for (const batch of backEnd.run.handedOver) {
    expect(Buffer.from(batch.otlp!).equals(bodies[batch.signal])).toBe(true);
  }
  expect(figures).toMatchObject({ accepted: 4, sent: 4, queued: 0 });
});

test.each(['none', 'gzip'])(
  'a request that the receiver refuses for its size asks the exporter to split (%s)',
  async (compression) => {
    const { url } = await startReceiver('http', undefined, { max_request_bytes: 1000 });
    const { exporter } = runExporter(otlpExporter, { endpoint: url, compression, max_request_bytes: '64MiB' });
    stops.push(async () => exporter.stop?.());
    const body = Buffer.from(Array.from({ length: 8 << 20 }, (_, index) => (index * 7919) >> 5));
    const sending = Promise.resolve(exporter.send(asRequest({ body, count: 2 }), 'logs', new AbortController().signal));
    await expect(sending).rejects.toThrow(TooLargeError);
  },
);
