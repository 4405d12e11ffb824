/**
 * The messages of OTLP (opentelemetry-proto 1.11) as tables. Converting to and from OTLP/JSON, checking and splitting
 * go by them; metrics and logs have faster, hand-written codecs besides.
 */
import type { Signal } from '../batch.ts';
import { list, MessageType, one, oneof, optional } from './message_type.ts';

// opentelemetry/proto/common/v1/common.proto, resource/v1/resource.proto

export const AnyValue = new MessageType('AnyValue', () => [
  oneof(1, 'stringValue', 'string'),
  oneof(2, 'boolValue', 'bool'),
  oneof(3, 'intValue', 'int64'),
  oneof(4, 'doubleValue', 'double'),
  oneof(5, 'arrayValue', ArrayValue),
  oneof(6, 'kvlistValue', KeyValueList),
  oneof(7, 'bytesValue', 'bytes'),
]);
const ArrayValue = new MessageType('ArrayValue', () => [list(1, 'values', AnyValue)]);
const KeyValueList = new MessageType('KeyValueList', () => [list(1, 'values', KeyValue)]);
export const KeyValue = new MessageType('KeyValue', () => [one(1, 'key', 'string'), one(2, 'value', AnyValue)]);
const InstrumentationScope = new MessageType('InstrumentationScope', () => [
  one(1, 'name', 'string'),
  one(2, 'version', 'string'),
  list(3, 'attributes', KeyValue),
  one(4, 'droppedAttributesCount', 'uint32'),
]);
const EntityRef = new MessageType('EntityRef', () => [
  one(1, 'schemaUrl', 'string'),
  one(2, 'type', 'string'),
  list(3, 'idKeys', 'string'),
  list(4, 'descriptionKeys', 'string'),
]);
const Resource = new MessageType('Resource', () => [
  list(1, 'attributes', KeyValue),
  one(2, 'droppedAttributesCount', 'uint32'),
  list(3, 'entityRefs', EntityRef),
]);

/** The two envelopes around metrics, log records and spans. */
function request(signal: string, resources: string, scopes: string, contents: string, type: MessageType): MessageType {
  const scope = new MessageType(`Scope${signal}`, () => [
    one(1, 'scope', InstrumentationScope),
    list(2, contents, type),
    one(3, 'schemaUrl', 'string'),
  ]);
  const resource = new MessageType(`Resource${signal}`, () => [
    one(1, 'resource', Resource),
    list(2, scopes, scope),
    one(3, 'schemaUrl', 'string'),
  ]);
  return new MessageType(`Export${signal}ServiceRequest`, () => [list(1, resources, resource)]);
}

// opentelemetry/proto/metrics/v1/metrics.proto

const Exemplar = new MessageType('Exemplar', () => [
  one(2, 'timeUnixNano', 'fixed64'),
  oneof(3, 'asDouble', 'double'),
  one(4, 'spanId', 'id'),
  one(5, 'traceId', 'id'),
  oneof(6, 'asInt', 'sfixed64'),
  list(7, 'filteredAttributes', KeyValue),
]);
const NumberDataPoint = new MessageType(
  'NumberDataPoint',
  () => [
    one(2, 'startTimeUnixNano', 'fixed64'),
    one(3, 'timeUnixNano', 'fixed64'),
    oneof(4, 'asDouble', 'double'),
    list(5, 'exemplars', Exemplar),
    oneof(6, 'asInt', 'sfixed64'),
    list(7, 'attributes', KeyValue),
    one(8, 'flags', 'uint32'),
  ],
  true,
);
const HistogramDataPoint = new MessageType(
  'HistogramDataPoint',
  () => [
    one(2, 'startTimeUnixNano', 'fixed64'),
    one(3, 'timeUnixNano', 'fixed64'),
    one(4, 'count', 'fixed64'),
    optional(5, 'sum', 'double'),
    list(6, 'bucketCounts', 'fixed64'),
    list(7, 'explicitBounds', 'double'),
    list(8, 'exemplars', Exemplar),
    list(9, 'attributes', KeyValue),
    one(10, 'flags', 'uint32'),
    optional(11, 'min', 'double'),
    optional(12, 'max', 'double'),
  ],
  true,
);
const Buckets = new MessageType('Buckets', () => [one(1, 'offset', 'sint32'), list(2, 'bucketCounts', 'uint64')]);
const ExponentialHistogramDataPoint = new MessageType(
  'ExponentialHistogramDataPoint',
  () => [
    list(1, 'attributes', KeyValue),
    one(2, 'startTimeUnixNano', 'fixed64'),
    one(3, 'timeUnixNano', 'fixed64'),
    one(4, 'count', 'fixed64'),
    optional(5, 'sum', 'double'),
    one(6, 'scale', 'sint32'),
    one(7, 'zeroCount', 'fixed64'),
    one(8, 'positive', Buckets),
    one(9, 'negative', Buckets),
    one(10, 'flags', 'uint32'),
    list(11, 'exemplars', Exemplar),
    optional(12, 'min', 'double'),
    optional(13, 'max', 'double'),
    one(14, 'zeroThreshold', 'double'),
  ],
  true,
);
const ValueAtQuantile = new MessageType('ValueAtQuantile', () => [
  one(1, 'quantile', 'double'),
  one(2, 'value', 'double'),
]);
const SummaryDataPoint = new MessageType(
  'SummaryDataPoint',
  () => [
    one(2, 'startTimeUnixNano', 'fixed64'),
    one(3, 'timeUnixNano', 'fixed64'),
    one(4, 'count', 'fixed64'),
    one(5, 'sum', 'double'),
    list(6, 'quantileValues', ValueAtQuantile),
    list(7, 'attributes', KeyValue),
    one(8, 'flags', 'uint32'),
  ],
  true,
);
const Gauge = new MessageType('Gauge', () => [list(1, 'dataPoints', NumberDataPoint)]);
const Sum = new MessageType('Sum', () => [
  list(1, 'dataPoints', NumberDataPoint),
  one(2, 'aggregationTemporality', 'enum'),
  one(3, 'isMonotonic', 'bool'),
]);
const Histogram = new MessageType('Histogram', () => [
  list(1, 'dataPoints', HistogramDataPoint),
  one(2, 'aggregationTemporality', 'enum'),
]);
const ExponentialHistogram = new MessageType('ExponentialHistogram', () => [
  list(1, 'dataPoints', ExponentialHistogramDataPoint),
  one(2, 'aggregationTemporality', 'enum'),
]);
const Summary = new MessageType('Summary', () => [list(1, 'dataPoints', SummaryDataPoint)]);
const Metric = new MessageType('Metric', () => [
  one(1, 'name', 'string'),
  one(2, 'description', 'string'),
  one(3, 'unit', 'string'),
  oneof(5, 'gauge', Gauge),
  oneof(7, 'sum', Sum),
  oneof(9, 'histogram', Histogram),
  oneof(10, 'exponentialHistogram', ExponentialHistogram),
  oneof(11, 'summary', Summary),
  list(12, 'metadata', KeyValue),
]);

// opentelemetry/proto/logs/v1/logs.proto

const LogRecord = new MessageType(
  'LogRecord',
  () => [
    one(1, 'timeUnixNano', 'fixed64'),
    one(2, 'severityNumber', 'enum'),
    one(3, 'severityText', 'string'),
    one(5, 'body', AnyValue),
    list(6, 'attributes', KeyValue),
    one(7, 'droppedAttributesCount', 'uint32'),
    one(8, 'flags', 'fixed32'),
    one(9, 'traceId', 'id'),
    one(10, 'spanId', 'id'),
    one(11, 'observedTimeUnixNano', 'fixed64'),
    one(12, 'eventName', 'string'),
  ],
  true,
);

// opentelemetry/proto/trace/v1/trace.proto

const Event = new MessageType('Event', () => [
  one(1, 'timeUnixNano', 'fixed64'),
  one(2, 'name', 'string'),
  list(3, 'attributes', KeyValue),
  one(4, 'droppedAttributesCount', 'uint32'),
]);
const Link = new MessageType('Link', () => [
  one(1, 'traceId', 'id'),
  one(2, 'spanId', 'id'),
  one(3, 'traceState', 'string'),
  list(4, 'attributes', KeyValue),
  one(5, 'droppedAttributesCount', 'uint32'),
  one(6, 'flags', 'fixed32'),
]);
const SpanStatus = new MessageType('Status', () => [one(2, 'message', 'string'), one(3, 'code', 'enum')]);
const Span = new MessageType(
  'Span',
  () => [
    one(1, 'traceId', 'id'),
    one(2, 'spanId', 'id'),
    one(3, 'traceState', 'string'),
    one(4, 'parentSpanId', 'id'),
    one(5, 'name', 'string'),
    one(6, 'kind', 'enum'),
    one(7, 'startTimeUnixNano', 'fixed64'),
    one(8, 'endTimeUnixNano', 'fixed64'),
    list(9, 'attributes', KeyValue),
    one(10, 'droppedAttributesCount', 'uint32'),
    list(11, 'events', Event),
    one(12, 'droppedEventsCount', 'uint32'),
    list(13, 'links', Link),
    one(14, 'droppedLinksCount', 'uint32'),
    one(15, 'status', SpanStatus),
    one(16, 'flags', 'fixed32'),
  ],
  true,
);

/** Export*ServiceRequest; MetricsData, LogsData and TracesData (of files) have the same fields. */
export const REQUEST_TYPES: Readonly<Record<Signal, MessageType>> = {
  metrics: request('Metrics', 'resourceMetrics', 'scopeMetrics', 'metrics', Metric),
  logs: request('Logs', 'resourceLogs', 'scopeLogs', 'logRecords', LogRecord),
  traces: request('Trace', 'resourceSpans', 'scopeSpans', 'spans', Span),
};

function response(signal: string, rejected: string): MessageType {
  const partialSuccess = new MessageType(`Export${signal}PartialSuccess`, () => [
    one(1, rejected, 'int64'),
    one(2, 'errorMessage', 'string'),
  ]);
  return new MessageType(`Export${signal}ServiceResponse`, () => [one(1, 'partialSuccess', partialSuccess)]);
}

/** Export*ServiceResponse: one layout, but a name of its own for the number of rejected items. */
export const RESPONSE_TYPES: Readonly<Record<Signal, MessageType>> = {
  metrics: response('Metrics', 'rejectedDataPoints'),
  logs: response('Logs', 'rejectedLogRecords'),
  traces: response('Trace', 'rejectedSpans'),
};

/** google.rpc.Status without its details, which in JSON have a form of their own for each type. */
export const RpcStatus = new MessageType('Status', () => [one(1, 'code', 'int32'), one(2, 'message', 'string')]);
