/** Histograms and summaries as series: one for each bucket or quantile, then sum and count. */
import type { Distribution } from '../../src/prometheus/distributions.ts';
import { decimal } from './decimal.ts';
import type { TimedExemplar } from './exemplars.ts';
import type { Entry } from './plan.ts';
import type { Sample, Value } from './samples.ts';

/** One point; `undefined` says that the series ended. */
export interface DistributionSample {
  readonly distribution: Distribution | undefined;
  readonly time_ms: number;
  readonly start_ms: number;
  readonly exemplars: readonly TimedExemplar[];
}

/** One of the series that points become. */
export interface EdgeSeries {
  readonly name: string;
  readonly label?: readonly [name: 'le' | 'quantile', value: string];
  readonly samples: readonly Sample[];
  readonly exemplars: readonly TimedExemplar[];
}

/**
 * Which buckets each series had last. Bounds can change, and an ended series does not say which it had: those that are
 * there no more each get their stale marker.
 */
export interface EdgeMemory {
  recall(identity: string): readonly number[];
  remember(identity: string, edges: readonly number[]): void;
  forget(identity: string): void;
}

/** Of at most `limit` series; the one that was heard of longest ago gives way. */
export function createEdgeMemory(limit: number): EdgeMemory {
  const known = new Map<string, readonly number[]>();
  return {
    recall: (identity) => known.get(identity) ?? [],
    remember(identity, edges) {
      known.delete(identity);
      if (known.size >= limit) known.delete(known.keys().next().value!);
      known.set(identity, edges);
    },
    forget: (identity) => void known.delete(identity),
  };
}

/** The series of an entry's points, which are sorted by time. */
export function* edgeSeries(
  { name, form }: Pick<Entry, 'name' | 'form'>,
  points: readonly DistributionSample[],
  before: readonly number[],
): Generator<EdgeSeries> {
  const isHistogram = form === 'buckets';
  const edgeName = isHistogram ? `${name}_bucket` : name;
  const labelName = isHistogram ? 'le' : 'quantile';
  const edges = unionOf(before, points);
  const known = new Set(before);
  const next = points.map(() => 0);
  for (const edge of edges) {
    let isAlive = known.has(edge);
    const samples: Sample[] = [];
    for (const [i, { distribution, time_ms, start_ms }] of points.entries()) {
      if (distribution?.edges[next[i]!] === edge) {
        samples.push({ value: distribution.values[next[i]!++]!, time_ms, start_ms });
        isAlive = true;
      } else if (isAlive) {
        samples.push({ value: 'stale', time_ms, start_ms: 0 });
        isAlive = false;
      }
    }
    const exemplars = isHistogram ? exemplarsUpTo(edge, points) : [];
    yield { name: edgeName, label: [labelName, decimal(edge)], samples, exemplars };
  }
  if (isHistogram) {
    const exemplars = exemplarsUpTo(Infinity, points);
    yield { name: edgeName, label: ['le', '+Inf'], samples: samplesOf(points, ({ count }) => count), exemplars };
  }
  const sums = samplesOf(points, ({ sum }) => sum);
  if (sums.length > 0) yield { name: `${name}_sum`, samples: sums, exemplars: [] };
  // The last of a point, in any case there: by it the points in an encoded request are counted.
  yield { name: `${name}_count`, samples: samplesOf(points, ({ count }) => count), exemplars: [] };
}

/** All edges that there are or were, rising. */
function unionOf(before: readonly number[], points: readonly DistributionSample[]): readonly number[] {
  const [first] = points;
  const only = points.length === 1 ? first?.distribution?.edges : undefined;
  if (only !== undefined && (before.length === 0 || isSame(only, before))) return only;
  const all = new Set(before);
  for (const { distribution } of points) for (const edge of distribution?.edges ?? []) all.add(edge);
  return [...all].sort((a, b) => a - b);
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one === other || (one.length === other.length && one.every((edge, i) => edge === other[i]));
}

function samplesOf(
  points: readonly DistributionSample[],
  valueOf: (distribution: Distribution) => number | undefined,
): Sample[] {
  const samples: Sample[] = [];
  for (const { distribution, time_ms, start_ms } of points) {
    const value: Value | undefined = distribution === undefined ? 'stale' : valueOf(distribution);
    if (value !== undefined) samples.push({ value, time_ms, start_ms: value === 'stale' ? 0 : start_ms });
  }
  return samples;
}

/** Those whose bucket ends at `edge`. */
function exemplarsUpTo(edge: number, points: readonly DistributionSample[]): readonly TimedExemplar[] {
  const found: TimedExemplar[] = [];
  for (const { distribution, exemplars } of points) {
    for (const one of exemplars) {
      const own = distribution?.edges.find((bound) => one.value <= bound) ?? Infinity;
      if (own === edge) found.push(one);
    }
  }
  return found.sort((a, b) => a.time_ms - b.time_ms);
}
