/** How long to wait before a request is repeated. */
import type { CommonPushConfig } from '../component.ts';

export type RetryConfig = CommonPushConfig['retry'];

/** A back end whose clock is off may name a date years away: no wait is longer than a day. */
const LONGEST_WAIT_MS = 86_400_000;

export interface Backoff {
  /**
   * Milliseconds to wait now, at least what the back end asked for, growing from call to call; undefined when the
   * payload has had its time.
   */
  next(elapsed_ms: number, asked_ms: number | undefined): number | undefined;
}

/** Exponential growth with jitter below it, so that no wait is longer than `max` unless the back end asked for it. */
export function createBackoff(config: RetryConfig, random: () => number): Backoff {
  let base_ms = Math.min(config.initial, config.max);
  return {
    next(elapsed_ms, asked_ms = 0) {
      if (!config.enabled) return undefined;
      const wait_ms = Math.max(base_ms * (1 - config.jitter * random()), Math.min(asked_ms, LONGEST_WAIT_MS));
      if (config.max_elapsed > 0 && elapsed_ms + wait_ms > config.max_elapsed) return undefined;
      base_ms = Math.min(Math.max(base_ms, asked_ms) * config.multiplier, config.max);
      return wait_ms;
    },
  };
}
