import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Request, SendResult } from '../../src/component.ts';
import type { DeadLetter } from '../../src/delivery/dead_letters.ts';
import { createDiskStore, type DiskStoreOptions } from '../../src/delivery/disk/disk_store.ts';
import { createPush, type Push } from '../../src/delivery/push.ts';
import { PermanentError, RetryableError } from '../../src/errors.ts';
import type { TraceBatch } from '../../src/model/batch.ts';
import { createRecordedLog, type RecordedLog } from '../support/recorded_log.ts';
import { createFaultyFolder, type FaultyFolder } from './disk/faulty_folder.ts';
import { createFigures, createPushConfig, type PushConfig } from './fixtures.ts';
import { createSimulatedClock, settled, type SimulatedClock } from './simulated_clock.ts';

type Answer = (request: Request) => Promise<SendResult | void>;
const ok: Answer = async () => {};
const away: Answer = async () => {
  throw new RetryableError('no route');
};
const hang: Answer = () => new Promise(() => {});

interface Site {
  readonly clock: SimulatedClock;
  readonly folder: FaultyFolder;
  readonly arrived: number[];
  readonly requests: Request[];
  readonly letters: DeadLetter[];
  answer: Answer;
}

function createSite(seed = 1): Site {
  const clock = createSimulatedClock();
  return { clock, folder: createFaultyFolder(seed), arrived: [], requests: [], letters: [], answer: ok };
}

interface Life {
  readonly push: Push;
  readonly figures: ReturnType<typeof createFigures>;
  readonly log: RecordedLog;
}

interface Changes {
  readonly queue?: Partial<PushConfig['queue']>;
  readonly retry?: Partial<PushConfig['retry']>;
  readonly store?: Partial<DiskStoreOptions>;
}

/** A process with an exporter over the folder of the site. */
async function live(site: Site, changes: Changes = {}): Promise<Life> {
  const { clock, folder, letters } = site;
  const boot = folder.boot();
  const figures = createFigures();
  const log = createRecordedLog();
  const config = createPushConfig({
    retry: { max_elapsed: 0, ...changes.retry },
    queue: { on_full: 'block', ...changes.queue },
  });
  const store = createDiskStore({
    place: '/queue',
    folder: () => Promise.resolve(boot),
    lock: { isHeldHere: () => false, acquire: () => Promise.resolve(), release() {} },
    capacity_bytes: 16 * 1024,
    maxAge_ms: config.queue.max_age,
    sync: 'always',
    group_ms: 10,
    minFree_bytes: 0,
    order: 'fifo',
    clock,
    tell: (message, fields) => log.warn(message, fields),
    ...changes.store,
  });
  const exporter = {
    encode: ({ otlp, count }: TraceBatch) => [{ body: otlp, count }],
    async send(request: Request): Promise<SendResult | void> {
      site.requests.push(request);
      const result = await site.answer(request);
      site.arrived.push(numberOf(request));
      return result;
    },
  };
  const deadLetters = {
    keep: async (letter: DeadLetter) => void letters.push(letter),
    onReplay() {},
    close() {},
  };
  const push = createPush({
    exporter: exporter as never,
    config,
    figures,
    log,
    store,
    deadLetters,
    clock,
    random: () => 0,
  });
  const opening = push.open();
  await folder.quiet();
  await opening;
  push.start();
  await folder.quiet();
  return { push, figures, log };
}

/** A batch of `size` bytes with `count` items. */
function batch(number: number, size = 1000, count = 1): TraceBatch {
  const otlp = Buffer.alloc(size, number);
  otlp.writeUInt32LE(number);
  return { signal: 'traces', count, otlp };
}

const numberOf = ({ body }: { readonly body: Uint8Array }): number => Buffer.from(body).readUInt32LE();

/** Lets time pass, and the disk work whenever it has something to do. */
async function pass({ clock, folder }: Site, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    await folder.quiet();
    await clock.advance(Math.min(left, 250));
  }
  await folder.quiet();
}

/** Hands a batch over; says what became of that, when it is known. */
function consume(push: Push, ...given: Parameters<typeof batch>): { is: string } {
  const outcome = { is: 'waits' };
  // It throws at once when it is stopping.
  new Promise<void>((resolve) => resolve(push.consume(batch(...given)) as Promise<void>)).then(
    () => (outcome.is = 'taken'),
    (error: unknown) => (outcome.is = error instanceof RetryableError ? 'refused' : String(error)),
  );
  return outcome;
}

async function stop(site: Site, { push }: Life, deadline_ms = 1000): Promise<void> {
  let isStopped = false;
  void push.stop(deadline_ms).then(() => (isStopped = true));
  await pass(site, deadline_ms + 1000);
  expect(isStopped).toBe(true);
}

function expectBalance({ figures }: Life): void {
  const dropped = [...figures.dropped.values()].reduce((sum, count) => sum + count, 0);
  expect(figures.accepted + figures.recovered).toBe(figures.sent + dropped + figures.queued);
}

const messages = ({ log }: Life): string[] => log.lines.map(({ message }) => message);

describe('createPush over a queue on disk', () => {
  test('consume resolves when the batch is on the disk, and not before', async () => {
    const site = createSite();
    const life = await live(site);
    const outcome = consume(life.push, 1);
    await settled();
    expect(outcome.is).toBe('waits');
    while (!site.folder.names.some((name) => name.endsWith('.queue'))) await site.folder.step();
    expect(outcome.is).toBe('waits');
    await site.folder.quiet();
    expect(outcome.is).toBe('taken');
    expect(site.arrived).toEqual([1]);
    expectBalance(life);
  });

  test('stop leaves what waits, and the next process sends it first, in order, under the same identifiers', async () => {
    const site = createSite();
    site.answer = away;
    const first = await live(site);
    for (const number of [1, 2, 3]) consume(first.push, number, 1000, number);
    await pass(site, 5000);
    await stop(site, first);
    expect(first.figures).toMatchObject({ accepted: 6, sent: 0, queued: 6 });
    expectBalance(first);
    const ids = new Set(site.requests.map(({ id }) => id));
    expect(ids.size).toBe(1);

    site.answer = ok;
    site.requests.length = 0;
    const second = await live(site);
    consume(second.push, 4);
    await pass(site, 1000);
    expect(site.arrived).toEqual([1, 2, 3, 4]);
    expect(ids).toContain(site.requests[0]!.id);
    expect(second.figures).toMatchObject({ recovered: 6, accepted: 1, sent: 7, queued: 0, queued_bytes: 0 });
    expectBalance(second);
  });

  test('stop sends what is at hand while the back end takes it, and leaves a backlog to the next', async () => {
    const site = createSite();
    site.answer = away;
    const first = await live(site, { store: { capacity_bytes: 64 * 1024 } });
    for (let number = 0; number < 30; number++) consume(first.push, number);
    await pass(site, 100);
    site.answer = ok;
    await stop(site, first);
    expect(first.figures.sent).toBeGreaterThan(0);
    expect(first.figures.queued).toBeGreaterThan(0);
    expectBalance(first);
    const second = await live(site, { store: { capacity_bytes: 64 * 1024 } });
    await pass(site, 1000);
    expect(site.arrived).toEqual(Array.from({ length: 30 }, (_, number) => number));
    expectBalance(second);
  });

  test('stop does not wait for a request that is never answered, and the next process repeats it', async () => {
    const site = createSite();
    site.answer = hang;
    const first = await live(site);
    consume(first.push, 1);
    await pass(site, 100);
    await stop(site, first);
    site.answer = ok;
    const second = await live(site);
    await pass(site, 100);
    expect(site.arrived).toEqual([1]);
    expect(second.figures).toMatchObject({ recovered: 1, sent: 1 });
  });

  test('stop ends for a queue whose folder another exporter still has', async () => {
    const site = createSite();
    const life = await liveBehind(site);
    const outcome = consume(life.push, 1);
    await pass(site, 100);
    expect(outcome.is).toBe('waits');
    await stop(site, life);
    expect(outcome.is).toBe('refused');
    expect(life.figures).toMatchObject({ accepted: 0, refused: 1, queued: 0 });
  });
});

/** A process whose queue is another exporter's for ever. */
async function liveBehind(site: Site): Promise<Life> {
  const lock = { isHeldHere: () => true, acquire: () => new Promise<void>(() => {}), release() {} };
  return live(site, { store: { lock } });
}

describe('createPush when the volume is full', () => {
  // Three requests behind the cursor.
  const FULL = 12_288 + 4000;

  test('block waits, says so once, refuses who waited long, and goes on by itself', async () => {
    const site = createSite();
    site.answer = away;
    const life = await live(site);
    site.folder.volume_bytes = FULL;
    const outcomes = Array.from({ length: 6 }, (_, number) => consume(life.push, number));
    await pass(site, 2000);
    expect(outcomes.map(({ is }) => is)).toEqual(['taken', 'taken', 'taken', 'waits', 'waits', 'waits']);
    await pass(site, 3000);
    expect(outcomes.map(({ is }) => is).slice(3)).toEqual(['refused', 'refused', 'refused']);
    expect(life.figures).toMatchObject({ accepted: 3, refused: 3, queued: 3 });
    const late = consume(life.push, 6);
    site.folder.volume_bytes = Infinity;
    await pass(site, 3000);
    const later = consume(life.push, 7);
    await pass(site, 1000);
    expect([late.is, later.is]).toEqual(['refused', 'taken']);
    site.answer = ok;
    await pass(site, 60_000);
    expect(site.arrived).toEqual([0, 1, 2, 7]);
    expect(messages(life).filter((message) => message.includes('ENOSPC'))).toHaveLength(1);
    expect(messages(life).filter((message) => message === 'Queues traces again')).toHaveLength(1);
    expectBalance(life);
  });

  test('drop_newest drops what comes, and counts it, until there is room', async () => {
    const site = createSite();
    site.answer = away;
    const life = await live(site, { queue: { on_full: 'drop_newest' } });
    site.folder.volume_bytes = FULL;
    for (let number = 0; number < 6; number++) {
      expect(consume(life.push, number).is).toBe('waits');
      await pass(site, 10);
    }
    expect([...life.figures.dropped]).toEqual([['queue_full', 3]]);
    site.folder.volume_bytes = Infinity;
    await pass(site, 2000);
    consume(life.push, 6);
    site.answer = ok;
    await pass(site, 60_000);
    expect(site.arrived).toEqual([0, 1, 2, 6]);
    expectBalance(life);
  });

  test('drop_oldest makes room for what comes', async () => {
    const site = createSite();
    site.answer = away;
    const life = await live(site, { queue: { on_full: 'drop_oldest' } });
    site.folder.volume_bytes = 12_288 + 9000;
    for (let number = 0; number < 20; number++) {
      consume(life.push, number);
      await pass(site, 100);
    }
    expect(life.figures.dropped.get('queue_full')).toBeGreaterThan(8);
    expectBalance(life);
    site.answer = ok;
    await pass(site, 60_000);
    expect(site.arrived.at(-1)).toBe(19);
    expect(site.arrived).toEqual(site.arrived.toSorted((a, b) => a - b));
    expect(life.figures.queued).toBe(0);
    expectBalance(life);
  });
});

describe('createPush when the disk fails', () => {
  test('block tries again by itself', async () => {
    const site = createSite();
    const life = await live(site);
    site.folder.chances.set('write', 1);
    const outcome = consume(life.push, 1);
    await pass(site, 2500);
    expect(outcome.is).toBe('waits');
    site.folder.chances.clear();
    await pass(site, 1500);
    expect(outcome.is).toBe('taken');
    expect(site.arrived).toEqual([1]);
    expectBalance(life);
  });

  test.each(['drop_oldest', 'drop_newest'] as const)('%s drops what cannot be stored', async (on_full) => {
    const site = createSite();
    site.answer = away;
    const life = await live(site, { queue: { on_full } });
    consume(life.push, 1);
    await pass(site, 100);
    site.folder.chances.set('sync', 1);
    consume(life.push, 2, 1000, 3);
    await pass(site, 100);
    expect([...life.figures.dropped]).toEqual([['storage_failed', 3]]);
    site.folder.chances.clear();
    consume(life.push, 3);
    site.answer = ok;
    await pass(site, 60_000);
    expect(site.arrived).toEqual([1, 3]);
    expectBalance(life);
  });

  test('a segment that cannot be read is counted and set aside, and the rest is sent', async () => {
    const site = createSite();
    site.answer = away;
    const first = await live(site);
    for (let number = 0; number < 12; number++) consume(first.push, number);
    await pass(site, 100);
    await stop(site, first);
    site.answer = hang;
    const second = await live(site);
    // The first request, and what was read with it, are in memory.
    site.folder.chances.set('read', 1);
    site.answer = ok;
    await pass(site, 60_000);
    site.folder.chances.clear();
    consume(second.push, 12);
    await pass(site, 1000);
    const corrupt = second.figures.dropped.get('corrupt')!;
    expect(corrupt).toBeGreaterThan(0);
    expect(site.arrived).toHaveLength(13 - corrupt);
    expect(site.arrived.at(-1)).toBe(12);
    expect(second.figures.queued).toBe(0);
    expect(messages(second)).toContain('Sets a segment aside that it cannot use');
    expectBalance(second);
  });
});

describe('createPush with answers item by item', () => {
  test('again repeats only what was not taken, and after a restart the whole request', async () => {
    const site = createSite();
    const rest = batch(7, 100, 2).otlp;
    site.answer = async ({ count }) => (count === 5 ? { again: { body: rest, count: 2 } } : away({} as Request));
    const first = await live(site);
    consume(first.push, 1, 1000, 5);
    await pass(site, 100);
    expect(first.figures).toMatchObject({ sent: 3, queued: 2 });
    expect(site.requests.map(({ count }) => count)).toEqual([5]);
    await stop(site, first);
    expectBalance(first);
    site.answer = ok;
    const second = await live(site);
    await pass(site, 100);
    // On disk lies the request as it was queued: items are repeated rather than lost.
    expect(second.figures).toMatchObject({ recovered: 5, sent: 5, queued: 0 });
    expectBalance(second);
  });

  test('refused items become a dead letter with the words of the back end', async () => {
    const site = createSite();
    const rest = batch(7, 100, 2).otlp;
    site.answer = async () => ({ refused: { body: rest, count: 2 }, message: 'too old' });
    const life = await live(site);
    consume(life.push, 1, 1000, 5);
    await pass(site, 100);
    expect(life.figures).toMatchObject({ sent: 3, queued: 0 });
    expect([...life.figures.dropped]).toEqual([['rejected_by_backend', 2]]);
    expect(site.letters).toHaveLength(1);
    expect(site.letters[0]).toMatchObject({
      count: 2,
      signal: 'traces',
      reason: 'rejected_by_backend',
      why: 'The back end refuses some items: too old',
    });
    expect(numberOf(site.letters[0]!)).toBe(7);
    expectBalance(life);
  });

  test('a permanent error becomes a dead letter, and is not sent by the next process', async () => {
    const site = createSite();
    site.answer = async () => {
      throw new PermanentError('Cannot send: 400');
    };
    const first = await live(site);
    consume(first.push, 1, 1000, 5);
    await pass(site, 100);
    expect(site.letters).toMatchObject([{ count: 5, reason: 'rejected', why: 'Cannot send: 400' }]);
    await stop(site, first);
    const second = await live(site);
    await pass(site, 100);
    expect(second.figures).toMatchObject({ recovered: 0, operations: 0 });
  });

  test('a request that used up its time becomes a dead letter', async () => {
    const site = createSite();
    site.answer = away;
    const life = await live(site, { retry: { max_elapsed: 5000 } });
    consume(life.push, 1, 1000, 5);
    await pass(site, 30_000);
    expect(site.letters).toMatchObject([{ count: 5, reason: 'retry_exhausted' }]);
    expectBalance(life);
  });
});

describe('createPush with bounds', () => {
  test('drop_oldest gives up the request that is being repeated', async () => {
    const site = createSite();
    site.answer = away;
    const life = await live(site, { queue: { on_full: 'drop_oldest' } });
    for (let number = 0; number < 40; number++) {
      consume(life.push, number);
      await pass(site, 100);
    }
    site.answer = ok;
    await pass(site, 60_000);
    const dropped = life.figures.dropped.get('queue_full')!;
    expect(site.arrived).toEqual(Array.from({ length: 40 - dropped }, (_, index) => dropped + index));
    expect(dropped).toBeGreaterThan(20);
    expectBalance(life);
  });

  test('drop_oldest gives up a request that is never answered, when it comes back', async () => {
    const site = createSite();
    site.answer = hang;
    const life = await live(site, { queue: { on_full: 'drop_oldest' } });
    for (let number = 0; number < 40; number++) {
      consume(life.push, number);
      await pass(site, 500);
    }
    const asked = new Set(site.requests.map(numberOf));
    expect(asked.size).toBeGreaterThan(1);
    site.answer = ok;
    await pass(site, 60_000);
    expect(site.arrived.at(-1)).toBe(39);
    expect(life.figures.queued).toBe(0);
    expectBalance(life);
  });

  test('max_age drops what waited longer, on disk and while it is repeated', async () => {
    const site = createSite();
    site.answer = away;
    const life = await live(site, { queue: { max_age: 60_000 } });
    for (let number = 0; number < 5; number++) consume(life.push, number);
    await pass(site, 100_000);
    for (let number = 5; number < 8; number++) consume(life.push, number);
    await pass(site, 1000);
    site.answer = ok;
    await pass(site, 30_000);
    expect(site.arrived).toEqual([5, 6, 7]);
    expect([...life.figures.dropped]).toEqual([['expired', 5]]);
    expectBalance(life);
  });

  test('a batch that is larger than the queue takes is dropped and counted', async () => {
    const site = createSite();
    const life = await live(site);
    consume(life.push, 1, 5000, 4);
    await pass(site, 10);
    expect([...life.figures.dropped]).toEqual([['too_large', 4]]);
    expectBalance(life);
  });
});

test('createPush over a queue on disk loses no item from its ledger, over restarts and whatever fails', async () => {
  const answers = { ok, away, hang, refuse: () => Promise.reject(new PermanentError('never')) };
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ put: fc.integer({ min: 4, max: 3000 }), count: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 3, arbitrary: fc.record({ pass: fc.constantFrom(0, 100, 1000, 30_000) }) },
    { weight: 2, arbitrary: fc.record({ answer: fc.constantFrom('ok', 'away', 'hang', 'refuse') }) },
    {
      weight: 1,
      arbitrary: fc.record({ fail: fc.constantFrom('write', 'sync', 'open', 'none'), room: fc.nat(20_000) }),
    },
    { weight: 1, arbitrary: fc.constant({ restart: true }) },
  );
  const run = fc.record({
    steps: fc.array(step, { minLength: 5, maxLength: 40 }),
    on_full: fc.constantFrom('block', 'drop_oldest', 'drop_newest'),
    concurrency: fc.integer({ min: 1, max: 3 }),
    order: fc.constantFrom('fifo', 'fresh_first'),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(run, async ({ steps, on_full, concurrency, order, seed }) => {
      const site = createSite(seed);
      const changes: Changes = { queue: { on_full, concurrency }, store: { order } };
      let life = await live(site, changes);
      let number = 0;
      for (const next of steps) {
        if ('put' in next) consume(life.push, number++, next.put, next.count);
        if ('pass' in next) await pass(site, next.pass);
        if ('answer' in next) site.answer = answers[next.answer];
        if ('fail' in next) {
          site.folder.chances.clear();
          site.folder.volume_bytes = site.folder.bytes + next.room;
          if (next.fail !== 'none') site.folder.chances.set(next.fail, 0.5);
        }
        if ('restart' in next) {
          site.folder.chances.clear();
          await stop(site, life);
          expectBalance(life);
          const { queued } = life.figures;
          life = await live(site, changes);
          // What failed to be stored may lie on the disk all the same: then it is sent, too.
          expect(life.figures.recovered).toBeGreaterThanOrEqual(queued);
        }
        expectBalance(life);
      }
      site.folder.chances.clear();
      site.folder.volume_bytes = Infinity;
      site.answer = ok;
      await pass(site, 120_000);
      expectBalance(life);
      expect(life.figures).toMatchObject({ queued: 0, queued_bytes: 0 });
      await stop(site, life);
      expectBalance(life);
    }),
    { numRuns: Number(process.env['SONDE_QUEUE_RUNS'] ?? 40) },
  );
}, 600_000);
