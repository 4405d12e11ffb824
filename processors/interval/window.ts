/** What is held of all series until the interval is over. */
import type { HeldBatch } from '../../src/held_records.ts';
import { NO_RECORDED_VALUE, type MetricBatch, type Series } from '../../src/model/batch.ts';
import { perSeries } from '../../src/model/layout.ts';
import type { Consumer } from '../../src/component.ts';
import { Entry, statisticSeries, type Statistic } from './entry.ts';
import { createRows, type Rows, type RowValue } from './rows.ts';

/** Series of one receiver, whose collections are whole; or all that is pushed. */
export interface Source {
  /** '' for what is pushed. */
  readonly receiver: string;
  /** Whether a collection came in this window. */
  hasCollection: boolean;
  readonly entries: Entry[];
  readonly rows: Rows;
  readonly further: Rows;
}

export interface WindowOptions {
  readonly statistics: readonly Statistic[];
  readonly maxSeries: number;
  readonly next: Consumer;
  readonly own: Consumer;
}

/** What became of a point: it is one more that is held, is in one that is held, or there was no room or no sum. */
export type Outcome = 'held' | 'merged' | 'series_limit' | 'not_mergeable';

export interface Window {
  sourceOf(batch: MetricBatch): Source;
  /** Undefined where there is no room. */
  entryOf(series: Series, source: Source): Entry | undefined;
  take(entry: Entry, batch: MetricBatch, row: number): Outcome;
  /** The series ended; false where nothing is held of it, so that its end can go on at once. */
  end(series: Series, time: bigint): Outcome | false;
  /** What was held, as it is handed on; after it a new window has begun. */
  close(): HeldBatch[];
  /** Rows that are held. */
  readonly count: number;
}

/** A point that cannot be in the same row as a later one of its series: of an earlier run, or with other bounds. */
interface Extra {
  readonly series: Series;
  readonly time: bigint;
  readonly row: RowValue;
}

export function createWindow({ statistics, maxSeries, next, own }: WindowOptions): Window {
  const [first, ...others] = statistics;
  const isSingle = others.length === 0;
  const firstSeries = perSeries(statisticSeries(first!, isSingle));
  const otherSeries = others.map((statistic) => ({ statistic, of: perSeries(statisticSeries(statistic, isSingle)) }));
  const sources = new Map<string, Source>();
  const entries = new Map<string, Entry>();
  let extras: Extra[] = [];
  const extraRows = createRows();
  const endedRows = createRows();
  let held = 0;
  /** Of the entries, those of series that ended in this window. */
  let ended = 0;

  const isGauge = ({ series }: Entry): boolean => series.metric.kind === 'gauge';

  function valueOf(entry: Entry): RowValue {
    const { exemplars } = entry;
    if (isGauge(entry)) return { ...entry.statistic(first!), exemplars };
    const { value, exact, point } = entry.isDelta ? entry.amount : entry;
    return { value: point === undefined ? value : NaN, exact, point, exemplars };
  }

  function hold(): Outcome {
    held++;
    return 'held';
  }

  /** Sets what is held apart, so that a point which cannot be added to it is held beside it. */
  function setApart(entry: Entry): boolean {
    if (extras.length >= maxSeries) return false;
    extras.push({ series: entry.series, time: entry.time, row: valueOf(entry) });
    entry.begin();
    return true;
  }

  function startsAnew(entry: Entry, series: Series): boolean {
    const { metric, startTime } = series;
    if (entry.isDelta || !entry.hasPoint || startTime <= entry.series.startTime) return false;
    // Of a whole collection each series is one row.
    return metric.temporality === 'cumulative' && entry.source.receiver === '';
  }

  function addTo(rows: Rows, entry: Entry): void {
    rows.add(isGauge(entry) ? firstSeries(entry.series) : entry.series, entry.time, valueOf(entry));
  }

  function closeSource(source: Source): HeldBatch[] {
    const { rows, further } = source;
    const staying: Entry[] = [];
    for (const entry of source.entries) {
      if (entry.endTime !== undefined) closeEnded(entry, further);
      else if (entry.hasPoint) {
        addTo(rows, entry);
        if (isGauge(entry)) {
          for (const { statistic, of } of otherSeries)
            further.add(of(entry.series), entry.time, entry.statistic(statistic));
        }
      }
      // What was silent for a whole window, or ended, makes room.
      if (entry.hasPoint && entry.endTime === undefined) staying.push(entry);
      else {
        entry.isGone = true;
        if (entries.get(entry.key) === entry) entries.delete(entry.key);
      }
      entry.begin();
    }
    source.entries.splice(0, Infinity, ...staying);
    const batches: HeldBatch[] = [];
    const collection = source.hasCollection ? { receiver: source.receiver, onDemand: false } : undefined;
    const { count } = rows;
    if (count > 0 || collection !== undefined) batches.push({ batch: rows.take(collection), to: next, held: count });
    if (further.count > 0) batches.push({ batch: further.take(undefined), to: own, held: 0 });
    source.hasCollection = false;
    return batches;
  }

  /** Its last value goes before its end, and both behind the collection, in which it is no more; unless it came back. */
  function closeEnded(entry: Entry, further: Rows): void {
    const time = entry.endTime!;
    const rows = entries.has(entry.key) ? extraRows : endedRows;
    addTo(rows, entry);
    rows.add(isGauge(entry) ? firstSeries(entry.series) : entry.series, time, ENDED);
    if (!isGauge(entry)) return;
    for (const { statistic, of } of otherSeries) {
      further.add(of(entry.series), entry.time, entry.statistic(statistic));
      further.add(of(entry.series), time, ENDED);
    }
  }

  return {
    sourceOf(batch) {
      const receiver = batch.collection?.receiver ?? '';
      let source = sources.get(receiver);
      if (source === undefined) {
        source = { receiver, hasCollection: false, entries: [], rows: createRows(), further: createRows() };
        sources.set(receiver, source);
      }
      return source;
    },
    entryOf(series, source) {
      const { key } = series;
      let entry = entries.get(key);
      if (entry === undefined && entries.size + ended < maxSeries) {
        entries.set(key, (entry = new Entry(series, source)));
        source.entries.push(entry);
      }
      return entry;
    },
    take(entry, batch, row) {
      const series = batch.series[row]!;
      if (startsAnew(entry, series)) setApart(entry);
      let isFirst = !entry.hasPoint;
      if (!entry.take(batch, row)) {
        if (entry.amount.point === undefined || !setApart(entry)) return 'not_mergeable';
        isFirst = true;
        entry.take(batch, row);
      }
      return isFirst ? hold() : 'merged';
    },
    end(series, time) {
      const entry = entries.get(series.key);
      if (entry === undefined) return false;
      // If it comes back, it is another one.
      entries.delete(entry.key);
      entry.isGone = true;
      if (!entry.hasPoint) return false;
      entry.endTime = time;
      ended++;
      return hold();
    },
    close() {
      for (const { series, time, row } of extras) extraRows.add(series, time, row);
      extras = [];
      const batches: HeldBatch[] = [];
      for (const [receiver, source] of sources) {
        batches.push(...closeSource(source));
        if (source.entries.length === 0) sources.delete(receiver);
      }
      // What is of an earlier run goes first.
      if (extraRows.count > 0) batches.unshift({ held: extraRows.count, batch: extraRows.take(undefined), to: next });
      if (endedRows.count > 0) batches.push({ held: endedRows.count, batch: endedRows.take(undefined), to: next });
      held = ended = 0;
      return batches;
    },
    get count() {
      return held;
    },
  };
}

const ENDED = { value: NaN, flags: NO_RECORDED_VALUE };
