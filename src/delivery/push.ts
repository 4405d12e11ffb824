/**
 * The way from a pipeline to a back end: encodes a batch once, queues the requests, and has them sent. Every item that
 * was accepted is sent, dropped for a counted reason, or still queued.
 */
import { randomUUID } from 'node:crypto';
import type {
  CommonPushConfig,
  ComponentFigures,
  ComponentLog,
  Consumer,
  Payload,
  PushExporter,
} from '../component.ts';
import { messageOf, RetryableError } from '../errors.ts';
import type { Batch } from '../model/batch.ts';
import { createAccount } from './account.ts';
import { systemClock, type Clock } from './clock.ts';
import { createCourier } from './courier.ts';
import { createMemoryStore, type Block, type BlockStore } from './store.ts';

export interface PushOptions {
  readonly exporter: Pick<PushExporter, 'encode' | 'send' | 'split'>;
  readonly config: Pick<CommonPushConfig, 'timeout' | 'retry' | 'queue'>;
  /**
   * `operations` and `duration_s` count requests, `failed` those that did not succeed, `timed_out` those without an
   * answer in time, `refused` items that `consume` threw back; `reason` is why it is failing now.
   */
  readonly figures: ComponentFigures;
  readonly log: ComponentLog;
  /** In memory unless given. */
  readonly store?: BlockStore;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * One exporter's queue. Starting and stopping the exporter itself is its owner's: an exporter of several signals has a
 * queue for each, so that a flood of logs never pushes out metrics.
 */
export interface Push extends Consumer {
  /** Begins to send; until then batches wait. */
  start(): void;
  /** Takes no more, sends what waits, and drops what is left after `deadline_ms`. */
  stop(deadline_ms: number): Promise<void>;
}

export function createPush(options: PushOptions): Push {
  const { exporter, config, figures, log, clock = systemClock, random = Math.random } = options;
  const { on_full, concurrency } = config.queue;
  const { signal } = figures;
  const store = options.store ?? createMemoryStore(config.queue.max_bytes);
  const account = createAccount(figures, log, clock);
  const courier = createCourier({ exporter, config, figures, account, log, clock, random });
  figures.queue_capacity_bytes = store.capacity_bytes;

  const name = randomUUID();
  let requests = 0;
  let phase: 'new' | 'running' | 'draining' | 'ended' = 'new';
  let underWay = 0;
  let onIdle: (() => void) | undefined;
  /** Blocks that found no room, with their callers waiting (`on_full: block`). */
  const blocked: { readonly block: Block; readonly done: PromiseWithResolvers<void> }[] = [];

  function consume(batch: Batch): Promise<void> | void {
    if (phase === 'draining' || phase === 'ended') {
      figures.refused += batch.count;
      throw new RetryableError('Cannot take a batch: the exporter is stopping');
    }
    const waiting: Promise<void>[] = [];
    for (const { body, count } of encode(batch)) {
      const queued = enqueue({ id: `${name}-${++requests}`, body, count, signal: batch.signal });
      if (queued !== undefined) waiting.push(queued);
    }
    return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
  }

  function encode(batch: Batch): readonly Payload[] {
    const droppedBefore = total(figures.dropped);
    let payloads: readonly Payload[];
    try {
      payloads = exporter.encode(batch);
    } catch (error) {
      dropUnqueued('encode_failed', batch.count, `Cannot encode ${batch.signal}: ${messageOf(error)}`, error);
      return [];
    }
    // What the exporter left out by its own decision it has counted already (`context.drop`).
    const left = total(figures.dropped) - droppedBefore;
    figures.accepted += left;
    const missing = batch.count - left - payloads.reduce((sum, { count }) => sum + count, 0);
    if (missing > 0) dropUnqueued('not_encoded', missing, `Cannot encode some ${batch.signal}: the format lacks them`);
    return payloads;
  }

  /** Queues one block; a promise only where its caller has to wait. */
  function enqueue(block: Block): Promise<void> | void {
    const size = block.body.byteLength;
    if (size > store.capacity_bytes) {
      const why = `Cannot queue a request: its ${size} bytes are more than the queue holds (${store.capacity_bytes})`;
      return dropUnqueued('too_large', block.count, why);
    }
    if (on_full === 'block') return blocked.length === 0 && hasRoom(block) ? put(block) : hold(block);
    if (on_full === 'drop_oldest') makeRoom(block);
    if (hasRoom(block)) return put(block);
    return dropUnqueued('queue_full', block.count, `The queue of ${signal} is full: new requests are dropped`);
  }

  function hasRoom(block: Block): boolean {
    return store.bytes + block.body.byteLength <= store.capacity_bytes;
  }

  /** Evicts from the oldest on; in vain where requests under way hold the room. */
  function makeRoom(block: Block): void {
    while (!hasRoom(block)) {
      const oldest = store.evict();
      if (oldest === undefined) return;
      account.drop('queue_full', oldest.count, `The queue of ${signal} is full: the oldest requests are dropped`);
      account.free(oldest.body.byteLength);
    }
  }

  function put(block: Block): Promise<void> | void {
    account.accept(block.count, block.body.byteLength);
    const stored = store.put(block);
    pump();
    return stored;
  }

  function hold(block: Block): Promise<void> {
    log.once(
      `queue_full ${signal}`,
      `The queue of ${signal} is full: its pipelines wait until the back end takes some`,
    );
    const done = Promise.withResolvers<void>();
    blocked.push({ block, done });
    return done.promise;
  }

  function unblock(): void {
    for (let first = blocked[0]; first !== undefined && hasRoom(first.block); first = blocked[0]) {
      blocked.shift();
      first.done.resolve(put(first.block));
    }
    if (blocked.length === 0) log.over(`queue_full ${signal}`, `The queue of ${signal} has room again`);
  }

  function dropUnqueued(
    reason: 'encode_failed' | 'not_encoded' | 'queue_full' | 'too_large',
    count: number,
    why: string,
    error?: unknown,
  ): void {
    account.accept(count, 0);
    account.drop(reason, count, why, error);
  }

  function pump(): void {
    while (underWay < concurrency && (phase === 'running' || phase === 'draining')) {
      const block = store.take();
      if (block === undefined) break;
      underWay += 1;
      void courier.deliver(block).then(() => settle(block));
    }
    if (underWay === 0 && blocked.length === 0) onIdle?.();
  }

  function settle(block: Block): void {
    underWay -= 1;
    store.remove(block);
    account.free(block.body.byteLength);
    unblock();
    pump();
  }

  function start(): void {
    phase = 'running';
    const { max_elapsed, enabled } = config.retry;
    const patience = !enabled
      ? 'never repeated'
      : max_elapsed === 0
        ? 'repeated for ever'
        : `repeated for ${max_elapsed / 1000} s`;
    log.info(`Queues ${signal} in memory: what waits is lost with the process`, {
      queue_bytes: store.capacity_bytes,
      on_full,
      requests: patience,
    });
    pump();
  }

  async function stop(deadline_ms: number): Promise<void> {
    if (phase === 'running') {
      phase = 'draining';
      const callOff = clock.after(deadline_ms, () => onIdle?.());
      courier.hurry();
      await idle();
      callOff();
    }
    phase = 'ended';
    courier.end();
    for (let block = store.evict(); block !== undefined; block = store.evict()) {
      account.drop('shutdown', block.count);
      account.free(block.body.byteLength);
    }
    for (const { block, done } of blocked.splice(0)) {
      figures.refused += block.count;
      done.reject(new RetryableError('Cannot take a batch: the exporter is stopping'));
    }
    if (underWay > 0) await idle();
    const lost = figures.dropped.get('shutdown') ?? 0;
    if (lost > 0)
      log.warn(`Cannot send all ${signal} that waited before the stop: the rest is dropped`, { items: lost });
  }

  /** Resolves when nothing is under way or waits, or someone calls `onIdle`. */
  function idle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    onIdle = resolve;
    pump();
    return promise;
  }

  return { consume, start, stop };
}

function total(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
