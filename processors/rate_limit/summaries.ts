/** What was left out in an interval, key by key, as records that say so. */
import { NO_ATTRIBUTES, type AnyValue } from '../../src/model/attributes.ts';
import type { LogRecord, Scope } from '../../src/model/batch.ts';
import { eventRecord, WARN } from '../../src/model/event_record.ts';
import { readField, type RecordField } from '../../src/model/record_fields.ts';
import { VERSION } from '../../src/model/version.ts';
import { timestampText } from '../../src/text/timestamp.ts';

/** `event.name` of a summary. */
export const SUMMARY_EVENT = 'sonde.rate_limit.exceeded';

const SCOPE: Scope = {
  name: 'sonde.processor.rate_limit',
  version: VERSION,
  attributes: NO_ATTRIBUTES,
  schemaUrl: '',
};

interface Summary {
  /** The first record that was left out. */
  readonly record: LogRecord;
  readonly isCrowdedOut: boolean;
  count: number;
  readonly first: bigint;
  last: bigint;
}

export interface Summaries {
  /** Whether the record is the first of its key in this interval: the summary takes its place. */
  add(key: string, record: LogRecord, isCrowdedOut: boolean): boolean;
  /** The summaries of the interval; after it there are none. */
  take(time: bigint): LogRecord[];
  readonly count: number;
}

/** Keys without a bucket of their own have one summary together. */
const TOGETHER = ' ';

export function createSummaries(fields: readonly RecordField[]): Summaries {
  let summaries = new Map<string, Summary>();

  function finish({ record, isCrowdedOut, count, first, last }: Summary, time: bigint): LogRecord {
    const attributes: Record<string, AnyValue> = {};
    if (!isCrowdedOut) {
      for (const field of fields) {
        const value = readField(record, field);
        if (value !== undefined) attributes[nameOf(field)] = value;
      }
    }
    attributes['sonde.rate_limit.dropped'] = count;
    attributes['sonde.rate_limit.first'] = timestampText(first);
    attributes['sonde.rate_limit.last'] = timestampText(last);
    return eventRecord({
      resource: record.resource,
      scope: SCOPE,
      time,
      observedTime: time,
      severityNumber: WARN,
      body: `${count} log ${count === 1 ? 'record' : 'records'} above the rate limit left out`,
      attributes,
      eventName: SUMMARY_EVENT,
    });
  }

  return {
    get count() {
      return summaries.size;
    },
    add(ownKey, record, isCrowdedOut) {
      const key = isCrowdedOut ? TOGETHER : ownKey;
      const time = record.time === 0n ? record.observedTime : record.time;
      const summary = summaries.get(key);
      if (summary === undefined) {
        summaries.set(key, { record, isCrowdedOut, count: 1, first: time, last: time });
        return true;
      }
      summary.count++;
      summary.last = time;
      return false;
    },
    take(time) {
      const taken = Array.from(summaries.values(), (summary) => finish(summary, time));
      summaries = new Map();
      return taken;
    },
  };
}

/** The name of an attribute as it was; fields that are none by their own. */
function nameOf(field: RecordField): string {
  return 'holder' in field && field.holder !== 'body' ? field.keys.join('.') : field.text;
}
