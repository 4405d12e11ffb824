import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import nats from '../../receivers/nats.ts';
import { ConfigError, PermanentError, RetryableError } from '../../src/errors.ts';
import type { Batch } from '../../src/model/batch.ts';
import { encodeLogs } from '../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../src/model/otlp/encode_metrics.ts';
import { encodeMetricsJson } from '../../src/model/otlp/json.ts';
import { runReceiver, type ReceiverRun } from '../support/collect.ts';
import { startFakeNats, type FakeNats, type Published } from '../support/nats_server.ts';
import { createLogs, createSpans, createSums } from '../support/telemetry.ts';

type Next = NonNullable<NonNullable<Parameters<typeof runReceiver>[1]>['next']>;
type Config = Readonly<Record<string, unknown>>;

const NOT_FOUND = { error: { code: 404, err_code: 10014, description: 'consumer not found' } };
const sums = encodeMetrics(createSums([1, 2, 3]));

let server: FakeNats;
/** The consumer as the server has it. */
let consumer: Record<string, unknown> | undefined;
/** What the server answers to acknowledgements. */
let confirm: (message: Published) => object | undefined;
const runs: ReceiverRun[] = [];

beforeEach(async () => {
  consumer = undefined;
  confirm = () => ({});
  server = await startFakeNats();
  server.answer = (message) => {
    const { subject, data } = message;
    if (subject.startsWith('$JS.ACK.')) return data.toString() === '+ACK' ? confirm(message) : undefined;
    if (subject.startsWith('$JS.API.CONSUMER.MSG.NEXT.')) return undefined;
    if (!subject.startsWith('$JS.API.CONSUMER.INFO.')) {
      consumer = { ...consumer, ...(JSON.parse(data.toString()) as { config: object }).config };
    }
    return consumer === undefined ? NOT_FOUND : { name: consumer.durable_name, stream_name: 'OTEL', config: consumer };
  };
});
afterEach(async () => {
  for (const run of runs.splice(0)) await run.stop();
  await server[Symbol.asyncDispose]();
});

async function start(config: Config = {}, next?: Next): Promise<ReceiverRun> {
  const options = { config: { servers: [server.url], ...config }, ...(next !== undefined && { next }) };
  const run = await runReceiver(nats, options);
  runs.push(run);
  return run;
}

const every = (consume: (batch: Batch) => Promise<void> | void): Next => ({
  metrics: { consume },
  logs: { consume },
  traces: { consume },
});

const pulls = (): Published[] => server.published.filter(({ subject }) => subject.includes('.MSG.NEXT.'));
/** What was said of messages, as `7 +ACK`, but for that they are being worked on. */
const answers = (): string[] =>
  server.published
    .filter(({ subject, data }) => subject.startsWith('$JS.ACK.') && data.toString() !== '+WPI')
    .map(({ subject, data }) => `${subject.split('.')[5]} ${data.toString()}`);

/** Gives a message to whoever asked last; `sequence` is its number in the stream. */
async function deliver(
  subject: string,
  data: Uint8Array,
  {
    sequence = 1,
    deliveries = 1,
    headers = {},
  }: { sequence?: number; deliveries?: number; headers?: Record<string, string> } = {},
): Promise<void> {
  await expect.poll(() => pulls().length).toBeGreaterThan(0);
  const reply = `$JS.ACK.OTEL.sonde.${deliveries}.${sequence}.${sequence}.170000000000000000${sequence % 10}.0`;
  server.deliver(subject, reply, headers, data, pulls().at(-1)!.reply);
}

describe('nats', () => {
  test('makes the consumer, takes each signal undecoded, and acknowledges', async () => {
    const run = await start();
    const bodies = [sums, encodeLogs(createLogs('a', 'b')), createSpans('GET /').otlp];
    await deliver('otel.metrics', zstdCompressSync(sums), { sequence: 1, headers: { 'Content-Encoding': 'zstd' } });
    await deliver('otel.logs', gzipSync(bodies[1]), { sequence: 2, headers: { 'Content-Encoding': 'gzip' } });
    await deliver('otel.traces', bodies[2], { sequence: 3, headers: { 'Content-Type': 'application/x-protobuf' } });
    const json = encodeMetricsJson(createSums([7]));
    await deliver('otel.metrics', json, {
      sequence: 4,
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
    });
    await expect.poll(answers).toEqual(['1 +ACK', '2 +ACK', '3 +ACK', '4 +ACK']);
    expect(run.handedOver.map(({ signal, count }) => [signal, count])).toEqual([
      ['metrics', 3],
      ['logs', 2],
      ['traces', 1],
      ['metrics', 1],
    ]);
    for (const [index, body] of bodies.entries()) {
      expect(Buffer.from(run.handedOver[index].otlp!).equals(Buffer.from(body))).toBe(true);
    }
    expect(consumer).toEqual({
      durable_name: 'sonde',
      ack_policy: 'explicit',
      deliver_policy: 'all',
      filter_subjects: ['otel.metrics', 'otel.logs', 'otel.traces'],
      max_ack_pending: 1000,
      ack_wait: 30e9,
    });
    expect(JSON.parse(pulls()[0].data.toString())).toMatchObject({ batch: 64 });
  });

  test('asks only for the signals that a pipeline takes', async () => {
    const { metrics } = every(() => undefined);
    await start({ subject: 'eu.*.{signal}', durable: 'eu' }, { metrics, logs: undefined, traces: undefined });
    await expect.poll(() => pulls().length).toBe(1);
    expect(consumer).toMatchObject({ durable_name: 'eu', filter_subject: 'eu.*.metrics' });
    expect(pulls()[0].subject).toBe('$JS.API.CONSUMER.MSG.NEXT.OTEL.eu');
  });

  test('acknowledges nothing before the pipelines have it, and says meanwhile that it works on it', async () => {
    const taken = Promise.withResolvers<void>();
    await start(
      { ack_wait: '150ms' },
      every(() => taken.promise),
    );
    await deliver('otel.metrics', sums);
    await expect
      .poll(() => server.published.filter(({ data }) => data.toString() === '+WPI').length)
      .toBeGreaterThan(1);
    expect(answers()).toEqual([]);
    taken.resolve();
    await expect.poll(answers).toEqual(['1 +ACK']);
  });

  test('a message that comes again while it is here is not taken twice, and is acknowledged where it came last', async () => {
    const taken = Promise.withResolvers<void>();
    let calls = 0;
    await start(
      {},
      every(() => ((calls += 1), taken.promise)),
    );
    await deliver('otel.metrics', sums, { sequence: 5 });
    await expect.poll(() => calls).toBe(1);
    await deliver('otel.metrics', sums, { sequence: 5, deliveries: 2 });
    await deliver('otel.metrics', sums, { sequence: 6 });
    await expect.poll(() => calls).toBe(2);
    taken.resolve();
    await expect.poll(() => answers().toSorted()).toEqual(['5 +ACK', '6 +ACK']);
    const acknowledged = server.published.filter(({ data }) => data.toString() === '+ACK');
    expect(acknowledged.map(({ subject }) => subject.split('.')[4]).toSorted()).toEqual(['1', '2']);
  });

  test('what could not be acknowledged for want of a connection is, by the next one', async () => {
    confirm = () => undefined;
    const run = await start();
    await deliver('otel.metrics', sums, { sequence: 8 });
    await expect.poll(answers).toEqual(['8 +ACK']);
    confirm = () => ({});
    server.cut();
    await expect.poll(answers).toEqual(['8 +ACK', '8 +ACK']);
    expect(run.handedOver).toHaveLength(1);
  });

  // As a server that was killed, which knows nothing of its last deliveries and answers to no acknowledgement of them.
  test('messages whose delivery the server forgot leave room for others, and are acknowledged when they come again', async () => {
    confirm = ({ subject }) => (subject.split('.')[4] === '2' ? {} : undefined);
    const run = await start({ batch: 4 });
    for (const sequence of [1, 2, 3, 4]) await deliver('otel.metrics', sums, { sequence });
    await expect.poll(answers).toEqual(['1 +ACK', '2 +ACK', '3 +ACK', '4 +ACK']);
    await expect.poll(pulls).toHaveLength(2);
    server.cut();
    await expect.poll(answers).toHaveLength(8);
    await expect.poll(pulls).toHaveLength(3);
    expect(JSON.parse(pulls()[2].data.toString())).toMatchObject({ batch: 4 });
    for (const sequence of [1, 2, 3, 4]) await deliver('otel.metrics', sums, { sequence, deliveries: 2 });
    await expect.poll(() => answers().slice(8)).toEqual(['1 +ACK', '2 +ACK', '3 +ACK', '4 +ACK']);
    expect(run.handedOver).toHaveLength(4);
    await deliver('otel.metrics', sums, { sequence: 5, deliveries: 2 });
    await expect.poll(() => run.handedOver).toHaveLength(5);
  });

  test.each([
    ['a second at first', new RetryableError('full'), 1, 1000],
    ['longer each time', new RetryableError('full'), 4, 8000],
    ['at most half a minute', new RetryableError('full'), 40, 30_000],
    ['as long as it was asked to', new RetryableError('full', { retryAfter_ms: 4000 }), 1, 4000],
    ['after a bug', new Error('a bug'), 1, 30_000],
  ])('what cannot be taken now comes again: %s', async (_, error, deliveries, delay_ms) => {
    const run = await start(
      {},
      every(() => Promise.reject(error)),
    );
    await deliver('otel.metrics', sums, { deliveries });
    await expect.poll(answers).toEqual([`1 -NAK {"delay":${delay_ms * 1e6}}`]);
    expect([...run.dropped]).toEqual([]);
  });

  const bomb = zstdCompressSync(Buffer.alloc(2000));
  test.each([
    ['no protobuf', Buffer.from([0xff, 0xff]), {}, 'undecodable', 1],
    ['a strange type', sums, { 'Content-Type': 'text/plain' }, 'undecodable', 1],
    ['a strange encoding', sums, { 'Content-Encoding': 'br' }, 'undecodable', 1],
    ['no gzip', sums, { 'Content-Encoding': 'gzip' }, 'undecodable', 1],
    ['broken JSON', Buffer.from('{'), { 'Content-Type': 'application/json' }, 'undecodable', 1],
    ['too many bytes', Buffer.alloc(1001), {}, 'too_large', 1],
    ['too many bytes of zstd', bomb, { 'Content-Encoding': 'zstd' }, 'too_large', 1],
    ['too many bytes of gzip', gzipSync(Buffer.alloc(2000)), { 'Content-Encoding': 'gzip' }, 'too_large', 1],
    ['what a pipeline never takes', sums, {}, 'rejected', 3],
  ])('%s is refused for ever, and counted', async (_, data, headers, reason, count) => {
    const run = await start(
      { max_message_bytes: 1000 },
      every(() => Promise.reject(new PermanentError('no\nsuch'))),
    );
    await deliver('otel.metrics', data, { headers });
    await expect.poll(answers).toEqual([expect.stringMatching(/^1 \+TERM (Cannot|no such)/)]);
    expect([...run.dropped]).toEqual([[reason, count]]);
  });

  test('an empty request is acknowledged, and no batch of it handed over', async () => {
    const run = await start();
    await deliver('otel.metrics', Buffer.alloc(0));
    await expect.poll(answers).toEqual(['1 +ACK']);
    expect(run.handedOver).toEqual([]);
  });

  test('a message of a subject that no pipeline here takes goes back', async () => {
    const run = await start();
    await deliver('elsewhere', sums);
    await expect.poll(answers).toEqual(['1 -NAK {"delay":30000000000}']);
    expect(run.said.at(-1)).toBe(
      'once subject elsewhere: Gives back messages of "elsewhere": no pipeline here takes them',
    );
  });

  test('has no more than batch messages here, and asks for more when half of them are taken', async () => {
    const waiting: (() => void)[] = [];
    await start(
      { batch: 4 },
      every(() => new Promise((resolve) => void waiting.push(resolve))),
    );
    for (const sequence of [1, 2, 3, 4]) await deliver('otel.metrics', sums, { sequence });
    await expect.poll(() => waiting.length).toBe(4);
    expect(pulls()).toHaveLength(1);
    waiting.shift()!();
    await expect.poll(() => answers().length).toBe(1);
    expect(pulls()).toHaveLength(1);
    waiting.shift()!();
    await expect.poll(() => pulls().length).toBe(2);
    expect(JSON.parse(pulls()[1].data.toString())).toMatchObject({ batch: 2 });
    for (const resolve of waiting) resolve();
  });

  test('hands over no further message while those under way fill max_inflight_bytes', async () => {
    const waiting: (() => void)[] = [];
    const run = await start(
      { max_inflight_bytes: sums.length },
      every(() => new Promise((resolve) => void waiting.push(resolve))),
    );
    await deliver('otel.metrics', sums, { sequence: 1 });
    await deliver('otel.metrics', sums, { sequence: 2 });
    await deliver('otel.metrics', sums, { sequence: 3 });
    await expect.poll(() => waiting.length).toBe(1);
    waiting[0]();
    await expect.poll(() => waiting.length).toBe(2);
    expect(answers()).toEqual(['1 +ACK']);
    const stopped = run.stop();
    await expect.poll(answers).toContain('3 -NAK');
    waiting[1]();
    await stopped;
    expect(answers().toSorted()).toEqual(['1 +ACK', '2 +ACK', '3 -NAK']);
  });

  test('a stop waits for what is under way, and acknowledges it before the connection ends', async () => {
    const taken = Promise.withResolvers<void>();
    let calls = 0;
    const run = await start(
      {},
      every(() => ((calls += 1), taken.promise)),
    );
    await deliver('otel.metrics', sums);
    await expect.poll(() => calls).toBe(1);
    const stopped = run.stop();
    taken.resolve();
    await stopped;
    expect(answers()).toEqual(['1 +ACK']);
  });

  test('a consumer that is there is brought up to date, but begins nowhere else', async () => {
    consumer = {
      durable_name: 'sonde',
      ack_policy: 'explicit',
      deliver_policy: 'all',
      filter_subject: 'otel.>',
      max_ack_pending: 5,
      ack_wait: 30e9,
      replay_policy: 'instant',
    };
    await start({ deliver_policy: 'new', ack_wait: '1m' });
    await expect.poll(() => pulls().length).toBe(1);
    const updates = server.published.filter(({ subject }) => /CONSUMER\.(DURABLE\.)?CREATE/.test(subject));
    expect(updates.map(({ data }) => JSON.parse(data.toString()) as unknown)).toEqual([
      expect.objectContaining({
        action: 'update',
        config: {
          durable_name: 'sonde',
          ack_policy: 'explicit',
          deliver_policy: 'all',
          filter_subjects: ['otel.metrics', 'otel.logs', 'otel.traces'],
          max_ack_pending: 1000,
          ack_wait: 60e9,
          replay_policy: 'instant',
        },
      }),
    ]);
  });

  test.each([
    [{ ack_policy: 'explicit', deliver_subject: 'x' }, 'it is a push consumer'],
    [{ ack_policy: 'none' }, 'its ack_policy is "none", not "explicit"'],
  ])('says why it cannot use the consumer %j, and tries again', async (config, words) => {
    consumer = config;
    const run = await start();
    const found = `once consume: Cannot take messages: Cannot use the consumer "sonde" of the stream "OTEL": ${words}; tries again`;
    await expect.poll(() => run.said).toContain(found);
    consumer = undefined;
    await expect.poll(() => run.said).toContain('over consume: Takes messages of the stream OTEL');
  });

  test('a consumer that was deleted is made anew', async () => {
    const run = await start();
    await expect.poll(() => pulls().length).toBe(1);
    consumer = undefined;
    server.deliver(pulls()[0].reply, '', { '': '409 Consumer Deleted' }, Buffer.alloc(0));
    await expect.poll(() => pulls().length).toBe(2);
    expect(consumer).toMatchObject({ durable_name: 'sonde' });
    expect(run.said.filter((said) => said.includes(' consume: '))).toHaveLength(2);
  });

  test.each([{ subject: 'otel' }, { subjects: { logs: 'otel.metrics' } }])(
    'refuses %j, which mixes signals',
    async (config) => {
      await expect(start(config)).rejects.toThrow(ConfigError);
    },
  );

  test.each([{ batch: 0 }, { subject: 'a..b' }, { durable: 'a b' }, { deliver_policy: 'last' }, { ack_wait: '0s' }])(
    'refuses the options %j',
    async (config) => {
      await expect(start(config)).rejects.toThrow();
    },
  );
});
