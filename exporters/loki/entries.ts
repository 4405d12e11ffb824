/** Log records as lines with structured metadata, in streams. */
import type { LogRecord } from '../../src/model/batch.ts';
import { lineOf } from './lines.ts';
import { createOrigins, pairBytes, placeRecord, type Origin, type Placed } from './labels.ts';
import { addPairs, freeName, type Pair } from './names.ts';
import type { Limits, PushOptions } from './options.ts';

export interface Entry {
  /** Unix nanoseconds. */
  readonly time: bigint;
  readonly line: string;
  /** Structured metadata of its own. */
  readonly pairs: readonly Pair[];
  /** Whose shared structured metadata follows. */
  readonly origin: Origin | undefined;
}

/** Entries with the same labels, in order of time. */
export interface Stream {
  readonly labels: readonly Pair[];
  readonly entries: readonly Entry[];
}

export interface EntryOptions extends PushOptions {
  /** Counts records that can be no entry. */
  readonly drop: (reason: 'line_too_long', count: number) => void;
  /** Says once that a line was cut. */
  readonly onTruncated: () => void;
}

/** Loki keeps times in an int64 of nanoseconds. */
const MAX_TIME = 2n ** 63n - 1n;

export function createStreams(
  options: EntryOptions,
): (records: readonly LogRecord[], now: bigint) => readonly Stream[] {
  const originOf = createOrigins(options.labels, options.limits);
  const isWhole = options.line !== 'body';

  function entryOf(record: LogRecord, origin: Origin, place: Placed, level: string, now: bigint): Entry | undefined {
    const { text: line, cut_bytes } = lineOf(record, level, options);
    if (cut_bytes > 0 && (options.long_lines === 'drop' || line === undefined)) {
      options.drop('line_too_long', 1);
      return undefined;
    }
    if (cut_bytes > 0) options.onTruncated();
    const time = timeOf(record, now);
    if (isWhole) return { time, line: line!, pairs: [], origin: undefined };
    return { time, line: line!, ...metadataOf(record, origin, place, level, cut_bytes, options.limits) };
  }

  return (records, now) => {
    const streams = new Map<string, { labels: readonly Pair[]; entries: Entry[]; isSorted: boolean }>();
    for (const record of records) {
      const origin = originOf(record.resource, record.scope);
      const level = levelOf(record);
      const place = placeRecord(record, origin, level, options.labels, options.limits);
      const entry = entryOf(record, origin, place, level, now);
      if (entry === undefined) continue;
      const stream = streams.get(place.key);
      if (stream === undefined) {
        streams.set(place.key, { labels: place.labels, entries: [entry], isSorted: true });
        continue;
      }
      if (entry.time < stream.entries.at(-1)!.time) stream.isSorted = false;
      stream.entries.push(entry);
    }
    for (const { entries, isSorted } of streams.values()) {
      if (!isSorted) entries.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    }
    return [...streams.values()];
  };
}

function timeOf({ time, observedTime }: LogRecord, now: bigint): bigint {
  if (time > 0n && time <= MAX_TIME) return time;
  return observedTime > 0n && observedTime <= MAX_TIME ? observedTime : now;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** The word that Loki detects levels by; '' where the record has none, or one that Loki reads itself. */
function levelOf({ severityNumber }: LogRecord): string {
  return severityNumber < 1 ? '' : (LEVELS[Math.ceil(severityNumber / 4) - 1] ?? '');
}

function metadataOf(
  record: LogRecord,
  origin: Origin,
  place: Placed,
  level: string,
  cut_bytes: number,
  limits: Limits,
): Pick<Entry, 'pairs' | 'origin'> {
  const pairs = ownPairs(record, level, cut_bytes, place);
  const { attributes } = record;
  const found: Pair[] = [];
  for (const key of Object.keys(attributes)) {
    if (place.taken?.has(key)) continue;
    found.length = 0;
    addPairs(found, key, attributes[key], 0);
    for (const pair of found) addFree(pairs, pair, origin, place);
  }
  const room_bytes = limits.metadata_bytes - origin.shared_bytes;
  const fits =
    pairs.length + origin.shared.length <= limits.metadata_entries &&
    (areFewBytes(pairs, room_bytes) || sizeOf(pairs) <= room_bytes);
  return fits
    ? { pairs, origin }
    : { pairs: cutPairs([...pairs, ...origin.shared], record, limits), origin: undefined };
}

/** Whether they fit even if every UTF-16 unit takes the three bytes of UTF-8 that it can take: counting costs more. */
function areFewBytes(pairs: readonly Pair[], room_bytes: number): boolean {
  let units = 0;
  for (const [name, value] of pairs) units += name.length + value.length;
  return units * 3 <= room_bytes;
}

function sizeOf(pairs: readonly Pair[]): number {
  return pairs.reduce((sum, pair) => sum + pairBytes(pair), 0);
}

/** Fields of the record under the names that Loki's OTLP endpoint gives them. */
function ownPairs(record: LogRecord, level: string, cut_bytes: number, place: Placed): Pair[] {
  const pairs: Pair[] = [];
  const { severityNumber, severityText, traceId, spanId, eventName, flags, time, observedTime } = record;
  if (level !== '' && !place.names.has('level')) pairs.push(['level', level]);
  if (severityText !== '') pairs.push(['severity_text', severityText]);
  if (severityNumber !== 0) pairs.push(['severity_number', `${severityNumber}`]);
  if (traceId !== '') pairs.push(['trace_id', traceId]);
  if (spanId !== '') pairs.push(['span_id', spanId]);
  if (eventName !== '') pairs.push(['event_name', eventName]);
  if (flags !== 0) pairs.push(['flags', `${flags}`]);
  if (time !== 0n && observedTime !== 0n && observedTime !== time)
    pairs.push(['observed_timestamp', `${observedTime}`]);
  if (record.droppedAttributesCount !== 0) pairs.push([DROPPED, `${record.droppedAttributesCount}`]);
  if (cut_bytes > 0) pairs.push(['truncated_bytes', `${cut_bytes}`]);
  return pairs;
}

const DROPPED = 'dropped_attributes_count';

function addFree(pairs: Pair[], pair: Pair, { sharedValues, labels }: Origin, { names }: Placed): void {
  const [name, value] = pair;
  const isTaken = (wanted: string): boolean =>
    names.has(wanted) || sharedValues.has(wanted) || pairs.some(([other]) => other === wanted);
  if (!isTaken(name)) {
    pairs.push(pair);
    return;
  }
  // The same name with the same value says it twice.
  if (sharedValues.get(name) === value || labels.some((label) => label[0] === name && label[1] === value)) return;
  pairs.push([freeName(name, isTaken), value]);
}

/** As many of the pairs as the limits allow, the first before the last; how many are missing is said as OTLP says it. */
function cutPairs(pairs: readonly Pair[], record: LogRecord, limits: Limits): readonly Pair[] {
  const rest = pairs.filter(([name]) => name !== DROPPED);
  // Room for the count itself, which may have ten digits.
  let room_bytes = limits.metadata_bytes - DROPPED.length - 10;
  let room = limits.metadata_entries - 1;
  const kept: Pair[] = [];
  for (const pair of rest) {
    const bytes = pairBytes(pair);
    if (room < 1 || bytes > room_bytes) continue;
    kept.push(pair);
    room -= 1;
    room_bytes -= bytes;
  }
  const left = rest.length - kept.length + record.droppedAttributesCount;
  if (room >= 0 && room_bytes >= 0) kept.push([DROPPED, `${left}`]);
  return kept;
}
