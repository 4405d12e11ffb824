/** Bodies of merged batches, from the processor `batch` through the queues of exporters to real HTTP back ends. */
import { afterEach, describe, expect, test } from 'vitest';
import otlp from '../../exporters/otlp.ts';
import batch from '../../processors/batch.ts';
import type { Payload } from '../../src/component.ts';
import { createPush } from '../../src/delivery/push.ts';
import { createMemoryStore, type NewBlock } from '../../src/delivery/store.ts';
import type { Batch } from '../../src/model/batch.ts';
import { encodeMetrics } from '../../src/model/otlp/encode_metrics.ts';
import { lazyMetricBatch } from '../../src/model/otlp/lazy_batch.ts';
import { runExporter } from '../support/exporter.ts';
import { startHttpBackEnd, type HttpBackEnd } from '../support/http_back_end.ts';
import { runProcessor } from '../support/processor.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { createSums } from '../support/telemetry.ts';
import { createFigures, createPushConfig } from './fixtures.ts';

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** An exporter with its queue, before a back end that answers so, and then with 200. */
async function startExporter(config: Readonly<Record<string, unknown>>, ...statuses: number[]) {
  const backEnd: HttpBackEnd = await startHttpBackEnd();
  closing.push(async () => backEnd[Symbol.asyncDispose]());
  backEnd.answer = (_, response) => response.writeHead(statuses.shift() ?? 200).end();
  const { exporter } = runExporter(otlp, { endpoint: backEnd.url, ...config });
  closing.push(() => exporter.stop?.());
  const bodies: Uint8Array[] = [];
  const figures = { ...createFigures(), signal: 'metrics' as const };
  const push = createPush({
    exporter: {
      ...exporter,
      encode(given: Batch): readonly Payload[] {
        const payloads = exporter.encode(given);
        bodies.push(...payloads.map(({ body }) => body));
        return payloads;
      },
    },
    config: createPushConfig({ retry: { initial: 20, jitter: 0 }, queue: { max_bytes: 2 ** 24 } }),
    figures,
    log: createRecordedLog(),
  });
  await push.open();
  push.start();
  closing.push(() => push.stop(1000));
  /** Resolves when it has sent all. */
  const sent = () => expect.poll(() => [figures.sent, figures.queued]).toEqual([800, 0]);
  return { push, bodies, backEnd, sent, figures };
}

const parts = Array.from({ length: 8 }, (_, index) =>
  createSums(Array.from({ length: 100 }, (_unused, row) => index * 100 + row)),
);
const whole = Buffer.concat(parts.map((part) => encodeMetrics(part)));

/** Hands all parts to exporters, merged by `batch`, as they come or encoded. */
async function merge(consumers: readonly { consume: (batch: Batch) => unknown }[], isEncoded: boolean): Promise<void> {
  const run = runProcessor(batch, { send_batch_size: 800 });
  run.answer = async (merged) => void (await Promise.all(consumers.map((consumer) => consumer.consume(merged))));
  const given = isEncoded ? parts.map((part) => lazyMetricBatch(encodeMetrics(part), part.count)) : parts;
  await Promise.all(given.map((part) => run.processor.consume(part)));
}

describe('the body of a merged batch', () => {
  test.each([true, false])('is given back when all have sent it, and not before (it came encoded: %j)', async (is) => {
    const quick = await startExporter({});
    const slow = await startExporter({ compression: 'zstd' });
    const takeNow = slow.backEnd.answer;
    slow.backEnd.answer = (_, response) => response.writeHead(503).end();
    await merge([quick.push, slow.push], is);
    await quick.sent();
    const [body] = quick.bodies;
    expect(slow.bodies).toEqual([body]);
    expect(body).toHaveLength(whole.length);
    // The other still repeats it.
    await expect.poll(() => slow.backEnd.requests.length).toBeGreaterThan(2);
    slow.backEnd.answer = takeNow;
    await slow.sent();
    expect(body).toHaveLength(0);
    expect(quick.backEnd.requests.map((request) => request.body.equals(whole))).toEqual([true]);
    expect(slow.backEnd.requests.every((request) => request.body.equals(whole))).toBe(true);
  });

  test('is given back when it was split for a back end that takes only smaller ones', async () => {
    const { push, bodies, backEnd, sent } = await startExporter({}, 413);
    await merge([push], true);
    await sent();
    expect(bodies[0]).toHaveLength(0);
    expect(backEnd.requests).toHaveLength(3);
  });

  test.each([
    ['as it is', { compression: 'none' }],
    ['by gRPC', { protocol: 'grpc' }],
  ])('stays where it is sent %s: the kernel may still read it', async (_, config) => {
    const { push, bodies } = await startExporter(config);
    await merge([push], true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(bodies[0]).toHaveLength(whole.length);
  });

  test('stays where one of several keeps it', async () => {
    const one = await startExporter({});
    const other = await startExporter({ compression: 'none' });
    await merge([one.push, other.push], true);
    await Promise.all([one.sent(), other.sent()]);
    expect(one.bodies[0]).toHaveLength(whole.length);
  });
});

describe('a queue in memory', () => {
  const block = (time_ms: number, released: number[]): NewBlock => ({
    body: Uint8Array.of(1, 2, 3),
    count: 1,
    signal: 'logs',
    time_ms,
    release: () => void released.push(time_ms),
  });

  test('says once of each body that nobody needs it: when it was settled, evicted or expired', () => {
    let now_ms = 0;
    const released: number[] = [];
    const store = createMemoryStore(
      1000,
      100,
      () => now_ms,
      () => undefined,
    );
    for (const time_ms of [1, 2, 3, 150]) void store.put(block(time_ms, released));
    const first = store.take(false);
    expect(released).toEqual([]);
    if (first === undefined || first instanceof Promise) throw new Error('There is none');
    void store.settle(first);
    store.evict();
    now_ms = 200;
    const last = store.take(false);
    expect(last).toMatchObject({ time_ms: 150 });
    expect(released).toEqual([1, 2, 3]);
    expect(store.bytes).toBe(3);
  });
});
