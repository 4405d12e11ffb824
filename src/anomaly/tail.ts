/**
 * How large a statistic gets when all is well: a histogram of its size with logarithmic buckets, from which the size is
 * extrapolated that is exceeded as rarely as wanted. Whatever the statistic's distribution is, and however it hangs together
 * from sample to sample, it is judged by its own past.
 */

/** Three buckets to each doubling, from {@link SMALLEST} on. */
const PER_OCTAVE = 3;
const SMALLEST = 0.25;
/** Up to 0.25 × 2^14 = 4096 scales. */
/** Fewer samples say nothing. */
const FEW = 100;
export const TAIL_BUCKETS = 43;
/** Then all counts are halved, so that the past is forgotten by and by: at one sample a minute after about a week. */
const MOST = 12_000;

/** Counts one size. `base` is where the histogram begins in `counts`. */
export function observeTail(counts: Uint16Array, base: number, size: number): void {
  const index =
    size < SMALLEST ? 0 : Math.min(TAIL_BUCKETS - 1, 1 + Math.floor(PER_OCTAVE * Math.log2(size / SMALLEST)));
  if (++counts[base + index]! >= MOST) fadeTail(counts, base, 0.5);
}

/** Makes what was counted weigh less against what will be. */
export function fadeTail(counts: Uint16Array, base: number, factor: number): void {
  for (let i = base; i < base + TAIL_BUCKETS; i++) counts[i] = Math.round(counts[i]! * factor);
}

/**
 * The size that is exceeded with probability `rare`: the tail beyond the 90 % and 99 % quantiles, or, with enough samples,
 * beyond the 99 % and 99.9 % ones if that gives more, continued as that of a Weibull distribution, exp(-(x/a)^k). That is
 * exact for Laplace noise (k = 1), 7 % too high for normal noise, and follows heavier tails as far as they have shown: `mostPower`
 * is the largest 1/k, for beyond that a few anomalies were learnt. Undefined as long as too little was counted.
 */
export function tailThreshold(counts: Uint16Array, base: number, rare: number, mostPower: number): number | undefined {
  let total = 0;
  for (let i = base; i < base + TAIL_BUCKETS; i++) total += counts[i]!;
  if (total < FEW) return undefined;
  const q99 = quantile(counts, base, total * 0.01);
  let threshold = extrapolate(quantile(counts, base, total * 0.1), 0.1, q99, 0.01, rare, mostPower);
  if (total >= 1000) {
    const q999 = quantile(counts, base, total * 0.001);
    threshold = Math.max(threshold, extrapolate(q99, 0.01, q999, 0.001, rare, mostPower));
  }
  // Few samples say little about tails.
  return threshold * (1 + 3 / Math.sqrt(total));
}

function extrapolate(
  inner: number,
  innerRare: number,
  outer: number,
  outerRare: number,
  rare: number,
  mostPower: number,
): number {
  const power = Math.log(outer / inner) / Math.log(Math.log(outerRare) / Math.log(innerRare));
  return outer * (Math.log(rare) / Math.log(outerRare)) ** Math.min(Math.max(power, 0.3), mostPower);
}

/** The size that `above` of the counted exceed. */
function quantile(counts: Uint16Array, base: number, above: number): number {
  let seen = 0;
  for (let i = TAIL_BUCKETS - 1; i > 0; i--) {
    const count = counts[base + i]!;
    if (seen + count > above) {
      const share = 1 - (above - seen) / count;
      return SMALLEST * 2 ** ((i - 1 + share) / PER_OCTAVE);
    }
    seen += count;
  }
  return SMALLEST;
}
