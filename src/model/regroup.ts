/**
 * Gives series other attributes or another resource. Series that become one by it are aggregated, so that no metric
 * ever has the same series twice: sums are added, gauges averaged (integers rounded), histograms of the same bounds
 * added. Of what cannot be added (summaries, other bounds) the first is kept.
 */
import { attributesKey } from './attributes.ts';
import {
  NO_RECORDED_VALUE,
  Series,
  streamKey,
  type DistributionPoint,
  type Exemplar,
  type MetricBatch,
  type Resource,
} from './batch.ts';
import { addPoints } from './distributions.ts';
import { perLayout, perSeries, type Layout } from './layout.ts';
import { relabel } from './select.ts';

export interface RegroupOptions {
  /** The series as it shall be, or the very same where nothing changes. Its result is kept for each series. */
  readonly change: (series: Series) => Series;
  /** Counts points that are no longer there: `merged` into others, or left out as `not_mergeable`. */
  readonly drop: (reason: 'merged' | 'not_mergeable', count: number) => void;
}

/** Aggregated series that are remembered; the least recent go first. */
const MAX_REMEMBERED = 10_000;

interface Remembered {
  readonly series: Series;
  /** Of a counter or cumulative histogram: what must not fall. */
  readonly magnitude: number | undefined;
}

/** What becomes of a layout. `groups[i]` are the rows that output row i is made of. */
interface Plan {
  series: readonly Series[];
  readonly groups: readonly (readonly number[])[] | undefined;
}

export function createRegroup({ change, drop }: RegroupOptions): (batch: MetricBatch) => MetricBatch {
  const changed = perSeries(change);
  const remembered = new Map<string, Remembered>();
  const planOf = perLayout((layout): Plan => plan(layout, changed));

  return (batch) => {
    const layoutPlan = planOf(batch.series);
    if (layoutPlan.groups === undefined) {
      return layoutPlan.series === batch.series ? batch : relabel(batch, layoutPlan.series);
    }
    if (batch.times === undefined) return aggregate(batch, layoutPlan);
    return aggregate(batch, splitByTime(batch.times, layoutPlan, layoutPlan.groups));
  };

  function aggregate(batch: MetricBatch, into: Plan): MetricBatch {
    const groups = into.groups!;
    const columns = createColumns(batch, groups.length);
    let merged = 0;
    let unmergeable = 0;
    let begun: Series[] | undefined;
    groups.forEach((rows, index) => {
      if (rows.length === 1) {
        columns.copy(rows[0]!, index);
        return;
      }
      const left = columns.merge(rows, index, into.series[index]!);
      unmergeable += left;
      merged += rows.length - 1 - left;
      const series = inRun(into.series[index]!, columns, index);
      if (series !== into.series[index]) (begun ??= [...into.series])[index] = series;
    });
    if (begun !== undefined) into.series = begun;
    if (merged > 0) drop('merged', merged);
    if (unmergeable > 0) drop('not_mergeable', unmergeable);
    return columns.finish(into.series);
  }

  /**
   * The series of the run that the point belongs to, the same object as long as the run lasts. A cumulative sum over
   * fewer series than before may fall: then it begins a new run, of unknown start.
   */
  function inRun(series: Series, columns: Columns, index: number): Series {
    const before = remembered.get(series.key);
    const { metric } = series;
    const canFall = metric.temporality !== 'cumulative' || (metric.kind === 'sum' && !metric.isMonotonic);
    const magnitude = canFall ? undefined : columns.magnitude(index);
    let { startTime } = series;
    if (before?.magnitude !== undefined) {
      const hasFallen = magnitude !== undefined && magnitude < before.magnitude;
      startTime = hasFallen ? columns.time(index) : before.series.startTime;
    }
    const run = [before?.series, series].find((each) => each?.startTime === startTime) ?? restarted(series, startTime);
    remembered.delete(series.key);
    remembered.set(series.key, { series: run, magnitude: magnitude ?? before?.magnitude });
    if (remembered.size > MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
    return run;
  }
}

function restarted({ resource, scope, metric, attributes }: Series, startTime: bigint): Series {
  return new Series(resource, scope, metric, attributes, startTime);
}

function plan(layout: Layout, changed: (series: Series) => Series): Plan {
  const series = layout.map(changed);
  if (series.every((each, row) => each === layout[row])) return { series: layout, groups: undefined };
  if (differsInResourceAlone(layout, series) || areDifferent(series)) return { series, groups: undefined };
  const byKey = new Map<string, number[]>();
  series.forEach(({ key }, row) => {
    const rows = byKey.get(key);
    if (rows === undefined) byKey.set(key, [row]);
    else rows.push(row);
  });
  const groups = [...byKey.values()];
  return { series: groups.map((rows) => merge(rows.map((row) => series[row]!))), groups };
}

/**
 * Whether each resource became another one, and no two the same, while attributes stayed: then no two series are the
 * same either, and the keys of all series need not be made.
 */
function differsInResourceAlone(before: Layout, after: Layout): boolean {
  const changed = new Map<Resource, Resource>();
  for (const [row, series] of after.entries()) {
    const { resource, attributes } = before[row]!;
    if (series.attributes !== attributes) return false;
    changed.set(resource, series.resource);
  }
  const keys = new Set(Array.from(changed.values(), (resource) => attributesKey(resource.attributes)));
  return keys.size === changed.size;
}

/** Whether no two are the same; without keys of their own, which take more memory than the series. */
function areDifferent(layout: Layout): boolean {
  const streams = new Map<string, Set<string>>();
  let last: Series | undefined;
  let sets = new Set<string>();
  for (const series of layout) {
    const { resource, scope, metric } = series;
    if (resource !== last?.resource || scope !== last.scope || metric !== last.metric) {
      const key = streamKey(series);
      sets = streams.get(key) ?? new Set();
      streams.set(key, sets);
      last = series;
    }
    const { size } = sets;
    if (sets.add(attributesKey(series.attributes)).size === size) return false;
  }
  return true;
}

/** One series in place of several: as old as the oldest. */
function merge(members: readonly Series[]): Series {
  const first = members[0]!;
  let startTime = 0n;
  for (const { startTime: start } of members) {
    if (start !== 0n && (startTime === 0n || start < startTime)) startTime = start;
  }
  return startTime === first.startTime ? first : restarted(first, startTime);
}

/** Points of one group at different times are different points of one series. */
function splitByTime(times: BigUint64Array, { series }: Plan, groups: readonly (readonly number[])[]): Plan {
  const split: number[][] = [];
  const splitSeries: Series[] = [];
  groups.forEach((rows, index) => {
    const byTime = new Map<bigint, number[]>();
    for (const row of rows) {
      const same = byTime.get(times[row]!);
      if (same === undefined) byTime.set(times[row]!, [row]);
      else same.push(row);
    }
    for (const same of byTime.values()) {
      split.push(same);
      splitSeries.push(series[index]!);
    }
  });
  return { series: splitSeries, groups: split };
}

interface Columns {
  copy(row: number, index: number): void;
  /** Returns how many of the rows could not be merged. */
  merge(rows: readonly number[], index: number, series: Series): number;
  /** What must not fall in a run; undefined for a row without a value. */
  magnitude(index: number): number | undefined;
  time(index: number): bigint;
  finish(series: Layout): MetricBatch;
}

function createColumns(batch: MetricBatch, count: number): Columns {
  const values = new Float64Array(count);
  const times = batch.times === undefined ? undefined : new BigUint64Array(count);
  const flags = batch.flags === undefined ? undefined : new Uint32Array(count);
  const exactValues = new Map<number, bigint>();
  const points: (DistributionPoint | undefined)[] | undefined =
    batch.points === undefined ? undefined : Array.from({ length: count });
  const exemplars: (readonly Exemplar[] | undefined)[] | undefined =
    batch.exemplars === undefined ? undefined : Array.from({ length: count });

  function copy(row: number, index: number): void {
    values[index] = batch.values[row]!;
    if (times !== undefined) times[index] = batch.times![row]!;
    if (flags !== undefined) flags[index] = batch.flags![row]!;
    if (points !== undefined) points[index] = batch.points![row];
    if (exemplars !== undefined) exemplars[index] = batch.exemplars![row];
    const exact = batch.exactValues?.get(row);
    if (exact !== undefined) exactValues.set(index, exact);
  }

  return {
    copy,
    merge(rows, index, series) {
      const present = rows.filter((row) => ((batch.flags?.[row] ?? 0) & NO_RECORDED_VALUE) === 0);
      copy(present[0] ?? rows[0]!, index);
      if (present.length < 2) return 0;
      if (exemplars !== undefined) {
        const all = present.flatMap((row) => batch.exemplars![row] ?? []);
        exemplars[index] = all.length === 0 ? undefined : all;
      }
      const { kind, valueType } = series.metric;
      if (kind === 'gauge' || kind === 'sum') {
        const total = sum(batch, present, valueType === 'int');
        const value = kind === 'sum' ? total : average(total, present.length, valueType === 'int');
        values[index] = Number(value);
        exactValues.delete(index);
        if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) exactValues.set(index, value);
        return 0;
      }
      let point = batch.points?.[present[0]!];
      let left = 0;
      for (const row of present.slice(1)) {
        const other = batch.points?.[row];
        const added = point === undefined || other === undefined ? undefined : addPoints(point, other);
        if (added === undefined) left++;
        else point = added;
      }
      points![index] = point;
      return left;
    },
    magnitude(index) {
      if (((flags?.[index] ?? 0) & NO_RECORDED_VALUE) !== 0) return undefined;
      const point = points?.[index];
      return point === undefined ? values[index]! : Number(point.count);
    },
    time: (index) => times?.[index] ?? batch.time,
    finish: (series) => ({
      signal: 'metrics',
      count,
      series,
      values,
      time: batch.time,
      ...(times === undefined ? undefined : { times }),
      ...(flags === undefined ? undefined : { flags }),
      ...(exactValues.size === 0 ? undefined : { exactValues }),
      ...(points === undefined ? undefined : { points }),
      ...(exemplars === undefined ? undefined : { exemplars }),
      ...(batch.collection === undefined ? undefined : { collection: batch.collection }),
    }),
  };
}

/** Integers are added exactly, also beyond 2^53. */
function sum({ values, exactValues }: MetricBatch, rows: readonly number[], isInteger: boolean): number | bigint {
  let total = 0;
  for (const row of rows) total += values[row]!;
  if (!isInteger || Number.isSafeInteger(total)) return total;
  if (rows.some((row) => !Number.isInteger(values[row]))) return total;
  return rows.reduce((exact, row) => exact + (exactValues?.get(row) ?? BigInt(values[row]!)), 0n);
}

function average(total: number | bigint, count: number, isInteger: boolean): number | bigint {
  if (typeof total === 'bigint') return total / BigInt(count);
  return isInteger ? Math.round(total / count) : total / count;
}
