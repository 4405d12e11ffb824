/** Recent history of metrics in memory: compressed, bounded in time, bytes and series, and on disk too if a folder is given. */
import type { ComponentLog } from '../component.ts';
import type { MetricBatch, Resource } from '../model/batch.ts';
import type { TranslationStrategy } from '../prometheus/names.ts';
import { createDisk } from './disk.ts';
import type { ReadChunk } from './disk_format.ts';
import { HeldSeries } from './held_series.ts';
import { createIngest } from './ingest.ts';
import { compileSelection } from './matchers.ts';
import { createNames } from './names.ts';
import type { Labels, Matcher, MetricMetadata, NativeHistogram, Queryable, StoredSeries } from './queryable.ts';
import { SampleTable } from './sample_table.ts';
import { SeriesTable, toPairs, type Pairs } from './series_table.ts';
import { compareTexts } from './symbols.ts';

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
  /** Of the compressed samples alone, with their times; and how many these are. The others are in heads. */
  readonly chunk_bytes: number;
  readonly chunk_samples: number;
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

/**
 * `samples()` of its series decodes into arrays that all series of a store share: they are valid until the next call for
 * any of them.
 */
export interface SeriesStore extends Queryable {
  /**
   * Takes a batch in. Series that ended, or that their receiver's whole collection has no more, get their mark. Batches
   * that were collected on demand are ignored: they are out of the clock's step.
   */
  consume(batch: MetricBatch): Refused;
  /** Adds one sample, to a new series if need be. Labels need no order here; those with an empty value are none. */
  append(labels: Labels, time_ms: number, value: number | NativeHistogram | 'stale'): Refusal | undefined;
  /** Takes over what a series of another store has in the span. What is too old or not selected here is left out. */
  copy(series: StoredSeries, from_ms: number, to_ms: number): void;
  /**
   * As in Queryable. Hundreds of patterns over many series take long: `look` is called for each of them, here and below,
   * and ends it by throwing.
   */
  select(matchers: readonly Matcher[], from_ms: number, to_ms: number, look?: () => void): readonly StoredSeries[];
  /** Names of labels of series that match all and may have samples in the span, sorted. */
  labelNames(matchers: readonly Matcher[], from_ms: number, to_ms: number, look?: () => void): string[];
  /** Values of a label, sorted. */
  labelValues(name: string, matchers: readonly Matcher[], from_ms: number, to_ms: number, look?: () => void): string[];
  /** Of the metrics that came in batches and still have series, by name. */
  metadata(): MetricMetadata[];
  figures(): StoreFigures;
  /**
   * Reads what the folder holds and keeps it up from now on, so before the first sample. Damage never prevents it. Without a folder: nothing.
   * @throws {Error} another process uses the folder, or it cannot be made
   */
  open(): Promise<void>;
  /** Writes what is not on disk yet. Never throws: what cannot be written is said. */
  flush(): Promise<void>;
  /** Flushes, and gives the folder back. */
  close(): Promise<void>;
}

/** Ahead of the clock, as Prometheus takes it from a scrape. */
const MAX_AHEAD_MS = 600_000;
/** Of the budget, what heads, labels and index may take: the rest is for history. */
const MAX_FIXED_PART = 0.75;
/** Blocks of so much of the retention are given up together: heads, and pages of compressed samples. */
const HEAD_PART = 1 / 4;
const PAGE_PART = 3 / 8;
const PAGE_BYTES = { least: 4096, most: 65_536 };
const FLUSH_INTERVAL_MS = 50_000;
const NO_RESOURCE: Resource = { attributes: {}, schemaUrl: '' };

export function createStore(options: StoreOptions): SeriesStore {
  const { retention_ms, max_bytes, max_series, directory, log, now_ms = Date.now } = options;
  const isSelected = options.select && compileSelection(options.select);
  const translation: Translation = {
    strategy: 'UnderscoreEscapingWithSuffixes',
    namespace: '',
    hasScopeLabels: false,
    promoted: [],
    constant: {},
    ownResource: NO_RESOURCE,
    hasTargetInfo: true,
    ...options.translation,
  };
  const table = new SeriesTable();
  const metrics = new Map<string, MetricMetadata>();
  const disk = directory === undefined ? undefined : createDisk({ directory, retention_ms, max_bytes, log, now_ms });
  const samples = new SampleTable({
    pageBytes: Math.max(PAGE_BYTES.least, Math.min(PAGE_BYTES.most, Math.floor(max_bytes / 64))),
    maxSpan_ms: retention_ms * HEAD_PART,
    onSamples: disk && ((excerpt) => disk.add(keyOf(excerpt.slot), () => table.pairs(excerpt.slot), excerpt)),
  });
  const ingest = createIngest({
    names: createNames(translation),
    table,
    samples,
    hasTargetInfo: translation.hasTargetInfo,
    slotFor,
    checkTime,
    now_ms,
    onMetric: (metric) => void metrics.set(metric.name, metric),
  });
  const maintenance_ms = Math.min(10_000, retention_ms / 64);
  let nextMaintenance_ms = -Infinity;
  let flushing: NodeJS.Timeout | undefined;
  const counts = { evicted: 0, expired: 0, forgotten: 0 };

  const bytes = (): number => table.bytes + samples.bytes;
  /** A number that no other series ever had. */
  const keyOf = (slot: number): number => table.generations[slot]! * 2 ** 32 + slot;

  function checkTime(time_ms: number): Refusal | undefined {
    const now = now_ms();
    if (time_ms > now + MAX_AHEAD_MS) return 'too_far_ahead';
    // Also what is no number.
    return time_ms >= now - retention_ms ? undefined : 'too_old';
  }

  function slotFor(pairs: Pairs): number | Refusal | 'unselected' {
    const known = table.find(pairs);
    if (known !== undefined) return known;
    if (isSelected !== undefined && !isSelected(pairs)) return 'unselected';
    if (table.count >= max_series) {
      log.once('series_limit', `Cannot keep more than ${max_series} series: new ones are left out`);
      return 'series_limit';
    }
    const characters = pairs.reduce((sum, text) => sum + text.length, 0);
    if (bytes() - samples.log.bytes + characters > max_bytes * MAX_FIXED_PART) {
      log.once('byte_limit', `Cannot keep more series in ${max_bytes} bytes: new ones are left out`);
      return 'byte_limit';
    }
    const slot = table.create(pairs);
    samples.reserve(slot + 1);
    samples.reset(slot);
    return slot;
  }

  /** Gives up what is too old or too much. */
  function maintain(now: number): void {
    const isOver = bytes() > max_bytes;
    if (now < nextMaintenance_ms && now > nextMaintenance_ms - 2 * maintenance_ms && !isOver) return;
    nextMaintenance_ms = now + maintenance_ms;
    const headBegin_ms = now - retention_ms * HEAD_PART;
    for (let slot = 0; slot < table.slots; slot++) {
      if (table.has(slot)) samples.tidy(slot, headBegin_ms, headBegin_ms);
    }
    const chunks = samples.log;
    chunks.closePageBegunBefore(now - retention_ms * PAGE_PART);
    while (chunks.oldestPageEnd_ms !== undefined && chunks.oldestPageEnd_ms < now - retention_ms) {
      counts.expired += chunks.dropOldest();
    }
    if (bytes() > max_bytes) evict();
    forgetEmpty();
  }

  function evict(): void {
    log.once(
      'max_bytes',
      `Cannot keep ${retention_ms / 1000} s of history in ${max_bytes} bytes: the oldest goes first`,
    );
    const chunks = samples.log;
    const dropDown = (): void => {
      while (bytes() > max_bytes && chunks.pageCount > 0) counts.evicted += chunks.dropOldest();
    };
    dropDown();
    // Histograms take most of their room before they are compressed.
    if (bytes() <= max_bytes || samples.headHistograms.bytes === 0) return;
    for (let slot = 0; slot < table.slots; slot++) if (table.has(slot)) samples.seal(slot);
    dropDown();
  }

  function forgetEmpty(): void {
    const empty: number[] = [];
    for (let slot = 0; slot < table.slots; slot++) if (table.has(slot) && samples.isEmpty(slot)) empty.push(slot);
    if (empty.length === 0) return;
    for (const slot of empty) samples.release(slot);
    table.forget(empty);
    counts.forgotten += empty.length;
    for (const name of metrics.keys()) if (!hasSeries(name)) metrics.delete(name);
    log.over('series_limit', 'New series are kept again');
    log.over('byte_limit', 'New series are kept again');
  }

  function hasSeries(name: string): boolean {
    return ['', '_bucket', '_count'].some((suffix) => table.hasValue('__name__', `${name}${suffix}`));
  }

  function slotsIn(matchers: readonly Matcher[], from_ms: number, to_ms: number, look?: () => void): number[] {
    maintain(now_ms());
    return table.select(matchers, look).filter((slot) => samples.mayHave(slot, from_ms, to_ms));
  }

  function restore(pairs: Pairs, { count, times, values, stale, histograms, held }: ReadChunk): void {
    if (checkTime(times[count - 1]!) === 'too_old') return;
    const slot = slotFor(pairs);
    if (typeof slot !== 'number') return;
    let next = 0;
    for (let i = 0; i < count; i++) {
      const histogram = (histograms & (1 << i)) === 0 ? undefined : held[next++];
      const value = (stale & (1 << i)) === 0 ? (histogram ?? values[i]!) : 'stale';
      if (checkTime(times[i]!) === undefined) ingest.add(slot, times[i]!, value);
    }
    // It came from the disk.
    samples.tellNothingOf(slot);
  }

  async function flush(): Promise<void> {
    if (disk === undefined) return;
    maintain(now_ms());
    for (let slot = 0; slot < table.slots; slot++) if (table.has(slot)) samples.tell(slot);
    await disk.flush();
  }

  return {
    consume(batch) {
      const refused = ingest.consume(batch);
      maintain(now_ms());
      return refused;
    },
    append(labels, time_ms, value) {
      const time = Math.round(time_ms);
      const refusal = checkTime(time);
      if (refusal !== undefined) return refusal;
      const slot = slotFor(toPairs(labels));
      if (slot === 'unselected') return undefined;
      if (typeof slot !== 'number') return slot;
      const outcome = ingest.add(slot, time, value);
      maintain(now_ms());
      return outcome;
    },
    copy(series, from_ms, to_ms) {
      const slot = slotFor(toPairs(series.labels));
      if (typeof slot !== 'number') return;
      const { count, times, values, stale, histograms } = series.samples(from_ms, to_ms);
      for (let row = 0; row < count; row++) {
        if (checkTime(times[row]!) !== undefined) continue;
        ingest.add(slot, times[row]!, stale?.[row] === 1 ? 'stale' : (histograms?.[row] ?? values[row]!));
      }
      maintain(now_ms());
    },
    select: (matchers, from_ms, to_ms, look) =>
      slotsIn(matchers, from_ms, to_ms, look).map((slot) => new HeldSeries(slot, table, samples)),
    labelNames: (matchers, from_ms, to_ms, look) => table.namesOf(slotsIn(matchers, from_ms, to_ms, look)),
    labelValues: (name, matchers, from_ms, to_ms, look) =>
      table.valuesOf(name, slotsIn(matchers, from_ms, to_ms, look)),
    metadata: () =>
      [...metrics.values()].filter(({ name }) => hasSeries(name)).sort((a, b) => compareTexts(a.name, b.name)),
    figures: () => ({
      series: table.count,
      samples: samples.samples,
      bytes: bytes(),
      chunk_bytes: samples.log.bytes,
      chunk_samples: samples.log.samples,
      disk_bytes: disk?.bytes ?? 0,
      oldest_ms: samples.oldest_ms,
      evicted_samples: counts.evicted,
      expired_samples: counts.expired,
      appended_samples: samples.samples + counts.evicted + counts.expired,
      forgotten_series: counts.forgotten,
    }),
    async open() {
      if (disk === undefined) return;
      await disk.open(restore, () => maintain(now_ms()));
      flushing = setInterval(() => void flush(), FLUSH_INTERVAL_MS).unref();
    },
    flush,
    async close() {
      clearInterval(flushing);
      await flush();
      await disk?.close();
    },
  };
}
