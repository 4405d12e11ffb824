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

/** Why a text is no pattern of its kind, as `it is no glob: the bracket at 0 is not closed`; undefined where it is one. */
export function whatIsWrongWith(kind: MatchKind, pattern: string): string | undefined {
  try {
    compilePatterns(kind, [pattern]);
    return undefined;
  } catch (error) {
    const { message } = error as Error;
    const start = `${JSON.stringify(pattern)}: `;
    const at = message.indexOf(start);
    const reason = at === -1 ? message : message.slice(at + start.length);
    return `it is no ${kind === 'glob' ? 'glob' : 'regular expression'}: ${reason}`;
  }
}
