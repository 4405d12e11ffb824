/** Quantiles and fractions of classic histograms, whose buckets are series with a label `le` and cumulative counts. */

export interface ClassicBucket {
  readonly upper: number;
  readonly count: number;
}

/** Relative differences that summing up may have made; they are no decrease. */
const SMALL_DIFFERENCE = 1e-12;
const MIN_NORMAL = 2 ** -1022;

interface ClassicQuantile {
  readonly value: number;
  /** Counts fell from one bucket to the next and were held up. */
  readonly wasForced: boolean;
}

export function classicQuantile(quantile: number, unsorted: readonly ClassicBucket[]): ClassicQuantile {
  const plain = (value: number): ClassicQuantile => ({ value, wasForced: false });
  if (Number.isNaN(quantile)) return plain(Number.NaN);
  if (quantile < 0) return plain(-Infinity);
  if (quantile > 1) return plain(Infinity);
  const merged = mergeBuckets(unsorted);
  if (merged.at(-1)!.upper !== Infinity) return plain(Number.NaN);
  const { buckets, wasForced } = makeMonotonic(merged);
  const observations = buckets.at(-1)!.count;
  if (buckets.length < 2 || observations === 0) return plain(Number.NaN);
  const rank = quantile * observations;
  const last = buckets.length - 1;
  const index = search(last, (i) => buckets[i]!.count >= rank);
  if (index === last) return { value: buckets[last - 1]!.upper, wasForced };
  const { upper, count } = buckets[index]!;
  if (index === 0) return { value: upper <= 0 ? upper : upper * (rank / count), wasForced };
  const below = buckets[index - 1]!;
  const share = (rank - below.count) / (count - below.count);
  return { value: below.upper + (upper - below.upper) * share, wasForced };
}

export function classicFraction(lower: number, upper: number, unsorted: readonly ClassicBucket[]): number {
  const buckets = mergeBuckets(unsorted);
  const { upper: highest, count } = buckets.at(-1)!;
  if (highest !== Infinity || count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN;
  if (lower >= upper) return 0;
  const lowerRank = rankOf(lower, buckets) ?? count;
  const upperRank = rankOf(upper, buckets) ?? count;
  return (Math.min(upperRank, count) - Math.min(lowerRank, count)) / count;
}

function rankOf(value: number, buckets: readonly ClassicBucket[]): number | undefined {
  let rank = 0;
  let lower = -Infinity;
  for (const { upper, count } of buckets) {
    if (lower >= value) return rank;
    if (upper > value) return rank + ((count - rank) * (value - lower)) / (upper - lower);
    rank = count;
    lower = upper;
  }
  return undefined;
}

/** By rising bounds; buckets of the same bound (`le="1"` and `le="1.0"`) become one. */
function mergeBuckets(unsorted: readonly ClassicBucket[]): ClassicBucket[] {
  const sorted = unsorted.toSorted((one, other) => (one.upper < other.upper ? -1 : one.upper > other.upper ? 1 : 0));
  const merged: ClassicBucket[] = [];
  for (const { upper, count } of sorted) {
    const last = merged.at(-1);
    if (last?.upper === upper) merged[merged.length - 1] = { upper, count: last.count + count };
    else merged.push({ upper, count });
  }
  return merged;
}

function makeMonotonic(buckets: readonly ClassicBucket[]): { buckets: ClassicBucket[]; wasForced: boolean } {
  let previous = buckets[0]!.count;
  let wasForced = false;
  const result = buckets.map(({ upper, count }, index) => {
    if (index === 0 || count === previous) return { upper, count };
    if (isAlmost(previous, count)) return { upper, count: previous };
    if (count < previous) {
      wasForced = true;
      return { upper, count: previous };
    }
    previous = count;
    return { upper, count };
  });
  return { buckets: result, wasForced };
}

function isAlmost(one: number, other: number): boolean {
  if (Number.isNaN(one) && Number.isNaN(other)) return true;
  const sum = Math.abs(one) + Math.abs(other);
  const difference = Math.abs(one - other);
  if (one === 0 || other === 0 || sum < MIN_NORMAL) return difference < SMALL_DIFFERENCE * MIN_NORMAL;
  return difference / Math.min(sum, Number.MAX_VALUE) < SMALL_DIFFERENCE;
}

/** The first index below `end` for which it holds, by bisection, else `end`: with NaN among the counts, too, as Go finds it. */
function search(end: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, end];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
