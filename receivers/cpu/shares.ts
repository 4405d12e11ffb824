/** Which share of its time a CPU spent in each mode. */
import { MODES } from './times.ts';

/** The kernel counts in hundredths of a second, so a shorter time than this has no shares worth telling. */
const SHORTEST_s = 0.5;

interface Shares {
  readonly seconds: Float64Array;
  /** By place in {@link MODES}; undefined until there are two readings. */
  shares: Float64Array | undefined;
}

/**
 * Makes a function from the seconds that a CPU spent in each mode to their shares of what it spent since it was last
 * asked; undefined the first time. Asked again too soon, it answers as before.
 */
export function createShares(
  modes: readonly number[],
): (cpu: number, seconds: Float64Array) => Float64Array | undefined {
  const known = new Map<number, Shares>();
  return (cpu, seconds) => {
    const before = known.get(cpu);
    if (before === undefined) {
      known.set(cpu, { seconds: seconds.slice(0, MODES.length), shares: undefined });
      return undefined;
    }
    // Of what all modes gained together, so that shares sum to 1 whenever the kernel was asked.
    let elapsed_s = 0;
    for (const mode of modes) elapsed_s += Math.max(0, seconds[mode] - before.seconds[mode]);
    if (elapsed_s < SHORTEST_s) return before.shares;
    const shares = (before.shares ??= new Float64Array(MODES.length));
    for (const mode of modes) {
      shares[mode] = Math.max(0, seconds[mode] - before.seconds[mode]) / elapsed_s;
      before.seconds[mode] = seconds[mode];
    }
    return shares;
  };
}
