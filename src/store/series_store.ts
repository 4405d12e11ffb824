/** Recent history of metrics in memory: compressed, bounded in time, bytes and series, and on disk too if a folder is given. */
import type { ComponentLog } from '../component.ts';
import type { MetricBatch, Resource } from '../model/batch.ts';
import type { TranslationStrategy } from '../prometheus/names.ts';
import type { Labels, Matcher, MetricMetadata, NativeHistogram, Queryable } from './queryable.ts';

export interface StoreOptions {
  /** Samples are kept for so long, and up to half as long again: what is old goes in blocks. */
  readonly retention_ms: number;
  /** For everything that is counted: samples, labels, index. */
  readonly max_bytes: number;
  readonly max_series: number;
  /** How OpenTelemetry becomes Prometheus; the exporter's own defaults for what is left out. */
  readonly translation?: Partial<Translation>;
  /** Only series that match all of one of these are kept; all where it is left out. */
  readonly select?: readonly (readonly Matcher[])[];
  /** Where the history is kept across restarts; nowhere if left out. */
  readonly directory?: string | undefined;
  readonly log: ComponentLog;
  /** The clock, in Unix milliseconds; the machine's if left out. What is replayed needs the clock of its samples. */
  readonly now_ms?: () => number;
}

export interface Translation {
  readonly strategy: TranslationStrategy;
  readonly namespace: string;
  readonly hasScopeLabels: boolean;
  /** Resource attributes that become labels of every series. */
  readonly promoted: readonly string[];
  readonly constant: Readonly<Record<string, string>>;
  /** The agent's own: its series need no `job` and `instance`. */
  readonly ownResource: Resource;
  readonly hasTargetInfo: boolean;
}

/** Why a sample was not taken. */
export type Refusal =
  /** Prometheus adds nothing up. */
  | 'delta_temporality'
  | 'invalid_name'
  /** A histogram or summary that contradicts itself. */
  | 'invalid_point'
  /** Older than the last one of its series. */
  | 'out_of_order'
  /** Of the time of the last one, with another value. */
  | 'duplicate_time'
  /** Older than the retention. */
  | 'too_old'
  /** More than ten minutes ahead of the clock. */
  | 'too_far_ahead'
  /** A new series beyond `max_series`. */
  | 'series_limit'
  /** A new series whose labels the budget has no room for. */
  | 'byte_limit';

/** Samples by the reason for which they were not taken; empty for most batches. */
export type Refused = ReadonlyMap<Refusal, number>;

export interface StoreFigures {
  readonly series: number;
  /** That can be read. */
  readonly samples: number;
  /** Counted against `max_bytes`. */
  readonly bytes: number;
  /** Of the compressed samples alone, with their times. */
  readonly chunk_bytes: number;
  /** On disk. */
  readonly disk_bytes: number;
  /** Time of the oldest sample; undefined while there is none. */
  readonly oldest_ms: number | undefined;
  /** Given up before their time because of `max_bytes`. */
  readonly evicted_samples: number;
  /** Given up because they were older than the retention. */
  readonly expired_samples: number;
  /** All that were ever taken. */
  readonly appended_samples: number;
  /** Series that were forgotten with their last sample. */
  readonly forgotten_series: number;
}

export interface SeriesStore extends Queryable {
  /**
   * Takes a batch in. Series that ended, or that their receiver's whole collection has no more, get their mark. Batches
   * that were collected on demand are ignored: they are out of the clock's step.
   */
  consume(batch: MetricBatch): Refused;
  /** Adds one sample, to a new series if need be. Labels need no order here; those with an empty value are none. */
  append(labels: Labels, time_ms: number, value: number | NativeHistogram | 'stale'): Refusal | undefined;
  /** Names of labels of series that match all and may have samples in the span, sorted. */
  labelNames(matchers: readonly Matcher[], from_ms: number, to_ms: number): string[];
  /** Values of a label, sorted. */
  labelValues(name: string, matchers: readonly Matcher[], from_ms: number, to_ms: number): string[];
  /** Of the metrics that came in batches and still have series, by name. */
  metadata(): MetricMetadata[];
  figures(): StoreFigures;
  /**
   * Reads what the folder holds and keeps it up from now on. Damage never prevents it. Without a folder: nothing.
   * @throws {Error} another process uses the folder, or it cannot be made
   */
  open(): Promise<void>;
  /** Writes what is not on disk yet. Never throws: what cannot be written is said. */
  flush(): Promise<void>;
  /** Flushes, and gives the folder back. */
  close(): Promise<void>;
}

/*
 * `samples()` decodes into arrays that all series of a store share: they are valid until the next call for any of them.
 */

export function createStore(_options: StoreOptions): SeriesStore {
  throw new Error('Cannot create a store: it is being built');
}
