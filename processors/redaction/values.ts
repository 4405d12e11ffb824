/** Masks attribute values of every shape, whole or in part. */
import { DoubleValue, type AnyValue, type Attributes } from '../../src/model/attributes.ts';
import { valueText } from '../../src/text/value_text.ts';

export interface ValueMaskerOptions {
  readonly maskText: (text: string) => string;
  readonly replace: (secret: string) => string;
  /** Asked with names in lower case. */
  readonly isSecretKey: (key: string) => boolean;
  readonly isAllowedKey: (key: string) => boolean;
  readonly masked: (rule: string) => void;
}

export interface ValueMasker {
  /** Hands back the very same value where nothing in it is secret. */
  maskValue(value: AnyValue): AnyValue;
  maskAttributes(attributes: Attributes): Attributes;
}

/** The rule that values are counted under which are masked for their name. */
export const KEY_RULE = 'key';

/** What nests deeper is masked unseen: OTLP receivers need not take it, and the search must end. */
const MAX_DEPTH = 64;
/** Names are few and come again and again; those that do not are forgotten. */
const MAX_REMEMBERED_NAMES = 4096;
/** Shorter integers are no card numbers. */
const SHORTEST_NUMBER = 1e12;

type Verdict = 'secret' | 'allowed' | 'search';

export function createValueMasker(options: ValueMaskerOptions): ValueMasker {
  const { maskText, replace, isSecretKey, isAllowedKey, masked } = options;
  const verdicts = new Map<string, Verdict>();

  function verdictOn(key: string): Verdict {
    let verdict = verdicts.get(key);
    if (verdict === undefined) {
      const name = key.toLowerCase();
      verdict = isAllowedKey(name) ? 'allowed' : isSecretKey(name) ? 'secret' : 'search';
      if (verdicts.size >= MAX_REMEMBERED_NAMES) verdicts.clear();
      verdicts.set(key, verdict);
    }
    return verdict;
  }

  function maskWhole(value: AnyValue): AnyValue {
    const text = valueText(value);
    // What is empty is no secret, and that it is empty may be what is looked for; true and false only say that there is one.
    if (text === '' || typeof value === 'boolean') return value;
    masked(KEY_RULE);
    return replace(text);
  }

  function search(value: AnyValue, depth: number): AnyValue {
    switch (typeof value) {
      case 'string':
        return maskText(value);
      case 'number':
      case 'bigint':
        return searchNumber(value);
      case 'object':
        if (value === null || value instanceof DoubleValue || value instanceof Uint8Array) return value;
        if (depth >= MAX_DEPTH) return maskWhole(value);
        return Array.isArray(value) ? searchList(value, depth) : searchMap(value as Attributes, depth);
      default:
        return value;
    }
  }

  function searchNumber(value: number | bigint): AnyValue {
    if (value < SHORTEST_NUMBER || (typeof value === 'number' && !Number.isSafeInteger(value))) return value;
    const text = `${value}`;
    const result = maskText(text);
    return result === text ? value : result;
  }

  function searchList(list: readonly AnyValue[], depth: number): AnyValue {
    const result = list.map((item) => search(item, depth + 1));
    return result.every((item, index) => item === list[index]) ? list : result;
  }

  function searchMap(map: Attributes, depth: number): Attributes {
    let result: Map<string, AnyValue> | undefined;
    const keys = Object.keys(map);
    for (const [index, key] of keys.entries()) {
      const value = map[key]!;
      const verdict = verdictOn(key);
      const newKey = verdict === 'allowed' ? key : maskText(key);
      const newValue =
        verdict === 'allowed' ? value : verdict === 'secret' ? maskWhole(value) : search(value, depth + 1);
      if (result === undefined) {
        if (newKey === key && newValue === value) continue;
        result = new Map(keys.slice(0, index).map((before) => [before, map[before]!]));
      }
      result.set(freeKey(newKey, key, map, result), newValue);
    }
    return result === undefined ? map : Object.fromEntries(result);
  }

  return {
    maskValue: (value) => search(value, 0),
    maskAttributes: (attributes) => searchMap(attributes, 0),
  };
}

/** Two names that were masked must not become one, or a value would be lost. */
function freeKey(wanted: string, key: string, map: Attributes, taken: ReadonlyMap<string, AnyValue>): string {
  if (wanted === key) return key;
  let free = wanted;
  for (let number = 2; taken.has(free) || Object.hasOwn(map, free); number++) free = `${wanted}.${number}`;
  return free;
}
