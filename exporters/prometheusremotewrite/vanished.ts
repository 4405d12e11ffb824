/**
 * Finds series that a receiver measures no more, though nothing said so: a filter that now takes them out, a source that
 * failed. Remote write wants a stale marker wherever that can be seen.
 */
import type { MetricBatch, Series } from '../../src/model/batch.ts';
import type { Layout } from '../../src/model/layout.ts';
import { identityOf, type Planner } from './plan.ts';

/** Series that ended, and when: at the time of the first collection without them. */
export interface Vanished {
  readonly series: readonly Series[];
  readonly time: bigint;
}

export interface VanishedTracker {
  /** What a batch shows to have vanished. */
  track(batch: MetricBatch): Vanished | undefined;
  /** Notes series that were said to have ended, which so have their marker. */
  noteEnded(series: readonly Series[], time: bigint): void;
}

/** All that one receiver measured at one time; several batches, where several pipelines lead here. */
interface Cycle {
  readonly time: bigint;
  readonly layouts: Set<Layout>;
}

/**
 * Compares each receiver's collection with the one before as soon as the next begins, for only then it is whole. It
 * holds layouts that are held by their receivers anyway, and at most `limit` ends.
 */
export function createVanishedTracker(planOf: Planner, limit: number): VanishedTracker {
  const receivers = new Map<string, { current: Cycle; previous: Cycle | undefined }>();
  const ended = new Map<string, bigint>();

  function compare(before: Cycle, after: Cycle): Series[] {
    if (before.layouts.size === after.layouts.size && before.layouts.isSubsetOf(after.layouts)) return [];
    const [left, appeared] = differences(before, after);
    if (left.length === 0) return [];
    // The same labels in another run, or from another object, go on.
    const present = new Set<string>();
    for (const [layout, row] of appeared) {
      const entry = planOf(layout).byRow[row];
      if (entry !== undefined) present.add(identityOf(entry));
    }
    const vanished = new Map<string, Series>();
    for (const [layout, row] of left) {
      const entry = planOf(layout).byRow[row];
      if (entry === undefined) continue;
      const identity = identityOf(entry);
      if (!present.has(identity) && (ended.get(identity) ?? -1n) < before.time) vanished.set(identity, layout[row]!);
    }
    return [...vanished.values()];
  }

  return {
    track({ collection, series, time, flags }) {
      if (collection === undefined) return undefined;
      if (collection.isThinned === true) {
        // What is left out goes on; only whole collections say what is gone, and only to whole ones right after them.
        receivers.delete(collection.receiver);
        return undefined;
      }
      const own = receivers.get(collection.receiver);
      // With flags it says itself what has ended.
      const layouts = new Set<Layout>(flags === undefined ? [series] : []);
      if (own === undefined) {
        receivers.set(collection.receiver, { current: { time, layouts }, previous: undefined });
        return undefined;
      }
      const { current, previous } = own;
      if (time === current.time) for (const layout of layouts) current.layouts.add(layout);
      if (time <= current.time) return undefined;
      own.current = { time, layouts };
      own.previous = current;
      const gone = previous === undefined ? [] : compare(previous, current);
      return gone.length === 0 ? undefined : { series: gone, time: current.time };
    },
    noteEnded(series, time) {
      const { byRow } = planOf(series);
      for (const entry of byRow) {
        if (entry === undefined) continue;
        if (ended.size >= limit) ended.delete(ended.keys().next().value!);
        ended.set(identityOf(entry), time);
      }
    },
  };
}

type Place = readonly [layout: Layout, row: number];

/** Rows of `before` whose series are not in `after`, and the reverse. */
function differences(before: Cycle, after: Cycle): readonly [left: Place[], appeared: Place[]] {
  const was = seriesOf(before);
  const is = seriesOf(after);
  return [placesWithout(before, is), placesWithout(after, was)];
}

function seriesOf({ layouts }: Cycle): Set<Series> {
  const all = new Set<Series>();
  for (const layout of layouts) for (const series of layout) all.add(series);
  return all;
}

function placesWithout({ layouts }: Cycle, others: ReadonlySet<Series>): Place[] {
  const places: Place[] = [];
  for (const layout of layouts) {
    for (let row = 0; row < layout.length; row++) if (!others.has(layout[row]!)) places.push([layout, row]);
  }
  return places;
}
