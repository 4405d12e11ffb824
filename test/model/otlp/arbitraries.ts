/** Generators of batches for property tests; every value they make is one that decoding gives back as it is. */
import fc from 'fast-check';
import { inspect } from 'node:util';
import { DoubleValue, type AnyValue, type Attributes } from '../../../src/model/attributes.ts';
import {
  NO_RECORDED_VALUE,
  Series,
  type DistributionPoint,
  type Exemplar,
  type LogBatch,
  type LogRecord,
  type Metric,
  type MetricBatch,
  type Resource,
  type Scope,
} from '../../../src/model/batch.ts';
import { isInt64 } from '../../../src/model/otlp/writer.ts';

const record = <T>(entries: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(entries, { noNullPrototype: true });

const MAX_INT64 = 2n ** 63n - 1n;
const text = fc.oneof(fc.string({ maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 60 }));
const uint64 = fc.oneof(fc.bigInt(0n, 1000n), fc.bigInt(0n, 2n ** 64n - 1n));
const uint32 = fc.oneof(fc.constant(0), fc.nat({ max: 2 ** 32 - 1 }));
const unsafeInteger = fc.oneof(fc.bigInt(2n ** 53n, MAX_INT64), fc.bigInt(-MAX_INT64 - 1n, -(2n ** 53n)));
const double = fc.double();

const number: fc.Arbitrary<AnyValue> = fc.oneof(
  fc.maxSafeInteger().map((value) => (value === 0 ? 0 : value)),
  double.map((value) => (isInt64(value) ? new DoubleValue(value) : value)),
  unsafeInteger,
);
const { value: anyValueArbitrary } = fc.letrec<{ value: AnyValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 9 }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
export const anyValue = anyValueArbitrary;
export const attributes: fc.Arbitrary<Attributes> = fc.dictionary(text, anyValue, {
  maxKeys: 4,
  noNullPrototype: true,
});

const dropped = fc.option(
  fc.integer({ min: 1, max: 2 ** 32 - 1 }).map((droppedAttributesCount) => ({ droppedAttributesCount })),
  { nil: {} },
);
const entityRef = record({ schemaUrl: text, type: text, idKeys: fc.array(text), descriptionKeys: fc.array(text) });
const resource: fc.Arbitrary<Resource> = fc
  .tuple(
    record({ attributes, schemaUrl: text }),
    dropped,
    fc.option(
      fc.array(entityRef, { minLength: 1, maxLength: 2 }).map((entityRefs) => ({ entityRefs })),
      { nil: {} },
    ),
  )
  .map(([base, more, refs]) => ({ ...base, ...more, ...refs }));
const scope: fc.Arbitrary<Scope> = fc
  .tuple(record({ name: text, version: text, attributes, schemaUrl: text }), dropped)
  .map(([base, more]) => ({ ...base, ...more }));

const metadata = fc.option(
  attributes.filter((set) => Object.keys(set).length > 0).map((set) => ({ metadata: set })),
  { nil: {} },
);
const temporality = fc.constantFrom('unspecified' as const, 'delta' as const, 'cumulative' as const);
const names = { name: text, description: text, unit: text };
const gauge = { kind: fc.constant('gauge' as const), isMonotonic: fc.constant(false) };
const numberMetric: fc.Arbitrary<Metric> = fc
  .tuple(
    fc.oneof(
      record({ ...names, ...gauge, temporality: fc.constant('unspecified' as const) }),
      record({ ...names, kind: fc.constant('sum' as const), isMonotonic: fc.boolean(), temporality }),
    ),
    fc.constantFrom('int' as const, 'double' as const),
    metadata,
  )
  .map(([base, valueType, more]) => ({ ...base, valueType, ...more }));
const distributionMetric: fc.Arbitrary<Metric> = fc
  .tuple(
    fc.oneof(
      record({
        ...names,
        kind: fc.constantFrom('histogram' as const, 'exponential_histogram' as const),
        temporality,
      }),
      record({ ...names, kind: fc.constant('summary' as const), temporality: fc.constant('unspecified' as const) }),
    ),
    metadata,
  )
  .map(([base, more]) => ({ ...base, isMonotonic: false, valueType: 'double', ...more }));

const sumMinMax = fc.record({ sum: double, min: double, max: double }, { requiredKeys: [], noNullPrototype: true });
const histogramPoint = fc
  .tuple(sumMinMax, uint64, fc.array(uint64), fc.array(double))
  .map(([more, count, bucketCounts, explicitBounds]): DistributionPoint => {
    return { type: 'histogram', count, bucketCounts, explicitBounds, ...more };
  });
const int32 = fc.integer();
const buckets = record({ offset: int32, bucketCounts: fc.array(uint64) });
const exponentialPoint = fc
  .tuple(
    sumMinMax,
    record({
      count: uint64,
      scale: int32,
      zeroCount: uint64,
      zeroThreshold: double,
      positive: buckets,
      negative: buckets,
    }),
  )
  .map(([more, base]): DistributionPoint => ({ type: 'exponential_histogram', ...base, ...more }));
const summaryPoint = record({
  count: uint64,
  sum: double,
  quantiles: fc.array(record({ quantile: double, value: double })),
}).map((base): DistributionPoint => ({ type: 'summary', ...base }));
const POINTS = { histogram: histogramPoint, exponential_histogram: exponentialPoint, summary: summaryPoint };

const hexBytes = (size: number) =>
  fc.oneof(
    fc.constant(''),
    fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => Buffer.from(bytes).toString('hex')),
  );
const exemplar: fc.Arbitrary<Exemplar> = record({
  time: uint64,
  value: fc.oneof(double, fc.bigInt(-MAX_INT64 - 1n, MAX_INT64)),
  filteredAttributes: attributes,
  traceId: hexBytes(16),
  spanId: hexBytes(8),
});

/** One row before it is in columns. */
interface Row {
  readonly series: Series;
  readonly time: bigint;
  readonly value: number | bigint;
  readonly flags: number;
  readonly point: DistributionPoint | undefined;
  readonly exemplars: readonly Exemplar[] | undefined;
}

type Pools = { resources: Resource[]; scopes: Scope[]; metrics: Metric[] };

function numberValue(metric: Metric): fc.Arbitrary<number | bigint> {
  return metric.valueType === 'double'
    ? double
    : fc.oneof(
        fc.maxSafeInteger().map((value) => value + 0),
        unsafeInteger,
      );
}

function row({ resources, scopes, metrics }: Pools, isPlain: boolean): fc.Arbitrary<Row> {
  return fc.constantFrom(...metrics).chain((metric) => {
    const isNumber = metric.kind === 'gauge' || metric.kind === 'sum';
    const exemplars =
      isPlain || metric.kind === 'summary'
        ? fc.constant(undefined)
        : fc.option(fc.array(exemplar, { minLength: 1, maxLength: 2 }), { nil: undefined });
    return record({
      series: fc
        .tuple(fc.constantFrom(...resources), fc.constantFrom(...scopes), attributes, fc.oneof(fc.constant(0n), uint64))
        .map(([at, by, own, start]) => new Series(at, by, metric, own, start)),
      time: isPlain ? fc.constant(5n) : fc.oneof(fc.constant(5n), uint64),
      value: isNumber ? numberValue(metric) : fc.constant(Number.NaN),
      flags: isPlain ? fc.constant(0) : fc.oneof(fc.constantFrom(0, NO_RECORDED_VALUE), uint32),
      point: isNumber ? fc.constant(undefined) : POINTS[metric.kind as keyof typeof POINTS],
      exemplars,
    }).map((made) => ((made.flags & NO_RECORDED_VALUE) === 0 ? made : { ...made, value: Number.NaN }));
  });
}

function columns(rows: readonly Row[]): MetricBatch {
  const exact = rows.flatMap(({ value }, index) => (typeof value === 'bigint' ? [[index, value] as const] : []));
  return {
    signal: 'metrics',
    count: rows.length,
    series: rows.map(({ series }) => series),
    values: Float64Array.from(rows, ({ value }) => Number(value)),
    time: rows[0]?.time ?? 0n,
    ...(rows.some(({ time }) => time !== rows[0]?.time) && { times: BigUint64Array.from(rows, ({ time }) => time) }),
    ...(rows.some(({ flags }) => flags !== 0) && { flags: Uint32Array.from(rows, ({ flags }) => flags) }),
    ...(exact.length > 0 && { exactValues: new Map(exact) }),
    ...(rows.some(({ point }) => point) && { points: rows.map(({ point }) => point) }),
    ...(rows.some(({ exemplars }) => exemplars) && { exemplars: rows.map(({ exemplars }) => exemplars) }),
  };
}

function batchOf(metric: fc.Arbitrary<Metric>, isPlain: boolean): fc.Arbitrary<MetricBatch> {
  const some = { minLength: 1, maxLength: 3 };
  return fc
    .record({ resources: fc.array(resource, some), scopes: fc.array(scope, some), metrics: fc.array(metric, some) })
    .chain((pools) => fc.array(row(pools, isPlain), { maxLength: 8 }))
    .map(columns);
}

/** Batches of every kind of point, with all that points can have. */
export const metricBatch = batchOf(fc.oneof(numberMetric, distributionMetric), false);
/** Batches as receivers make them: numbers of one time. */
export const numberBatch = batchOf(numberMetric, true);

/** Batches of log records with all that records can have. */
export const logBatch: fc.Arbitrary<LogBatch> = record({
  resources: fc.array(resource, { minLength: 1, maxLength: 2 }),
  scopes: fc.array(scope, { minLength: 1, maxLength: 2 }),
})
  .chain(({ resources, scopes }) =>
    fc.array(
      record<LogRecord>({
        resource: fc.constantFrom(...resources),
        scope: fc.constantFrom(...scopes),
        time: uint64,
        observedTime: uint64,
        severityNumber: fc.nat({ max: 24 }),
        severityText: text,
        body: fc.option(anyValue, { nil: undefined }),
        attributes,
        droppedAttributesCount: uint32,
        flags: uint32,
        traceId: hexBytes(16),
        spanId: hexBytes(8),
        eventName: text,
      }),
      { maxLength: 5 },
    ),
  )
  .map((records) => ({ signal: 'logs', count: records.length, records }));

/** The rows of a batch as text, sorted: equal for batches that say the same, whatever the order of their series. */
export function rowsOf(batch: MetricBatch): readonly string[] {
  return batch.series
    .map((series, index) =>
      textOf({
        resource: series.resource,
        scope: series.scope,
        metric: isEnded(batch, index) ? { ...series.metric, valueType: undefined } : series.metric,
        attributes: series.attributes,
        start: series.startTime,
        time: batch.times?.[index] ?? batch.time,
        value: batch.exactValues?.get(index) ?? batch.values[index],
        flags: batch.flags?.[index] ?? 0,
        point: batch.points?.[index],
        exemplars: batch.exemplars?.[index],
      }),
    )
    .sort();
}

/** Without a value nothing on the wire says of what type it would be. */
function isEnded(batch: MetricBatch, index: number): boolean {
  return ((batch.flags?.[index] ?? 0) & NO_RECORDED_VALUE) !== 0;
}

/** The records of a batch as text, sorted. */
export function recordsOf(batch: LogBatch): readonly string[] {
  return batch.records.map(textOf).sort();
}

/** Text that tells -0 from 0 and a DoubleValue from a number; keys in any order, bytes of any class. */
export function textOf(value: unknown): string {
  return inspect(value, { depth: Infinity, sorted: true, maxArrayLength: null, maxStringLength: null, compact: true });
}
