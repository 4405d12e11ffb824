/** From the store of the configuration before to that of the new one: what both rules look back on. */
import type { SeriesStore } from '../../src/store/series_store.ts';

const EVERYTHING = [{ name: '__name__', op: '!=', value: '' }] as const;

export function copyHistory(
  from: Pick<SeriesStore, 'select'>,
  to: Pick<SeriesStore, 'append'>,
  retention_ms: number,
  now_ms: number,
): void {
  const from_ms = now_ms - retention_ms;
  const to_ms = Number.MAX_SAFE_INTEGER;
  for (const stored of from.select(EVERYTHING, from_ms, to_ms)) {
    const { count, times, values, stale, histograms } = stored.samples(from_ms, to_ms);
    for (let row = 0; row < count; row++) {
      to.append(stored.labels, times[row]!, stale?.[row] === 1 ? 'stale' : (histograms?.[row] ?? values[row]!));
    }
  }
}
