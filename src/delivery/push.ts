/**
 * The way from a pipeline to a back end: encodes a batch once, queues the requests, and has them sent. Every item that
 * was accepted, or found in the queue at the start, is sent, dropped for a counted reason, or still queued.
 */
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
import type { DeadLetters } from './dead_letters.ts';
import { sayRest, statement } from './statement.ts';
import { createMemoryStore, StoreError, type Block, type BlockStore, type Loss, type NewBlock } from './store.ts';
import { createTrouble } from './trouble.ts';
import { createWaitingRoom, PATIENCE_MS } from './waiting_room.ts';

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
  /** Where requests go that will never be taken; dropped without it. */
  readonly deadLetters?: DeadLetters;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * One exporter's queue. Starting and stopping the exporter itself is its owner's: an exporter of several signals has a
 * queue for each, so that a flood of logs never pushes out metrics.
 */
export interface Push extends Consumer {
  /**
   * Makes the queue ready, before what it sends to is.
   * @throws {Error} it cannot be used
   */
  open(): Promise<void> | void;
  /** Begins to send; until then batches wait. */
  start(): void;
  /**
   * Takes no more and sends what waits, at most for `deadline_ms`. What is left is dropped, or stays in a durable queue;
   * of that only what came last is still tried, as long as the back end takes it.
   */
  stop(deadline_ms: number): Promise<void>;
}

/** Of a queue in memory whose size nobody has set. */
const MEMORY_BYTES = 32 * 1024 * 1024;

/** What becomes of new requests when there is no room, by `on_full`. */
const CONSEQUENCES = {
  block: `pipelines wait, and are refused after ${PATIENCE_MS / 1000} s`,
  drop_oldest: 'the oldest requests are dropped',
  drop_newest: 'new requests are dropped',
};

/** A store that failed, with callers waiting, is tried again after this. */
const STORE_AGAIN_MS = 1000;

export function createPush(options: PushOptions): Push {
  const { exporter, config, figures, log, deadLetters, clock = systemClock, random = Math.random } = options;
  const { on_full, concurrency, max_age } = config.queue;
  const { signal } = figures;
  const store = options.store ?? createMemoryStore(config.queue.max_bytes ?? MEMORY_BYTES, max_age, clock.wall, lost);
  const account = createAccount(figures, log, clock);
  const courier = createCourier({
    exporter,
    config,
    figures,
    account,
    log,
    clock,
    random,
    isDurable: store.isDurable,
    deadLetters,
  });
  figures.queue_capacity_bytes = store.capacity_bytes;

  let phase: 'new' | 'running' | 'draining' | 'ended' = 'new';
  let opening: Promise<void> | undefined;
  let isReady = false;
  let underWay = 0;
  /** Blocks that the store is still writing. */
  let arriving = 0;
  let isTaking = false;
  /** There may be more to take than there was when the taking under way began. */
  let isTakingAgain = false;
  let onIdle: (() => void) | undefined;
  let callOffStoreAgain: (() => void) | undefined;
  const waitingRoom = createWaitingRoom({
    figures,
    clock,
    hasRoom: ({ body }) => phase !== 'ended' && store.hasRoom(body.byteLength),
    put,
    onRefused: pump,
  });
  const trouble = createTrouble(`queueing ${signal}`, log, clock);

  function open(): Promise<void> | void {
    return (opening ??= store
      .open?.({
        lost,
        onRoom: waitingRoom.admit,
        opened(recovered) {
          isReady = true;
          account.recover(recovered);
          countBytes();
          deadLetters?.onReplay(enqueue);
          pump();
        },
      })
      .catch((error: unknown) => {
        opening = undefined;
        throw error;
      }));
  }

  /** The store lost some by itself. */
  function lost(reason: Loss, count: number, why: string): void {
    account.drop(reason, count, why);
    countBytes();
  }

  function consume(batch: Batch): Promise<void> | void {
    if (phase === 'draining' || phase === 'ended') {
      figures.refused += batch.count;
      throw new RetryableError('Cannot take a batch: the exporter is stopping');
    }
    const time_ms = clock.wall();
    const waiting = encode(batch)
      .map(({ body, count, release }) => enqueue({ body, count, release, signal: batch.signal, time_ms }))
      .filter((queued) => queued !== undefined);
    return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
  }

  function encode(batch: Batch): readonly Payload[] {
    const droppedBefore = total(figures.dropped);
    let payloads: readonly Payload[];
    try {
      payloads = exporter.encode(batch);
    } catch (error) {
      dropUnqueued('encode_failed', batch, `Cannot encode ${batch.signal}: ${messageOf(error)}`, error);
      return [];
    }
    // What the exporter left out by its own decision it has counted already (`context.drop`).
    const left = total(figures.dropped) - droppedBefore;
    figures.accepted += left;
    const missing = batch.count - left - payloads.reduce((sum, { count }) => sum + count, 0);
    const why = `Cannot encode some ${batch.signal}: the format lacks them`;
    if (missing > 0) dropUnqueued('not_encoded', { count: missing }, why);
    return payloads;
  }

  /** Queues one block; a promise only where its caller has to wait. */
  function enqueue(block: NewBlock): Promise<void> | void {
    const size = block.body.byteLength;
    if (size > store.largest_bytes) {
      const why = `Cannot queue a request: its ${size} bytes are more than the queue takes (${store.largest_bytes})`;
      return dropUnqueued('too_large', block, why);
    }
    if (on_full === 'block') return waitingRoom.isEmpty && store.hasRoom(size) ? put(block) : hold(block);
    if (on_full === 'drop_oldest') makeRoom(size);
    if (store.hasRoom(size)) return put(block);
    return dropUnqueued('queue_full', block, `${fullness()}: ${CONSEQUENCES.drop_newest}`);
  }

  function fullness(): string {
    return store.isVolumeShort === true
      ? `The volume of ${store.place} has no more left than queue.min_free`
      : `The queue of ${signal} is full`;
  }

  /** Evicts from the oldest on; in vain where requests under way hold the room. */
  function makeRoom(size: number): boolean {
    let hasEvicted = false;
    while (!store.hasRoom(size)) {
      const evicted = store.evict();
      if (evicted === undefined) break;
      hasEvicted = true;
      account.drop('queue_full', evicted.count, `${fullness()}: ${CONSEQUENCES.drop_oldest}`);
      courier.abandon(evicted.isOlder);
      countBytes();
    }
    return hasEvicted;
  }

  function put(block: NewBlock): Promise<void> | void {
    const stored = store.put(block);
    if (stored === undefined) return taken(block);
    arriving += 1;
    return stored.then(
      () => {
        arriving -= 1;
        taken(block);
      },
      (error: unknown) => {
        arriving -= 1;
        try {
          return notStored(block, error);
        } finally {
          pump();
        }
      },
    );
  }

  function taken({ count }: NewBlock): void {
    account.accept(count);
    if (waitingRoom.isEmpty) trouble.isOver(`Queues ${signal} again`);
    countBytes();
    pump();
  }

  /** The disk is full, or fails: what happens is what `on_full` says. */
  function notStored(block: NewBlock, error: unknown): Promise<void> | void {
    if (!(error instanceof StoreError) || phase === 'ended') {
      figures.refused += block.count;
      throw new RetryableError(`Cannot queue ${signal}: ${messageOf(error)}`, { cause: error });
    }
    // Removing the oldest helps nobody where the disk is not full but broken.
    const policy = on_full === 'drop_oldest' && !error.isFull ? 'drop_newest' : on_full;
    trouble.has(`${error.message}; ${CONSEQUENCES[policy]}`);
    if (on_full === 'block') {
      callOffStoreAgain ??= clock.after(STORE_AGAIN_MS, () => {
        callOffStoreAgain = undefined;
        waitingRoom.admit();
      });
      return hold(block);
    }
    if (on_full === 'drop_oldest' && error.isFull && makeRoom(block.body.byteLength)) return put(block);
    dropUnqueued(error.isFull ? 'queue_full' : 'storage_failed', block, error.message);
  }

  function hold(block: NewBlock): Promise<void> {
    trouble.has(`${fullness()}: ${CONSEQUENCES.block}`);
    return waitingRoom.wait(block);
  }

  function dropUnqueued(
    reason: 'encode_failed' | 'not_encoded' | 'queue_full' | 'storage_failed' | 'too_large',
    { count, release }: Pick<Payload, 'count' | 'release'>,
    why: string,
    error?: unknown,
  ): void {
    account.accept(count);
    account.drop(reason, count, why, error);
    release?.();
  }

  function countBytes(): void {
    figures.queued_bytes = figures.queued === 0 ? 0 : store.bytes;
  }

  function pump(): void {
    isTakingAgain = isTaking;
    while (!isTaking && underWay < concurrency && (phase === 'running' || phase === 'draining')) {
      // What has to be read from the disk is for the next start, if this is the end.
      const next = store.take(phase === 'draining');
      if (next === undefined) break;
      if (!(next instanceof Promise)) {
        send(next);
        continue;
      }
      isTaking = true;
      void next.then((block) => {
        isTaking = false;
        if (block !== undefined) send(block);
        // A store that has nothing is not asked for ever.
        if (block !== undefined || isTakingAgain) pump();
        else tellIdle();
      });
    }
    tellIdle();
  }

  function tellIdle(): void {
    if (underWay === 0 && arriving === 0 && !isTaking && waitingRoom.isEmpty) onIdle?.();
  }

  function send(block: Block): void {
    underWay += 1;
    void courier.deliver(block).then(async (isSettled) => {
      if (isSettled) await store.settle(block);
      else store.release(block);
      underWay -= 1;
      countBytes();
      waitingRoom.admit();
      pump();
    });
  }

  function start(): void {
    phase = 'running';
    const { message, fields } = statement(signal, config, store);
    log.info(message, figures.recovered > 0 ? { ...fields, waiting_items: figures.recovered } : fields);
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
    callOffStoreAgain?.();
    waitingRoom.close();
    // Otherwise what is to be put waits for an exporter that may end after this one.
    if (!isReady) await store.close();
    if (underWay > 0 || arriving > 0 || isTaking) await idle();
    if (!store.isDurable) {
      for (let rest = store.evict(); rest !== undefined; rest = store.evict()) account.drop('shutdown', rest.count);
      countBytes();
    }
    sayRest(figures, store.place, log);
    deadLetters?.close();
    await opening?.catch(() => undefined);
    await store.close();
  }

  /** Resolves when nothing is under way or waits, or someone calls `onIdle`. */
  function idle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    onIdle = resolve;
    pump();
    return promise;
  }

  return { consume, open, start, stop };
}

function total(counts: ReadonlyMap<string, number>): number {
  return counts.values().reduce((sum, count) => sum + count, 0);
}
