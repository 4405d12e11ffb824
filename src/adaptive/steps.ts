/** Which intervals to stretch, and which to let go back: by what collections cost, as they were measured. */

/**
 * Of so many ticks one is a collection. The last is a reserve for where a tenth of the collections is more than a tenth of
 * the CPU: what runs rarely finds caches cold.
 */
export const FACTORS = [1, 2, 4, 10, 20] as const;
const TENTH = 3;
const RESERVE = 4;

export interface Load {
  readonly id: string;
  readonly interval_ms: number;
  /** CPU time of one collection. */
  readonly cost_ms: number;
}

/** A receiver's position in {@link FACTORS}; what is missing is 0. */
export type Steps = Map<string, number>;

/** CPU that collections take at these steps, as a share of one processor. */
export function shareOf(loads: readonly Load[], steps: Steps): number {
  return loads.reduce((sum, load) => sum + shareAt(load, steps.get(load.id) ?? 0), 0);
}

function shareAt({ cost_ms, interval_ms }: Load, step: number): number {
  return cost_ms / (interval_ms * FACTORS[step]!);
}

/**
 * Raises the dearest receiver by a step, and the then dearest again, until that saves `excess` or nothing is left to raise.
 * The reserve is for when there was no other step left, and what that saves is measured.
 */
export function raise(loads: readonly Load[], steps: Steps, excess: number): void {
  const last = loads.some(({ id }) => (steps.get(id) ?? 0) < TENTH) ? TENTH : RESERVE;
  const now = (load: Load): number => shareAt(load, steps.get(load.id) ?? 0);
  for (let left = excess; left > 0;) {
    const [dearest] = loads.filter(({ id }) => (steps.get(id) ?? 0) < last).toSorted((a, b) => now(b) - now(a));
    if (dearest === undefined) return;
    left -= now(dearest);
    advance(dearest, steps);
    left += now(dearest);
  }
}

function advance({ id }: Load, steps: Steps): void {
  steps.set(id, (steps.get(id) ?? 0) + 1);
}

/** Raises all by a step, but not into the reserve: where CPU is not what is short, it would help nothing. */
export function raiseAll(loads: readonly Load[], steps: Steps): void {
  for (const load of loads) if ((steps.get(load.id) ?? 0) < TENTH) advance(load, steps);
}

/**
 * Lowers one receiver by a step, that which costs least to lower, if that takes no more than `room`.
 * @returns whether one was lowered
 */
export function lower(loads: readonly Load[], steps: Steps, room: number): boolean {
  let best: { readonly id: string; readonly step: number; readonly cost: number } | undefined;
  for (const load of loads) {
    const step = steps.get(load.id) ?? 0;
    if (step === 0) continue;
    const cost = shareAt(load, step - 1) - shareAt(load, step);
    if (best === undefined || cost < best.cost) best = { id: load.id, step: step - 1, cost };
  }
  if (best === undefined || best.cost > room) return false;
  if (best.step === 0) steps.delete(best.id);
  else steps.set(best.id, best.step);
  return true;
}
