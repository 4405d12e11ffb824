/** A bucket of tokens for each key: it fills at the rate, and each record takes one out. */

export interface BucketsOptions {
  /** Tokens a second. */
  readonly rate: number;
  /** Most tokens a bucket holds. */
  readonly burst: number;
  readonly max_keys: number;
}

export interface Buckets {
  /**
   * Takes a token of the key's bucket, and says whether there was one.
   * @param now_ms of a clock that never goes back
   */
  take(key: string, now_ms: number): boolean;
  /** Whether the key has no bucket of its own, because there are too many: then it shares one with all such. */
  isCrowdedOut(key: string): boolean;
  /** Forgets buckets that are full: a new one would be the same. */
  sweep(now_ms: number): void;
  readonly count: number;
}

/** Where there are too many keys, they are not all looked at for every record. */
const SWEEP_INTERVAL_MS = 1000;

interface Bucket {
  tokens: number;
  at_ms: number;
}

export function createBuckets({ rate, burst, max_keys }: BucketsOptions): Buckets {
  const buckets = new Map<string, Bucket>();
  const shared: Bucket = { tokens: burst, at_ms: 0 };
  let sweptAt_ms = -Infinity;

  function sweep(now_ms: number): void {
    sweptAt_ms = now_ms;
    for (const [key, bucket] of buckets) {
      fill(bucket, now_ms);
      if (bucket.tokens >= burst) buckets.delete(key);
    }
  }

  function fill(bucket: Bucket, now_ms: number): void {
    bucket.tokens = Math.min(burst, bucket.tokens + ((now_ms - bucket.at_ms) * rate) / 1000);
    bucket.at_ms = now_ms;
  }

  function bucketOf(key: string, now_ms: number): Bucket {
    let bucket = buckets.get(key);
    if (bucket === undefined) {
      if (buckets.size >= max_keys && now_ms - sweptAt_ms >= SWEEP_INTERVAL_MS) sweep(now_ms);
      if (buckets.size >= max_keys) return shared;
      buckets.set(key, (bucket = { tokens: burst, at_ms: now_ms }));
    }
    return bucket;
  }

  return {
    take(key, now_ms) {
      const bucket = bucketOf(key, now_ms);
      fill(bucket, now_ms);
      if (bucket.tokens < 1) return false;
      bucket.tokens--;
      return true;
    },
    isCrowdedOut: (key) => buckets.size >= max_keys && !buckets.has(key),
    sweep,
    get count() {
      return buckets.size;
    },
  };
}
