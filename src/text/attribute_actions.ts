/** The option `actions` of processors: what is done to a set of attributes, one action after the other. */
import * as v from 'valibot';
import { optional } from '../config/options.ts';
import { DoubleValue, type AnyValue, type Attributes } from '../model/attributes.ts';
import { whatIsWrongWith } from './pattern.ts';
import { compileRegExp } from './regexp.ts';
import { valueText } from './value_text.ts';

const action = v.pipe(
  v.strictObject({
    action: v.pipe(
      v.picklist(['insert', 'update', 'upsert', 'rename', 'delete', 'hash', 'extract', 'convert']),
      v.description(
        'insert sets an attribute that is not there, update one that is, upsert either; rename gives it the name new_key ' +
          '(over an attribute that has it); delete removes it; hash puts the SHA-256 of its text, in hexadecimal, in its ' +
          'place; extract sets an attribute for each named group of the pattern; convert changes its type.',
      ),
    ),
    key: optional(v.pipe(v.string(), v.minLength(1)), 'Name of the attribute.'),
    value: optional(
      v.union([v.string(), v.number(), v.boolean(), v.array(v.string())]),
      'For insert, update and upsert: the value, of the type written.',
    ),
    from_attribute: optional(
      v.string(),
      'For insert, update and upsert: the attribute whose value is taken; nothing is done if there is none.',
    ),
    new_key: optional(v.pipe(v.string(), v.minLength(1)), 'For rename: the new name.'),
    pattern: optional(
      v.string(),
      'For delete and hash: a regular expression for the names of attributes; for extract: for the text of the value.',
    ),
    converted_type: optional(
      v.picklist(['string', 'int', 'double', 'bool']),
      'For convert: the type; a value that cannot be converted stays as it is.',
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const message = whatIsWrong(dataset.value);
    if (message !== undefined) addIssue({ message });
  }),
);

export type AttributeAction = v.InferOutput<typeof action>;

export function attributeActions(about: string) {
  return v.pipe(v.array(action), v.minLength(1, 'a list of at least one action'), v.description(about));
}

/** The attributes being changed, in their order. */
type Draft = Map<string, AnyValue>;

/** A function that carries out the actions; hands back the very same attributes where they change nothing. */
export function compileActions(actions: readonly AttributeAction[]): (attributes: Attributes) => Attributes {
  const steps = actions.map(compileAction);
  return (attributes) => {
    const draft: Draft = new Map(Object.entries(attributes));
    for (const step of steps) step(draft);
    return isSame(draft, attributes) ? attributes : Object.fromEntries(draft);
  };
}

function isSame(draft: Draft, attributes: Attributes): boolean {
  const keys = Object.keys(attributes);
  return draft.size === keys.length && keys.every((key) => draft.get(key) === attributes[key]);
}

/** What the action lacks, or has and does not use. */
function whatIsWrong(each: AttributeAction): string | undefined {
  const needs = (condition: boolean, what: string): string | undefined =>
    condition ? undefined : `the action "${each.action}" needs ${what}`;
  const used = USED_FIELDS[each.action];
  const unused = (['value', 'from_attribute', 'new_key', 'pattern', 'converted_type'] as const).find(
    (field) => each[field] !== undefined && !used.includes(field),
  );
  if (unused !== undefined) return `the action "${each.action}" does not use "${unused}"`;
  if (each.pattern !== undefined) {
    const wrong = whatIsWrongWith('regexp', each.pattern);
    if (wrong !== undefined) return `the pattern ${JSON.stringify(each.pattern)} cannot be used: ${wrong}`;
    if (each.action === 'extract' && compileRegExp(each.pattern).groupNames.size === 0) {
      return 'the action "extract" needs a pattern with named groups (?P<name>…)';
    }
  }
  switch (each.action) {
    case 'insert':
    case 'update':
    case 'upsert':
      return (
        needs(each.key !== undefined, '"key"') ??
        needs((each.value === undefined) !== (each.from_attribute === undefined), 'either "value" or "from_attribute"')
      );
    case 'rename':
      return needs(each.key !== undefined && each.new_key !== undefined, '"key" and "new_key"');
    case 'delete':
    case 'hash':
      return needs(each.key !== undefined || each.pattern !== undefined, '"key" or "pattern"');
    case 'extract':
      return needs(each.key !== undefined && each.pattern !== undefined, '"key" and "pattern"');
    case 'convert':
      return needs(each.key !== undefined && each.converted_type !== undefined, '"key" and "converted_type"');
  }
}

const USED_FIELDS: Readonly<Record<AttributeAction['action'], readonly string[]>> = {
  insert: ['value', 'from_attribute'],
  update: ['value', 'from_attribute'],
  upsert: ['value', 'from_attribute'],
  rename: ['new_key'],
  delete: ['pattern'],
  hash: ['pattern'],
  extract: ['pattern'],
  convert: ['converted_type'],
};

function compileAction(each: AttributeAction): (draft: Draft) => void {
  const key = each.key ?? '';
  switch (each.action) {
    case 'insert':
      return (draft) => {
        if (!draft.has(key)) set(draft, each);
      };
    case 'update':
      return (draft) => {
        if (draft.has(key)) set(draft, each);
      };
    case 'upsert':
      return (draft) => set(draft, each);
    case 'rename':
      return (draft) => rename(draft, key, each.new_key!);
    case 'delete':
      return forMatchingKeys(each, (draft, name) => draft.delete(name));
    case 'hash':
      return forMatchingKeys(each, (draft, name) => draft.set(name, sha256(valueText(draft.get(name)))));
    case 'extract':
      return extract(key, each.pattern!);
    case 'convert':
      return (draft) => {
        const value = draft.get(key);
        if (value !== undefined) draft.set(key, convert(value, each.converted_type!));
      };
  }
}

function set(draft: Draft, { key, value, from_attribute }: AttributeAction): void {
  const taken = from_attribute === undefined ? value : draft.get(from_attribute);
  if (taken !== undefined) draft.set(key!, taken);
}

function rename(draft: Draft, key: string, newKey: string): void {
  const value = draft.get(key);
  if (value === undefined) return;
  draft.delete(key);
  draft.set(newKey, value);
}

function forMatchingKeys({ key, pattern }: AttributeAction, act: (draft: Draft, name: string) => void) {
  const matches = pattern === undefined ? undefined : compileRegExp(pattern).matches;
  return (draft: Draft): void => {
    if (matches === undefined) {
      if (draft.has(key!)) act(draft, key!);
      return;
    }
    for (const name of draft.keys()) if (name === key || matches(name)) act(draft, name);
  };
}

function extract(key: string, pattern: string): (draft: Draft) => void {
  const { find, groupNames } = compileRegExp(pattern);
  return (draft) => {
    const value = draft.get(key);
    const match = value === undefined ? undefined : find(valueText(value));
    if (match === undefined) return;
    for (const [name, index] of groupNames) {
      const text = match.groups[index];
      if (text !== undefined) draft.set(name, text);
    }
  };
}

function convert(value: AnyValue, type: NonNullable<AttributeAction['converted_type']>): AnyValue {
  const text = valueText(value);
  switch (type) {
    case 'string':
      return text;
    case 'int': {
      const number = typeof value === 'boolean' ? Number(value) : Math.trunc(Number(text));
      if (typeof value === 'bigint' || text.trim() === '' || !Number.isFinite(number)) return value;
      // Beyond 2^53 a number would not be exact.
      return Number.isSafeInteger(number) || !/^\s*[+-]?\d+\s*$/.test(text) ? number : BigInt(text);
    }
    case 'double': {
      const number = typeof value === 'boolean' ? Number(value) : Number(text);
      if (text.trim() === '' || Number.isNaN(number)) return value;
      return Number.isInteger(number) ? new DoubleValue(number) : number;
    }
    case 'bool':
      if (text === 'true' || text === '1') return true;
      return text === 'false' || text === '0' ? false : value;
  }
}

function sha256(text: string): string {
  return process.getBuiltinModule('node:crypto').hash('sha256', text);
}
