/** What expressions evaluate to at one step. */
import type { Labels, NativeHistogram } from '../store/queryable.ts';

/** An instant vector as columns of equal length. Whoever makes one hands it over; it is not changed afterwards. */
export interface Vector {
  /** The same object at each step wherever the series is the same: what is derived from labels is cached by identity. */
  readonly labels: readonly Labels[];
  /** NaN where a histogram is. */
  readonly values: readonly number[];
  /** By row; absent where all are numbers. */
  readonly histograms?: readonly (NativeHistogram | undefined)[] | undefined;
  /** Times of the samples themselves, Unix milliseconds: only from a bare vector selector, for timestamp(). */
  readonly times?: readonly number[] | undefined;
}

/** A vector under construction. */
export interface VectorColumns {
  labels: Labels[];
  values: number[];
  /** Made with the first histogram. */
  histograms: (NativeHistogram | undefined)[] | undefined;
}

export function emptyColumns(): VectorColumns {
  return { labels: [], values: [], histograms: undefined };
}

export function pushFloat(into: VectorColumns, labels: Labels, value: number): void {
  into.labels.push(labels);
  into.values.push(value);
  into.histograms?.push(undefined);
}

export function pushHistogram(into: VectorColumns, labels: Labels, histogram: NativeHistogram): void {
  into.histograms ??= Array.from<undefined>({ length: into.values.length });
  into.labels.push(labels);
  into.values.push(Number.NaN);
  into.histograms.push(histogram);
}

/**
 * The samples of one series in a range, as rows `from` to `to` (exclusive) of columns that hold more. Marks of ended series
 * are not among them. At least one row. The object is reused for the next series: keep nothing of it.
 */
export interface RangeWindow {
  labels: Labels;
  times: Float64Array;
  /** NaN where a histogram is. */
  values: Float64Array;
  /** By row; absent where the series has no histogram at all. */
  histograms: readonly (NativeHistogram | undefined)[] | undefined;
  from: number;
  to: number;
  /** Rows from `from` to `to` that are histograms. */
  histogramCount: number;
  /** Of the range, Unix milliseconds: samples have start < time <= end, offset and @ applied. */
  start_ms: number;
  end_ms: number;
}
