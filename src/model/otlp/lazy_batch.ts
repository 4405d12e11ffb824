/**
 * Batches that came encoded and are decoded only when someone looks: an agent that forwards hands the same bytes on.
 *
 * Their columns are own, enumerable getters and `otlp` is not enumerable, so that `{ ...batch, values }` is a plain
 * batch of the changed data, and does not carry the bytes of the old. The getters are the same functions in every
 * batch: V8 keeps a pair for each different getter outside of its young generation, from where closures of their own
 * would hold on to the bytes until it collects the whole heap.
 */
import type { Batch, LogBatch, LogRecord, MetricBatch, Signal } from '../batch.ts';
import { decodeLogs } from './decode_logs.ts';
import { decodeMetrics } from './decode_metrics.ts';

/** A batch of any signal; see {@link lazyMetricBatch}. */
export function lazyBatch(signal: Signal, bytes: Uint8Array, count: number): Batch {
  if (signal === 'metrics') return lazyMetricBatch(bytes, count);
  return signal === 'logs' ? lazyLogBatch(bytes, count) : { signal, count, otlp: bytes };
}

/** `count` must be what {@link countItems} says, which has also checked that decoding cannot fail. */
export function lazyMetricBatch(bytes: Uint8Array, count: number): MetricBatch {
  return new LazyMetrics(bytes, count) as unknown as MetricBatch;
}

/** `count` must be what {@link countItems} says, which has also checked that decoding cannot fail. */
export function lazyLogBatch(bytes: Uint8Array, count: number): LogBatch {
  return new LazyLogs(bytes, count) as unknown as LogBatch;
}

type Column = Exclude<keyof MetricBatch, 'signal' | 'count' | 'collection' | 'otlp'>;

class LazyMetrics {
  readonly signal = 'metrics';
  readonly count: number;
  declare readonly otlp: Uint8Array;
  #decoded: MetricBatch | undefined;

  constructor(bytes: Uint8Array, count: number) {
    this.count = count;
    Object.defineProperties(this, LazyMetrics.#columns);
    Object.defineProperty(this, 'otlp', { value: bytes, enumerable: false });
  }

  static readonly #columns = Object.fromEntries(
    (['series', 'values', 'time', 'times', 'flags', 'exactValues', 'points', 'exemplars'] satisfies Column[]).map(
      (column) => [column, { get: LazyMetrics.#getter(column), enumerable: true }],
    ),
  );

  static #getter(column: Column) {
    return function (this: LazyMetrics) {
      return (this.#decoded ??= decodeMetrics(this.otlp))[column];
    };
  }
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
