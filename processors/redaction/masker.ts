/** Finds secrets in a text and puts something else in their place. */
import { compileRegExp, type LinearRegExp } from '../../src/text/regexp.ts';
import type { Rule } from './rules.ts';

export interface MaskerOptions {
  readonly rules: readonly Rule[];
  /** What stands in the place of a secret. */
  readonly replace: (secret: string) => string;
  /** Told of each secret that was replaced, by the name of the rule; never of the secret itself. */
  readonly masked: (rule: string) => void;
}

/** The rule that what could not be searched to its end within its time is counted under: all of the rest is masked. */
export const UNSEARCHED = 'unsearched';

interface Span {
  readonly rule: string;
  readonly start: number;
  readonly end: number;
}

/** A function that hands back the very same text where it finds nothing. Its time is linear in the text. */
export function createMasker({ rules, replace, masked }: MaskerOptions): (text: string) => string {
  if (rules.length === 0) return (text) => text;
  const searches = rules.map(createRuleSearch);
  const sieve = compileRegExp(rules.map((rule) => `(?:${rule.sieve})`).join('|')).matches;

  return (text) => {
    if (!sieve(text)) return text;
    const spans: Span[] = [];
    for (const search of searches) search(text, spans);
    if (spans.length === 0) return text;
    return replaceSpans(text, merge(spans));
  };

  function replaceSpans(text: string, spans: readonly Span[]): string {
    let result = '';
    let copied = 0;
    for (const { rule, start, end } of spans) {
      masked(rule);
      result += text.slice(copied, start) + replace(text.slice(start, end));
      copied = end;
    }
    return result + text.slice(copied);
  }
}

/** Compiled when it is first needed: many rules never are. */
function createRuleSearch(rule: Rule): (text: string, into: Span[]) => void {
  let sieve: LinearRegExp | undefined;
  let expression: LinearRegExp | undefined;
  return (text, into) => {
    sieve ??= compileRegExp(rule.sieve);
    if (!sieve.matches(text)) return;
    expression ??= compileRegExp(rule.pattern);
    findSpans(rule, expression, text, into);
  };
}

function findSpans({ name, isSecret }: Rule, { findAll }: LinearRegExp, text: string, into: Span[]): void {
  const { matches, end } = findAll(text);
  for (const match of matches) {
    for (const [start, stop] of placesOf(match.spans)) {
      if (start === stop) continue;
      if (isSecret?.(text.slice(start, stop), text.charAt(start - 1)) === false) continue;
      into.push({ rule: name, start, end: stop });
    }
  }
  if (end < text.length) into.push({ rule: UNSEARCHED, start: end, end: text.length });
}

/** The groups that took part, or the whole match where the expression has none that did. */
function placesOf([whole, ...groups]: readonly (readonly [number, number] | undefined)[]) {
  const taken = groups.filter((group) => group !== undefined);
  return taken.length > 0 ? taken : [whole!];
}

/** In order, those that overlap as one, under the rule that begins first. */
function merge(spans: readonly Span[]): readonly Span[] {
  const sorted = spans.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const merged: Span[] = [];
  for (const span of sorted) {
    const last = merged.at(-1);
    if (last === undefined || span.start >= last.end) merged.push(span);
    else if (span.end > last.end) merged[merged.length - 1] = { ...last, end: span.end };
  }
  return merged;
}
