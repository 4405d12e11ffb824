/** Sums that keep what rounding takes away, by the means that Prometheus uses, so that the last digits agree. */

/** A running sum; `sum + rest` is the exact one as near as can be. */
export interface KahanSum {
  sum: number;
  rest: number;
}

/** Adds with Neumaier's improvement of Kahan's summation. */
export function kahanAdd(into: KahanSum, value: number): void {
  const { sum } = into;
  const total = sum + value;
  if (total === Infinity || total === -Infinity) into.rest = 0;
  else if (Math.abs(sum) >= Math.abs(value)) into.rest += sum - total + value;
  else into.rest += value - total + sum;
  into.sum = total;
}

/** The sum of all; an infinite one stays infinite. */
export function kahanTotal({ sum, rest }: KahanSum): number {
  return sum === Infinity || sum === -Infinity ? sum : sum + rest;
}

/**
 * The mean of numbers added one by one: by their sum as long as that is finite, and from there on by a running mean, which
 * cannot overflow.
 */
interface RunningMean {
  add(value: number): void;
  mean(): number;
}

export function createMean(first: number): RunningMean {
  const state: KahanSum = { sum: first, rest: 0 };
  const attempt: KahanSum = { sum: 0, rest: 0 };
  let count = 1;
  let isIncremental = false;
  return {
    add(value) {
      count++;
      if (!isIncremental) {
        attempt.sum = state.sum;
        attempt.rest = state.rest;
        kahanAdd(attempt, value);
        if (attempt.sum !== Infinity && attempt.sum !== -Infinity) {
          state.sum = attempt.sum;
          state.rest = attempt.rest;
          return;
        }
        isIncremental = true;
        state.sum /= count - 1;
        state.rest /= count - 1;
      }
      const share = (count - 1) / count;
      state.sum *= share;
      state.rest *= share;
      kahanAdd(state, value / count);
    },
    mean: () => (isIncremental ? state.sum + state.rest : state.sum / count + state.rest / count),
  };
}
