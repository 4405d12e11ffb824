/** Pieces of PromQL as text, for rules that are made from other forms. */
import { isLegacyLabel, quote } from '../promql/labels.ts';
import type { Matcher } from '../store/queryable.ts';

/** `name{label="value"}`; a name of other characters stands in the braces. */
export function selectorText(name: string, matchers: readonly Matcher[]): string {
  const isPlain = /^[a-zA-Z_:][\w:]*$/.test(name) && !KEYWORDS.has(name.toLowerCase());
  const inBraces = matchers.map((matcher) => `${labelText(matcher.name)}${matcher.op}${quote(matcher.value)}`);
  if (!isPlain && name !== '') inBraces.unshift(quote(name));
  const braces = inBraces.length === 0 ? '' : `{${inBraces.join(', ')}}`;
  return isPlain ? name + braces : braces;
}

/** Words that mean a number where a name could stand. */
const KEYWORDS: ReadonlySet<string> = new Set(['inf', 'nan']);

export function labelText(name: string): string {
  return isLegacyLabel(name) ? name : quote(name);
}

/** A number as PromQL reads it. */
export function numberText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '0' : String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

/** A pattern that matches just this text. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
