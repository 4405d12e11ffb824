/**
 * Values of templates, as far as Go's types make a difference: a number is a float64, a bigint an int, undefined nil.
 */
import { floatText } from './float_text.ts';

export type Value =
  | undefined
  | string
  | boolean
  | number
  | bigint
  | Struct
  | TextMap
  | AnyMap
  | Instant
  | readonly Value[];

/** Something with fields of its own; another field is an error. */
export class Struct {
  readonly typeName: string;
  readonly fields: ReadonlyMap<string, Value>;
  constructor(typeName: string, fields: ReadonlyMap<string, Value>) {
    this.typeName = typeName;
    this.fields = fields;
  }
}

/** A map[string]string: what is not there is an empty text. */
export class TextMap {
  readonly entries: ReadonlyMap<string, string>;
  constructor(entries: ReadonlyMap<string, string>) {
    this.entries = entries;
  }
}

/** A map[string]any: what is not there is nil. */
export class AnyMap {
  readonly entries: ReadonlyMap<string, Value>;
  constructor(entries: ReadonlyMap<string, Value>) {
    this.entries = entries;
  }
}

/** A point in time, UTC. */
export class Instant {
  readonly time_ms: number;
  constructor(time_ms: number) {
    this.time_ms = time_ms;
  }
}

/** Why an expansion ended; the executor adds where. */
export class TemplateError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'TemplateError';
  }
}

export function typeName(value: Value): string {
  if (value === undefined) return '<nil>';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return 'float64';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'boolean') return 'bool';
  if (value instanceof Struct) return value.typeName;
  if (value instanceof TextMap) return 'map[string]string';
  if (value instanceof AnyMap) return 'map[string]interface {}';
  if (value instanceof Instant) return '*time.Time';
  return 'template.queryResult';
}

/** What `if` makes of it: zero, nil and what is empty are false. */
export function isTrue(value: Value): boolean {
  if (value === undefined) return false;
  if (typeof value === 'string') return value !== '';
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'bigint') return value !== 0n;
  if (typeof value === 'boolean') return value;
  if (value instanceof TextMap || value instanceof AnyMap) return value.entries.size > 0;
  if (isList(value)) return value.length > 0;
  return true;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** As `%v`: what an action prints. */
export function valueText(value: Value, depth = 0): string {
  if (value === undefined) return depth === 0 ? '<no value>' : '<nil>';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return floatText(value, 'g', -1);
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof Instant) return instantText(value);
  if (value instanceof Struct) {
    const fields = Array.from(value.fields.values(), (field) => valueText(field, depth + 1));
    return `{${fields.join(' ')}}`;
  }
  if (isList(value)) return `[${value.map((each) => valueText(each, depth + 1)).join(' ')}]`;
  const entries: ReadonlyMap<string, Value> = value.entries;
  return `map[${sortedKeys(entries)
    .map((key) => `${key}:${valueText(entries.get(key), depth + 1)}`)
    .join(' ')}]`;
}

/** By their UTF-8 bytes. */
export function sortedKeys(entries: ReadonlyMap<string, unknown>): string[] {
  return [...entries.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** `2015-06-23 13:16:24.128 +0000 UTC`, as Go prints a time. */
function instantText({ time_ms }: Instant): string {
  const date = new Date(time_ms);
  // Beyond JavaScript's 275,000 years Go's own nanoseconds have ended long ago.
  const iso = date.toISOString();
  const milliseconds = iso.slice(iso.lastIndexOf('.') + 1, -1).replace(/0+$/, '');
  const seconds = iso.slice(0, iso.lastIndexOf('.')).replace('T', ' ');
  return `${seconds}${milliseconds === '' ? '' : `.${milliseconds}`} +0000 UTC`;
}
