/** How long a notifier waits before it tries again. */
export interface Backoff {
  /** Milliseconds; longer from call to call, and at least what the other side asked for. */
  next(asked_ms?: number): number;
  reset(): void;
}

/** A server whose clock is off may ask for years. */
const LONGEST_ASKED_MS = 3_600_000;

/** Doubles from call to call; up to half of each wait is random, so that agents do not come together. */
export function createBackoff(first_ms: number, longest_ms: number, random: () => number = Math.random): Backoff {
  let wait_ms = first_ms;
  return {
    next(asked_ms = 0) {
      const now_ms = Math.max(wait_ms * (1 - random() / 2), Math.min(asked_ms, LONGEST_ASKED_MS));
      wait_ms = Math.min(2 * wait_ms, longest_ms);
      return now_ms;
    },
    reset() {
      wait_ms = first_ms;
    },
  };
}
