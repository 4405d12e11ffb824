/** One series that stands for many, and what it is of them. */
import { Amount } from './amount.ts';
import type { Attributes } from './attributes.ts';
import { Series, type Metric } from './batch.ts';

/** The one series that stands for many. */
export class Remainder {
  series: Series;
  readonly kind: Kind;
  readonly isInteger: boolean;
  /** Of a counter: since it began. Of all else: of this batch. */
  readonly amount = new Amount();
  /** Rows of the batch that are in it, the first of them, and the latest of their times. */
  taken = 0;
  row = -1;
  time = 0n;
  startTime = 0n;
  /** Undefined before the first point of a counter. */
  began: bigint | undefined;

  /** @param began Unix nanoseconds since when a counter counts; with what folds it, unless given */
  constructor({ resource, scope, metric }: Series, attributes: Attributes, began?: bigint) {
    this.began = began;
    this.kind = kindOf(metric);
    this.isInteger = metric.valueType === 'int';
    this.series = new Series(resource, scope, metric, attributes, 0n);
  }

  begin(): void {
    this.taken = 0;
    this.startTime = 0n;
    if (this.kind !== 'counter') this.amount.clear();
  }

  /** Makes the series that of a run which began then. */
  runFrom(startTime: bigint): boolean {
    if (this.series.startTime === startTime) return false;
    const { resource, scope, metric, attributes } = this.series;
    this.series = new Series(resource, scope, metric, attributes, startTime);
    return true;
  }
}

/** How points of a metric become one. */
type Kind = 'counter' | 'delta' | 'level' | 'gauge' | 'summary';

/** A counter rises, also as a histogram; a level may fall. */
export function kindOf({ kind, temporality, isMonotonic }: Metric): Kind {
  if (kind === 'gauge' || kind === 'summary') return kind;
  if (temporality === 'delta') return 'delta';
  return kind === 'sum' && !isMonotonic ? 'level' : 'counter';
}
