/** Keeps what was derived from a layout (the `series` array of a batch) for as long as that layout lives. */
import type { Series } from './batch.ts';

export type Layout = readonly Series[];

/**
 * Wraps `derive` so that it runs once for each layout: a processor that renames attributes derives the new series of
 * a layout once, and hands over the very same array from then on, so what follows finds its own cached work too.
 */
export function perLayout<T>(derive: (layout: Layout) => T): (layout: Layout) => T {
  const known = new WeakMap<Layout, { readonly value: T }>();
  return (layout) => {
    let entry = known.get(layout);
    if (entry === undefined) known.set(layout, (entry = { value: derive(layout) }));
    return entry.value;
  };
}

/** Like {@link perLayout}, for single series. */
export function perSeries<T>(derive: (series: Series) => T): (series: Series) => T {
  // A function of its own: `derive` may be wrapped more than once.
  const make = (series: Series): T => derive(series);
  return (series) => series.derive(make);
}
