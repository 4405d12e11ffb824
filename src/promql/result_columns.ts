/** Vectors of successive steps → columns by series. */
import type { Labels, NativeHistogram } from '../store/queryable.ts';
import { labelsKey } from './labels.ts';
import type { Budget } from './limits.ts';
import type { Vector } from './values.ts';

export interface Column {
  readonly labels: Labels;
  readonly times: number[];
  readonly values: number[];
  histograms: (NativeHistogram | undefined)[] | undefined;
}

export interface SeriesColumns {
  add(vector: Vector, time_ms: number): void;
  rows(): Column[];
}

export function createSeriesColumns(budget: Budget): SeriesColumns {
  const byLabels = new Map<Labels, Column>();
  const byKey = new Map<string, Column>();
  const columnOf = (labels: Labels): Column => {
    let column = byLabels.get(labels);
    if (column !== undefined) return column;
    const key = labelsKey(labels);
    column = byKey.get(key);
    if (column === undefined) {
      budget.make(1);
      column = { labels, times: [], values: [], histograms: undefined };
      byKey.set(key, column);
    }
    byLabels.set(labels, column);
    return column;
  };
  return {
    add({ labels, values, histograms }, time_ms) {
      for (let row = 0; row < labels.length; row++) {
        const column = columnOf(labels[row]!);
        const histogram = histograms?.[row];
        if (histogram !== undefined) {
          column.histograms ??= Array.from<undefined>({ length: column.values.length });
          column.histograms.push(histogram);
        } else column.histograms?.push(undefined);
        column.times.push(time_ms);
        column.values.push(values[row]!);
      }
    },
    rows: () => [...byKey.values()],
  };
}
