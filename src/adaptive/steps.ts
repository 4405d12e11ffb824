/** Which intervals to stretch, and which to let go back: by what collections cost, as they were measured. */

/** Of so many ticks one is a collection. */
export const FACTORS = [1, 2, 4, 10] as const;
const LAST = FACTORS.length - 1;

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

/** Raises the dearest receivers by a step each until that saves `excess`, or all of them if it does not. */
export function raise(loads: readonly Load[], steps: Steps, excess: number): void {
  const now = (load: Load): number => shareAt(load, steps.get(load.id) ?? 0);
  let left = excess;
  for (const load of loads.toSorted((a, b) => now(b) - now(a))) {
    if (left <= 0) return;
    const step = steps.get(load.id) ?? 0;
    if (step === LAST) continue;
    left -= now(load) - shareAt(load, step + 1);
    steps.set(load.id, step + 1);
  }
}

export function raiseAll(loads: readonly Load[], steps: Steps): void {
  raise(loads, steps, Infinity);
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
