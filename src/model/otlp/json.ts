/**
 * Batches to and from OTLP/JSON. The way is through protobuf, so the rules of either format are in one place; it costs
 * about as much as JSON.parse alone.
 */
import type { LogBatch, MetricBatch, TraceBatch } from '../batch.ts';
import { decodeLogs } from './decode_logs.ts';
import { decodeMetrics } from './decode_metrics.ts';
import { encodeLogs } from './encode_logs.ts';
import { encodeMetrics } from './encode_metrics.ts';
import { jsonToProtobuf } from './json_to_protobuf.ts';
import { REQUEST_TYPES } from './message_types.ts';
import { protobufToJson } from './protobuf_to_json.ts';
import { countSpans } from './requests.ts';

/** UTF-8 text, on one line. */
export function encodeMetricsJson(batches: MetricBatch | readonly MetricBatch[]): Uint8Array {
  return protobufToJson(REQUEST_TYPES.metrics, encodeMetrics(batches));
}

/** @throws {SyntaxError} if it is no OTLP/JSON of this kind */
export function decodeMetricsJson(bytes: Uint8Array): MetricBatch {
  return decodeMetrics(jsonToProtobuf(REQUEST_TYPES.metrics, bytes));
}

/** UTF-8 text, on one line. */
export function encodeLogsJson(batches: LogBatch | readonly LogBatch[]): Uint8Array {
  return protobufToJson(REQUEST_TYPES.logs, encodeLogs(batches));
}

/** @throws {SyntaxError} if it is no OTLP/JSON of this kind */
export function decodeLogsJson(bytes: Uint8Array): LogBatch {
  return decodeLogs(jsonToProtobuf(REQUEST_TYPES.logs, bytes));
}

/** UTF-8 text, on one line. */
export function encodeTracesJson(batch: TraceBatch): Uint8Array {
  return protobufToJson(REQUEST_TYPES.traces, batch.otlp);
}

/** @throws {SyntaxError} if it is no OTLP/JSON of this kind */
export function decodeTracesJson(bytes: Uint8Array): TraceBatch {
  const otlp = jsonToProtobuf(REQUEST_TYPES.traces, bytes);
  return { signal: 'traces', count: countSpans(otlp), otlp };
}
