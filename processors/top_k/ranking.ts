/**
 * Who holds one of the few places. Who is in is put out only by one that is clearly more, and not before it stayed for a
 * while, so that series do not come and go with every batch.
 */

export interface Candidate {
  /** The higher the better. */
  score: number;
  isIn: boolean;
  /** Milliseconds: when it came in. */
  since_ms: number;
}

export interface RankingOptions {
  readonly places: number;
  /** By which share of its size a challenger's score must exceed that of whom it puts out. */
  readonly hysteresis: number;
  /** How long a place is safe. */
  readonly minStay_ms: number;
}

/**
 * Gives the places anew, and returns whether someone came in or went out.
 * @param candidates those that may hold a place now; of others, `isIn` must be false
 */
export function rank(candidates: Iterable<Candidate>, options: RankingOptions, now_ms: number): boolean {
  const { places, hysteresis, minStay_ms } = options;
  const inside: Candidate[] = [];
  const challengers: Candidate[] = [];
  for (const candidate of candidates) {
    if (candidate.isIn) inside.push(candidate);
    else insert(challengers, candidate, places);
  }
  let hasChanged = false;
  const enter = (candidate: Candidate): void => {
    candidate.isIn = true;
    candidate.since_ms = now_ms;
    hasChanged = true;
  };
  let next = Math.min(Math.max(0, places - inside.length), challengers.length);
  for (const candidate of challengers.slice(0, next)) enter(candidate);
  const removable = inside.filter(({ since_ms }) => now_ms - since_ms >= minStay_ms);
  removable.sort((a, b) => a.score - b.score);
  for (const holder of removable) {
    const challenger = challengers[next++];
    if (challenger === undefined || !(challenger.score > leadOver(holder.score, hysteresis))) break;
    holder.isIn = false;
    enter(challenger);
  }
  return hasChanged;
}

function leadOver(score: number, hysteresis: number): number {
  return Number.isFinite(score) ? score + Math.abs(score) * hysteresis : score;
}

/** Keeps the best `most`, the best first; among equals the first that came. */
function insert(best: Candidate[], candidate: Candidate, most: number): void {
  let at = best.length;
  if (at === most && !(candidate.score > best[at - 1]!.score)) return;
  while (at > 0 && candidate.score > best[at - 1]!.score) at--;
  best.splice(at, 0, candidate);
  if (best.length > most) best.pop();
}
