/** Attributes as label and structured metadata names and values, as Loki's own OTLP endpoint makes them. */
import type { AnyValue, Attributes } from '../../src/model/attributes.ts';
import { DoubleValue } from '../../src/model/attributes.ts';
import { valueJson } from '../../src/text/value_json.ts';
import { valueText } from '../../src/text/value_text.ts';

export type Pair = readonly [name: string, value: string];

const names = new Map<string, string>();
/** Names come from data: what is remembered is bounded. */
const MAX_REMEMBERED = 10_000;

/**
 * A name that LogQL can write: `[a-zA-Z][a-zA-Z0-9_]*`. Every other character becomes `_`; a name that would begin with
 * a digit gets `key_` before it, one with an underscore (reserved where there are two) `key` (prometheus/otlptranslator).
 */
export function labelName(key: string): string {
  let name = names.get(key);
  if (name === undefined) {
    name = key.replace(/[^a-zA-Z0-9_]/gu, '_');
    if (/^[0-9]|^$/.test(name)) name = `key_${name}`;
    else if (name.startsWith('_')) name = `key${name}`;
    if (names.size >= MAX_REMEMBERED) names.clear();
    names.set(key, name);
  }
  return name;
}

/** `name`, or the first of `name_2`, `name_3`, … that is free. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(name)) return name;
  let number = 2;
  while (isTaken(`${name}_${number}`)) number++;
  return `${name}_${number}`;
}

/** Attributes as pairs: a map becomes one for each of its members, `a: {b: 1}` as `a_b`. */
export function attributePairs(attributes: Attributes): Pair[] {
  const pairs: Pair[] = [];
  for (const key of Object.keys(attributes)) addPairs(pairs, key, attributes[key], 0);
  return pairs;
}

/** Appends what one attribute becomes. */
export function addPairs(pairs: Pair[], key: string, value: AnyValue | undefined, depth: number): void {
  if (isMap(value) && depth < MAX_DEPTH) {
    for (const member of Object.keys(value)) addPairs(pairs, `${key}_${member}`, value[member], depth + 1);
  } else pairs.push([labelName(key), asText(value)]);
}

/** Deeper maps are JSON. */
const MAX_DEPTH = 16;

function isMap(value: AnyValue | undefined): value is Attributes {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !(value instanceof Uint8Array) && !(value instanceof DoubleValue);
}

/** What OpenTelemetry calls AsString: scalars as they are, bytes in base64, lists and maps as JSON. */
export function asText(value: AnyValue | undefined): string {
  if (typeof value === 'number')
    return Object.is(value, -0) ? '-0' : Number.isFinite(value) ? valueJson(value) : `${value}`;
  return Array.isArray(value) || isMap(value) ? valueJson(value) : valueText(value);
}
