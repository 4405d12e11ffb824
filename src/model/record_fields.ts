/** Names fields of log records, as `body.user.id`, `attributes.http.route` or `severity_text`. */
import { DoubleValue, type AnyValue, type Attributes } from './attributes.ts';
import type { LogRecord } from './batch.ts';

const PLAIN = ['body', 'severity_number', 'severity_text', 'event_name', 'trace_id', 'span_id', 'scope'] as const;
const HOLDERS = ['body', 'attributes', 'resource'] as const;

/** `keys` leads into the holder: the name as written, and split at its dots for maps in maps. */
export type RecordField =
  | { readonly text: string; readonly plain: (typeof PLAIN)[number] }
  | { readonly text: string; readonly holder: (typeof HOLDERS)[number]; readonly keys: readonly string[] };

/** What may stand as a field. */
export const FIELD_FORMS = `${PLAIN.join(', ')}, body.NAME, attributes.NAME or resource.NAME`;

/** Dots lead into maps; `\.` is a dot of a name. A name with dots that is there as a whole goes before. */
export function parseField(text: string): RecordField | undefined {
  const plain = PLAIN.find((name) => name === text);
  if (plain !== undefined) return { text, plain };
  const holder = HOLDERS.find((name) => text.startsWith(`${name}.`) && text.length > name.length + 1);
  if (holder === undefined) return undefined;
  const name = text.slice(holder.length + 1);
  return { text, holder, keys: name.split(/(?<!\\)\./).map((key) => key.replaceAll('\\.', '.')) };
}

export function readField(record: LogRecord, field: RecordField): AnyValue | undefined {
  if ('holder' in field) return readPath(holderOf(record, field.holder), field.keys);
  switch (field.plain) {
    case 'body':
      return record.body;
    case 'severity_number':
      return record.severityNumber;
    case 'severity_text':
      return record.severityText;
    case 'event_name':
      return record.eventName;
    case 'trace_id':
      return record.traceId;
    case 'span_id':
      return record.spanId;
    case 'scope':
      return record.scope.name;
  }
}

/** The record without these fields of its body and attributes. */
export function withoutFields(record: LogRecord, fields: readonly RecordField[]): LogRecord {
  let { body, attributes } = record;
  for (const field of fields) {
    if (!('holder' in field)) continue;
    if (field.holder === 'attributes') attributes = withoutPath(attributes, field.keys) as Attributes;
    if (field.holder === 'body') body = withoutPath(body, field.keys);
  }
  return body === record.body && attributes === record.attributes ? record : { ...record, body, attributes };
}

function holderOf(record: LogRecord, holder: (typeof HOLDERS)[number]): AnyValue | undefined {
  if (holder === 'body') return record.body;
  return holder === 'attributes' ? record.attributes : record.resource.attributes;
}

function readPath(value: AnyValue | undefined, keys: readonly string[]): AnyValue | undefined {
  if (!isMap(value)) return undefined;
  const whole = keys.join('.');
  if (Object.hasOwn(value, whole)) return value[whole];
  const [first, ...rest] = keys;
  return rest.length === 0 || !Object.hasOwn(value, first!) ? undefined : readPath(value[first!], rest);
}

function withoutPath(value: AnyValue | undefined, keys: readonly string[]): AnyValue | undefined {
  if (!isMap(value)) return value;
  const whole = keys.join('.');
  if (Object.hasOwn(value, whole)) {
    return Object.fromEntries(Object.entries(value).filter(([key]) => key !== whole));
  }
  const [first, ...rest] = keys;
  if (rest.length === 0 || !Object.hasOwn(value, first!)) return value;
  const inner = withoutPath(value[first!], rest);
  return inner === value[first!] ? value : { ...value, [first!]: inner! };
}

export function isMap(value: AnyValue | undefined): value is Attributes {
  const isObject = typeof value === 'object' && value !== null;
  return isObject && !(Array.isArray(value) || value instanceof Uint8Array || value instanceof DoubleValue);
}
