/** Compares what receivers emit with the tables of the semantic conventions in `test/fixtures/semconv/`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MetricDefinition } from '../../src/component.ts';
import type { AnyValue } from '../../src/model/attributes.ts';
import type { Series } from '../../src/model/batch.ts';

interface MetricRow {
  readonly name: string;
  readonly instrument: string;
  readonly unit: string;
  readonly valueType: string;
  /** By attribute: required, recommended, opt_in, …. */
  readonly attributes: ReadonlyMap<string, string>;
  /** `recommended`, `opt-in`, `unstated`; `default` or `optional` in the Collector. */
  readonly level: string;
  readonly isDeprecated: boolean;
  /** `semconv 1.44.0`, or the Collector's receiver. */
  readonly source: string;
}

interface AttributeRow {
  readonly type: string;
  /** Empty where any value goes; those that are deprecated left out. */
  readonly values: readonly string[];
}

export interface Conventions {
  /** By name; the Collector may have one of the same name. */
  readonly metrics: readonly MetricRow[];
  readonly attributes: ReadonlyMap<string, AttributeRow>;
}

export function readConventions(): Conventions {
  const metrics = readTable('metrics.tsv').map(
    ([name, instrument, unit, valueType, attributes, , level, stability, , source]): MetricRow => ({
      name,
      instrument,
      unit,
      valueType,
      attributes: new Map(
        attributes
          .split(';')
          .filter((text) => text !== '')
          .map((text) => text.split(':') as [string, string]),
      ),
      level,
      isDeprecated: /deprecated/.test(stability),
      source,
    }),
  );
  const attributes = new Map(
    readTable('attributes.tsv').map(([name, type, values]): [string, AttributeRow] => [
      name,
      { type, values: values.split('|').filter((value) => value !== '' && !value.endsWith('(deprecated)')) },
    ]),
  );
  return { metrics, attributes };
}

function readTable(name: string): string[][] {
  const text = readFileSync(join(import.meta.dirname, '../fixtures/semconv', name), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'));
}

/** Metrics that are off although the conventions recommend them, and why. */
export type OffForAReason = Readonly<Record<string, string>>;

/** Of a declared metric. */
export function checkMetric(metric: MetricDefinition, conventions: Conventions, off: OffForAReason): string[] {
  const { name, source } = metric;
  const rows = conventions.metrics.filter((row) => row.name === name);
  const standard = rows.find((row) => row.source.startsWith('semconv'));
  if (source === 'sonde') {
    return rows.length === 0 ? [] : [`${name} is marked as ours, but ${rows[0].source} has it`];
  }
  if (source === 'collector') {
    if (standard !== undefined && !standard.isDeprecated)
      return [`${name} is marked as the Collector's, but is standard`];
    const collectors = rows.find((row) => row !== standard);
    return collectors === undefined
      ? [`${name} is marked as the Collector's, which has it not`]
      : checkSame(metric, collectors);
  }
  if (standard === undefined) return [`${name} is in no semantic convention and not marked so`];
  if (standard.isDeprecated) return [`${name} is deprecated`];
  return [...checkSame(metric, standard), ...checkAttributes(metric, standard), ...checkLevel(metric, standard, off)];
}

function checkSame({ name, instrument, unit, value = 'int' }: MetricDefinition, row: MetricRow): string[] {
  const problems: string[] = [];
  if (instrument !== row.instrument) problems.push(`${name} is a ${instrument}, not a ${row.instrument}`);
  // The Collector annotates in the plural, the conventions in the singular.
  const isUnit = row.source.startsWith('semconv') ? unit === row.unit : unit === singular(row.unit);
  if (!isUnit) problems.push(`${name} is in ${unit}, not in ${row.unit}`);
  if (value !== row.valueType) problems.push(`${name} has ${value} values, not ${row.valueType}`);
  return problems;
}

function singular(unit: string): string {
  return unit.replace(/ies}$/, 'y}').replace(/s}$/, '}');
}

function checkAttributes({ name, attributes, entity }: MetricDefinition, row: MetricRow): string[] {
  const identity = [...(entity?.identifying ?? []), ...(entity?.descriptive ?? [])];
  const unknown = attributes.filter((key) => !row.attributes.has(key) && !identity.includes(key));
  const missing = [...row.attributes].filter(([key, level]) => level === 'required' && !attributes.includes(key));
  return [
    ...unknown.map((key) => `${name} has the attribute ${key}, which the conventions do not know there`),
    ...missing.map(([key]) => `${name} lacks the attribute ${key}, which is required`),
  ];
}

function checkLevel({ name, optIn }: MetricDefinition, { level }: MetricRow, off: OffForAReason): string[] {
  if (level === 'opt-in' && !optIn) return [`${name} is on, but opt-in`];
  if (level === 'recommended' && optIn && !(name in off)) return [`${name} is off, but recommended`];
  if (!optIn && name in off) return [`${name} is on and needs no exception`];
  return [];
}

/** Whose values are only examples in the conventions. */
const OPEN = new Set(['system.filesystem.type']);

/** Of one emitted row. */
export function checkRow(
  { metric, attributes }: Series,
  value: number,
  declared: MetricDefinition | undefined,
  conventions: Conventions,
): string[] {
  const { name } = metric;
  if (declared === undefined) return [`${name} is emitted but not declared`];
  const problems: string[] = [];
  if (!Number.isFinite(value)) problems.push(`${name} has the value ${value}`);
  if (metric.valueType === 'int' && !Number.isInteger(value)) problems.push(`${name} is no integer: ${value}`);
  if (metric.isMonotonic && value < 0) problems.push(`${name} counts below zero: ${value}`);
  if (metric.name.endsWith('utilization') && !(value >= 0 && value <= 1))
    problems.push(`${name} is no share: ${value}`);
  for (const [key, attribute] of Object.entries(attributes)) {
    if (!declared.attributes.includes(key)) problems.push(`${name} has an attribute that is not declared: ${key}`);
    problems.push(
      ...checkValue(key, attribute, conventions.attributes.get(key)).map((problem) => `${name}: ${problem}`),
    );
  }
  return problems;
}

function checkValue(key: string, value: AnyValue, row: AttributeRow | undefined): string[] {
  // Our own attributes, of our own metrics.
  if (row === undefined) return typeof value === 'string' && value !== '' ? [] : [`${key} is no text`];
  if (row.type === 'int') return Number.isInteger(value) ? [] : [`${key} is no integer: ${String(value)}`];
  if (row.type === 'boolean') return typeof value === 'boolean' ? [] : [`${key} is no boolean: ${String(value)}`];
  if (typeof value !== 'string' || value === '') return [`${key} is no text: ${String(value)}`];
  if (row.values.length === 0 || OPEN.has(key) || row.values.includes(value)) return [];
  return [`${key} is none of ${row.values.join(', ')}: ${value}`];
}
