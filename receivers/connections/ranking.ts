/** Which processes have a count of their own. */
import type { Owner } from './owners.ts';

/** By how much another must have more to take a place, so that series do not come and go. */
const HYSTERESIS = 1.25;

/** The first `count` by connections; those without any are none of them. */
export function rankOwners(owners: Iterable<Owner>, count: number): readonly Owner[] {
  const weight = (owner: Owner): number => owner.connections * (owner.wasReported ? HYSTERESIS : 1);
  const all = [...owners];
  const ranked = all
    .filter(({ connections }) => connections > 0)
    .toSorted((a, b) => weight(b) - weight(a) || a.number - b.number)
    .slice(0, count);
  for (const owner of all) owner.wasReported = false;
  for (const owner of ranked) owner.wasReported = true;
  return ranked;
}
