/** Bounds the bytes that all requests together hold: many clients at once must not fill the memory. */
export interface Budget {
  /** Whether there is room for `bytes` more; if so they are taken. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export function createBudget(capacity_bytes: number): Budget {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > capacity_bytes) return false;
      taken += bytes;
      return true;
    },
    give(bytes) {
      taken -= bytes;
    },
  };
}
