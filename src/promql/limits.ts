/** What one query may cost, and the one place that counts it. */
import type { Expression } from './ast.ts';
import { PromqlError } from './errors.ts';
import { printExpression } from './print.ts';

export interface QueryLimits {
  /** Samples read from the series, made by subqueries and returned. 5,000,000 unless told. */
  readonly samples: number;
  /** Series that all selectors together select, and sets of labels that the query makes anew. 20,000 each unless told. */
  readonly series: number;
  /** Milliseconds that evaluating may hold the event loop. 1000 unless told. */
  readonly time_ms: number;
  /** Steps of a range query. 11,000 unless told. */
  readonly points: number;
}

export const DEFAULT_LIMITS: QueryLimits = { samples: 5_000_000, series: 20_000, time_ms: 1000, points: 11_000 };

/** Steps of work (samples touched, about) between two looks at the clock: a fraction of a millisecond. */
const STEPS_PER_LOOK = 8192;
/** Characters of the query's part that an error shows. */
const SHOWN_CHARACTERS = 200;

export interface Budget {
  /** The part that is being evaluated: what a limit's error names. */
  part: Expression;
  /** Counts samples that are held. */
  load(samples: number): void;
  select(series: number): void;
  /** Counts sets of labels that come of values, and series of results. */
  make(sets: number): void;
  /** Counts work, and looks at the clock from time to time. */
  spend(steps: number): void;
}

/** @param now Milliseconds of a clock that only rises */
export function createBudget(root: Expression, limits: QueryLimits, now: () => number): Budget {
  const deadline = now() + limits.time_ms;
  let samples = 0;
  let series = 0;
  let made = 0;
  let steps = 0;
  const stop = (what: string): never => {
    const text = printExpression(budget.part);
    const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
    throw new PromqlError('limit', `Cannot finish query: ${what}, at ${shown}`, budget.part.position);
  };
  const budget: Budget = {
    part: root,
    load(count) {
      samples += count;
      if (samples > limits.samples) stop(`it needs more than ${limits.samples} samples (limit "samples")`);
      budget.spend(count);
    },
    select(count) {
      series += count;
      if (series > limits.series) stop(`it selects more than ${limits.series} series (limit "series")`);
    },
    make(count) {
      made += count;
      if (made > limits.series) stop(`it makes more than ${limits.series} series (limit "series")`);
    },
    spend(count) {
      steps += count;
      if (steps < STEPS_PER_LOOK) return;
      steps = 0;
      if (now() > deadline) stop(`it takes longer than ${limits.time_ms} ms (limit "time_ms")`);
    },
  };
  return budget;
}
