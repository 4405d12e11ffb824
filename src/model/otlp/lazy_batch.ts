/**
 * Batches that came encoded and are decoded only when someone looks: an agent that forwards hands the same bytes on.
 *
 * Their columns are own, enumerable getters and `otlp` is not their own, so that `{ ...batch, values }` is a plain
 * batch of the changed data, and does not carry the bytes of the old. The getters are the same functions in every
 * batch: V8 keeps a pair for each different getter outside of its young generation, from where closures of their own
 * would hold on to the bytes until it collects the whole heap.
 */
import type { Batch, LogBatch, MetricBatch, Signal } from '../batch.ts';
import { decodeLogs } from './decode_logs.ts';
import { decodeMetrics } from './decode_metrics.ts';
import { LentBytes, type HeldBytes } from './lent_bytes.ts';

/**
 * A batch of any signal.
 * @param count what {@link countItems} says, which has also checked that decoding cannot fail
 * @param onLook called when it is decoded
 */
export function lazyBatch(signal: Signal, bytes: Uint8Array, count: number, onLook?: () => void): Batch {
  return lentBatch(signal, new LentBytes(bytes), count, onLook);
}

/** See {@link lazyBatch}. The bytes may be given back once everyone the batch was handed to has taken it. */
export function lentBatch(signal: Signal, lent: LentBytes, count: number, onLook?: () => void): Batch {
  if (signal === 'traces') return { signal, count, otlp: lent.take()! };
  return new LazyBatch(signal, lent, count, onLook) as unknown as MetricBatch | LogBatch;
}

/** See {@link lazyBatch}. */
export function lazyMetricBatch(bytes: Uint8Array, count: number, onLook?: () => void): MetricBatch {
  return new LazyBatch('metrics', new LentBytes(bytes), count, onLook) as unknown as MetricBatch;
}

/** See {@link lazyBatch}. */
export function lazyLogBatch(bytes: Uint8Array, count: number, onLook?: () => void): LogBatch {
  return new LazyBatch('logs', new LentBytes(bytes), count, onLook) as unknown as LogBatch;
}

/** Whether a batch has its encoded bytes. */
export function isEncoded(batch: Batch): boolean {
  return batch instanceof LazyBatch ? batch.hasBytes : batch.otlp !== undefined;
}

/** Shows the bytes of an encoded batch to someone who keeps nothing of them when this returns: else {@link Batch.otlp} is to be used. */
export function readEncoded<T>(batch: Batch, use: (bytes: Uint8Array) => T): T {
  return batch instanceof LazyBatch ? batch.read(use) : use(batch.otlp!);
}

/** The bytes of a batch that came encoded, for someone who says when he has no more use for them; undefined where nobody gets them back. */
export function holdEncoded(batch: Batch): HeldBytes | undefined {
  return batch instanceof LazyBatch ? batch.hold() : undefined;
}

type Column = Exclude<keyof MetricBatch | keyof LogBatch, 'signal' | 'count' | 'collection' | 'otlp'>;
const COLUMNS: Readonly<Record<'metrics' | 'logs', readonly Column[]>> = {
  metrics: ['series', 'values', 'time', 'times', 'flags', 'exactValues', 'points', 'exemplars'],
  logs: ['records'],
};

type Columns = { readonly [C in Column]?: unknown };

class LazyBatch {
  readonly signal: 'metrics' | 'logs';
  readonly count: number;
  readonly #lent: LentBytes;
  #decoded: Columns | undefined;
  readonly #onLook: (() => void) | undefined;

  constructor(signal: 'metrics' | 'logs', lent: LentBytes, count: number, onLook?: () => void) {
    this.signal = signal;
    this.count = count;
    this.#lent = lent;
    this.#onLook = onLook;
    Object.defineProperties(this, LazyBatch.#getters[signal]);
  }

  get otlp(): Uint8Array | undefined {
    return this.#lent.take();
  }

  get hasBytes(): boolean {
    return this.#lent.isThere;
  }

  read<T>(use: (bytes: Uint8Array) => T): T {
    return this.#lent.read(use);
  }

  hold(): HeldBytes | undefined {
    return this.#lent.hold();
  }

  static readonly #getters = {
    metrics: LazyBatch.#gettersOf(COLUMNS.metrics),
    logs: LazyBatch.#gettersOf(COLUMNS.logs),
  };

  static #gettersOf(columns: readonly Column[]): PropertyDescriptorMap {
    return Object.fromEntries(
      columns.map((column) => [
        column,
        {
          get(this: LazyBatch): unknown {
            return (this.#decoded ??= this.#decode())[column];
          },
          enumerable: true,
        },
      ]),
    );
  }

  #decode(): Columns {
    this.#onLook?.();
    return this.signal === 'metrics' ? this.#lent.read(decodeMetrics) : this.#lent.read(decodeLogs);
  }
}
