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
 * Raises the dearest receivers by a step each until that saves `excess`, or all of them if it does not; the reserve is for
 * when there is no other step left.
 */
export function raise(loads: readonly Load[], steps: Steps, excess: number): void {
  if (!raiseTo(TENTH, loads, steps, excess)) raiseTo(RESERVE, loads, steps, excess);
}

/** Raises all by a step, but not into the reserve: where CPU is not what is short, it would help nothing. */
export function raiseAll(loads: readonly Load[], steps: Steps): void {
  raiseTo(TENTH, loads, steps, Infinity);
}

/** @returns whether any was raised */
function raiseTo(last: number, loads: readonly Load[], steps: Steps, excess: number): boolean {
  const now = (load: Load): number => shareAt(load, steps.get(load.id) ?? 0);
  let left = excess;
  let isAny = false;
  for (const load of loads.toSorted((a, b) => now(b) - now(a))) {
    if (left <= 0) break;
    const step = steps.get(load.id) ?? 0;
    if (step >= last) continue;
    left -= now(load) - shareAt(load, step + 1);
    steps.set(load.id, step + 1);
    isAny = true;
  }
  return isAny;
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
