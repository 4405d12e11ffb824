/** The labels of a series as remote write wants them: sorted by name, none twice, none empty. */
import type { Series } from '../../src/model/batch.ts';
import type { Labels } from '../../src/prometheus/labels.ts';

/** Names and values, alternately. */
export type Pairs = readonly string[];

/** Labels that series of these kinds get behind their own: nothing else may be called so. */
const RESERVED = ['__name__', 'le', 'quantile'];

/**
 * Makes a function from a series to its labels without `__name__`. `external` labels give way to labels of the series,
 * as they do in Prometheus.
 */
export function createPairs(labels: Labels, external: Readonly<Record<string, string>>): (series: Series) => Pairs {
  const added = new Map<string, string>();
  for (const [key, value] of Object.entries(external))
    if (value !== '') added.set(labels.name(key), value.toWellFormed());
  for (const name of RESERVED) added.delete(name);
  return (series) => {
    const pairs: string[] = [];
    const own = labels.of(series);
    for (const [name, value] of own) if (value !== '') insert(pairs, name, value.toWellFormed());
    for (const [name, value] of added) if (!own.get(name)) insert(pairs, name, value);
    return pairs;
  };
}

/** The same labels, sorted by the bytes of their names. */
export function sortedPairs(labels: Iterable<readonly [name: string, value: string]>): Pairs {
  const pairs: string[] = [];
  for (const [name, value] of labels) insert(pairs, name, value);
  return pairs;
}

/** Where a label of this name belongs among sorted pairs. */
export function placeOf(name: string, pairs: Pairs): number {
  let place = pairs.length;
  while (place > 0 && compareUtf8(name, pairs[place - 2]!) < 0) place -= 2;
  return place;
}

/** There are few labels, and most come in order: nothing sorts them faster. */
function insert(pairs: string[], name: string, value: string): void {
  pairs.push(name, value);
  let at = pairs.length - 2;
  for (; at > 0 && compareUtf8(name, pairs[at - 2]!) < 0; at -= 2) {
    pairs[at] = pairs[at - 2]!;
    pairs[at + 1] = pairs[at - 1]!;
  }
  pairs[at] = name;
  pairs[at + 1] = value;
}

/** As their bytes in UTF-8 compare: surrogates stand for what comes after U+FFFF. */
function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return x < 0xd800 && y < 0xd800 ? x - y : rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x1_0000 : unit;
}
