/** Attribute values as JSON, for back ends whose documents or lines are JSON: no integer loses a digit. */
import { DoubleValue, type AnyValue } from '../model/attributes.ts';
import { isInt64 } from '../model/otlp/writer.ts';

/** What nests deeper becomes null: OTLP receivers need not take more, and JSON parsers have limits of their own. */
const MAX_DEPTH = 64;

/**
 * JSON text of a value: integers with all digits, integral doubles as `1.0`, bytes in base64. JSON has no number for
 * not-a-number and the infinities: they are texts (`"NaN"`), or null where a text would change the type of a field.
 */
export function valueJson(value: AnyValue | undefined, nonFinite: 'text' | 'null' = 'text', depth = 1): string {
  switch (typeof value) {
    case 'string':
      return textJson(value);
    case 'number':
      if (!Number.isFinite(value)) return nonFinite === 'text' ? `"${value}"` : 'null';
      return isInt64(value) ? integerJson(value) : `${value}`;
    case 'bigint':
      return `${value}`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : objectJson(value, nonFinite, depth);
    default:
      return 'null';
  }
}

/** A double, always with a point or an exponent, so that no reader takes it for an integer. */
export function doubleJson(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  const text = `${value}`;
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Quoted text; halves of surrogate pairs, which no UTF-8 can hold, become U+FFFD. */
export function textJson(text: string): string {
  return JSON.stringify(text.isWellFormed() ? text : text.toWellFormed());
}

/** An integer in a double; above 2^53 JavaScript itself would print zeros for its last digits. */
export function integerJson(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? '-0' : `${value}`;
  return `${BigInt(value)}`;
}

function objectJson(value: AnyValue & object, nonFinite: 'text' | 'null', depth: number): string {
  if (value instanceof DoubleValue) return doubleJson(value.value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  if (depth > MAX_DEPTH) return 'null';
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value as readonly AnyValue[]) {
      text += `${text === '' ? '' : ','}${valueJson(item, nonFinite, depth + 1)}`;
    }
    return `[${text}]`;
  }
  for (const [key, item] of Object.entries(value as Readonly<Record<string, AnyValue>>)) {
    text += `${text === '' ? '' : ','}${textJson(key)}:${valueJson(item, nonFinite, depth + 1)}`;
  }
  return `{${text}}`;
}
