/**
 * Batches that came encoded and are decoded only when someone looks: an agent that forwards hands the same bytes on.
 *
 * Their columns are own, enumerable getters and `otlp` is not enumerable, so that `{ ...batch, values }` is a plain
 * batch of the changed data, and does not carry the bytes of the old.
 */
import type { Batch, LogBatch, MetricBatch, Signal } from '../batch.ts';
import { decodeLogs } from './decode_logs.ts';
import { decodeMetrics } from './decode_metrics.ts';

/** A batch of any signal; see {@link lazyMetricBatch}. */
export function lazyBatch(signal: Signal, bytes: Uint8Array, count: number): Batch {
  if (signal === 'metrics') return lazyMetricBatch(bytes, count);
  return signal === 'logs' ? lazyLogBatch(bytes, count) : { signal, count, otlp: bytes };
}

/** `count` must be what {@link countItems} says, which has also checked that decoding cannot fail. */
export function lazyMetricBatch(bytes: Uint8Array, count: number): MetricBatch {
  let decoded: MetricBatch | undefined;
  const columns = (): MetricBatch => (decoded ??= decodeMetrics(bytes));
  const batch: MetricBatch = {
    signal: 'metrics',
    count,
    get series() {
      return columns().series;
    },
    get values() {
      return columns().values;
    },
    get time() {
      return columns().time;
    },
    get times() {
      return columns().times;
    },
    get flags() {
      return columns().flags;
    },
    get exactValues() {
      return columns().exactValues;
    },
    get points() {
      return columns().points;
    },
    get exemplars() {
      return columns().exemplars;
    },
  };
  return withBytes(batch, bytes);
}

/** `count` must be what {@link countItems} says, which has also checked that decoding cannot fail. */
export function lazyLogBatch(bytes: Uint8Array, count: number): LogBatch {
  let decoded: LogBatch | undefined;
  const batch: LogBatch = {
    signal: 'logs',
    count,
    get records() {
      return (decoded ??= decodeLogs(bytes)).records;
    },
  };
  return withBytes(batch, bytes);
}

function withBytes<T extends MetricBatch | LogBatch>(batch: T, bytes: Uint8Array): T {
  return Object.defineProperty(batch, 'otlp', { value: bytes, enumerable: false });
}
