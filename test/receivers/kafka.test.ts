import { afterEach, describe, expect, test, vi } from 'vitest';
import kafka from '../../receivers/kafka.ts';
import { PermanentError, RetryableError } from '../../src/errors.ts';
import type { Batch, LogBatch } from '../../src/model/batch.ts';
import { encodeLogs } from '../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../src/model/otlp/encode_metrics.ts';
import { encodeLogsJson } from '../../src/model/otlp/json.ts';
import { runReceiver, type ReceiverRun } from '../support/collect.ts';
import { REBALANCE_IN_PROGRESS } from '../support/kafka/group.ts';
import { writeBatch } from '../support/kafka/records.ts';
import { startKafkaBroker, type BrokerOptions, type KafkaBroker } from '../support/kafka_broker.ts';
import { createLogs, createSpans, createSums } from '../support/telemetry.ts';

type Next = NonNullable<NonNullable<Parameters<typeof runReceiver>[1]>['next']>;

vi.setConfig({ testTimeout: 60_000 });

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function startBroker(options: Partial<BrokerOptions> = {}): Promise<KafkaBroker> {
  const broker = await startKafkaBroker({ topics: { otlp_metrics: 1, otlp_logs: 2, otlp_spans: 1 }, ...options });
  ends.push(() => broker[Symbol.asyncDispose]());
  return broker;
}

/** A member that is quick to hear of a rebalance. */
async function start(broker: KafkaBroker, config: object = {}, next?: Next): Promise<ReceiverRun> {
  const quick = { heartbeat_interval: '100ms', session_timeout: '5s', rebalance_timeout: '5s' };
  const run = await runReceiver(kafka, {
    config: { brokers: [broker.address], ...quick, ...config },
    ...(next !== undefined && { next }),
  });
  let stopped: Promise<void> | undefined;
  const once = { ...run, stop: () => (stopped ??= run.stop()) };
  ends.push(once.stop);
  return once;
}

const every = (consume: (batch: Batch) => Promise<void> | void): Next => ({
  metrics: { consume },
  logs: { consume },
  traces: { consume },
});

function put(broker: KafkaBroker, topic: string, values: readonly (Uint8Array | null)[], partition = 0): void {
  broker.log(topic, partition).append(writeBatch(values));
  broker.wake();
}

const logs = (...bodies: string[]): Uint8Array => encodeLogs(createLogs(...bodies));
const bodiesOf = (batches: readonly Batch[]): unknown[] =>
  batches.flatMap((batch) => (batch as LogBatch).records.map(({ body }) => body));
const committed = (broker: KafkaBroker): Record<string, number> =>
  Object.fromEntries([...broker.group('sonde').offsets].map(([key, offset]) => [key, Number(offset)]).toSorted());
const patient = { timeout: 20_000 };

describe('kafka', () => {
  test('takes each signal undecoded, and commits behind what was taken', async () => {
    const broker = await startBroker();
    const bodies = [encodeMetrics(createSums([1, 2, 3])), logs('a', 'b'), createSpans('GET /').otlp];
    put(broker, 'otlp_metrics', [bodies[0]]);
    put(broker, 'otlp_logs', [bodies[1]], 1);
    const run = await start(broker);
    await expect.poll(() => run.handedOver.length, patient).toBe(2);
    put(broker, 'otlp_spans', [bodies[2]]);
    await expect
      .poll(() => committed(broker), patient)
      .toEqual({
        'otlp_logs 1': 1,
        'otlp_metrics 0': 1,
        'otlp_spans 0': 1,
      });
    const handedOver = run.handedOver.toSorted((a, b) => b.count - a.count);
    expect(handedOver.map(({ signal, count }) => [signal, count])).toEqual([
      ['metrics', 3],
      ['logs', 2],
      ['traces', 1],
    ]);
    for (const [index, body] of bodies.entries()) {
      expect(Buffer.from(handedOver[index].otlp!).equals(Buffer.from(body))).toBe(true);
    }
    expect(run.said).toEqual([]);
  });

  test('subscribes only to the topics of signals that a pipeline takes', async () => {
    const broker = await startBroker({ topics: { mine: 1 } });
    const run = await start(
      broker,
      { topics: { logs: 'mine' }, encoding: 'otlp_json' },
      {
        metrics: undefined,
        traces: undefined,
        logs: every((batch) => void taken.push(batch)).logs,
      },
    );
    const taken: Batch[] = [];
    put(broker, 'mine', [encodeLogsJson(createLogs('a'))]);
    await expect.poll(() => bodiesOf(taken), patient).toEqual(['a']);
    expect(run.said).toEqual([]);
  });

  test('commits nothing before the pipelines have it, nor beyond one that they have not', async () => {
    const broker = await startBroker();
    const waiting: PromiseWithResolvers<void>[] = [];
    await start(
      broker,
      {},
      every(() => (waiting.push(Promise.withResolvers()), waiting.at(-1)!.promise)),
    );
    put(broker, 'otlp_logs', [logs('0'), logs('1'), logs('2')]);
    await expect.poll(() => waiting.length, patient).toBe(3);
    waiting[2].resolve();
    waiting[1].resolve();
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(committed(broker)).toEqual({});
    waiting[0].resolve();
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 3 });
  });

  test('offers what cannot be taken now again until it is', async () => {
    const broker = await startBroker();
    let calls = 0;
    const busy = new RetryableError('full', { retryAfter_ms: 30 });
    const run = await start(
      broker,
      {},
      every(() => (++calls < 4 ? Promise.reject(busy) : undefined)),
    );
    put(broker, 'otlp_logs', [logs('a')]);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 1 });
    expect(calls).toBe(4);
    expect(run.dropped.size).toBe(0);
  });

  test.each([
    ['no protobuf', Buffer.from([0xff, 0xff]), 'undecodable', 1],
    ['too many bytes', Buffer.alloc(2001), 'too_large', 1],
    ['what a pipeline never takes', logs('never', 'never'), 'rejected', 2],
  ])('%s is given up, counted, and committed', async (_, value, reason, count) => {
    const broker = await startBroker();
    const never = new PermanentError('no such thing');
    const run = await start(
      broker,
      { max_message_bytes: 2000 },
      every((batch) => (bodiesOf([batch])[0] === 'never' ? Promise.reject(never) : undefined)),
    );
    put(broker, 'otlp_logs', [value, logs('fine')]);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 2 });
    expect([...run.dropped]).toEqual([[reason, count]]);
    expect(run.said).toHaveLength(1);
  });

  test('an empty message, and one that marks a key as deleted, hold nothing and are committed', async () => {
    const broker = await startBroker();
    const run = await start(broker);
    put(broker, 'otlp_logs', [Buffer.alloc(0), null]);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 2 });
    expect(run.handedOver).toEqual([]);
  });

  test.each([
    ['earliest', ['old', 'new']],
    ['latest', ['new']],
  ])('initial_offset %s is where a group without offsets begins', async (initial_offset, expected) => {
    const broker = await startBroker();
    put(broker, 'otlp_logs', [logs('old')]);
    const run = await start(broker, { initial_offset });
    await expect.poll(() => broker.requests.filter((api) => api === 'Fetch').length, patient).toBeGreaterThan(0);
    put(broker, 'otlp_logs', [logs('new')]);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 2 });
    expect(bodiesOf(run.handedOver)).toEqual(expected);
  });

  test.each([
    ['max_inflight', { max_inflight: 2 }],
    ['max_inflight_bytes', { max_inflight_bytes: 2 * logs('0').length }],
  ])('%s holds the pipelines’ share, and the rest waits', async (_, config) => {
    const broker = await startBroker();
    const waiting: (() => void)[] = [];
    await start(
      broker,
      config,
      every(() => new Promise((resolve) => void waiting.push(resolve))),
    );
    put(broker, 'otlp_logs', [logs('0'), logs('1'), logs('2'), logs('3')]);
    await expect.poll(() => waiting.length, patient).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(waiting).toHaveLength(2);
    waiting[0]();
    await expect.poll(() => waiting.length, patient).toBe(3);
    waiting[1]();
    waiting[2]();
    await expect.poll(() => waiting.length, patient).toBe(4);
    waiting[3]();
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 4 });
  });

  test('a stop waits for what is under way, commits it, and leaves the group', async () => {
    const broker = await startBroker();
    const taken = Promise.withResolvers<void>();
    let calls = 0;
    const run = await start(
      broker,
      {},
      every(() => ((calls += 1), taken.promise)),
    );
    put(broker, 'otlp_logs', [logs('a')]);
    await expect.poll(() => calls, patient).toBe(1);
    const stopped = run.stop();
    taken.resolve();
    await stopped;
    expect(committed(broker)).toEqual({ 'otlp_logs 0': 1 });
    expect(broker.group('sonde').memberIds).toEqual([]);
  });

  test('a member that is started again goes on where the group was', async () => {
    const broker = await startBroker();
    put(broker, 'otlp_logs', [logs('a')]);
    const first = await start(broker);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 1 });
    await first.stop();
    put(broker, 'otlp_logs', [logs('b')]);
    const second = await start(broker);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 2 });
    expect(bodiesOf([...first.handedOver, ...second.handedOver])).toEqual(['a', 'b']);
  });

  test('members share the partitions, and nothing is lost or taken twice when one comes and one goes', async () => {
    const broker = await startBroker({ topics: { otlp_metrics: 1, otlp_logs: 4, otlp_spans: 1 } });
    let next = 0;
    const putMore = (): void => {
      for (let i = 0; i < 20; i++) put(broker, 'otlp_logs', [logs(String(next++))], i % 4);
    };
    const all = (...runs: ReceiverRun[]): number[] =>
      bodiesOf(runs.flatMap(({ handedOver }) => handedOver))
        .map(Number)
        .toSorted((a, b) => a - b);
    const expected = (): number[] => Array.from({ length: next }, (_, index) => index);
    const total = (): number => Object.values(committed(broker)).reduce((sum, offset) => sum + offset, 0);

    const isStable = (count: number): boolean =>
      broker.group('sonde').memberIds.length === count && broker.group('sonde').isStable;

    const a = await start(broker);
    putMore();
    await expect.poll(() => total(), patient).toBe(20);
    const b = await start(broker);
    await expect.poll(() => isStable(2), patient).toBe(true);
    putMore();
    await expect.poll(() => total(), patient).toBe(40);
    expect(all(a, b)).toEqual(expected());
    expect(b.handedOver.length).toBeGreaterThan(5);
    await a.stop();
    putMore();
    await expect.poll(() => total(), patient).toBe(60);
    expect(all(a, b)).toEqual(expected());
  });

  test('what is under way in a rebalance is taken once, and committed behind it', async () => {
    const broker = await startBroker();
    const taken = Promise.withResolvers<void>();
    const seen: Batch[] = [];
    await start(
      broker,
      {},
      every((batch) => (seen.push(batch), taken.promise)),
    );
    put(broker, 'otlp_logs', [logs('a')]);
    await expect.poll(() => seen.length, patient).toBe(1);
    const { generation } = broker.group('sonde');
    let isAsked = false;
    broker.fault = (api) => (api === 'Heartbeat' && !isAsked ? ((isAsked = true), REBALANCE_IN_PROGRESS) : undefined);
    await expect.poll(() => broker.group('sonde').generation, patient).toBe(generation + 1);
    const fetched = broker.requests.length;
    await expect
      .poll(() => broker.requests.slice(fetched).filter((api) => api === 'Fetch').length, patient)
      .toBeGreaterThan(0);
    put(broker, 'otlp_logs', [logs('b')]);
    await expect.poll(() => seen.length, patient).toBe(2);
    taken.resolve();
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 2 });
    expect(bodiesOf(seen)).toEqual(['a', 'b']);
  });

  test('a broker that goes away and comes back is found again', async () => {
    const broker = await startBroker();
    const run = await start(broker);
    put(broker, 'otlp_logs', [logs('a')]);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 1 });
    broker.fault = () => 'cut';
    broker.cut();
    await expect.poll(() => run.said.filter((said) => said.startsWith('once group')), patient).toHaveLength(1);
    broker.fault = () => undefined;
    put(broker, 'otlp_logs', [logs('b')]);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 2 });
    expect(bodiesOf(run.handedOver)).toEqual(['a', 'b']);
    expect(run.said).toContain('over group: Takes messages as a member of the group sonde');
  });

  test('offsets that cannot be committed are, later', async () => {
    const broker = await startBroker();
    let failures = 2;
    broker.fault = (api) => (api === 'OffsetCommit' && failures-- > 0 ? 28 : undefined);
    const run = await start(broker);
    put(broker, 'otlp_logs', [logs('a')]);
    await expect.poll(() => committed(broker), patient).toEqual({ 'otlp_logs 0': 1 });
    expect(run.said[0]).toMatch(
      /^once commit: Cannot commit offsets, and tries again: .*INVALID_COMMIT_OFFSET_SIZE\)$/,
    );
    expect(run.said[1]).toBe('over commit: Commits offsets again');
  });

  test('a topic that is missing is waited for', async () => {
    const broker = await startBroker({ topics: { otlp_metrics: 1, otlp_spans: 1 } });
    const run = await start(broker);
    await expect
      .poll(() => run.said, patient)
      .toEqual(['once group: Cannot take messages: Unknown topic otlp_logs; tries again']);
  });

  test.each([
    [{ topics: { logs: 'otlp_metrics' } }, 'Cannot tell logs from metrics: both come from the topic "otlp_metrics"'],
    [
      { session_timeout: '50ms' },
      'Cannot be a member of a group: heartbeat_interval is not shorter than session_timeout',
    ],
    [{ session_timeout: '1m' }, 'Cannot be a member of a group: rebalance_timeout is shorter than session_timeout'],
  ])('refuses %j, and says why', async (config, message) => {
    const broker = await startBroker();
    await expect(start(broker, config)).rejects.toThrow(message);
  });

  test.each([
    { group_id: '' },
    { initial_offset: 'first' },
    { max_inflight: 0 },
    { session_timeout: '0s' },
    { auth: {} },
  ])('refuses the options %j', async (config) => {
    const broker = await startBroker();
    await expect(start(broker, config)).rejects.toThrow();
  });
});
