/** Native histograms as tests of rules write them: `schema:1 sum:3 count:4 buckets:[1 2] offset:1`, and how they are shown. */
import { parseNumber } from '../../promql/literals.ts';
import type { NativeBuckets, NativeHistogram } from '../../store/queryable.ts';
import { floatText } from '../template/float_text.ts';

const FIELDS: ReadonlySet<string> = new Set([
  'schema',
  'sum',
  'count',
  'z_bucket',
  'z_bucket_w',
  'buckets',
  'offset',
  'n_buckets',
  'n_offset',
  'custom_values',
  'counter_reset_hint',
]);
const HINTS: Readonly<Record<string, NativeHistogram['counterReset']>> = {
  unknown: 'unknown',
  reset: 'reset',
  not_reset: 'none',
  gauge: 'gauge',
};

/** @param text what is between the double braces. @throws {SyntaxError} */
export function parseHistogram(text: string): NativeHistogram {
  const fields = fieldsOf(text);
  const one = (name: string): number => numbers(fields.get(name) ?? '0', name)[0] ?? 0;
  const many = (name: string): number[] => numbers(fields.get(name) ?? '', name);
  const buckets = (name: string, offset: number): NativeBuckets => {
    const counts = many(name);
    const rows = counts.map((count, index) => ({ index: index + offset, count })).filter(({ count }) => count !== 0);
    return {
      indexes: Int32Array.from(rows, ({ index }) => index),
      counts: Float64Array.from(rows, ({ count }) => count),
    };
  };
  const hint = fields.get('counter_reset_hint') ?? 'unknown';
  const counterReset = HINTS[hint];
  if (counterReset === undefined) throw fault(`counter_reset_hint ${hint} is none of ${Object.keys(HINTS).join(', ')}`);
  const schema = one('schema');
  if (schema !== -53 && !(Number.isInteger(schema) && schema >= -4 && schema <= 8)) {
    throw fault(`schema ${schema} is neither -53 nor between -4 and 8`);
  }
  return {
    schema,
    count: one('count'),
    sum: one('sum'),
    zeroThreshold: one('z_bucket_w'),
    zeroCount: one('z_bucket'),
    positive: buckets('buckets', one('offset')),
    negative: buckets('n_buckets', one('n_offset')),
    ...(schema === -53 && { customBounds: many('custom_values') }),
    counterReset,
  };
}

function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  const field = /\s*(\w+):(?:\[([^\]]*)\]|([^\s[\]]+))\s*/y;
  while (field.lastIndex < text.length && text.trim() !== '') {
    const at = field.lastIndex;
    const [, name, list, bare] = field.exec(text) ?? [];
    if (name === undefined) throw fault(`unexpected "${text.slice(at).trim()}"`);
    if (!FIELDS.has(name)) throw fault(`there is no field ${name}`);
    if (fields.has(name)) throw fault(`field ${name} is there twice`);
    fields.set(name, list ?? bare!);
  }
  return fields;
}

function numbers(text: string, name: string): number[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => {
      const number = parseNumber(word.replace(/^[-+]/, ''));
      if (number === undefined) throw fault(`${name} has ${word}, which is no number`);
      return word.startsWith('-') ? -number : number;
    });
}

function fault(found: string): SyntaxError {
  return new SyntaxError(`Cannot read a histogram: ${found}`);
}

const shown = (value: number): string => floatText(value, 'g', -1);

/** In the notation in which it is written; equal for equal histograms. */
export function histogramNotation(histogram: NativeHistogram): string {
  const { schema, count, sum, zeroCount, zeroThreshold, customBounds, counterReset, positive, negative } = histogram;
  const parts: string[] = [];
  const add = (name: string, value: number): void => {
    if (value !== 0) parts.push(`${name}:${shown(value)}`);
  };
  add('schema', schema);
  add('count', count);
  add('sum', sum);
  add('z_bucket', zeroCount);
  add('z_bucket_w', zeroThreshold);
  if (customBounds !== undefined) parts.push(`custom_values:[${customBounds.map(shown).join(' ')}]`);
  const hint = Object.keys(HINTS).find((name) => HINTS[name] === counterReset)!;
  if (hint !== 'unknown') parts.push(`counter_reset_hint:${hint}`);
  addBuckets(parts, positive, '');
  addBuckets(parts, negative, 'n_');
  return `{{${parts.join(' ')}}}`;
}

function addBuckets(parts: string[], { indexes, counts }: NativeBuckets, prefix: string): void {
  const filled = [...counts.keys()].filter((row) => counts[row] !== 0);
  if (filled.length === 0) return;
  const first = indexes[filled[0]!]!;
  const last = indexes[filled.at(-1)!]!;
  const all = Array.from({ length: last - first + 1 }, () => 0);
  for (const row of filled) all[indexes[row]! - first] = counts[row]!;
  if (first !== 0) parts.push(`${prefix}offset:${first}`);
  parts.push(`${prefix}buckets:[${all.map(shown).join(' ')}]`);
}
