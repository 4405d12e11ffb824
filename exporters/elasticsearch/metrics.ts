/**
 * Metric batches as documents: points of one resource, scope, set of attributes and time are one document. Which points
 * those are, and all of the text but times and values, is kept for as long as the layout lives.
 */
import type { Attributes } from '../../src/model/attributes.ts';
import type { Metric, MetricBatch, Resource, Scope, Series } from '../../src/model/batch.ts';
import { perLayout, type Layout } from '../../src/model/layout.ts';
import { groupsOf, wireAttributes } from '../../src/model/otlp/layout_groups.ts';
import type { Document } from './bulk.ts';
import { timeText, usableTime } from './fields.ts';
import { pointValue, type Omission } from './points.ts';
import type { Route, Target } from './targets.ts';

/** Points with this in common are one document. */
export interface Group {
  readonly resource: Resource;
  readonly scope: Scope;
  readonly attributes: Attributes;
  readonly startTime: bigint;
  readonly unit: string;
  readonly target: Target;
}

/** A document with holes for its time and its values: `pieces[0]`, hole, `pieces[1]`, … */
export interface Template {
  readonly action: string;
  readonly pieces: readonly string[];
  /** {@link TIME}, or the row whose value belongs there. */
  readonly holes: readonly number[];
}

export const TIME = -1;

/** How a mapping groups points and writes a document of them. */
export interface MetricMapping {
  /** Text that is the same for points of one resource that may be one document. */
  keyOf(series: Series, attributes: Attributes): string;
  /** Whether points of different scopes may be one document. */
  readonly joinsScopes: boolean;
  createTemplate(group: Group, rows: readonly number[], metricOf: (row: number) => Metric): Template;
}

interface Planned {
  readonly group: Group;
  readonly rows: number[];
  readonly names: Set<string>;
  /** The document before it, that holds the same metrics: at another time, or they say the same thing twice. */
  readonly previous: Planned | undefined;
  template: Template | undefined;
}

export function createMetricDocuments(
  mapping: MetricMapping,
  route: Route,
  drop: (reason: Omission | 'duplicate_point', count: number) => void,
): (batch: MetricBatch) => Iterable<Document> {
  const planOf = perLayout((layout): readonly Planned[] => plan(layout, mapping, route));

  return function* (batch) {
    const texts: string[] = Array.from({ length: batch.count });
    for (const planned of planOf(batch.series)) {
      const present = planned.rows.filter((row) => {
        const value = pointValue(batch, row);
        if (typeof value === 'string') drop(value, 1);
        else if (isDuplicate(batch, planned, row)) drop('duplicate_point', 1);
        else {
          texts[row] = value.json;
          return true;
        }
        return false;
      });
      if (present.length === 0) continue;
      const isWhole = present.length === planned.rows.length;
      if (isWhole && isOneTime(batch, present)) {
        planned.template ??= createTemplate(planned, planned.rows, batch.series);
        yield fill(planned.template, texts, timeOf(batch, present[0]!));
        continue;
      }
      for (const [time, rows] of byTime(batch, present)) {
        yield fill(createTemplate(planned, rows, batch.series), texts, time);
      }
    }
  };

  function createTemplate({ group }: Planned, rows: readonly number[], layout: Layout): Template {
    return mapping.createTemplate(group, rows, (row) => layout[row]!.metric);
  }
}

function plan(layout: Layout, mapping: MetricMapping, route: Route): readonly Planned[] {
  const all: Planned[] = [];
  for (const { resource, scopes } of groupsOf(layout)) {
    let lasts = new Map<string, Planned>();
    for (const { scope, metrics } of scopes) {
      if (!mapping.joinsScopes) lasts = new Map();
      for (const { metric, rows } of metrics) {
        for (const row of rows) {
          const series = layout[row]!;
          const attributes = wireAttributes(series);
          const target = route(attributes, scope.attributes, resource.attributes);
          const key = `${target.index}\n${mapping.keyOf(series, attributes)}`;
          const last = lasts.get(key);
          let planned = firstWithout(last, metric.name);
          if (planned === undefined) {
            const { startTime } = series;
            const group = { resource, scope, attributes, startTime, unit: metric.unit, target };
            planned = { group, rows: [], names: new Set(), previous: last, template: undefined };
            lasts.set(key, planned);
            all.push(planned);
          }
          planned.rows.push(row);
          planned.names.add(metric.name);
        }
      }
    }
  }
  return all;
}

/** The oldest document that has no such metric yet. */
function firstWithout(last: Planned | undefined, name: string): Planned | undefined {
  let found: Planned | undefined;
  for (let each = last; each !== undefined; each = each.previous) if (!each.names.has(name)) found = each;
  return found;
}

/** Elasticsearch would take a second document with the same dimensions and time for a repetition of the first. */
function isDuplicate(batch: MetricBatch, planned: Planned, row: number): boolean {
  const { name } = batch.series[row]!.metric;
  for (let each = planned.previous; each !== undefined; each = each.previous) {
    const isSame = (other: number) =>
      batch.series[other]!.metric.name === name && timeOf(batch, other) === timeOf(batch, row);
    if (each.rows.some(isSame)) return true;
  }
  return false;
}

function timeOf(batch: MetricBatch, row: number): bigint {
  return batch.times?.[row] ?? batch.time;
}

function isOneTime({ times }: MetricBatch, rows: readonly number[]): boolean {
  return times === undefined || rows.every((row) => times[row] === times[rows[0]!]);
}

function byTime(batch: MetricBatch, rows: readonly number[]): ReadonlyMap<bigint, readonly number[]> {
  const groups = new Map<bigint, number[]>();
  for (const row of rows) {
    const group = groups.get(timeOf(batch, row));
    if (group === undefined) groups.set(timeOf(batch, row), [row]);
    else group.push(row);
  }
  return groups;
}

function fill({ action, pieces, holes }: Template, texts: readonly string[], time: bigint): Document {
  let source = pieces[0]!;
  for (const [index, hole] of holes.entries()) {
    source += hole === TIME ? `"${timeText(usableTime(time, 0n))}"` : texts[hole];
    source += pieces[index + 1];
  }
  return { action, source, count: holes.length - 1 };
}
