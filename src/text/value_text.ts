/** The text of an attribute value, as patterns match it and hashes are made of it. */
import { DoubleValue, type AnyValue } from '../model/attributes.ts';

/** Strings as they are; numbers and truth values as in JSON; bytes in base64; lists and maps as JSON. */
export function valueText(value: AnyValue | undefined): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (typeof value !== 'object') return String(value);
  if (value instanceof DoubleValue) return String(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint' || each instanceof Uint8Array || each instanceof DoubleValue) return valueText(each);
    return each;
  });
}
