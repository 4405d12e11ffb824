/** Time as the delivery sees it, so that tests can let hours pass at once. */
export interface Clock {
  /** Milliseconds that only rise; where they start means nothing. */
  now(): number;
  /** Milliseconds since 1970, as far as the machine knows. */
  wall(): number;
  /** Calls `ring` after `delay_ms`; the function that is returned calls it off. */
  after(delay_ms: number, ring: () => void): () => void;
}

/** Node's timers hold 31 bits of milliseconds: a longer one would ring at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(delay_ms, ring) {
    const timer = setTimeout(ring, Math.min(delay_ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
