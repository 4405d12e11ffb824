/**
 * Attribute values as OTLP knows them (`AnyValue` of opentelemetry/proto/common/v1/common.proto).
 *
 * A `number` that is an integer travels as `int_value`, any other as `double_value`; a `bigint` is an `int_value`
 * beyond 2^53; a {@link DoubleValue} is a `double_value` that happens to be integral, so that it comes back as it came.
 */
export type AnyValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | DoubleValue
  | Uint8Array
  | readonly AnyValue[]
  | { readonly [key: string]: AnyValue };

/** Attributes by key. Must not change once a series or record holds them: encoders cache by the object's identity. */
export type Attributes = { readonly [key: string]: AnyValue };

/** A double whose value is integral, such as 1.0, which a plain number could not tell from the integer 1. */
export class DoubleValue {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export const NO_ATTRIBUTES: Attributes = Object.freeze({});

/** Sets that come again as the same object: what is derived from them is worth keeping. */
const lasting = new WeakSet<Attributes>();

export function markLasting(attributes: Attributes): void {
  lasting.add(attributes);
}

export function isLasting(attributes: Attributes): boolean {
  return lasting.has(attributes);
}

/**
 * Wraps `derive` so that it runs once for each set that comes again as the same object; for others, which a WeakMap
 * would cost more than most derivations, each time.
 */
export function perAttributes<T>(derive: (attributes: Attributes) => T): (attributes: Attributes) => T {
  const known = new WeakMap<Attributes, { readonly value: T }>();
  return (attributes) => {
    if (!lasting.has(attributes)) return derive(attributes);
    let entry = known.get(attributes);
    if (entry === undefined) known.set(attributes, (entry = { value: derive(attributes) }));
    return entry.value;
  };
}

/**
 * Canonical text of a set of attributes: equal for equal content, whatever the order of the keys. Lengths keep apart what
 * follows each other, as quotes would; what JSON.stringify makes, V8 frees only when it collects the whole heap.
 */
export const attributesKey = perAttributes((attributes): string => {
  const keys = Object.keys(attributes);
  if (keys.length > 1) keys.sort();
  let text = '';
  for (const key of keys) text += `${textKey(key)}=${valueKey(attributes[key])},`;
  return text;
});

function valueKey(value: AnyValue | undefined): string {
  if (typeof value === 'string') return textKey(value);
  if (typeof value === 'bigint') return `${value}`;
  if (value === null || value === undefined) return 'null';
  if (typeof value !== 'object') return String(value);
  if (value instanceof DoubleValue) return `d${value.value}`;
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString('base64')}`;
  if (Array.isArray(value)) return `[${value.map(valueKey).join()}]`;
  return `{${attributesKey(value as Attributes)}}`;
}

function textKey(text: string): string {
  return `${text.length}:${text}`;
}
