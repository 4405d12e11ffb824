/** `metric{…}`: of each series the last sample that is not too old. */
import type { Labels, NativeHistogram, StoredSeries } from '../store/queryable.ts';
import type { TimeShift, VectorSelector } from './ast.ts';
import type { Node, Run, Steps } from './plan.ts';
import { emptyColumns, pushFloat, pushHistogram, type Vector } from './values.ts';

/** Samples of one series, copied: what a store hands out is valid until the next call. */
export interface LoadedSeries {
  readonly labels: Labels;
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly stale: Uint8Array | undefined;
  readonly histograms: readonly (NativeHistogram | undefined)[] | undefined;
  /** Row before which everything is older than the last step; moves with the steps. */
  from: number;
  /** Row behind the last one that is not younger than the last step. */
  to: number;
}

/** `@` as a time, where there is one. */
export function fixedTime({ at }: TimeShift, { start_ms, end_ms }: Run): number | undefined {
  if (at === undefined) return undefined;
  if (at === 'start') return start_ms;
  return at === 'end' ? end_ms : at.time_ms;
}

export function selectSeries(
  selector: VectorSelector,
  run: Run,
  from_ms: number,
  to_ms: number,
): readonly StoredSeries[] {
  run.budget.part = selector;
  const series = run.queryable.select(selector.matchers, from_ms, to_ms);
  run.budget.select(series.length);
  run.budget.spend(series.length);
  return series;
}

export function loadSeries(series: readonly StoredSeries[], run: Run, from_ms: number, to_ms: number): LoadedSeries[] {
  const loaded: LoadedSeries[] = [];
  for (const one of series) {
    const { count, times, values, stale, histograms } = one.samples(from_ms, to_ms);
    run.budget.load(count);
    if (count === 0) continue;
    loaded.push({
      labels: one.labels,
      times: times.slice(0, count),
      values: values.slice(0, count),
      stale: stale?.slice(0, count),
      histograms: histograms?.slice(0, count),
      from: 0,
      to: 0,
    });
  }
  return loaded;
}

/** @param withTimes Whether the vector says of when its samples are, for timestamp() */
export function vectorSelectorNode(selector: VectorSelector, withTimes: boolean): Node {
  let run: Run;
  let steps: Steps;
  let fixed: number | undefined;
  let loaded: LoadedSeries[] | undefined;

  const referenceTime = (time_ms: number): number => (fixed ?? time_ms) - selector.offset_ms;

  /** One step only: nothing need be copied. */
  const evaluateOnce = (reference: number): Vector => {
    const oldest = reference - run.lookback_ms;
    const result = emptyColumns();
    const sampleTimes: number[] = [];
    for (const series of selectSeries(selector, run, oldest, reference)) {
      const { count, times, values, stale, histograms } = series.samples(oldest, reference);
      run.budget.load(count);
      const row = count - 1;
      // A sample just as old as the lookback is too old.
      if (row < 0 || times[row]! <= oldest || stale?.[row] === 1) continue;
      const histogram = histograms?.[row];
      if (histogram === undefined) pushFloat(result, series.labels, values[row]!);
      else pushHistogram(result, series.labels, histogram);
      if (withTimes) sampleTimes.push(times[row]!);
    }
    return withTimes ? { ...result, times: sampleTimes } : result;
  };

  const evaluateStep = (reference: number): Vector => {
    const oldest = reference - run.lookback_ms;
    if (loaded === undefined) {
      const from_ms = referenceTime(steps.start_ms) - run.lookback_ms;
      const to_ms = referenceTime(steps.end_ms);
      loaded = loadSeries(selectSeries(selector, run, from_ms, to_ms), run, from_ms, to_ms);
    }
    const result = emptyColumns();
    const sampleTimes: number[] = [];
    run.budget.spend(loaded.length);
    for (const series of loaded) {
      const { times } = series;
      let to = series.to;
      while (to < times.length && times[to]! <= reference) to++;
      series.to = to;
      const row = to - 1;
      if (row < 0 || times[row]! <= oldest || series.stale?.[row] === 1) continue;
      const histogram = series.histograms?.[row];
      if (histogram === undefined) pushFloat(result, series.labels, series.values[row]!);
      else pushHistogram(result, series.labels, histogram);
      if (withTimes) sampleTimes.push(times[row]!);
    }
    run.budget.part = selector;
    return withTimes ? { ...result, times: sampleTimes } : result;
  };

  return {
    prepare(ofRun, ofSteps) {
      run = ofRun;
      steps = ofSteps;
      fixed = fixedTime(selector, run);
      loaded = undefined;
    },
    evaluate(time_ms) {
      const reference = referenceTime(time_ms);
      return steps.count === 1 ? evaluateOnce(reference) : evaluateStep(reference);
    },
    release() {
      loaded = undefined;
    },
  };
}
