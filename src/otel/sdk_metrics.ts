/**
 * Synchronous instruments (counters, histograms: the agent's own telemetry, plug-ins) live in the SDK; this turns what
 * it collects into batches of ours.
 */
import type { Attributes as ApiAttributes, HrTime, Meter } from '@opentelemetry/api';
import { ValueType } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  MetricReader,
  type DataPoint,
  type ExponentialHistogram,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import { attributesKey, type Attributes } from '../model/attributes.ts';
import {
  type DistributionPoint,
  type Metric,
  type MetricBatch,
  type Resource,
  type Scope,
  Series,
} from '../model/batch.ts';

export interface SdkMetrics {
  readonly meter: Meter;
  collect(options: {
    readonly time: bigint;
    readonly receiver: string;
    readonly onDemand: boolean;
  }): Promise<MetricBatch[]>;
}

export function createSdkMetrics(resource: Resource, scope: Scope): SdkMetrics {
  const reader = createReader();
  const meter = new MeterProvider({ readers: [reader] }).getMeter(scope.name, scope.version);
  const known = new Map<string, Series>();
  let layout: Series[] = [];

  return {
    meter,
    async collect({ time, receiver, onDemand }) {
      const { resourceMetrics } = await reader.collect();
      const series: Series[] = [];
      const values: number[] = [];
      const points: (DistributionPoint | undefined)[] = [];
      for (const { metrics } of resourceMetrics.scopeMetrics) {
        for (const data of metrics) {
          for (const point of data.dataPoints) {
            series.push(seriesOf(known, resource, scope, data, point));
            values.push(typeof point.value === 'number' ? point.value : NaN);
            points.push(distribution(data.dataPointType, point));
          }
        }
      }
      if (series.length === 0) return [];
      if (series.length !== layout.length || series.some((one, row) => one !== layout[row])) layout = series;
      return [
        {
          signal: 'metrics',
          count: series.length,
          series: layout,
          values: Float64Array.from(values),
          time,
          collection: { receiver: `${receiver}#${scope.name}`, onDemand },
          ...(points.some((point) => point !== undefined) ? { points } : {}),
        },
      ];
    },
  };
}

/** Not a class of the module: the bundle loads the SDK when something of it is first used. */
function createReader(): MetricReader {
  class Reader extends MetricReader {
    protected override async onShutdown(): Promise<void> {}
    protected override async onForceFlush(): Promise<void> {}
  }
  return new Reader();
}

function seriesOf(
  known: Map<string, Series>,
  resource: Resource,
  scope: Scope,
  data: MetricData,
  point: DataPoint<unknown>,
): Series {
  const startTime = data.dataPointType === DataPointType.GAUGE ? 0n : nanoseconds(point.startTime);
  const key = `${data.descriptor.name}\n${startTime}\n${attributesKey(point.attributes as Attributes)}`;
  let series = known.get(key);
  if (series === undefined) {
    series = new Series(resource, scope, metricOf(data), definedOnly(point.attributes), startTime);
    known.set(key, series);
  }
  return series;
}

function metricOf(data: MetricData): Metric {
  const { descriptor, dataPointType } = data;
  return {
    name: descriptor.name,
    description: descriptor.description,
    unit: descriptor.unit,
    kind: kindOf(dataPointType),
    isMonotonic: dataPointType === DataPointType.SUM && data.isMonotonic,
    temporality:
      dataPointType === DataPointType.GAUGE
        ? 'unspecified'
        : data.aggregationTemporality === AggregationTemporality.DELTA
          ? 'delta'
          : 'cumulative',
    valueType: descriptor.valueType === ValueType.INT ? 'int' : 'double',
  };
}

function kindOf(type: DataPointType): Metric['kind'] {
  switch (type) {
    case DataPointType.GAUGE:
      return 'gauge';
    case DataPointType.SUM:
      return 'sum';
    case DataPointType.HISTOGRAM:
      return 'histogram';
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      return 'exponential_histogram';
  }
}

function distribution(type: DataPointType, point: DataPoint<unknown>): DistributionPoint | undefined {
  if (type === DataPointType.HISTOGRAM) {
    const { count, buckets, ...rest } = point.value as Histogram;
    return {
      type: 'histogram',
      count: BigInt(count),
      ...moments(rest),
      explicitBounds: buckets.boundaries,
      bucketCounts: buckets.counts.map(BigInt),
    };
  }
  if (type === DataPointType.EXPONENTIAL_HISTOGRAM) {
    const { count, scale, zeroCount, positive, negative, ...rest } = point.value as ExponentialHistogram;
    return {
      type: 'exponential_histogram',
      count: BigInt(count),
      ...moments(rest),
      scale,
      zeroCount: BigInt(zeroCount),
      zeroThreshold: 0,
      positive: { offset: positive.offset, bucketCounts: positive.bucketCounts.map(BigInt) },
      negative: { offset: negative.offset, bucketCounts: negative.bucketCounts.map(BigInt) },
    };
  }
  return undefined;
}

function moments({ sum, min, max }: { sum?: number; min?: number; max?: number }) {
  return {
    ...(sum === undefined ? {} : { sum }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  };
}

function definedOnly(attributes: ApiAttributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)) as Attributes;
}

function nanoseconds([seconds, nanos]: HrTime): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
}
