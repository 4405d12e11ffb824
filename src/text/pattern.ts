/** How users say which names they mean: exactly, by a glob, or by a regular expression. None can hang the event loop. */
import { compileGlob } from './glob.ts';
import { compileRegExp } from './regexp.ts';

/**
 * `exact` and `glob` must fit the whole text; `regexp` is RE2's syntax and matches anywhere in it, as in the
 * OpenTelemetry Collector, unless `^` and `$` say otherwise.
 */
export type MatchKind = 'exact' | 'glob' | 'regexp';

export const MATCH_KINDS: readonly MatchKind[] = ['exact', 'glob', 'regexp'];

/**
 * A function that says whether a text fits any of the patterns.
 * @throws {SyntaxError} @throws {RangeError} with the pattern and what is wrong with it
 */
export function compilePatterns(kind: MatchKind, patterns: readonly string[]): (text: string) => boolean {
  if (kind === 'exact') {
    const texts = new Set(patterns);
    return (text) => texts.has(text);
  }
  const tests = patterns.map((pattern) => (kind === 'glob' ? compileGlob(pattern) : compileRegExp(pattern).matches));
  return tests.length === 1 ? tests[0]! : (text) => tests.some((test) => test(text));
}
