/** Log batches to lines of the measurement `logs`: the log schema of github.com/influxdata/influxdb-observability. */
import type { AnyValue } from '../../src/model/attributes.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { valueJson } from '../../src/text/value_json.ts';
import { valueText } from '../../src/text/value_text.ts';
import type { Dialect } from './escape.ts';
import type { Bodies } from './items.ts';
import { createTagWriter, NO_TAGS } from './tags.ts';
import { createClock } from './times.ts';

export interface LogEncoderOptions {
  /** Attributes that become tags. */
  readonly dimensions: readonly string[];
  readonly dialect: Dialect;
  readonly unsigned: 'u' | 'i';
  /** Unix milliseconds, for records without any time. */
  readonly now: () => number;
}

const FIELDS = [
  'observed_time_unix_nano',
  'severity_number',
  'severity_text',
  'body',
  'event_name',
  'flags',
  'attributes',
  'dropped_attributes_count',
];

export function createLogEncoder({ dimensions, dialect, unsigned, now }: LogEncoderOptions) {
  // Whatever the precision of metrics: a coarser one would make more records one.
  const clock = createClock('ns');
  const areTags = new Set(dimensions);
  const writer = createTagWriter(dialect, false);

  function tagsOf({ resource, scope, attributes, traceId, spanId }: LogRecord): string {
    const tags = new Map<string, AnyValue>();
    for (const each of [resource.attributes, scope.attributes, attributes]) {
      for (const key of areTags) if (Object.hasOwn(each, key)) tags.set(key, each[key]!);
    }
    if (traceId !== '') tags.set('trace_id', traceId);
    if (spanId !== '') tags.set('span_id', spanId);
    return writer.text(NO_TAGS, Object.fromEntries(tags), (key) => FIELDS.includes(key));
  }

  function attributesOf({ resource, scope, attributes }: LogRecord): Record<string, AnyValue> {
    const rest: Record<string, AnyValue> = { __proto__: null } as never;
    if (scope.name !== '') rest['otel.library.name'] = scope.name;
    if (scope.version !== '') rest['otel.library.version'] = scope.version;
    for (const each of [resource.attributes, scope.attributes, attributes]) {
      for (const key of Object.keys(each)) if (key !== '' && !areTags.has(key)) rest[key] = each[key]!;
    }
    return rest;
  }

  function fieldsOf(record: LogRecord): string {
    const { observedTime, severityNumber, severityText, body, eventName, flags, droppedAttributesCount } = record;
    let fields = `body=${dialect.text(valueText(body))}`;
    if (observedTime > 0n && observedTime < 2n ** 63n) fields += `,observed_time_unix_nano=${observedTime}i`;
    if (severityNumber !== 0) fields += `,severity_number=${severityNumber}i`;
    if (severityText !== '') fields += `,severity_text=${dialect.text(severityText)}`;
    if (eventName !== '') fields += `,event_name=${dialect.text(eventName)}`;
    if (flags !== 0) fields += `,flags=${flags}i`;
    const attributes = attributesOf(record);
    if (Object.keys(attributes).length > 0) fields += `,attributes=${dialect.text(valueJson(attributes))}`;
    if (droppedAttributesCount > 0) fields += `,dropped_attributes_count=${droppedAttributesCount}${unsigned}`;
    return fields;
  }

  /** Writes every record of a batch. */
  return function encode({ records }: LogBatch, bodies: Bodies): void {
    const free = createFreeTimes();
    for (const record of records) {
      const tags = tagsOf(record);
      const known = [record.time, record.observedTime].find((time) => clock.stamp(time) !== undefined);
      const time = free(tags, known ?? BigInt(now()) * 1_000_000n);
      const stamp = clock.stamp(time);
      if (stamp === undefined) continue;
      bodies.writer.text(`logs${tags} ${fieldsOf(record)}`);
      bodies.writer.raw(stamp);
      bodies.end(1);
    }
  };
}

/**
 * Points of the same measurement, tags and time are one point to InfluxDB, of which the last wins. So of several
 * records of one nanosecond in a batch each after the first goes to the next nanosecond that is free.
 */
function createFreeTimes(): (tags: string, time: bigint) => bigint {
  /** By tags: of each time that is taken, one behind it that may be free. */
  const taken = new Map<string, Map<bigint, bigint>>();
  return (tags, time) => {
    let times = taken.get(tags);
    if (times === undefined) taken.set(tags, (times = new Map()));
    let free = time;
    for (let next = times.get(free); next !== undefined; next = times.get(free)) free = next;
    times.set(free, free + 1n);
    times.set(time, free + 1n);
    return free;
  };
}
