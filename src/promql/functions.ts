/**
 * What a PromQL function is to the parser and the evaluator. The functions themselves are in functions/, whose index.ts
 * exports all of them as `functions: ReadonlyMap<string, FunctionDefinition>`.
 */
import type { Labels, NativeHistogram } from '../store/queryable.ts';
import type { Call, ValueType } from './ast.ts';
import type { Annotations } from './errors.ts';
import type { RangeWindow, Vector } from './values.ts';

export type FunctionDefinition = RangeFunction | MapFunction | WholeFunction;

interface Signature {
  readonly name: string;
  /** Types of the arguments; `variadic` says how many of them must be there. */
  readonly arguments: readonly ValueType[];
  /** 0: exactly these. n > 0: up to n of the last ones may be left out. -1: the last may be left out or repeated as often as one likes. */
  readonly variadic: number;
  readonly returns: 'scalar' | 'vector';
  /** Why it is refused: experimental in Prometheus and not supported here. */
  readonly refused?: string;
}

/** rate, avg_over_time, …: the samples of one series in a range → one sample. */
export interface RangeFunction extends Signature {
  readonly kind: 'range';
  /** last_over_time alone keeps the metric's name. */
  readonly keepsName: boolean;
  /** Undefined: no sample at this step. */
  evaluate(window: RangeWindow, context: CallContext): number | NativeHistogram | undefined;
}

/** abs, ln, clamp, …: number → number, for each sample of the first argument; histograms are left out, the name goes. */
export interface MapFunction extends Signature {
  readonly kind: 'map';
  /** `scalars`: the arguments behind the first, NaN-free of meaning where they were left out (its length tells). */
  evaluate(value: number, scalars: readonly number[]): number;
  /** For all samples at once, before the first of them: false gives an empty vector (clamp with min > max). */
  accepts?(scalars: readonly number[]): boolean;
}

/** All else: absent, sort, label_replace, histogram_quantile, time, scalar, vector, hour, … */
export interface WholeFunction extends Signature {
  readonly kind: 'whole';
  /** The value depends on the step's time even where its arguments do not (time, and hour() and its like without argument). */
  readonly dependsOnTime: boolean;
  evaluate(values: readonly ArgumentValue[], context: CallContext): Vector | number;
}

/** By the argument's type; a matrix is read through `context.eachWindow` and is undefined here. */
export type ArgumentValue = number | string | Vector | undefined;

export interface CallContext {
  /** Of the step, Unix milliseconds. */
  readonly time_ms: number;
  /** The call as written: names, matchers and positions of its arguments. */
  readonly call: Call;
  /** Values of the arguments by index, for the kind `range`; undefined where the matrix is. */
  readonly arguments: readonly ArgumentValue[];
  readonly annotations: Annotations;
  /** Labels without `__name__`: the same object for the same input. */
  withoutName(labels: Labels): Labels;
  /** `make(labels)`, remembered for this call by the identity of `labels`: `make` must depend on nothing else that changes from step to step. */
  derive<Derived extends object>(labels: Labels, make: (labels: Labels) => Derived): Derived;
  /** All series that have a sample in the range of argument `index`. */
  eachWindow(index: number, visit: (window: RangeWindow) => void): void;
  /** Counts work that grows with the input (samples sorted, buckets merged); throws where the query's time is over. */
  spend(steps: number): void;
}
