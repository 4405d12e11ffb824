/** How many records there were, by values of theirs. */
import { attributesKey, type AnyValue } from '../../src/model/attributes.ts';
import type { LogRecord } from '../../src/model/batch.ts';
import { parseField, readField } from '../../src/model/record_fields.ts';
import { valueText } from '../../src/text/value_text.ts';

export interface TallyAttribute {
  readonly key: string;
  readonly field?: string | undefined;
  readonly default_value?: string | number | boolean | undefined;
}

/** What an attribute of a metric may be. */
type Value = string | number | boolean;

interface Count {
  /** The very same object each time. */
  readonly attributes: Readonly<Record<string, Value>>;
  count: number;
}

export interface Tally {
  add(record: LogRecord): void;
  counts(): Iterable<Readonly<Count>>;
}

/** What is beyond the limit is counted together (OpenTelemetry metrics SDK, overflow attribute). */
const OVERFLOW = { 'otel.metric.overflow': true };

/** @param limit sets of attributes that are counted apart, the one for the rest among them */
export function createTally(attributes: readonly TallyAttribute[], limit: number): Tally {
  const counts = new Map<string, Count>();
  const readers = attributes.map(({ key, field, default_value }) => {
    const path = field === undefined ? undefined : parseField(field);
    return (record: LogRecord): Value | undefined =>
      toValue(path === undefined ? attributeOf(record, key) : readField(record, path)) ?? default_value;
  });
  // Without attributes there is one number, which is there from the start.
  if (attributes.length === 0) counts.set('', { attributes: {}, count: 0 });
  const overflow: Count = { attributes: OVERFLOW, count: 0 };

  function countOf(record: LogRecord): Count | undefined {
    if (readers.length === 0) return counts.get('');
    const values: Record<string, Value> = {};
    for (const [index, read] of readers.entries()) {
      const value = read(record);
      if (value === undefined) return undefined;
      values[attributes[index]!.key] = value;
    }
    const key = attributesKey(values);
    let count = counts.get(key);
    if (count === undefined) {
      if (counts.size >= limit - 1) return overflow;
      counts.set(key, (count = { attributes: values, count: 0 }));
    }
    return count;
  }

  return {
    add(record) {
      const count = countOf(record);
      if (count !== undefined) count.count++;
    },
    *counts() {
      yield* counts.values();
      if (overflow.count > 0) yield overflow;
    },
  };
}

function attributeOf({ attributes, resource }: LogRecord, key: string): AnyValue | undefined {
  const holder = Object.hasOwn(attributes, key) ? attributes : resource.attributes;
  return Object.hasOwn(holder, key) ? holder[key] : undefined;
}

/** Lists, maps and bytes as text: a series is told apart by it. Nothing for what is empty. */
function toValue(value: AnyValue | undefined): Value | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return valueText(value);
}
