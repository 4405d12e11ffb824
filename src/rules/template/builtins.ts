/** Functions that every template of Go has. */
import { sprintf } from './printf.ts';
import type { Functions, TemplateFunction } from './function.ts';
import { AnyMap, isList, isTrue, TemplateError, TextMap, typeName, valueText, type Value } from './values.ts';

const one = (call: (value: Value) => Value): TemplateFunction => ({ kinds: ['any'], call: ([value]) => call(value) });
const two = (call: (left: Value, right: Value) => Value): TemplateFunction => ({
  kinds: ['any', 'any'],
  call: ([left, right]) => call(left, right),
});
const many = (call: (values: readonly Value[]) => Value): TemplateFunction => ({
  kinds: ['any'],
  isVariadic: true,
  call,
});

/** `and` and `or` are the executor's own, which leaves out what they need not look at. */
const OWN: TemplateFunction = many((values) => values.at(-1));

export const builtins: Functions = new Map<string, TemplateFunction>([
  ['and', OWN],
  ['or', OWN],
  ['not', one((value) => !isTrue(value))],
  ['len', one(length)],
  ['index', { kinds: ['any', 'any'], isVariadic: true, call: ([of, ...keys]) => keys.reduce(at, of) }],
  ['slice', { kinds: ['any', 'any'], isVariadic: true, call: ([of, ...bounds]) => slice(of, bounds) }],
  ['call', many(([called]) => fail(called === undefined ? 'call of nil' : `non-function of type ${typeName(called)}`))],
  ['print', many(print)],
  ['println', many((values) => `${values.map((value) => valueText(value, 1)).join(' ')}\n`)],
  [
    'printf',
    { kinds: ['text', 'any'], isVariadic: true, call: ([format, ...args]) => sprintf(format as string, args) },
  ],
  ['html', many((values) => html(print(values)))],
  ['js', many((values) => javascript(print(values)))],
  ['urlquery', many((values) => queryEscape(print(values)))],
  ['eq', { kinds: ['any', 'any'], isVariadic: true, call: ([first, ...others]) => equalsAny(first, others) }],
  ['ne', two((left, right) => !isEqual(left, right))],
  ['lt', two((left, right) => isLess(left, right))],
  ['le', two((left, right) => isLess(left, right) || isEqual(left, right))],
  ['gt', two((left, right) => !isLess(left, right) && !isEqual(left, right))],
  ['ge', two((left, right) => !isLess(left, right))],
]);

function fail(found: string): never {
  throw new TemplateError(found);
}

function length(value: Value): bigint {
  if (typeof value === 'string') return BigInt(Buffer.byteLength(value));
  if (isList(value)) return BigInt(value.length);
  if (value instanceof TextMap || value instanceof AnyMap) return BigInt(value.entries.size);
  return fail(value === undefined ? 'len of nil pointer' : `len of type ${typeName(value)}`);
}

function at(of: Value, key: Value): Value {
  if (of instanceof TextMap || of instanceof AnyMap) {
    if (typeof key === 'string') return of.entries.get(key) ?? (of instanceof TextMap ? '' : undefined);
    return fail(`value has type ${typeName(key)}; should be string`);
  }
  if (!isList(of) && typeof of !== 'string') {
    return fail(of === undefined ? 'index of untyped nil' : `can't index item of type ${typeName(of)}`);
  }
  if (typeof key !== 'bigint') return fail(`cannot index slice/array with type ${typeName(key)}`);
  const found = isList(of) ? of : Array.from(Buffer.from(of), BigInt);
  if (key < 0n || key >= BigInt(found.length)) return fail(`index out of range: ${key}`);
  return found[Number(key)];
}

function slice(of: Value, bounds: readonly Value[]): Value {
  if (!isList(of) && typeof of !== 'string') return fail(`can't slice item of type ${typeName(of)}`);
  if (bounds.length > 2)
    return fail(typeof of === 'string' ? 'cannot 3-index slice a string' : `too many slice indexes: ${bounds.length}`);
  const bytes = typeof of === 'string' ? Buffer.from(of) : undefined;
  const size = bytes?.length ?? of.length;
  const [from = 0, to = size] = bounds.map((bound) => {
    if (typeof bound !== 'bigint') return fail(`cannot index slice/array with type ${typeName(bound)}`);
    return bound < 0n || bound > BigInt(size) ? fail(`index out of range: ${bound}`) : Number(bound);
  });
  if (from > to) return fail(`invalid slice index: ${from} > ${to}`);
  return bytes === undefined ? (of as readonly Value[]).slice(from, to) : bytes.subarray(from, to).toString();
}

/** Blanks stand between what are no texts. */
export function print(values: readonly Value[]): string {
  let text = '';
  values.forEach((value, index) => {
    if (index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string') text += ' ';
    text += valueText(value, 1);
  });
  return text;
}

const BASIC = new Set(['string', 'number', 'bigint', 'boolean']);

function comparable(left: Value, right: Value): void {
  for (const value of [left, right]) {
    if (value !== undefined && !BASIC.has(typeof value))
      fail(`non-comparable type ${valueText(value, 1)}: ${typeName(value)}`);
  }
  if (left === undefined || right === undefined || typeof left === typeof right) return;
  fail(`incompatible types for comparison: ${typeName(left)} and ${typeName(right)}`);
}

function isEqual(left: Value, right: Value): boolean {
  comparable(left, right);
  return left === right;
}

function equalsAny(first: Value, others: readonly Value[]): boolean {
  if (others.length === 0) return fail('missing argument for comparison');
  return others.some((other) => isEqual(first, other));
}

function isLess(left: Value, right: Value): boolean {
  comparable(left, right);
  if (typeof left === 'string') return Buffer.compare(Buffer.from(left), Buffer.from(right as string)) < 0;
  if (typeof left === 'boolean' || left === undefined || right === undefined)
    return fail('invalid type for comparison');
  return (left as number | bigint) < (right as number | bigint);
}

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  '\0': '\ufffd',
};

export function html(text: string): string {
  return text.replace(/[&<>"'\0]/g, (character) => HTML[character]!);
}

const JAVASCRIPT: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
};

function javascript(text: string): string {
  return text.replace(
    /[\\'"<>&=]|\p{Cc}/gu,
    (character) =>
      JAVASCRIPT[character] ?? `\\u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`,
  );
}

/** As Go's url.QueryEscape: a blank becomes a plus. */
export function queryEscape(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}
