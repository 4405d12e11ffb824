/** From the store of the configuration before to that of the new one: what both rules look back on. */
import type { SeriesStore } from '../../src/store/series_store.ts';

const EVERYTHING = [{ name: '__name__', op: '!=', value: '' }] as const;
/** The event loop is let go after so long, between two series. */
const LONGEST_HOLD_MS = 10;

/** Millions of samples take seconds: meanwhile the agent does what else it has to do. */
export async function copyHistory(
  from: Pick<SeriesStore, 'select'>,
  to: Pick<SeriesStore, 'copy'>,
  retention_ms: number,
  now_ms: number,
): Promise<void> {
  const from_ms = now_ms - retention_ms;
  let since_ms = performance.now();
  for (const stored of from.select(EVERYTHING, from_ms, Infinity)) {
    to.copy(stored, from_ms, Infinity);
    if (performance.now() - since_ms < LONGEST_HOLD_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    since_ms = performance.now();
  }
}
