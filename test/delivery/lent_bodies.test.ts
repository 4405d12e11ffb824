/** Bodies of merged batches, from the processor `batch` through the queues of exporters to real HTTP back ends. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import otlp from '../../exporters/otlp.ts';
import batch from '../../processors/batch.ts';
import type { Payload } from '../../src/component.ts';
import { createHttpSender } from '../../src/delivery/http_sender.ts';
import { createPush } from '../../src/delivery/push.ts';
import { createMemoryStore, type NewBlock } from '../../src/delivery/store.ts';
import type { Batch } from '../../src/model/batch.ts';
import { freeBytes } from '../../src/model/free_bytes.ts';
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
async function startExporter(
  { queue = {}, ...config }: Readonly<Record<string, unknown>> & { readonly queue?: object },
  ...statuses: number[]
) {
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
    config: createPushConfig({ retry: { initial: 20, jitter: 0 }, queue: { max_bytes: 2 ** 24, ...queue } }),
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
  test.each([
    [true, 'gzip'],
    [false, 'gzip'],
    [true, 'none'],
  ])('is given back when all have sent it, and not before (encoded: %j, %s)', async (isEncoded, compression) => {
    const quick = await startExporter({ compression });
    const slow = await startExporter({ compression: 'zstd' });
    const takeNow = slow.backEnd.answer;
    slow.backEnd.answer = (_, response) => response.writeHead(503).end();
    await merge([quick.push, slow.push], isEncoded);
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
    ['is larger than the queue', { max_bytes: 100 }],
    ['finds it full', { max_bytes: whole.length + 100, on_full: 'drop_newest' }],
  ])('is given back when it %s', async (_, queue) => {
    const { push, bodies, backEnd, figures } = await startExporter({ queue });
    backEnd.answer = () => undefined;
    await merge([push], true);
    await merge([push], true);
    expect(bodies.at(-1)).toHaveLength(0);
    expect(figures.dropped.size).toBe(1);
  });

  test('stays where gRPC sends it, and with it where another exporter is done', async () => {
    const one = await startExporter({});
    const other = await startExporter({ protocol: 'grpc' });
    await merge([one.push, other.push], true);
    await one.sent();
    expect(other.bodies).toEqual(one.bodies);
    expect(one.bodies[0]).toHaveLength(whole.length);
  });
});

describe('a body that is not compressed, to a back end that does not read it', () => {
  const large = new Uint8Array(24 * 1024 * 1024).map((_, index) => index * 7 + (index >> 8));

  beforeAll(() => {
    // From now on the C library keeps what is freed, for who asks next, instead of giving it back to the kernel.
    freeBytes(new Uint8Array(31 * 1024 * 1024));
  });

  /** Stops to read behind the head; `answer` is what it says there. Resolves with what came in all, head and body. */
  async function startStubborn(answer: string) {
    const heard = Promise.withResolvers<Socket>();
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (first) => {
        socket.pause();
        socket.unshift(first);
        socket.write(answer);
        heard.resolve(socket);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => void server.close());
    const rest = async (): Promise<Buffer> => {
      const chunks: Buffer[] = [];
      const socket = await heard.promise;
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.resume();
      await once(socket, 'close');
      return Buffer.concat(chunks);
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard: heard.promise, rest };
  }

  /** Gives its memory back, and has others write to it. */
  function reuse(body: Uint8Array): void {
    const { length } = body;
    freeBytes(body);
    expect(body).toHaveLength(0);
    for (let turn = 0; turn < 4; turn++) Buffer.alloc(length, 0xff);
  }

  /** What came is the beginning of the body, and by far not all of it. */
  function expectBeginning(came: Buffer): void {
    const body = came.subarray(came.indexOf('\r\n\r\n') + 4);
    expect(body.length).toBeLessThan(large.length);
    expect(Buffer.compare(body, large.subarray(0, body.length))).toBe(0);
  }

  test('is known from one that another thread compresses', () => {
    const can = (compression: 'none' | 'gzip' | 'zstd', size: number): boolean =>
      createHttpSender({ compression, headers: {} }).canRelease(large.subarray(0, size));
    const limit = 2 * 1024 * 1024;
    expect([can('gzip', limit), can('zstd', limit), can('none', limit + 1)]).toEqual([true, true, true]);
    expect([can('gzip', limit + 1), can('zstd', limit + 1)]).toEqual([false, false]);
  });

  test.each([200, 503])('nothing of it is sent once the answer is there (%i)', async (status) => {
    const backEnd = await startStubborn(`HTTP/1.1 ${status} So\r\ncontent-length: 0\r\n\r\n`);
    const sender = createHttpSender({ compression: 'none', headers: {}, auth: undefined, proxy: 'none' });
    closing.push(() => sender.close());
    const body = Uint8Array.from(large);
    expect(sender.canRelease(body)).toBe(true);
    const posted = sender.post(backEnd.url, body, 'text/plain', new AbortController().signal);
    expect(
      await posted.then(
        () => 200,
        ({ message }: Error) => Number(/answered (\d+)/.exec(message)?.[1]),
      ),
    ).toBe(status);
    reuse(body);
    expectBeginning(await backEnd.rest());
  });

  test('nothing of it is sent once it was aborted', async () => {
    const backEnd = await startStubborn('');
    const sender = createHttpSender({ compression: 'none', headers: {}, auth: undefined, proxy: 'none' });
    closing.push(() => sender.close());
    const body = Uint8Array.from(large);
    const abort = new AbortController();
    const posted = sender.post(backEnd.url, body, 'text/plain', abort.signal);
    await backEnd.heard;
    abort.abort();
    reuse(body);
    await expect(posted).rejects.toThrow('Cannot send');
    expectBeginning(await backEnd.rest());
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
