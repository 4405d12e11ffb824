/** A store with a clock that tests set, and what it holds as plain lists. */
import type { Labels, Matcher, NativeHistogram } from '../../src/store/queryable.ts';
import { createStore, type SeriesStore, type StoreOptions } from '../../src/store/series_store.ts';

export const HOUR = 3_600_000;
export const START = 1_760_000_000_000;

export interface Clock {
  now: number;
}

export function storeAt(clock: Clock, options: Partial<StoreOptions> = {}): { store: SeriesStore; said: string[] } {
  const said: string[] = [];
  const keys = new Set<string>();
  const say = (message: string): void => void said.push(message);
  const store = createStore({
    retention_ms: HOUR,
    max_bytes: 16 * 2 ** 20,
    max_series: 1000,
    now_ms: () => clock.now,
    log: {
      info: say,
      warn: say,
      error: say,
      once: (key, message) => {
        if (!keys.has(key)) say(message);
        keys.add(key);
      },
      over: (key) => void keys.delete(key),
    },
    ...options,
  });
  return { store, said };
}

export const labelsOf = (labels: Record<string, string>): Labels => new Map(Object.entries(labels));

export type Sample = readonly [time: number, value: number | NativeHistogram | 'stale'];

/** Of the one series of that name, or none. */
export function samplesOf(store: SeriesStore, name: string, from = -Infinity, to = Infinity): Sample[] {
  const all = store.select([{ name: '__name__', op: '=', value: name }], from, to);
  if (all.length > 1) throw new Error(`Cannot read "${name}": there are ${all.length} series`);
  if (all.length === 0) return [];
  const { count, times, values, stale, histograms } = all[0]!.samples(from, to);
  return Array.from({ length: count }, (_, i): Sample => {
    if (stale?.[i] === 1) return [times[i]!, 'stale'];
    return [times[i]!, histograms?.[i] ?? values[i]!];
  });
}

/** Every series that matches, as text, with its samples. */
export function contentOf(store: SeriesStore, matchers: readonly Matcher[] = []): Record<string, Sample[]> {
  const content: Record<string, Sample[]> = {};
  for (const series of store.select(matchers, -Infinity, Infinity)) {
    const { count, times, values, stale, histograms } = series.samples(-Infinity, Infinity);
    content[textOf(series.labels)] = Array.from({ length: count }, (_, i): Sample => {
      return [times[i]!, stale?.[i] === 1 ? 'stale' : (histograms?.[i] ?? values[i]!)];
    });
  }
  return content;
}

export function textOf(labels: Labels): string {
  const pairs = [...labels].filter(([name]) => name !== '__name__').map(([name, value]) => `${name}="${value}"`);
  return `${labels.get('__name__') ?? ''}{${pairs.join()}}`;
}
