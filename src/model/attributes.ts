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

/** Canonical text of a set of attributes: equal for equal content, whatever the order of the keys. */
export function attributesKey(attributes: Attributes): string {
  const keys = Object.keys(attributes);
  if (keys.length > 1) keys.sort();
  let text = '';
  for (const key of keys) text += `${JSON.stringify(key)}:${valueKey(attributes[key])},`;
  return text;
}

function valueKey(value: AnyValue | undefined): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}`;
  if (value === null || value === undefined) return 'null';
  if (typeof value !== 'object') return String(value);
  if (value instanceof DoubleValue) return `d${value.value}`;
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString('base64')}`;
  if (Array.isArray(value)) return `[${value.map(valueKey).join()}]`;
  return `{${attributesKey(value as Attributes)}}`;
}
