/**
 * Metric batches whose columns are made only when someone looks.
 *
 * Columns are own, enumerable getters, and what they are made of (`otlp`, `parts`) is not enumerable, so that
 * `{ ...batch, values }` is a plain batch of the changed data, and does not carry the form of the old. The getters are
 * the same functions in every batch: V8 keeps a pair for each different getter outside of its young generation, from
 * where closures of their own would hold on to the batch until it collects the whole heap.
 */
import type { MetricBatch } from './batch.ts';

/** What a deferred batch has without its columns. */
type Form = Pick<MetricBatch, 'otlp' | 'parts'>;

/** `make` runs once, if at all, and gives `count` rows. */
export function deferMetrics(count: number, form: Form, make: () => MetricBatch): MetricBatch {
  return new DeferredMetrics(count, form, make) as unknown as MetricBatch;
}

type Column = Exclude<keyof MetricBatch, 'signal' | 'count' | 'collection' | keyof Form>;
const COLUMNS = [
  'series',
  'values',
  'time',
  'times',
  'flags',
  'exactValues',
  'points',
  'exemplars',
] as const satisfies Column[];

class DeferredMetrics {
  readonly signal = 'metrics';
  readonly count: number;
  #columns: MetricBatch | undefined;
  readonly #make: () => MetricBatch;

  constructor(count: number, { otlp, parts }: Form, make: () => MetricBatch) {
    this.count = count;
    this.#make = make;
    Object.defineProperties(this, DeferredMetrics.#getters);
    if (otlp !== undefined) Object.defineProperty(this, 'otlp', { value: otlp });
    if (parts !== undefined) Object.defineProperty(this, 'parts', { value: parts });
  }

  static readonly #getters = Object.fromEntries(
    COLUMNS.map((column) => [column, { get: DeferredMetrics.#getter(column), enumerable: true }]),
  );

  static #getter(column: Column) {
    return function (this: DeferredMetrics) {
      return (this.#columns ??= this.#make())[column];
    };
  }
}
