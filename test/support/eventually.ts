/** Waits for what comes about in its own time. */
import { vi } from 'vitest';

/** Tries `check` until it does not throw; `vi.waitFor` itself gives up after a second, which a busy machine may need. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 20_000, interval: 20 });
}
