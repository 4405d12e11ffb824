import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Payload, SendResult } from '../../src/component.ts';
import { createPush } from '../../src/delivery/push.ts';
import { createMemoryStore, type BlockStore, type NewBlock } from '../../src/delivery/store.ts';
import { PermanentError, RetryableError, TooLargeError } from '../../src/errors.ts';
import type { Batch } from '../../src/model/batch.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { createBatch, createFigures, createPushConfig } from './fixtures.ts';
import { createSimulatedClock, settled } from './simulated_clock.ts';

type Answer = (payload: Payload, abort: AbortSignal) => Promise<SendResult | void>;
const ok: Answer = async () => {};
const refuse =
  (error: unknown): Answer =>
  async () => {
    throw error;
  };
const hang: Answer = () => new Promise(() => {});

/** A push exporter over a back end that answers as told, the last answer for ever. */
function setUp({
  answers = [ok],
  config,
  store,
  encode = (batch: Batch): readonly Payload[] => [{ body: (batch as { otlp: Uint8Array }).otlp, count: batch.count }],
}: {
  answers?: Answer[];
  config?: Parameters<typeof createPushConfig>[0];
  store?: BlockStore;
  encode?: (batch: Batch) => readonly Payload[];
} = {}) {
  const clock = createSimulatedClock();
  const figures = createFigures();
  const log = createRecordedLog();
  const requests: { at_ms: number; ids: number[] }[] = [];
  const arrived: number[] = [];
  const exporter = {
    encode,
    async send(payload: Payload, _signal: string, abort: AbortSignal) {
      requests.push({ at_ms: clock.now(), ids: [...payload.body] });
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
      const result = await answer(payload, abort);
      arrived.push(...payload.body);
      return result;
    },
    split({ body }: Payload): readonly Payload[] {
      if (body.length < 2) return [];
      const middle = body.length >> 1;
      return [body.subarray(0, middle), body.subarray(middle)].map((part) => ({ body: part, count: part.length }));
    },
  };
  const push = createPush({
    exporter,
    config: createPushConfig(config),
    figures,
    log,
    clock,
    random: () => 0,
    ...(store !== undefined && { store }),
  });
  return { push, clock, figures, log, requests, arrived, exporter };
}

const messages = (log: { lines: { message: string }[] }) => log.lines.map(({ message }) => message);

describe('createPush', () => {
  test('consume hands a batch to the back end and counts it as sent', async () => {
    const { push, figures, arrived } = setUp();
    push.start();
    push.consume(createBatch(1, 2, 3));
    await settled();
    expect(arrived).toEqual([1, 2, 3]);
    expect(figures).toMatchObject({ accepted: 3, sent: 3, queued: 0, queued_bytes: 0, operations: 1, failed: 0 });
  });

  test('consume keeps batches until start', async () => {
    const { push, figures, arrived } = setUp();
    push.consume(createBatch(1));
    push.consume(createBatch(2));
    await settled();
    expect(arrived).toEqual([]);
    expect(figures).toMatchObject({ queued: 2, queued_bytes: 2, queue_capacity_bytes: 1000 });
    push.start();
    await settled();
    expect(arrived).toEqual([1, 2]);
  });

  test('a back end that refuses every other request is said once a minute', async () => {
    const no = refuse(new RetryableError('no'));
    const { push, clock, log } = setUp({ answers: [no, ok, no, ok, no, ok, no, ok] });
    push.start();
    for (let id = 0; id < 3; id += 1) {
      push.consume(createBatch(id));
      await clock.advance(2000);
    }
    expect(messages(log).slice(1)).toEqual(['Sending traces fails, and is tried again: no', 'Sends traces again']);
    await clock.advance(60_000);
    push.consume(createBatch(4));
    await clock.advance(2000);
    expect(messages(log)).toHaveLength(5);
  });

  test('a retryable error is tried again with exponential back-off, and says so once', async () => {
    const { push, clock, figures, requests, log } = setUp({
      answers: [
        refuse(new RetryableError('no')),
        refuse(new RetryableError('no')),
        refuse(new RetryableError('no')),
        ok,
      ],
    });
    push.start();
    push.consume(createBatch(1));
    await clock.advance(10_000);
    expect(requests.map(({ at_ms }) => at_ms)).toEqual([0, 1000, 2500, 4750]);
    expect(figures).toMatchObject({ sent: 1, failed: 3, operations: 4, reason: '' });
    expect(messages(log).slice(1)).toEqual(['Sending traces fails, and is tried again: no', 'Sends traces again']);
  });

  test('a wait that the back end asks for is kept at least, and the next grows from it', async () => {
    const asked = refuse(new RetryableError('busy', { retryAfter_ms: 7000 }));
    const { push, clock, requests } = setUp({ answers: [asked, refuse(new RetryableError('no')), ok] });
    push.start();
    push.consume(createBatch(1));
    await clock.advance(60_000);
    expect(requests.map(({ at_ms }) => at_ms)).toEqual([0, 7000, 17_500]);
  });

  test('a payload is dropped when its next try would come after max_elapsed', async () => {
    const { push, clock, figures, arrived } = setUp({
      answers: [refuse(new RetryableError('no'))],
      config: { retry: { max_elapsed: 5000 } },
    });
    push.start();
    push.consume(createBatch(1, 2));
    await clock.advance(60_000);
    expect(arrived).toEqual([]);
    expect([...figures.dropped]).toEqual([['retry_exhausted', 2]]);
    expect(figures).toMatchObject({ accepted: 2, sent: 0, queued: 0, queued_bytes: 0 });
  });

  test('max_elapsed 0 tries for ever', async () => {
    const { push, clock, figures } = setUp({
      answers: [refuse(new RetryableError('no'))],
      config: { retry: { max_elapsed: 0 } },
    });
    push.start();
    push.consume(createBatch(1));
    await clock.advance(86_400_000);
    expect(figures.queued).toBe(1);
  });

  test('retry.enabled false drops at the first refusal', async () => {
    const { push, figures } = setUp({
      answers: [refuse(new RetryableError('no'))],
      config: { retry: { enabled: false } },
    });
    push.start();
    push.consume(createBatch(1));
    await settled();
    expect([...figures.dropped]).toEqual([['retry_exhausted', 1]]);
  });

  test('a permanent error drops the payload and the next one is sent', async () => {
    const { push, figures, arrived, log } = setUp({ answers: [refuse(new PermanentError('Cannot send: 400')), ok] });
    push.start();
    push.consume(createBatch(1));
    push.consume(createBatch(2));
    await settled();
    expect(arrived).toEqual([2]);
    expect([...figures.dropped]).toEqual([['rejected', 1]]);
    expect(log.lines.at(-1)).toMatchObject({ level: 'warn', message: 'Cannot send: 400', fields: { items: 1 } });
  });

  test('an unknown exception counts as permanent and is logged with its stack', async () => {
    const { push, figures, log } = setUp({ answers: [refuse(new TypeError('x is not a function')), ok] });
    push.start();
    push.consume(createBatch(1));
    await settled();
    expect([...figures.dropped]).toEqual([['rejected', 1]]);
    expect(log.lines.at(-1)).toMatchObject({ level: 'error', message: 'x is not a function' });
    expect(log.lines.at(-1)!.fields['stack']).toContain('push.test.ts');
  });

  test('the log hears of a repeated rejection once a minute, with the number of items', async () => {
    const { push, clock, log } = setUp({ answers: [refuse(new PermanentError('Cannot send: 400'))] });
    push.start();
    for (let at_s = 0; at_s <= 60; at_s += 10) {
      push.consume(createBatch(1));
      await clock.advance(10_000);
    }
    expect(log.lines.slice(1).map(({ fields }) => fields['items'])).toEqual([1, 6]);
  });

  test('a payload that is too large is split until it fits, in order', async () => {
    const limit: Answer = async ({ body }) => {
      if (body.length > 2) throw new TooLargeError('Cannot send: 413');
    };
    const { push, figures, arrived } = setUp({ answers: [limit] });
    push.start();
    push.consume(createBatch(1, 2, 3, 4, 5));
    await settled();
    expect(arrived).toEqual([1, 2, 3, 4, 5]);
    expect(figures).toMatchObject({ sent: 5, queued: 0, queued_bytes: 0 });
    expect(figures.dropped.size).toBe(0);
  });

  test('a payload that is too large and cannot be split is dropped', async () => {
    const { push, figures } = setUp({ answers: [refuse(new TooLargeError('Cannot send: 413'))] });
    push.start();
    push.consume(createBatch(1, 2, 3));
    await settled();
    expect([...figures.dropped]).toEqual([['too_large', 3]]);
    expect(figures.queued).toBe(0);
  });

  test('a split that makes nothing smaller ends', async () => {
    const { push, figures, exporter } = setUp({ answers: [refuse(new TooLargeError('Cannot send: 413'))] });
    exporter.split = (payload) => [payload, { body: new Uint8Array(), count: 0 }];
    push.start();
    push.consume(createBatch(1, 2, 3));
    await settled();
    expect([...figures.dropped]).toEqual([['too_large', 3]]);
  });

  test('what the back end rejects of a request is counted and not repeated', async () => {
    const { push, figures, requests, log } = setUp({ answers: [async () => ({ rejected: 2, message: 'too old' })] });
    push.start();
    push.consume(createBatch(1, 2, 3));
    await settled();
    expect(requests).toHaveLength(1);
    expect(figures.sent).toBe(1);
    expect([...figures.dropped]).toEqual([['rejected_by_backend', 2]]);
    expect(messages(log).at(-1)).toBe('The back end refuses some items: too old');
  });

  test('a message without rejected items is a warning', async () => {
    const { push, figures, log } = setUp({ answers: [async () => ({ rejected: 0, message: 'old schema' })] });
    push.start();
    push.consume(createBatch(1));
    push.consume(createBatch(2));
    await settled();
    expect(figures).toMatchObject({ sent: 2 });
    expect(messages(log).slice(1)).toEqual(['The back end warns: old schema']);
  });

  test('a request without an answer is given up after the time-out, even where the exporter ignores the abort', async () => {
    const { push, clock, figures, arrived } = setUp({ answers: [hang, ok] });
    push.start();
    push.consume(createBatch(1));
    await clock.advance(9999);
    expect(figures.operations).toBe(0);
    await clock.advance(1);
    expect(figures).toMatchObject({ timed_out: 1, failed: 1, duration_s: 10 });
    await clock.advance(1000);
    expect(arrived).toEqual([1]);
  });

  test('a time-out aborts the request and its AbortError is no rejection', async () => {
    const abortable: Answer = (_, abort) =>
      new Promise((_resolve, reject) => abort.addEventListener('abort', () => reject(new Error('AbortError'))));
    const { push, clock, figures } = setUp({ answers: [abortable, ok] });
    push.start();
    push.consume(createBatch(1));
    await clock.advance(20_000);
    expect(figures).toMatchObject({ sent: 1, timed_out: 1 });
    expect(figures.dropped.size).toBe(0);
  });

  test('an encoder that throws drops the batch and nothing else', async () => {
    let isFirst = true;
    const { push, figures, arrived, log } = setUp({
      encode(batch) {
        if (isFirst) {
          isFirst = false;
          throw new TypeError('no such kind');
        }
        return [{ body: Uint8Array.of(9), count: batch.count }];
      },
    });
    push.start();
    push.consume(createBatch(1, 2));
    push.consume(createBatch(3));
    await settled();
    expect(arrived).toEqual([9]);
    expect([...figures.dropped]).toEqual([['encode_failed', 2]]);
    expect(log.lines.at(-1)).toMatchObject({ level: 'error', message: 'Cannot encode traces: no such kind' });
  });

  test('items that the encoder leaves out are counted, whether it said so or not', async () => {
    const context = setUp({
      encode(batch) {
        const { dropped } = context.figures;
        dropped.set('delta_baseline', (dropped.get('delta_baseline') ?? 0) + 1);
        return [{ body: Uint8Array.of(1), count: batch.count - 3 }];
      },
    });
    context.push.start();
    context.push.consume(createBatch(1, 2, 3, 4, 5));
    await settled();
    expect(context.figures).toMatchObject({ accepted: 5, sent: 2, queued: 0 });
    expect([...context.figures.dropped]).toEqual([
      ['delta_baseline', 1],
      ['not_encoded', 2],
    ]);
  });

  test('concurrency bounds the requests under way', async () => {
    const { push, requests } = setUp({ answers: [hang], config: { queue: { concurrency: 3 } } });
    push.start();
    for (let id = 0; id < 5; id += 1) push.consume(createBatch(id));
    await settled();
    expect(requests).toHaveLength(3);
  });
});

test('createPush asks a store that has nothing no more until something is put', async () => {
  let asked = 0;
  let waiting: NewBlock | undefined;
  const store: BlockStore = {
    ...createMemoryStore(1000, 0, Date.now, () => {}),
    put: (block) => void (waiting = block),
    async take() {
      asked += 1;
      const block = waiting;
      waiting = undefined;
      return block === undefined ? undefined : { ...block, id: 'a' };
    },
  };
  const { push, arrived } = setUp({ store });
  push.start();
  await settled();
  expect(asked).toBe(1);
  push.consume(createBatch(1));
  // While it is asked another one comes.
  push.consume(createBatch(2));
  await settled();
  expect(arrived).toEqual([1, 2]);
  expect(asked).toBeLessThanOrEqual(4);
});

describe('createPush with a full queue', () => {
  const full = (on_full: 'block' | 'drop_oldest' | 'drop_newest') =>
    setUp({ answers: [hang, ok], config: { queue: { max_bytes: 3, on_full } } });

  test('drop_oldest drops the oldest that is not under way', async () => {
    const { push, clock, figures, arrived } = full('drop_oldest');
    push.start();
    for (let id = 1; id <= 5; id += 1) push.consume(createBatch(id));
    expect([...figures.dropped]).toEqual([['queue_full', 2]]);
    await clock.advance(20_000);
    expect(arrived).toEqual([1, 4, 5]);
  });

  test('drop_newest drops what comes', async () => {
    const { push, clock, figures, arrived } = full('drop_newest');
    push.start();
    for (let id = 1; id <= 5; id += 1) push.consume(createBatch(id));
    expect([...figures.dropped]).toEqual([['queue_full', 2]]);
    await clock.advance(20_000);
    expect(arrived).toEqual([1, 2, 3]);
  });

  test('block makes the caller wait, in order, until there is room', async () => {
    const { push, clock, figures, arrived, log } = setUp({
      answers: [hang, ok],
      config: { timeout: 2000, queue: { max_bytes: 3, on_full: 'block' } },
    });
    push.start();
    const done: number[] = [];
    for (let id = 1; id <= 5; id += 1) void Promise.resolve(push.consume(createBatch(id))).then(() => done.push(id));
    await settled();
    expect(done).toEqual([1, 2, 3]);
    expect(figures).toMatchObject({ accepted: 3, queued: 3 });
    await clock.advance(20_000);
    expect(done).toEqual([1, 2, 3, 4, 5]);
    expect(arrived).toEqual([1, 2, 3, 4, 5]);
    expect(figures.dropped.size).toBe(0);
    expect(messages(log)).toContain('Queues traces again');
  });

  test('block refuses who has waited in vain, and the next ones at once until there is room', async () => {
    const { push, clock, figures, arrived } = full('block');
    push.start();
    const refused: [number, number][] = [];
    const consume = (id: number): void =>
      void Promise.resolve(push.consume(createBatch(id))).catch(() => refused.push([id, clock.now()]));
    for (const id of [1, 2, 3, 4]) consume(id);
    await clock.advance(4000);
    expect(refused).toEqual([[4, 4000]]);
    await clock.advance(1000);
    consume(5);
    await clock.advance(0);
    expect(refused.at(-1)).toEqual([5, 5000]);
    expect(figures).toMatchObject({ accepted: 3, refused: 2, queued: 3 });
    await clock.advance(20_000);
    for (const id of [6, 7]) consume(id);
    await clock.advance(1000);
    expect(arrived).toEqual([1, 2, 3, 6, 7]);
    expect(refused).toHaveLength(2);
  });

  test('block at the edge of a full queue says so once a minute, however often it comes and goes', async () => {
    const { push, clock, arrived, log } = setUp({
      answers: [() => new Promise((resolve) => void clock.after(100, resolve))],
      config: { queue: { max_bytes: 1, on_full: 'block' } },
    });
    push.start();
    for (let id = 0; id < 100; id++) {
      void push.consume(createBatch(id));
      await clock.advance(60);
    }
    await clock.advance(20_000);
    expect(arrived).toHaveLength(100);
    expect(messages(log).slice(1)).toEqual([
      'The queue of traces is full: pipelines wait, and are refused after 4 s',
      'Queues traces again',
    ]);
  });

  test('a payload larger than the whole queue is dropped, even where callers wait', async () => {
    const { push, figures } = full('block');
    push.start();
    await push.consume(createBatch(1, 2, 3, 4));
    expect([...figures.dropped]).toEqual([['too_large', 4]]);
  });
});

describe('stop', () => {
  test('sends what waits, takes nothing more, and resolves when all is sent', async () => {
    const { push, figures, arrived } = setUp();
    push.start();
    push.consume(createBatch(1));
    push.consume(createBatch(2));
    const stopped = push.stop(5000);
    expect(() => push.consume(createBatch(3))).toThrow(RetryableError);
    await stopped;
    expect(arrived).toEqual([1, 2]);
    expect(figures).toMatchObject({ sent: 2, refused: 1, queued: 0 });
  });

  test('tries at once what waited for its next try', async () => {
    const { push, clock, arrived } = setUp({ answers: [refuse(new RetryableError('no')), ok] });
    push.start();
    push.consume(createBatch(1));
    await clock.advance(10);
    await push.stop(5000);
    expect(arrived).toEqual([1]);
    expect(clock.now()).toBe(10);
  });

  test('keeps a wait that the back end asked for', async () => {
    const { push, clock, requests } = setUp({
      answers: [refuse(new RetryableError('no', { retryAfter_ms: 2000 })), ok],
    });
    push.start();
    push.consume(createBatch(1));
    await clock.advance(10);
    const stopped = push.stop(5000);
    await clock.advance(5000);
    await stopped;
    expect(requests.map(({ at_ms }) => at_ms)).toEqual([0, 2000]);
  });

  test('drops, counts and logs what is left after the deadline, the request under way too', async () => {
    const { push, clock, figures, log } = setUp({ answers: [hang] });
    push.start();
    push.consume(createBatch(1, 2));
    push.consume(createBatch(3));
    const stopped = push.stop(5000);
    await clock.advance(5000);
    await stopped;
    expect([...figures.dropped]).toEqual([['shutdown', 3]]);
    expect(figures).toMatchObject({ queued: 0, queued_bytes: 0 });
    expect(log.lines.at(-1)).toMatchObject({ level: 'warn', fields: { items: 3 } });
  });

  test('refuses callers that still wait for room at the deadline', async () => {
    const { push, clock, figures } = setUp({ answers: [hang], config: { queue: { max_bytes: 1, on_full: 'block' } } });
    push.start();
    push.consume(createBatch(1));
    const waiting = Promise.resolve(push.consume(createBatch(2))).catch((error: unknown) => error);
    const stopped = push.stop(5000);
    await clock.advance(5000);
    await stopped;
    expect(await waiting).toBeInstanceOf(RetryableError);
    expect(figures).toMatchObject({ accepted: 1, refused: 1, queued: 0 });
  });

  test('before start drops what waits at once', async () => {
    const { push, figures } = setUp();
    push.consume(createBatch(1));
    await push.stop(5000);
    expect([...figures.dropped]).toEqual([['shutdown', 1]]);
  });
});

test('createPush loses no item from its ledger, whatever the back end does', async () => {
  const answer = fc.oneof(
    { weight: 4, arbitrary: fc.constant(ok) },
    fc.constant(refuse(new RetryableError('no'))),
    fc.nat(20_000).map((after) => refuse(new RetryableError('no', { retryAfter_ms: after }))),
    fc.constant(refuse(new PermanentError('never'))),
    fc.constant(refuse(new TooLargeError('large'))),
    fc.constant(refuse(new TypeError('bug'))),
    fc.constant(hang),
    fc.nat(5).map((rejected): Answer => async () => ({ rejected, message: 'old' })),
  );
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ consume: fc.integer({ min: 0, max: 40 }) }) },
    { weight: 2, arbitrary: fc.record({ wait_ms: fc.nat(40_000) }) },
  );
  const run = fc.record({
    answers: fc.array(answer, { minLength: 1, maxLength: 30 }),
    steps: fc.array(step, { maxLength: 30 }),
    on_full: fc.constantFrom('block' as const, 'drop_oldest' as const, 'drop_newest' as const),
    concurrency: fc.integer({ min: 1, max: 3 }),
    max_bytes: fc.integer({ min: 10, max: 100 }),
    startsAt: fc.nat(10),
  });
  await fc.assert(
    fc.asyncProperty(run, async ({ answers, steps, on_full, concurrency, max_bytes, startsAt }) => {
      const { push, clock, figures, arrived, exporter } = setUp({
        answers: [...answers, ok],
        config: { queue: { max_bytes, on_full, concurrency }, retry: { max_elapsed: 60_000 } },
        encode: ({ count, ...batch }) => {
          const body = (batch as { otlp: Uint8Array }).otlp;
          const half = count >> 1;
          const parts = [body.subarray(0, half), body.subarray(half)];
          return parts.filter(({ length }) => length > 0).map((part) => ({ body: part, count: part.length }));
        },
      });
      const check = (): void => {
        const dropped = [...figures.dropped.values()].reduce((sum, count) => sum + count, 0);
        expect(figures.accepted).toBe(figures.sent + dropped + figures.queued);
        expect(figures.queued).toBeGreaterThanOrEqual(0);
        expect(figures.queued_bytes).toBeLessThanOrEqual(max_bytes);
      };
      const { send } = exporter;
      exporter.send = (...request) => {
        check();
        return send(...request);
      };
      let given = 0;
      const consumed: Promise<unknown>[] = [];
      for (const [at, next] of steps.entries()) {
        if (at === startsAt) push.start();
        if ('consume' in next) {
          given += next.consume;
          const ids = Array.from({ length: next.consume }, (_, index) => index);
          consumed.push(Promise.resolve(push.consume(createBatch(...ids))).catch(() => {}));
        } else {
          await clock.advance(next.wait_ms);
        }
        check();
      }
      const stopped = push.stop(30_000);
      await clock.advance(30_000);
      await stopped;
      await Promise.all(consumed);
      check();
      expect(figures).toMatchObject({ queued: 0, queued_bytes: 0 });
      expect(figures.accepted + figures.refused).toBe(given);
      expect(figures.sent + (figures.dropped.get('rejected_by_backend') ?? 0)).toBe(arrived.length);
    }),
    { numRuns: 300 },
  );
});
