/** Metric batches as the SDK's ResourceMetrics. */
import type { ValueType } from '@opentelemetry/api';
import type {
  AggregationTemporality,
  DataPointType,
  ExponentialHistogram,
  Histogram,
  MetricData,
  ResourceMetrics,
  ScopeMetrics,
} from '@opentelemetry/sdk-metrics';
import {
  NO_RECORDED_VALUE,
  type ExponentialHistogramPoint,
  type HistogramPoint,
  type Metric,
  type MetricBatch,
  type Resource,
  type Scope,
} from '../../src/model/batch.ts';
import { toHrTime, toSdkAttributes, toSdkScope, type MakeResource } from './values.ts';

/** Whether the SDK's data model has a place for the point of a row: it has none for summaries and for the end of a series. */
export function isConvertible(batch: MetricBatch, row: number): boolean {
  const hasEnded = ((batch.flags?.[row] ?? 0) & NO_RECORDED_VALUE) !== 0;
  return !hasEnded && batch.series[row]!.metric.kind !== 'summary';
}

/** One for each resource, for an SDK exporter takes one at a time. */
export function toResourceMetrics(batch: MetricBatch, makeResource: MakeResource): readonly ResourceMetrics[] {
  const resources = new Map<Resource, Map<Scope, Map<Metric, MetricData>>>();
  for (let row = 0; row < batch.count; row += 1) {
    const { resource, scope, metric, attributes, startTime } = batch.series[row]!;
    const scopes = getOrAdd(resources, resource, () => new Map<Scope, Map<Metric, MetricData>>());
    const metrics = getOrAdd(scopes, scope, () => new Map<Metric, MetricData>());
    const data = getOrAdd(metrics, metric, () => createMetricData(metric));
    (data.dataPoints as unknown[]).push({
      startTime: toHrTime(startTime),
      endTime: toHrTime(batch.times?.[row] ?? batch.time),
      attributes: toSdkAttributes(attributes),
      value: valueOf(batch, row),
    });
  }
  return Array.from(resources, ([resource, scopes]) => ({
    resource: makeResource(resource),
    scopeMetrics: Array.from(scopes, ([scope, metrics]): ScopeMetrics => ({
      scope: toSdkScope(scope),
      metrics: [...metrics.values()],
    })),
  }));
}

// The SDK's enumerations as numbers, so that nothing of it is loaded before there is something to send.
const DELTA: AggregationTemporality.DELTA = 0;
const CUMULATIVE: AggregationTemporality.CUMULATIVE = 1;
const HISTOGRAM: DataPointType.HISTOGRAM = 0;
const EXPONENTIAL_HISTOGRAM: DataPointType.EXPONENTIAL_HISTOGRAM = 1;
const GAUGE: DataPointType.GAUGE = 2;
const SUM: DataPointType.SUM = 3;
const INT: ValueType.INT = 0;
const DOUBLE: ValueType.DOUBLE = 1;

function createMetricData(metric: Metric): MetricData {
  const { name, description, unit, kind, isMonotonic } = metric;
  const descriptor = { name, description, unit, valueType: metric.valueType === 'int' ? INT : DOUBLE };
  const aggregationTemporality = metric.temporality === 'delta' ? DELTA : CUMULATIVE;
  switch (kind) {
    case 'sum':
      return { descriptor, aggregationTemporality, dataPointType: SUM, isMonotonic, dataPoints: [] };
    case 'gauge':
      return { descriptor, aggregationTemporality, dataPointType: GAUGE, dataPoints: [] };
    case 'histogram':
      return { descriptor, aggregationTemporality, dataPointType: HISTOGRAM, dataPoints: [] };
    case 'exponential_histogram':
      return { descriptor, aggregationTemporality, dataPointType: EXPONENTIAL_HISTOGRAM, dataPoints: [] };
    case 'summary':
      throw new TypeError('Cannot convert a summary: the SDK has none');
  }
}

function valueOf(batch: MetricBatch, row: number): number | Histogram | ExponentialHistogram {
  const point = batch.points?.[row];
  if (point?.type === 'histogram') return toHistogram(point);
  if (point?.type === 'exponential_histogram') return toExponentialHistogram(point);
  const exact = batch.exactValues?.get(row);
  return exact === undefined ? batch.values[row]! : Number(exact);
}

function toHistogram(point: HistogramPoint): Histogram {
  return {
    ...rangeOf(point),
    buckets: { boundaries: [...point.explicitBounds], counts: point.bucketCounts.map(Number) },
  };
}

function toExponentialHistogram(point: ExponentialHistogramPoint): ExponentialHistogram {
  const { scale, zeroCount, positive, negative } = point;
  return {
    ...rangeOf(point),
    scale,
    zeroCount: Number(zeroCount),
    positive: { offset: positive.offset, bucketCounts: positive.bucketCounts.map(Number) },
    negative: { offset: negative.offset, bucketCounts: negative.bucketCounts.map(Number) },
  };
}

function rangeOf({ count, sum, min, max }: HistogramPoint | ExponentialHistogramPoint) {
  return {
    count: Number(count),
    ...(sum !== undefined && { sum }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
  };
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
