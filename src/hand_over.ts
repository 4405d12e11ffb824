/** How what a receiver watches goes to the pipelines: again and again until they took it, or said that they never will. */
import type { ComponentLog, Consumer } from './component.ts';
import { messageOf, PermanentError, RetryableError } from './errors.ts';
import type { LogBatch } from './model/batch.ts';
import { sleep } from './sleep.ts';

export interface HandOverOptions {
  readonly next: Consumer<LogBatch>;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  /** What the records are, in words for people. */
  readonly what: 'events' | 'lines';
  /** Ends the trying. */
  readonly signal: AbortSignal;
}

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 30_000;

/** A function that resolves to false where the signal came before. */
export function createHandOver(options: HandOverOptions): (batch: LogBatch) => Promise<boolean> {
  const { next, log, drop, what, signal } = options;
  return async (batch) => {
    let delay_ms = FIRST_DELAY_MS;
    while (!signal.aborted) {
      try {
        await next.consume(batch);
        log.over('consume', `The pipelines take ${what} again`);
        return true;
      } catch (error) {
        if (error instanceof PermanentError) {
          drop('rejected', batch.count);
          log.once('rejected', `Drops ${what} that the pipelines will never take: ${messageOf(error)}`);
          return true;
        }
        log.once('consume', `Cannot hand over ${what}: ${messageOf(error)}; tries again`);
        await sleep((error instanceof RetryableError && error.retryAfter_ms) || delay_ms, signal);
        delay_ms = Math.min(delay_ms * 2, LONGEST_DELAY_MS);
      }
    }
    return false;
  };
}
