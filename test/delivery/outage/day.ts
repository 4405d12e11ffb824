/**
 * A day without a back end, in minutes: run by outage.test.ts in a process of its own, whose memory is only this. Prints
 * what it saw as JSON. `node --expose-gc day.ts FOLDER`
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Request } from '../../../src/component.ts';
import { createDiskStore } from '../../../src/delivery/disk/disk_store.ts';
import { createPush, type Push } from '../../../src/delivery/push.ts';
import { RetryableError } from '../../../src/errors.ts';
import type { TraceBatch } from '../../../src/model/batch.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';
import { createFigures, createPushConfig } from '../fixtures.ts';
import { createSimulatedClock } from '../simulated_clock.ts';
import { watchFolder } from './watched_folder.ts';

export interface Day {
  readonly max_bytes: number;
  /** The most that the segments ever took. */
  readonly largest_bytes: number;
  /** Heap and buffers after each hour, and after each hundred requests of the way back; the first is before the outage. */
  readonly memory_bytes: readonly number[];
  /** Steps at which accepted + recovered was not sent + dropped + queued. */
  readonly imbalances: number;
  /** Numbers of what was put, and of what arrived, in order. */
  readonly put: number;
  readonly arrived: readonly number[];
  /** Items. */
  readonly accepted: number;
  readonly sent: number;
  readonly recovered: number;
  readonly dropped: Readonly<Record<string, number>>;
  /** Requests that waited when the back end came back. */
  readonly backlog: number;
  /** Simulated seconds between two batches, and between two requests of the way back. */
  readonly interval_s: number;
  readonly drain_interval_s: number;
}

const MAX_BYTES = 16 * 2 ** 20;
const BODY_BYTES = 64 * 1024;
const INTERVAL_MS = 60_000;
/** What the back end takes for an answer. */
const ANSWER_MS = 500;
const DAY_MS = 86_400_000;

/** Items in the batch of that number. */
const countOf = (number: number): number => 1 + (number % 3);

async function spendDay(path: string): Promise<Day> {
  const clock = createSimulatedClock();
  const { folder, quiet } = await watchFolder(path);
  let figures = createFigures();
  let push: Push;
  let isDown = false;
  let put = 0;
  const arrived: number[] = [];
  const memory_bytes: number[] = [];
  let largest_bytes = 0;
  let imbalances = 0;
  const before = { accepted: 0, sent: 0, dropped: new Map<string, number>() };

  const exporter = {
    encode: (batch: TraceBatch) => [{ body: batch.otlp, count: batch.count }],
    async send({ body }: Request): Promise<void> {
      await new Promise<void>((resolve) => clock.after(ANSWER_MS, resolve));
      if (isDown) throw new RetryableError('no route');
      arrived.push(Buffer.from(body).readUInt32LE());
    },
  };

  async function start(): Promise<void> {
    figures = createFigures();
    const store = createDiskStore({
      place: path,
      folder: () => Promise.resolve(folder),
      lock: { isHeldHere: () => false, acquire: () => Promise.resolve(), release() {} },
      capacity_bytes: MAX_BYTES,
      maxAge_ms: 0,
      sync: 'group',
      group_ms: 10,
      minFree_bytes: 0,
      order: 'fifo',
      clock,
      tell() {},
    });
    const config = createPushConfig({ retry: { max_elapsed: 0 }, queue: { on_full: 'drop_oldest' } });
    const log = createRecordedLog();
    push = createPush({ exporter: exporter as never, config, figures, log, store, clock, random: () => 0.5 });
    await push.open();
    push.start();
  }

  async function stop(): Promise<void> {
    const stopping = push.stop(1000);
    await pass(2000);
    await stopping;
    before.accepted += figures.accepted;
    before.sent += figures.sent;
    for (const [reason, count] of figures.dropped) {
      before.dropped.set(reason, (before.dropped.get(reason) ?? 0) + count);
    }
  }

  async function pass(ms: number): Promise<void> {
    await quiet();
    await clock.advance(ms);
    await quiet();
    look();
  }

  function look(): void {
    const dropped = [...figures.dropped.values()].reduce((sum, count) => sum + count, 0);
    if (figures.accepted + figures.recovered !== figures.sent + dropped + figures.queued) imbalances += 1;
    const segments = readdirSync(path).filter((name) => name.endsWith('.queue'));
    const bytes = segments.reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
    largest_bytes = Math.max(largest_bytes, bytes);
  }

  function weigh(): void {
    globalThis.gc!();
    const { heapUsed, external } = process.memoryUsage();
    // What this test itself keeps: eight bytes for each request that arrived.
    memory_bytes.push(heapUsed + external - arrived.length * 8);
  }

  async function consume(): Promise<void> {
    const body = Buffer.alloc(BODY_BYTES, put % 251);
    body.writeUInt32LE(put);
    await push.consume({ signal: 'traces', count: countOf(put), otlp: body });
    put += 1;
    look();
  }

  await start();
  for (let warm = 0; warm < 50; warm++) {
    await consume();
    await pass(INTERVAL_MS);
  }
  weigh();

  isDown = true;
  for (let at_ms = 0; at_ms < DAY_MS; at_ms += INTERVAL_MS) {
    await consume();
    await pass(INTERVAL_MS);
    if (at_ms % 3_600_000 === 0) weigh();
    if (at_ms === DAY_MS / 2) {
      // The agent is told to stop, too, and started again.
      await stop();
      await start();
    }
  }

  isDown = false;
  const backlog = put - arrived.length;
  const first = arrived.length;
  const began_ms = clock.now();
  let next_ms = began_ms;
  while (figures.queued > 0) {
    // Data goes on coming.
    if (clock.now() >= next_ms) {
      await consume();
      next_ms += INTERVAL_MS;
    }
    await pass(ANSWER_MS);
    if ((arrived.length - first) % 100 === 0) weigh();
    if (clock.now() - began_ms > DAY_MS) throw new Error('the backlog is not drained');
  }
  const drain_interval_s = (clock.now() - began_ms) / 1000 / (arrived.length - first);
  const { recovered } = figures;
  await stop();
  return {
    max_bytes: MAX_BYTES,
    largest_bytes,
    memory_bytes,
    imbalances,
    put,
    arrived,
    accepted: before.accepted,
    sent: before.sent,
    recovered,
    dropped: Object.fromEntries(before.dropped),
    backlog,
    interval_s: INTERVAL_MS / 1000,
    drain_interval_s,
  };
}

process.stdout.write(JSON.stringify(await spendDay(process.argv[2]!)));
