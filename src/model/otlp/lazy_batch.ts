/**
 * Batches that came encoded and are decoded only when someone looks: an agent that forwards hands the same bytes on.
 * A copy that is changed (`{ ...batch, records }`) does not carry the bytes (see `deferred_batch.ts`).
 */
import type { Batch, LogBatch, LogRecord, MetricBatch, Signal } from '../batch.ts';
import { deferMetrics } from '../deferred_batch.ts';
import { decodeLogs } from './decode_logs.ts';
import { decodeMetrics } from './decode_metrics.ts';

/** A batch of any signal; see {@link lazyMetricBatch}. */
export function lazyBatch(signal: Signal, bytes: Uint8Array, count: number): Batch {
  if (signal === 'metrics') return lazyMetricBatch(bytes, count);
  return signal === 'logs' ? lazyLogBatch(bytes, count) : { signal, count, otlp: bytes };
}

/** `count` must be what {@link countItems} says, which has also checked that decoding cannot fail. */
export function lazyMetricBatch(bytes: Uint8Array, count: number): MetricBatch {
  return deferMetrics(count, { otlp: bytes }, () => decodeMetrics(bytes));
}

/** `count` must be what {@link countItems} says, which has also checked that decoding cannot fail. */
export function lazyLogBatch(bytes: Uint8Array, count: number): LogBatch {
  return new LazyLogs(bytes, count) as unknown as LogBatch;
}

class LazyLogs {
  readonly signal = 'logs';
  readonly count: number;
  declare readonly otlp: Uint8Array;
  #decoded: LogBatch | undefined;

  constructor(bytes: Uint8Array, count: number) {
    this.count = count;
    Object.defineProperties(this, LazyLogs.#columns);
    Object.defineProperty(this, 'otlp', { value: bytes, enumerable: false });
  }

  static readonly #columns = {
    records: {
      get(this: LazyLogs): readonly LogRecord[] {
        return (this.#decoded ??= decodeLogs(this.otlp)).records;
      },
      enumerable: true,
    },
  };
}
