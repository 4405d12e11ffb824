/** The labels of a series as remote write wants them: sorted by name, none twice, none empty. */
import type { Series } from '../../src/model/batch.ts';
import type { Labels } from '../../src/prometheus/labels.ts';

export type Pair = readonly [name: string, value: string];

/** Labels that series of these kinds get behind their own: nothing else may be called so. */
const RESERVED = new Set(['__name__', 'le', 'quantile']);

/**
 * Makes a function from a series to its labels without `__name__`. `external` labels give way to labels of the series,
 * as they do in Prometheus.
 */
export function createPairs(
  labels: Labels,
  external: Readonly<Record<string, string>>,
): (series: Series) => readonly Pair[] {
  const added = new Map(Object.entries(external).map(([key, value]) => [labels.name(key), value.toWellFormed()]));
  for (const name of RESERVED) added.delete(name);
  return (series) => {
    const pairs: Pair[] = [];
    const own = labels.of(series);
    for (const [name, value] of own) if (value !== '') pairs.push([name, value.toWellFormed()]);
    for (const pair of added) if (pair[1] !== '' && !own.get(pair[0])) pairs.push(pair);
    return sortPairs(pairs);
  };
}

/** Sorts in place, by the bytes of the names. */
export function sortPairs(pairs: Pair[]): Pair[] {
  return pairs.sort(([a], [b]) => compareUtf8(a, b));
}

/** Where a label of this name belongs among sorted pairs. */
export function placeOf(name: string, pairs: readonly Pair[]): number {
  const place = pairs.findIndex(([other]) => compareUtf8(name, other) < 0);
  return place === -1 ? pairs.length : place;
}

/** Code units sort like bytes as long as there are no surrogates, which stand for what comes after U+FFFF. */
function compareUtf8(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const SURROGATE = /[\ud800-\udfff]/;
