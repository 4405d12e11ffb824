/** ExportMetricsServiceRequest to a metric batch (opentelemetry/proto/metrics/v1/metrics.proto). */
import { NO_ATTRIBUTES, type Attributes } from '../attributes.ts';
import {
  NO_RECORDED_VALUE,
  Series,
  type DistributionPoint,
  type Exemplar,
  type Metric,
  type MetricBatch,
  type MetricKind,
  type Resource,
  type Scope,
  type Temporality,
} from '../batch.ts';
import { type AttributesBuilder, readAttribute } from './any_value.ts';
import { attributeSets } from './attribute_table.ts';
import { readExemplar, readExponentialHistogramPoint, readHistogramPoint, readSummaryPoint } from './decode_points.ts';
import { metricKey, resourceKey, scopeKey } from './layout_groups.ts';
import { MetricRows } from './metric_rows.ts';
import { Reader } from './reader.ts';
import { noteDecoded, readRecurring, type Distribution } from './recurring.ts';
import { readResourceEnvelope, readScopeEnvelope } from './resource.ts';
import { names } from './string_table.ts';

/**
 * Rows are in the order of the message. Equal resources, scopes and metrics are one object each.
 * @throws {SyntaxError} if it is no protobuf message of this kind
 */
export function decodeMetrics(bytes: Uint8Array): MetricBatch {
  const recurring = readRecurring(bytes);
  if (recurring !== undefined) return recurring;
  const reader = new Reader(bytes);
  const rows = new MetricRows();
  const seen: Seen = { resources: new Map(), scopes: new Map(), metrics: new Map() };
  while (!reader.isAtEnd(reader.size)) {
    const tag = reader.tag();
    if (tag === 0x0a) readResourceMetrics(reader, rows, seen);
    else reader.skip(tag);
  }
  const batch = rows.finish();
  if (rows.places !== undefined) noteDecoded(bytes, batch, rows.places);
  return batch;
}

/** What this message spoke of already, by text. */
interface Seen {
  readonly resources: Map<string, Resource>;
  readonly scopes: Map<string, Scope>;
  readonly metrics: Map<string, Metric>;
}

function readResourceMetrics(reader: Reader, rows: MetricRows, seen: Seen): void {
  const end = reader.message();
  const { about, contents } = readResourceEnvelope(reader, end);
  const resource = same(seen.resources, resourceKey(about), about);
  for (const position of contents) {
    reader.position = position;
    readScopeMetrics(reader, rows, seen, resource);
  }
  reader.position = end;
}

function readScopeMetrics(reader: Reader, rows: MetricRows, seen: Seen, resource: Resource): void {
  const { about, contents } = readScopeEnvelope(reader, reader.message());
  const scope = same(seen.scopes, scopeKey(about), about);
  for (const position of contents) {
    reader.position = position;
    readMetric(reader, rows, seen, resource, scope);
  }
}

function same<T>(known: Map<string, T>, key: string, value: T): T {
  const first = known.get(key);
  if (first !== undefined) return first;
  known.set(key, value);
  return value;
}

const KIND_OF_TAG: ReadonlyMap<number, MetricKind> = new Map([
  [0x2a, 'gauge'],
  [0x3a, 'sum'],
  [0x4a, 'histogram'],
  [0x52, 'exponential_histogram'],
  [0x5a, 'summary'],
]);

/** Reads a Metric; its name and metadata may follow its points. */
function readMetric(reader: Reader, rows: MetricRows, seen: Seen, resource: Resource, scope: Scope): void {
  const end = reader.message();
  const data: { readonly kind: MetricKind; readonly position: number }[] = [];
  let name = '';
  let description = '';
  let unit = '';
  let metadata: AttributesBuilder | undefined;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    const kind = KIND_OF_TAG.get(tag);
    if (kind !== undefined) {
      data.push({ kind, position: reader.position });
      reader.skip(tag);
    } else if (tag === 0x0a) name = names.read(reader);
    else if (tag === 0x12) description = names.read(reader);
    else if (tag === 0x1a) unit = names.read(reader);
    else if (tag === 0x62) metadata = readAttribute(reader, metadata);
    else reader.skip(tag);
  }
  for (const { kind, position } of data) {
    reader.position = position;
    const dataEnd = reader.message();
    const { temporality, isMonotonic } = readAggregation(reader, dataEnd, kind);
    const make = (valueType: 'int' | 'double'): Metric => {
      const metric = {
        name,
        description,
        unit,
        kind,
        isMonotonic,
        temporality,
        valueType,
        ...(metadata && { metadata }),
      };
      return same(seen.metrics, metricKey(metric), metric);
    };
    reader.position = position;
    reader.message();
    if (kind === 'gauge' || kind === 'sum') readNumberPoints(reader, dataEnd, rows, resource, scope, make);
    else readDistributionPoints(reader, dataEnd, rows, resource, scope, make('double'));
  }
}

const TEMPORALITIES: readonly Temporality[] = ['unspecified', 'delta', 'cumulative'];

/** Fields 2 and 3 of the data, which come after its points. */
function readAggregation(reader: Reader, end: number, kind: MetricKind) {
  let temporality: Temporality = 'unspecified';
  let isMonotonic = false;
  const hasTemporality = kind !== 'gauge' && kind !== 'summary';
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x10 && hasTemporality) temporality = TEMPORALITIES[reader.int32()] ?? 'unspecified';
    else if (tag === 0x18 && kind === 'sum') isMonotonic = reader.bool();
    else reader.skip(tag);
  }
  return { temporality, isMonotonic };
}

type MakeMetric = (valueType: 'int' | 'double') => Metric;

/** The points of a gauge or sum. If it mixes integers and doubles, they become two metrics of the same name. */
function readNumberPoints(
  reader: Reader,
  end: number,
  rows: MetricRows,
  resource: Resource,
  scope: Scope,
  make: MakeMetric,
): void {
  let ints: Metric | undefined;
  let doubles: Metric | undefined;
  let metric: Metric | undefined;
  while (!reader.isAtEnd(end)) {
    const dataTag = reader.tag();
    if (dataTag !== 0x0a) {
      reader.skip(dataTag);
      continue;
    }
    const pointEnd = reader.message();
    let attributes: Attributes | undefined;
    let ownAttributes: AttributesBuilder | undefined;
    let exemplars: Exemplar[] | undefined;
    let startTime = 0n;
    let time = 0n;
    let timeAt = 0;
    let flags = 0;
    let value: number | bigint = Number.NaN;
    let valueAt = 0;
    while (!reader.isAtEnd(pointEnd)) {
      const tag = reader.tag();
      switch (tag) {
        case 0x3a: // attributes
          // A second run is added to a copy: the first may be that of other points, too.
          if (attributes === undefined) attributes = attributeSets.read(reader, tag, pointEnd);
          else attributes = ownAttributes = readAttribute(reader, ownAttributes ?? { ...attributes });
          break;
        case 0x11: // start_time_unix_nano
          startTime = reader.startTime();
          break;
        case 0x19: // time_unix_nano
          timeAt = reader.position;
          time = reader.time();
          break;
        case 0x21: // as_double
          valueAt = reader.position;
          value = reader.double();
          metric = doubles ??= make('double');
          break;
        case 0x31: // as_int
          valueAt = reader.position;
          value = reader.sfixed64();
          metric = ints ??= make('int');
          break;
        case 0x2a: // exemplars
          (exemplars ??= []).push(readExemplar(reader));
          break;
        case 0x40: // flags
          flags = reader.uint32();
          break;
        default:
          reader.skip(tag);
      }
    }
    metric ??= doubles = make('double');
    if (valueAt === 0) flags |= NO_RECORDED_VALUE;
    else if ((flags & NO_RECORDED_VALUE) !== 0) value = Number.NaN;
    const series = new Series(resource, scope, metric, attributes ?? NO_ATTRIBUTES, startTime);
    rows.addNumber(series, value, valueAt, time, timeAt, flags, exemplars);
  }
}

const POINT: Readonly<Record<DistributionPoint['type'], Pick<Distribution, 'read' | 'keptTags'>>> = {
  histogram: { read: readHistogramPoint, keptTags: [0x11, 0x4a] },
  exponential_histogram: { read: readExponentialHistogramPoint, keptTags: [0x0a, 0x11] },
  summary: { read: readSummaryPoint, keptTags: [0x11, 0x3a] },
};

function readDistributionPoints(
  reader: Reader,
  end: number,
  rows: MetricRows,
  resource: Resource,
  scope: Scope,
  metric: Metric,
): void {
  const kind = POINT[metric.kind as DistributionPoint['type']];
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag !== 0x0a) {
      reader.skip(tag);
      continue;
    }
    const { position } = reader;
    const decoded = kind.read(reader);
    const series = new Series(resource, scope, metric, decoded.attributes, decoded.startTime);
    rows.addDistribution(series, decoded, { row: rows.count, position, ...kind });
  }
}
