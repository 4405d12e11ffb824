/** Decides whether an item is kept, and with which threshold, in the three ways that the Collector's sampler knows. */
import { hashProbability } from './randomness.ts';
import { ALWAYS, NEVER, probabilityOf, thresholdOf, type Randomness, type Threshold } from './threshold.ts';

export const MODES = ['proportional', 'equalizing', 'hash_seed'] as const;
export type Mode = (typeof MODES)[number];

export interface SamplerOptions {
  readonly mode: Mode;
  readonly percentage: number;
  readonly precision: number;
  readonly failClosed: boolean;
}

/** Why an item is not kept. */
export type Reason = 'not_sampled' | 'no_randomness' | 'inconsistent_threshold';

export type Decision =
  | { readonly isKept: false; readonly reason: Reason }
  /** `threshold` is what is to be written down; undefined where what is there stays. */
  | { readonly isKept: true; readonly threshold: Threshold | undefined };

export interface Item {
  readonly randomness: Randomness | undefined;
  /** The threshold that samplers before this one left. */
  readonly threshold: Threshold | undefined;
  /** A threshold that the item itself asks for; the lower holds. */
  readonly wanted?: Threshold | undefined;
}

export function createSampler({ mode, percentage, precision, failClosed }: SamplerOptions): (item: Item) => Decision {
  // The Collector's option is a number of single precision: the same configuration must make the same threshold.
  const ratio = Math.fround(Math.min(percentage, 100)) / 100;
  const fixed = mode === 'hash_seed' ? thresholdOf(hashProbability(Math.min(percentage, 100))) : atLeast(ratio);

  /** The smallest probability that can be expressed, rather than none. */
  function atLeast(probability: number): Threshold {
    return probability === 0 ? NEVER : thresholdOf(Math.max(probability, 2 ** -56), precision);
  }

  function thresholdFor(before: Threshold | undefined): Threshold {
    if (mode !== 'proportional' || before === undefined || ratio === 0) return fixed;
    return thresholdOf(probabilityOf(before) * ratio, precision);
  }

  function withoutRandomness(reason: Reason, wanted: Threshold | undefined): Decision {
    const isAsked = wanted !== undefined && wanted !== NEVER;
    if (fixed === NEVER && !isAsked) return { isKept: false, reason: 'not_sampled' };
    // What cannot be decided is kept whole, so that it counts for itself alone.
    return failClosed && !isAsked ? { isKept: false, reason } : { isKept: true, threshold: ALWAYS };
  }

  return ({ randomness, threshold: before, wanted }) => {
    if (randomness === undefined) return withoutRandomness('no_randomness', wanted);
    if (before !== undefined && randomness < before) return withoutRandomness('inconsistent_threshold', wanted);
    const own = thresholdFor(before);
    const threshold = wanted !== undefined && wanted < own ? wanted : own;
    if (threshold === NEVER || randomness < threshold) return { isKept: false, reason: 'not_sampled' };
    // A probability cannot be raised by sampling again.
    return { isKept: true, threshold: before !== undefined && threshold < before ? undefined : threshold };
  };
}
