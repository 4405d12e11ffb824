/** From events to the pipelines: in order, in batches, and no more of them here than pipelines that stand still allow. */
import type { ComponentLog, Consumer } from './component.ts';
import { createHandOver } from './hand_over.ts';
import type { LogBatch, LogRecord } from './model/batch.ts';
import { sleep } from './sleep.ts';

export interface OutletOptions {
  readonly next: Consumer<LogBatch>;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  /**
   * Told of records, in order, once the pipelines took them or said that they never will. Whoever asks keeps the position
   * of its source and gives again what was not taken: then nothing counts as dropped at a stop.
   */
  readonly onTaken?: (records: readonly LogRecord[]) => void;
  /** Most bytes that wait and that travel together, of those that {@link Outlet.push} is told of; no limit if left out. */
  readonly limits?: { readonly waiting_bytes: number; readonly batch_bytes: number };
  /**
   * Shortest time between two batches, unless one is full: in busy times what comes meanwhile travels together, as each
   * batch costs its exporters a request. What comes after a quiet time goes at once. 0 if left out.
   */
  readonly pause_ms?: number;
}

export interface Outlet {
  /**
   * @param ready resolves when the record is complete: it waits for that, and all behind it
   * @param bytes how large it is, about
   */
  push(record: LogRecord, ready?: Promise<void>, bytes?: number): void;
  /** Too many wait: whoever can should await {@link room}. */
  readonly isFull: boolean;
  /** Resolves when half of the room is free, or when this ends. */
  room(): Promise<void>;
  /** Waits until all is handed over, at most `limit_ms`; what is left is counted as dropped. */
  stop(limit_ms: number): Promise<void>;
}

const LARGEST_BATCH = 1000;
const MOST_WAITING = 4000;

interface Waiting {
  readonly record: LogRecord;
  readonly ready: Promise<void> | undefined;
  readonly bytes: number;
}

const NO_LIMITS = { waiting_bytes: Infinity, batch_bytes: Infinity };

export function createOutlet(options: OutletOptions): Outlet {
  const { next, log, drop, onTaken, limits = NO_LIMITS, pause_ms = 0 } = options;
  let waiting: Waiting[] = [];
  let underWay = 0;
  /** Of what waits and what is under way. */
  let bytes = 0;
  let pumping: Promise<void> | undefined;
  let onRoom: (() => void)[] = [];
  let handedOver_ms = -Infinity;
  let isStopping = false;
  /** Ends the pause that is under way. */
  let hurry: (() => void) | undefined;
  const ending = new AbortController();
  const handOver = createHandOver({ next, log, drop, what: 'events', signal: ending.signal });

  async function pump(): Promise<void> {
    // What is told in one turn of the loop travels together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0 && !ending.signal.aborted) {
      await pause();
      handedOver_ms = performance.now();
      const { count, size } = nextBatch();
      const taken = waiting.slice(0, count);
      waiting = waiting.slice(count);
      underWay = count;
      for (const { ready } of taken) if (ready !== undefined) await ready;
      const records = taken.map(({ record }) => record);
      const isDone = await handOver({ signal: 'logs', count, records });
      underWay = 0;
      bytes -= size;
      if (isDone) onTaken?.(records);
      else if (onTaken === undefined) drop('shutdown', count);
      if (waiting.length <= MOST_WAITING / 2 && bytes <= limits.waiting_bytes / 2) wake();
    }
    pumping = undefined;
  }

  const isBatchFull = (): boolean => waiting.length >= LARGEST_BATCH || bytes >= limits.batch_bytes;

  async function pause(): Promise<void> {
    const rest_ms = handedOver_ms + pause_ms - performance.now();
    if (rest_ms <= 0 || isStopping || isBatchFull()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    hurry = resolve;
    const timer = setTimeout(resolve, rest_ms);
    await promise;
    clearTimeout(timer);
    hurry = undefined;
  }

  function nextBatch(): { count: number; size: number } {
    const most = Math.min(waiting.length, LARGEST_BATCH);
    let count = 1;
    let size = waiting[0]!.bytes;
    for (; count < most && size + waiting[count]!.bytes <= limits.batch_bytes; count++) size += waiting[count]!.bytes;
    return { count, size };
  }

  const isOverfull = (): boolean => waiting.length + underWay >= MOST_WAITING || bytes >= limits.waiting_bytes;

  function wake(): void {
    for (const resolve of onRoom.splice(0)) resolve();
  }

  return {
    push(record, ready, size = 0) {
      waiting.push({ record, ready, bytes: size });
      bytes += size;
      pumping ??= pump();
      if (hurry !== undefined && isBatchFull()) hurry();
    },
    get isFull() {
      return isOverfull() && !ending.signal.aborted;
    },
    room() {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (!isOverfull() || ending.signal.aborted) resolve();
      else onRoom.push(resolve);
      return promise;
    },
    async stop(limit_ms) {
      isStopping = true;
      hurry?.();
      const timeUp = new AbortController();
      await Promise.race([pumping, sleep(limit_ms, timeUp.signal)]);
      timeUp.abort();
      ending.abort();
      wake();
      onRoom = [];
      if (waiting.length > 0 && onTaken === undefined) drop('shutdown', waiting.length);
      waiting = [];
    },
  };
}
