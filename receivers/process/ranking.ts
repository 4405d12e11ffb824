/**
 * Who is among the first by each of several measures. Places are few and kept: who is in is put out only by one that is
 * clearly more, and not before it stayed for a while, so that series do not come and go with every collection.
 */

export interface Candidate {
  /** By measure; NaN where it is not known. */
  readonly scores: readonly number[];
  readonly isExcluded: boolean;
  readonly hasEnded: boolean;
}

export interface RankingOptions {
  /** Places, by measure. */
  readonly places: readonly number[];
  /** By which share a challenger's score must exceed that of whom it puts out. */
  readonly hysteresis: number;
  /** How long a place is safe. */
  readonly minStay_ms: number;
}

interface Place<U> {
  unit: U;
  since_ms: number;
}

export interface Ranking<U extends Candidate> {
  /** Those that hold a place, in the order in which they came in. */
  select(units: readonly U[], now_ms: number): ReadonlySet<U>;
}

export function createRanking<U extends Candidate>({ places, hysteresis, minStay_ms }: RankingOptions): Ranking<U> {
  const held: Place<U>[][] = places.map(() => []);
  /** Survives from selection to selection, so that the order of who stays does not change. */
  const members = new Set<U>();

  function selectBy(measure: number, units: readonly U[], now_ms: number): void {
    const size = places[measure];
    const own = held[measure].filter(({ unit }) => !unit.hasEnded && !unit.isExcluded);
    const inside = new Set(own.map(({ unit }) => unit));
    const challengers = best(units, measure, size, inside);
    let next = 0;
    while (own.length < size && next < challengers.length) own.push({ unit: challengers[next++], since_ms: now_ms });
    const scoreOf = ({ unit }: Place<U>): number => unit.scores[measure] || 0;
    const removable = own.filter(({ since_ms }) => now_ms - since_ms >= minStay_ms);
    removable.sort((a, b) => scoreOf(a) - scoreOf(b));
    for (const place of removable) {
      const challenger = challengers[next];
      if (challenger === undefined || !(challenger.scores[measure] > scoreOf(place) * (1 + hysteresis))) break;
      place.unit = challenger;
      place.since_ms = now_ms;
      next++;
    }
    held[measure] = own;
  }

  return {
    select(units, now_ms) {
      for (let measure = 0; measure < places.length; measure++) {
        if (places[measure] > 0) selectBy(measure, units, now_ms);
      }
      const chosen = new Set(held.flatMap((list) => list.map(({ unit }) => unit)));
      for (const unit of members) if (!chosen.has(unit)) members.delete(unit);
      for (const unit of chosen) members.add(unit);
      return members;
    },
  };
}

/** The `count` units with the highest score above 0 that are not inside yet, the highest first. */
function best<U extends Candidate>(
  units: readonly U[],
  measure: number,
  count: number,
  inside: ReadonlySet<U>,
): readonly U[] {
  const found: U[] = [];
  for (const unit of units) {
    const own = unit.scores[measure];
    if (!(own > 0) || (found.length === count && own <= found[count - 1].scores[measure])) continue;
    if (unit.isExcluded || unit.hasEnded || inside.has(unit)) continue;
    let at = found.length;
    while (at > 0 && found[at - 1].scores[measure] < own) at--;
    found.splice(at, 0, unit);
    if (found.length > count) found.pop();
  }
  return found;
}
