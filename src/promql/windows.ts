/** Range vectors: `metric[5m]` and `expression[5m:1m]`, whose windows slide over columns that are loaded once. */
import type { NativeHistogram, StoredSeries } from '../store/queryable.ts';
import type { MatrixSelector, Subquery } from './ast.ts';
import { PromqlError } from './errors.ts';
import { createSeriesColumns } from './result_columns.ts';
import type { Node, Run, Steps, Windows } from './plan.ts';
import type { RangeWindow } from './values.ts';
import { fixedTime, selectSeries, type LoadedSeries } from './vector_selector.ts';

const EMPTY = new Float64Array(0);

function emptyWindow(): RangeWindow {
  return {
    labels: new Map(),
    times: EMPTY,
    values: EMPTY,
    histograms: undefined,
    from: 0,
    to: 0,
    histogramCount: 0,
    start_ms: 0,
    end_ms: 0,
  };
}

function countHistograms({ histograms, from, to }: RangeWindow): number {
  if (histograms === undefined) return 0;
  let count = 0;
  for (let row = from; row < to; row++) if (histograms[row] !== undefined) count++;
  return count;
}

export function matrixSelectorWindows({ selector, range_ms }: MatrixSelector): Windows {
  const window = emptyWindow();
  let run: Run;
  let steps: Steps;
  let fixed: number | undefined;
  let loaded: LoadedSeries[] | undefined;

  const endOf = (time_ms: number): number => (fixed ?? time_ms) - selector.offset_ms;

  /** One step only: the store's columns are looked at where they are, but for marks, which must go. */
  const eachOnce = (visit: (window: RangeWindow) => void): void => {
    const { start_ms, end_ms } = window;
    for (const series of selectSeries(selector, run, start_ms, end_ms)) {
      const samples = withoutMarks(series, start_ms, end_ms);
      run.budget.load(samples.count);
      let from = 0;
      while (from < samples.count && samples.times[from]! <= start_ms) from++;
      if (from >= samples.count) continue;
      window.labels = series.labels;
      window.times = samples.times;
      window.values = samples.values;
      window.histograms = samples.histograms;
      window.from = from;
      window.to = samples.count;
      window.histogramCount = countHistograms(window);
      visit(window);
    }
  };

  return {
    prepare(ofRun, ofSteps) {
      run = ofRun;
      steps = ofSteps;
      fixed = fixedTime(selector, run);
      loaded = undefined;
    },
    each(time_ms, visit) {
      window.end_ms = endOf(time_ms);
      window.start_ms = window.end_ms - range_ms;
      if (steps.count === 1) return eachOnce(visit);
      loaded ??= loadWithoutMarks(
        selectSeries(selector, run, endOf(steps.start_ms) - range_ms, endOf(steps.end_ms)),
        run,
        endOf(steps.start_ms) - range_ms,
        endOf(steps.end_ms),
      );
      run.budget.part = selector;
      slide(loaded, window, run, visit);
    },
    release() {
      loaded = undefined;
      Object.assign(window, emptyWindow());
    },
  };
}

function slide(
  loaded: readonly LoadedSeries[],
  window: RangeWindow,
  run: Run,
  visit: (window: RangeWindow) => void,
): void {
  const { start_ms, end_ms } = window;
  for (const series of loaded) {
    const { times } = series;
    let { from, to } = series;
    while (to < times.length && times[to]! <= end_ms) to++;
    while (from < to && times[from]! <= start_ms) from++;
    series.from = from;
    series.to = to;
    run.budget.spend(1 + to - from);
    if (from === to) continue;
    window.labels = series.labels;
    window.times = times;
    window.values = series.values;
    window.histograms = series.histograms;
    window.from = from;
    window.to = to;
    window.histogramCount = countHistograms(window);
    visit(window);
  }
}

interface Columns {
  readonly count: number;
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly histograms: readonly (NativeHistogram | undefined)[] | undefined;
}

function withoutMarks(series: StoredSeries, from_ms: number, to_ms: number): Columns {
  const { count, times, values, stale, histograms } = series.samples(from_ms, to_ms);
  if (stale === undefined || !stale.subarray(0, count).includes(1)) return { count, times, values, histograms };
  const rows: number[] = [];
  for (let row = 0; row < count; row++) if (stale[row] !== 1) rows.push(row);
  return {
    count: rows.length,
    times: Float64Array.from(rows, (row) => times[row]!),
    values: Float64Array.from(rows, (row) => values[row]!),
    histograms: histograms && rows.map((row) => histograms[row]),
  };
}

function loadWithoutMarks(series: readonly StoredSeries[], run: Run, from_ms: number, to_ms: number): LoadedSeries[] {
  const loaded: LoadedSeries[] = [];
  for (const one of series) {
    const { count, times, values, histograms } = withoutMarks(one, from_ms, to_ms);
    run.budget.load(count);
    if (count === 0) continue;
    loaded.push({
      labels: one.labels,
      times: times.slice(0, count),
      values: values.slice(0, count),
      stale: undefined,
      histograms: histograms?.slice(0, count),
      from: 0,
      to: 0,
    });
  }
  return loaded;
}

/** The expression within is evaluated once at each multiple of the step that any of the windows covers. */
export function subqueryWindows(subquery: Subquery, within: Node): Windows {
  const window = emptyWindow();
  let run: Run;
  let fixed: number | undefined;
  let inner: Steps;
  let loaded: LoadedSeries[] | undefined;

  const endOf = (time_ms: number): number => (fixed ?? time_ms) - subquery.offset_ms;

  return {
    prepare(ofRun, steps) {
      run = ofRun;
      fixed = fixedTime(subquery, run);
      loaded = undefined;
      const step_ms = subquery.step_ms ?? run.subqueryStep_ms;
      const end_ms = endOf(steps.end_ms);
      const start_ms = (Math.floor((endOf(steps.start_ms) - subquery.range_ms) / step_ms) + 1) * step_ms;
      const count = Math.max(0, Math.floor((end_ms - start_ms) / step_ms) + 1);
      run.budget.part = subquery;
      // Steps without a sample are work as well.
      run.budget.load(count);
      inner = { start_ms, end_ms: start_ms + (count - 1) * step_ms, step_ms, count };
      if (count > 0) within.prepare(run, inner);
    },
    each(time_ms, visit) {
      window.end_ms = endOf(time_ms);
      window.start_ms = window.end_ms - subquery.range_ms;
      loaded ??= inner.count === 0 ? [] : evaluateAll(subquery, within, inner, run);
      run.budget.part = subquery;
      slide(loaded, window, run, visit);
    },
    release() {
      loaded = undefined;
      within.release();
      Object.assign(window, emptyWindow());
    },
  };
}

function evaluateAll(subquery: Subquery, within: Node, { start_ms, step_ms, count }: Steps, run: Run): LoadedSeries[] {
  const columns = createSeriesColumns(run.budget);
  for (let index = 0; index < count; index++) {
    const time_ms = start_ms + index * step_ms;
    const value = within.evaluate(time_ms);
    if (typeof value !== 'object')
      throw new PromqlError('execution', 'subquery is only allowed on instant vector', subquery.position);
    run.budget.part = subquery;
    run.budget.load(value.labels.length);
    run.budget.spend(4);
    columns.add(value, time_ms);
  }
  return Array.from(columns.rows(), ({ labels, times, values, histograms }) => ({
    labels,
    times: Float64Array.from(times),
    values: Float64Array.from(values),
    stale: undefined,
    histograms: histograms?.map((histogram) => histogram && withoutHint(histogram)),
    from: 0,
    to: 0,
  }));
}

/** Samples of a subquery may be left out or come twice: what a histogram says of the one before it is not true of them. */
function withoutHint(histogram: NativeHistogram): NativeHistogram {
  const { counterReset } = histogram;
  return counterReset === 'reset' || counterReset === 'none' ? { ...histogram, counterReset: 'unknown' } : histogram;
}
