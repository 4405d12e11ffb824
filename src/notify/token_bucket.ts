/** So many messages in a time: those saved up at once, then each when its time has come. */
export interface TokenBucket {
  /** Takes one out; returns 0, or the milliseconds until there is one. */
  take(now_ms: number): number;
}

export function createTokenBucket(capacity: number, per_ms: number): TokenBucket {
  const refill_ms = per_ms / capacity;
  let tokens = capacity;
  let since_ms = -Infinity;
  return {
    take(now_ms) {
      // A clock that was set back gives nothing, and takes nothing.
      const passed_ms = Math.max(0, now_ms - since_ms);
      tokens = Math.min(capacity, tokens + passed_ms / refill_ms);
      since_ms = now_ms;
      if (tokens < 1) return Math.ceil((1 - tokens) * refill_ms);
      tokens--;
      return 0;
    },
  };
}
