/** What templates can call, and what it wants of its arguments. */
import { isList, Struct, type Value } from './values.ts';

/** What a function wants of an argument; others are refused, as Go refuses them. */
export type Kind = 'any' | 'text' | 'sample' | 'list';

export interface TemplateFunction {
  /** Of each argument; with `isVariadic` the last stands for any number. */
  readonly kinds: readonly Kind[];
  readonly isVariadic?: true;
  /** Steps that a call takes, beside those for the size of what it is given; none if left out. */
  readonly cost?: number;
  /** @throws why it cannot */
  readonly call: (args: readonly Value[]) => Value;
}

export type Functions = ReadonlyMap<string, TemplateFunction>;

/** Why a value is no argument of a kind, as Go says it; undefined where it is. */
export function refusalOf(value: Value, kind: Kind, written: string): string | undefined {
  if (kind === 'any') return undefined;
  if (kind === 'text' && typeof value === 'string') return undefined;
  if (kind === 'sample' && value instanceof Struct) return undefined;
  if (kind === 'list' && isList(value)) return undefined;
  const isObject = kind === 'sample' || kind === 'list';
  if (isObject && typeof value === 'string') return `can't handle ${written} for arg of type ${NAMES[kind]}`;
  return `expected ${NAMES[kind]}; found ${written}`;
}

const NAMES: Readonly<Record<Kind, string>> = {
  any: 'value',
  text: 'string',
  sample: '*template.sample',
  list: 'template.queryResult',
};
