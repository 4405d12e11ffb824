/** JSON of what documents of either mapping hold. */
import { DoubleValue, type AnyValue, type Attributes } from '../../src/model/attributes.ts';
import { textJson, valueJson } from '../../src/text/value_json.ts';
import { valueText } from '../../src/text/value_text.ts';

/** Elasticsearch keeps nanoseconds in an int64. */
const MAX_TIME = 2n ** 63n - 1n;
const NANOSECONDS_PER_MS = 1_000_000n;

/** The first time that is one, or now. */
export function usableTime(time: bigint, otherwise: bigint): bigint {
  if (time > 0n && time <= MAX_TIME) return time;
  if (otherwise > 0n && otherwise <= MAX_TIME) return otherwise;
  return BigInt(Date.now()) * NANOSECONDS_PER_MS;
}

let lastTime = 0n;
let lastText = '1970-01-01T00:00:00.000000000Z';

/** `2023-11-14T22:13:20.000000001Z`; times repeat from document to document. */
export function timeText(time: bigint): string {
  if (time === lastTime) return lastText;
  const time_ms = time / NANOSECONDS_PER_MS;
  const rest = `${time - time_ms * NANOSECONDS_PER_MS}`.padStart(6, '0');
  lastTime = time;
  lastText = `${new Date(Number(time_ms)).toISOString().slice(0, -1)}${rest}Z`;
  return lastText;
}

/** Attributes that say where a document goes, and are no part of it. */
export function isRouting(key: string): boolean {
  return key === 'data_stream.dataset' || key === 'data_stream.namespace' || key === 'data_stream.type';
}

export function isMap(value: AnyValue | undefined): value is Attributes {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !(value instanceof Uint8Array) && !(value instanceof DoubleValue);
}

/** As text: lists and maps as JSON, everything else as it is. */
export function bodyText(value: AnyValue): string {
  return Array.isArray(value) || isMap(value) ? valueJson(value) : valueText(value);
}

/** JSON has no not-a-number and no infinities, and a text would give the field another type: such a value is none. */
export function isJsonNumber(value: AnyValue | undefined): boolean {
  if (value instanceof DoubleValue) return Number.isFinite(value.value);
  return typeof value !== 'number' || Number.isFinite(value);
}

/** `"key":value,`; nothing for an empty text. */
export function textMember(key: string, value: string): string {
  return value === '' ? '' : `"${key}":${textJson(value)},`;
}

/** `"key":7,`; nothing for 0. */
export function countMember(key: string, value: number | undefined): string {
  return value === undefined || value === 0 ? '' : `"${key}":${value},`;
}

/** Members with a comma behind each, as an object. */
export function objectOf(members: string): string {
  return `{${members.slice(0, -1)}}`;
}

/**
 * The value with `_` for names of members that have nothing to be seen, for Elasticsearch refuses documents with such;
 * itself where there are none.
 */
export function withNames<V extends AnyValue>(value: V): V {
  if (Array.isArray(value)) {
    const items = value as readonly AnyValue[];
    const cleaned = items.map(withNames);
    return items.every((item, index) => item === cleaned[index]) ? value : (cleaned as AnyValue as V);
  }
  if (!isMap(value)) return value;
  const map: Attributes = value;
  const entries: [string, AnyValue][] = [];
  let isSame = true;
  let made = '';
  for (const key of Object.keys(map)) {
    const member = map[key]!;
    const cleaned = withNames(member);
    const isNameless = key.trim() === '';
    if (isNameless) {
      do made += '_';
      while (Object.hasOwn(map, made));
    }
    isSame &&= !isNameless && cleaned === member;
    entries.push([isNameless ? made : key, cleaned]);
  }
  return isSame ? value : (Object.fromEntries(entries) as AnyValue as V);
}
