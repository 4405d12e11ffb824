/**
 * Which measurement, tags and fields a series has: the schemas of github.com/influxdata/influxdb-observability, of
 * which the OpenTelemetry Collector's exporter writes the first two.
 */
import { DoubleValue, type AnyValue } from '../../src/model/attributes.ts';
import type { DistributionPoint, Metric, MetricKind, Series } from '../../src/model/batch.ts';
import { isInt64 } from '../../src/model/otlp/writer.ts';
import { flatten, type Distribution } from '../../src/prometheus/distributions.ts';
import { plainDecimal } from '../../src/text/line_writer.ts';
import { valueText } from '../../src/text/value_text.ts';
import type { Dialect } from './escape.ts';
import { createTagWriter } from './tags.ts';

export type SchemaName = 'telegraf-prometheus-v1' | 'telegraf-prometheus-v2' | 'otel-v1';

/** What stands before the values of a series. */
export interface Head {
  /** `measurement,tag=value`, to which tags can be appended. */
  readonly series: string;
  /** The first fields, each with a comma behind it; '' for none. */
  readonly fields: string;
  /** Name of the field of a single number, escaped. */
  readonly value: string;
}

export interface Schema {
  /** Undefined where the metric has no name to write. */
  head(series: Series): Head | undefined;
  /** Lines without time stamps and newlines; undefined where the point contradicts itself. */
  lines(series: Series, head: Head, point: DistributionPoint): readonly string[] | undefined;
}

export interface SchemaOptions {
  readonly dialect: Dialect;
  /** How counts end in otel-v1: InfluxDB 1 has no unsigned integers. */
  readonly unsigned: 'u' | 'i';
}

export function createSchema(name: SchemaName, options: SchemaOptions): Schema {
  if (name === 'otel-v1') return createOtelSchema(options);
  return name === 'telegraf-prometheus-v1' ? createMeasurementPerMetric(options) : createOneMeasurement(options);
}

const START = 'start_time_unix_nano';
const TIME_LIMIT = 2n ** 63n;

function startField({ startTime }: Series): string {
  return startTime > 0n && startTime < TIME_LIMIT ? `${START}=${startTime}i,` : '';
}

/** The Collector's default: a measurement for each metric. */
function createMeasurementPerMetric({ dialect }: SchemaOptions): Schema {
  const tags = createTagWriter(dialect, true);
  const fieldsOf: Readonly<Record<MetricKind, readonly string[]>> = {
    gauge: [START, 'gauge'],
    sum: [START, 'gauge', 'counter'],
    histogram: [START, 'count', 'sum', 'min', 'max'],
    exponential_histogram: [START, 'count', 'sum', 'min', 'max'],
    summary: [START, 'count', 'sum'],
  };
  return {
    head(series) {
      const { metric } = series;
      const measurement = dialect.measurement(metric.name);
      if (measurement === '') return undefined;
      const fields = fieldsOf[metric.kind];
      const shared = tags.shared(series.resource, series.scope);
      return {
        series: measurement + tags.text(shared, series.attributes, (key) => fields.includes(key)),
        fields: startField(series),
        value: isCounter(metric) ? 'counter' : 'gauge',
      };
    },
    lines(_, head, point) {
      const distribution = flatten(point);
      if (distribution === undefined) return undefined;
      let fields = statistics('', point, distribution);
      forEachEdge(point, distribution, (edge, value) => (fields += `${edge}=${value},`));
      return [`${head.series} ${head.fields}${fields.slice(0, -1)}`];
    },
  };
}

/** One measurement for all; the names of the metrics are fields. */
function createOneMeasurement({ dialect }: SchemaOptions): Schema {
  const tags = createTagWriter(dialect, true);
  return {
    head(series) {
      const { metric } = series;
      const value = dialect.key(metric.name === 'time' ? 'time_' : metric.name);
      if (value === '') return undefined;
      const shared = tags.shared(series.resource, series.scope);
      const own = metric.kind === 'summary' ? 'quantile' : metric.kind.endsWith('histogram') ? 'le' : undefined;
      const isField = (key: string): boolean => key === START || key === metric.name || key === own;
      return {
        series: `prometheus${tags.text(shared, series.attributes, isField)}`,
        fields: startField(series),
        value,
      };
    },
    lines(_, head, point) {
      const distribution = flatten(point);
      if (distribution === undefined) return undefined;
      const isSummary = point.type === 'summary';
      const tag = isSummary ? 'quantile' : 'le';
      const field = isSummary ? head.value : `${head.value}_bucket`;
      const fields = statistics(`${head.value}_`, point, distribution);
      const lines = [`${head.series} ${head.fields}${fields.slice(0, -1)}`];
      forEachEdge(point, distribution, (edge, value) => lines.push(`${head.series},${tag}=${edge} ${field}=${value}`));
      return lines;
    },
  };
}

/** Kind, unit, temporality and type are in the names. */
function createOtelSchema({ dialect, unsigned }: SchemaOptions): Schema {
  const tags = createTagWriter(dialect, false);
  return {
    head(series) {
      const { metric, scope } = series;
      if (metric.name === '') return undefined;
      const shared = tags.shared(series.resource, scope);
      const scopeFields = new Map<string, AnyValue>(Object.entries(scope.attributes));
      // The library has these keys for name and version of the scope.
      if (scope.name !== '') scopeFields.set('telemetry.sdk.name', scope.name);
      if (scope.version !== '') scopeFields.set('telemetry.sdk.version', scope.version);
      const value = valueFieldName(metric);
      const own = [START, value, 'count', 'sum', 'min', 'max'];
      let fields = startField(series);
      for (const [key, field] of scopeFields) {
        const text = own.includes(key) || key === 'time' ? undefined : fieldText(field, dialect);
        if (text !== undefined && dialect.key(key) !== '') fields += `${dialect.key(key)}=${text},`;
      }
      const name = `${metric.name}_${metric.unit}_${metric.kind.replace('_', '')}`;
      return {
        series:
          dialect.measurement(name) +
          tags.text(shared, series.attributes, (key) => own.includes(key) || scopeFields.has(key)),
        fields,
        value,
      };
    },
    lines({ metric }, head, point) {
      const distribution = flatten(point);
      if (distribution === undefined) return undefined;
      let fields = `count=${countText(distribution.count)}${unsigned},`;
      if (isFinite(distribution.sum)) fields += `sum=${distribution.sum},`;
      if (point.type === 'summary') {
        forEachEdge(point, distribution, (edge, value) => (fields += `quantile_${edge}=${value},`));
      } else {
        if (isFinite(point.min) && isFinite(point.max)) fields += `min=${point.min},max=${point.max},`;
        let before = 0;
        distribution.edges.forEach((edge, index) => {
          const upTo = distribution.values[index]!;
          fields += `${metric.temporality}_${plainDecimal(edge)}=${countText(upTo - before)}${unsigned},`;
          before = upTo;
        });
      }
      return [`${head.series} ${head.fields}${fields.slice(0, -1)}`];
    },
  };
}

/** A gauge has no temporality in its name; the library leaves gauges out. */
function valueFieldName({ kind, temporality, isMonotonic, valueType }: Metric): string {
  if (kind !== 'sum') return `value_${valueType}`;
  return `value_${temporality}_${isMonotonic ? 'monotonic' : 'nonmonotonic'}_${valueType}`;
}

function isCounter({ kind, isMonotonic, temporality }: Metric): boolean {
  return kind === 'sum' && isMonotonic && temporality === 'cumulative';
}

/** Count, sum and extremes as fields of floats, each with a comma behind it. */
function statistics(prefix: string, point: DistributionPoint, { count, sum }: Distribution): string {
  let fields = `${prefix}count=${count},`;
  if (isFinite(sum)) fields += `${prefix}sum=${sum},`;
  if (point.type !== 'summary') {
    if (isFinite(point.min)) fields += `${prefix}min=${point.min},`;
    if (isFinite(point.max)) fields += `${prefix}max=${point.max},`;
  }
  return fields;
}

/** Bounds with how many values are up to them, `+Inf` as the last, or quantiles with their values. */
function forEachEdge(
  point: DistributionPoint,
  { edges, values, count }: Distribution,
  visit: (edge: string, value: number) => void,
): void {
  edges.forEach((edge, index) => {
    const value = values[index]!;
    if (Number.isFinite(edge) && Number.isFinite(value)) visit(plainDecimal(edge), value);
  });
  // A histogram without buckets has none for infinity either.
  const hasBuckets = point.type !== 'histogram' || point.bucketCounts.length > 0;
  if (point.type !== 'summary' && hasBuckets) visit('+Inf', count);
}

function countText(count: number): string {
  return `${BigInt(count)}`;
}

function isFinite(value: number | undefined): value is number {
  return Number.isFinite(value);
}

/** An attribute as a field; undefined where no field can hold it. A newline in it is written in letters: a line ends with one. */
function fieldText(value: AnyValue, dialect: Dialect): string | undefined {
  if (value === null) return undefined;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  const number = value instanceof DoubleValue ? value.value : value;
  if (typeof number === 'bigint') return `${number}i`;
  if (typeof number === 'number') {
    if (value !== number || !Number.isInteger(number)) return Number.isFinite(number) ? `${number}` : undefined;
    return isInt64(number) ? `${BigInt(number)}i` : `${number}`;
  }
  return dialect.text(valueText(value).replaceAll('\n', '\\n'));
}
