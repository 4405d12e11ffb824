/** The serializers of the OpenTelemetry SDK as the oracle: theirs and ours must say the same, in both formats. */
import { ValueType, type Attributes, type HrTime } from '@opentelemetry/api';
import {
  JsonLogsSerializer,
  JsonMetricsSerializer,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
} from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  Series,
  type DistributionPoint,
  type LogRecord,
  type Metric,
  type MetricBatch,
  type Resource,
  type Scope,
} from '../../../src/model/batch.ts';
import { decodeLogs } from '../../../src/model/otlp/decode_logs.ts';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { decodeLogsJson, decodeMetricsJson } from '../../../src/model/otlp/json.ts';
import { recordsOf, rowsOf } from './arbitraries.ts';
import { LogsRequest, MetricsRequest, objectOf } from './oracle.ts';

// What their JSON cannot say is left out: NaN, infinities, integers beyond 2^53.
const double = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => value + 0);
const text = fc.string({ unit: 'binary', maxLength: 12 });
const filled = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });
const attributeValue = fc.oneof(
  text,
  double,
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.array(text, { maxLength: 3 }),
  fc.array(fc.maxSafeInteger(), { maxLength: 3 }),
);
const attributes: fc.Arbitrary<Attributes> = fc.dictionary(text, attributeValue, {
  maxKeys: 4,
  noNullPrototype: true,
});
const hrTime: fc.Arbitrary<HrTime> = fc.tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.nat({ max: 999_999_999 }));
const count = fc.nat();
/** Not `__proto__`: the SDK assigns the attributes of a resource one by one, and that one becomes its prototype. */
const resourceAttributes = attributes.filter((own) => !Object.hasOwn(own, '__proto__'));
const sdkResource = fc
  .tuple(resourceAttributes, filled)
  .map(([own, schemaUrl]) => resourceFromAttributes(own, { schemaUrl }));
const sdkScope = fc.record({ name: filled, version: filled, schemaUrl: filled });

const head = { startTime: hrTime, endTime: hrTime, attributes };
const base = { descriptor: { name: filled, description: filled, unit: filled } };
const descriptor = (valueType: ValueType) => fc.record({ ...base.descriptor, valueType: fc.constant(valueType) });
const temporality = fc.constantFrom(AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE);
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 3 });

const numberMetric = fc.constantFrom(ValueType.INT, ValueType.DOUBLE).chain((valueType) => {
  const value = valueType === ValueType.INT ? fc.maxSafeInteger() : double;
  const shared = {
    descriptor: descriptor(valueType),
    aggregationTemporality: temporality,
    dataPoints: some(fc.record({ ...head, value })),
  };
  return fc.oneof(
    fc.record({ ...shared, dataPointType: fc.constant(DataPointType.GAUGE as const) }),
    fc.record({ ...shared, dataPointType: fc.constant(DataPointType.SUM as const), isMonotonic: fc.boolean() }),
  );
});
const histogram = fc.record({
  buckets: fc.record({ boundaries: fc.array(double), counts: fc.array(count) }),
  sum: double,
  count,
  min: double,
  max: double,
});
const histogramMetric = fc.record({
  descriptor: descriptor(ValueType.DOUBLE),
  aggregationTemporality: temporality,
  dataPointType: fc.constant(DataPointType.HISTOGRAM as const),
  dataPoints: some(fc.record({ ...head, value: histogram })),
});
const buckets = fc.record({ offset: fc.integer(), bucketCounts: fc.array(count) });
const exponential = fc.record({
  count,
  sum: double,
  scale: fc.integer({ min: -10, max: 20 }),
  zeroCount: count,
  positive: buckets,
  negative: buckets,
  min: double,
  max: double,
});
const exponentialMetric = fc.record({
  descriptor: descriptor(ValueType.DOUBLE),
  aggregationTemporality: temporality,
  dataPointType: fc.constant(DataPointType.EXPONENTIAL_HISTOGRAM as const),
  dataPoints: some(fc.record({ ...head, value: exponential })),
});
const resourceMetrics: fc.Arbitrary<ResourceMetrics> = fc.record({
  resource: sdkResource,
  scopeMetrics: fc.array(
    fc.record({ scope: sdkScope, metrics: some(fc.oneof(numberMetric, histogramMetric, exponentialMetric)) }),
    { maxLength: 2 },
  ),
});

const logRecord = fc.record({
  hrTime,
  hrTimeObserved: hrTime,
  severityText: filled,
  severityNumber: fc.integer({ min: 1, max: 24 }),
  body: attributeValue,
  eventName: filled,
  attributes,
  droppedAttributesCount: count,
  spanContext: fc.record({
    traceId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => Buffer.from(id).toString('hex')),
    spanId: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((id) => Buffer.from(id).toString('hex')),
    traceFlags: fc.nat({ max: 1 }),
  }),
});
const logRecords = fc
  .tuple(sdkResource, sdkScope, fc.array(logRecord, { maxLength: 4 }))
  .map(([resource, instrumentationScope, records]): ReadableLogRecord[] => {
    return records.map((record) => ({ ...record, resource, instrumentationScope }));
  });

test(
  'decodeMetrics and decodeMetricsJson read what the serializers of OpenTelemetry write',
  { timeout: 60_000 },
  () => {
    fc.assert(
      fc.property(resourceMetrics, (metrics) => {
        const expected = rowsOf(batchOf(metrics));
        expect(rowsOf(decodeMetrics(bytesOf(ProtobufMetricsSerializer.serializeRequest(metrics))))).toEqual(expected);
        expect(rowsOf(decodeMetricsJson(bytesOf(JsonMetricsSerializer.serializeRequest(metrics))))).toEqual(expected);
      }),
    );
  },
);

test('encodeMetrics writes the message that the serializer of OpenTelemetry writes', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(resourceMetrics, (metrics) => {
      const theirs = bytesOf(ProtobufMetricsSerializer.serializeRequest(metrics));
      // They also send resources and scopes with nothing in them.
      fc.pre(metrics.scopeMetrics.length === 1);
      const names = metrics.scopeMetrics.flatMap((scope) => scope.metrics.map(({ descriptor: { name } }) => name));
      fc.pre(new Set(names).size === names.length);
      expect(objectOf(MetricsRequest, encodeMetrics(batchOf(metrics)))).toEqual(objectOf(MetricsRequest, theirs));
    }),
  );
});

test('decodeLogs and decodeLogsJson read what the serializers of OpenTelemetry write', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(logRecords, (records) => {
      const expected = recordsOf({ signal: 'logs', count: records.length, records: records.map(recordOf) });
      expect(recordsOf(decodeLogs(bytesOf(ProtobufLogsSerializer.serializeRequest(records))))).toEqual(expected);
      expect(recordsOf(decodeLogsJson(bytesOf(JsonLogsSerializer.serializeRequest(records))))).toEqual(expected);
    }),
  );
});

test('encodeLogs writes the message that the serializer of OpenTelemetry writes', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(logRecords, (records) => {
      const theirs = bytesOf(ProtobufLogsSerializer.serializeRequest(records));
      const ours = encodeLogs({ signal: 'logs', count: records.length, records: records.map(recordOf) });
      expect(objectOf(LogsRequest, ours)).toEqual(objectOf(LogsRequest, theirs));
    }),
  );
});

test('resourceFromAttributes of OpenTelemetry loses what is named __proto__, which encodeLogs and decodeLogs keep', () => {
  const own: Resource['attributes'] = Object.fromEntries([['__proto__', 'kept']]);
  expect(Object.keys(resourceFromAttributes(own as Attributes).attributes)).toEqual([]);
  const [record] = fc.sample(logRecord, { numRuns: 1, seed: 1 });
  const resource = resourceFromAttributes({});
  const ours = recordOf({ ...record!, resource, instrumentationScope: { name: 'shop' } });
  const bytes = encodeLogs({
    signal: 'logs',
    count: 1,
    records: [{ ...ours, resource: { attributes: own, schemaUrl: '' } }],
  });
  expect(Object.entries(decodeLogs(bytes).records[0]!.resource.attributes)).toEqual([['__proto__', 'kept']]);
  expect(JSON.stringify(objectOf(LogsRequest, bytes))).toContain('"key":"__proto__"');
});

function bytesOf(serialized: Uint8Array | undefined): Uint8Array {
  if (serialized === undefined) throw new Error('The oracle wrote nothing');
  return serialized;
}

function nanoseconds([seconds, nanos]: HrTime): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
}

function resourceOf(resource: ResourceMetrics['resource']): Resource {
  return { attributes: resource.attributes as Resource['attributes'], schemaUrl: resource.schemaUrl ?? '' };
}

function scopeOf(scope: { name: string; version?: string; schemaUrl?: string }): Scope {
  return { name: scope.name, version: scope.version ?? '', attributes: {}, schemaUrl: scope.schemaUrl ?? '' };
}

function recordOf(record: ReadableLogRecord): LogRecord {
  return {
    resource: resourceOf(record.resource),
    scope: scopeOf(record.instrumentationScope),
    time: nanoseconds(record.hrTime),
    observedTime: nanoseconds(record.hrTimeObserved),
    severityNumber: record.severityNumber ?? 0,
    severityText: record.severityText ?? '',
    body: record.body as LogRecord['body'],
    attributes: record.attributes as LogRecord['attributes'],
    droppedAttributesCount: record.droppedAttributesCount,
    flags: record.spanContext?.traceFlags ?? 0,
    traceId: record.spanContext?.traceId ?? '',
    spanId: record.spanContext?.spanId ?? '',
    eventName: record.eventName ?? '',
  };
}

function metricOf(data: MetricData): Metric {
  const { name, description, unit, valueType } = data.descriptor;
  const kinds = {
    [DataPointType.GAUGE]: 'gauge',
    [DataPointType.SUM]: 'sum',
    [DataPointType.HISTOGRAM]: 'histogram',
    [DataPointType.EXPONENTIAL_HISTOGRAM]: 'exponential_histogram',
  } as const;
  const isDelta = data.aggregationTemporality === AggregationTemporality.DELTA;
  return {
    name,
    description,
    unit,
    kind: kinds[data.dataPointType],
    isMonotonic: data.dataPointType === DataPointType.SUM && data.isMonotonic,
    temporality: data.dataPointType === DataPointType.GAUGE ? 'unspecified' : isDelta ? 'delta' : 'cumulative',
    valueType: valueType === ValueType.INT ? 'int' : 'double',
  };
}

function pointOf(value: MetricData['dataPoints'][number]['value']): DistributionPoint | undefined {
  if (typeof value === 'number') return undefined;
  const { sum = 0, min = 0, max = 0 } = value;
  const shared = { count: BigInt(value.count), sum, min, max };
  if ('buckets' in value) {
    const { boundaries, counts } = value.buckets;
    return { type: 'histogram', ...shared, bucketCounts: counts.map(BigInt), explicitBounds: boundaries };
  }
  const { positive, negative, scale, zeroCount } = value;
  return {
    type: 'exponential_histogram',
    ...shared,
    scale,
    zeroCount: BigInt(zeroCount),
    zeroThreshold: 0,
    positive: { offset: positive.offset, bucketCounts: positive.bucketCounts.map(BigInt) },
    negative: { offset: negative.offset, bucketCounts: negative.bucketCounts.map(BigInt) },
  };
}

function batchOf({ resource, scopeMetrics }: ResourceMetrics): MetricBatch {
  const at = resourceOf(resource);
  const rows = scopeMetrics.flatMap(({ scope, metrics }) =>
    metrics.flatMap((data) => {
      const metric = metricOf(data);
      return data.dataPoints.map((point) => {
        const own = point.attributes as Series['attributes'];
        return {
          series: new Series(at, scopeOf(scope), metric, own, nanoseconds(point.startTime)),
          time: nanoseconds(point.endTime),
          value: typeof point.value === 'number' ? point.value : Number.NaN,
          point: pointOf(point.value),
        };
      });
    }),
  );
  return {
    signal: 'metrics',
    count: rows.length,
    series: rows.map(({ series }) => series),
    values: Float64Array.from(rows, ({ value }) => value),
    time: 0n,
    times: BigUint64Array.from(rows, ({ time }) => time),
    points: rows.map(({ point }) => point),
  };
}
