/** From events to the pipelines: in order, in batches, and no more of them here than pipelines that stand still allow. */
import type { ComponentLog, Consumer } from './component.ts';
import { messageOf, PermanentError, RetryableError } from './errors.ts';
import type { LogBatch, LogRecord } from './model/batch.ts';
import { sleep } from './sleep.ts';

export interface OutletOptions {
  readonly next: Consumer<LogBatch>;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
}

export interface Outlet {
  /** @param ready resolves when the record is complete: it waits for that, and all behind it */
  push(record: LogRecord, ready?: Promise<void>): void;
  /** Too many wait: whoever can should await {@link room}. */
  readonly isFull: boolean;
  /** Resolves when half of the room is free, or when this ends. */
  room(): Promise<void>;
  /** Waits until all is handed over, at most `limit_ms`; what is left is counted as dropped. */
  stop(limit_ms: number): Promise<void>;
}

const LARGEST_BATCH = 1000;
const MOST_WAITING = 4000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 30_000;

export function createOutlet({ next, log, drop }: OutletOptions): Outlet {
  let waiting: { readonly record: LogRecord; readonly ready: Promise<void> | undefined }[] = [];
  let underWay = 0;
  let pumping: Promise<void> | undefined;
  let onRoom: (() => void)[] = [];
  const ending = new AbortController();

  async function pump(): Promise<void> {
    // What is told in one turn of the loop travels together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0 && !ending.signal.aborted) {
      const taken = waiting.slice(0, LARGEST_BATCH);
      waiting = waiting.slice(LARGEST_BATCH);
      underWay = taken.length;
      for (const { ready } of taken) if (ready !== undefined) await ready;
      await handOver({ signal: 'logs', count: taken.length, records: taken.map(({ record }) => record) });
      underWay = 0;
      if (waiting.length <= MOST_WAITING / 2) wake();
    }
    pumping = undefined;
  }

  /** Until the pipelines took it, or said that they never will. */
  async function handOver(batch: LogBatch): Promise<void> {
    let delay_ms = FIRST_DELAY_MS;
    while (!ending.signal.aborted) {
      try {
        await next.consume(batch);
        log.over('consume', 'The pipelines take events again');
        return;
      } catch (error) {
        if (error instanceof PermanentError) {
          drop('rejected', batch.count);
          log.once('rejected', `Drops events that the pipelines will never take: ${messageOf(error)}`);
          return;
        }
        log.once('consume', `Cannot hand over events: ${messageOf(error)}; tries again`);
        await sleep((error instanceof RetryableError && error.retryAfter_ms) || delay_ms, ending.signal);
        delay_ms = Math.min(delay_ms * 2, LONGEST_DELAY_MS);
      }
    }
    drop('shutdown', batch.count);
  }

  function wake(): void {
    for (const resolve of onRoom.splice(0)) resolve();
  }

  return {
    push(record, ready) {
      waiting.push({ record, ready });
      pumping ??= pump();
    },
    get isFull() {
      return waiting.length + underWay >= MOST_WAITING && !ending.signal.aborted;
    },
    room() {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (waiting.length + underWay < MOST_WAITING || ending.signal.aborted) resolve();
      else onRoom.push(resolve);
      return promise;
    },
    async stop(limit_ms) {
      const timeUp = new AbortController();
      await Promise.race([pumping, sleep(limit_ms, timeUp.signal)]);
      timeUp.abort();
      ending.abort();
      wake();
      onRoom = [];
      if (waiting.length > 0) drop('shutdown', waiting.length);
      waiting = [];
    },
  };
}
