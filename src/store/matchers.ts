/** Matchers as functions. Patterns are RE2 and match whole values; none can hang the event loop. */
import { compileRegExp } from '../text/regexp.ts';
import type { Matcher } from './queryable.ts';
import type { Pairs } from './series_table.ts';

export interface CompiledMatcher {
  readonly name: string;
  /** An absent label has the value ''. */
  readonly test: (value: string) => boolean;
}

/** Patterns that are kept compiled. */
const MAX_KEPT = 256;

/**
 * Makes a function that compiles matchers, and keeps the patterns that were used last.
 * @throws {SyntaxError} @throws {RangeError} by that function, for a pattern that is none or is too large
 */
export function createMatching(): (matcher: Matcher) => CompiledMatcher {
  const kept = new Map<string, (value: string) => boolean>();

  function patternOf(source: string): (value: string) => boolean {
    let test = kept.get(source);
    if (test === undefined) test = compilePattern(source);
    else kept.delete(source);
    if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value!);
    kept.set(source, test);
    return test;
  }

  return ({ name, op, value }) => {
    switch (op) {
      case '=':
        return { name, test: (text) => text === value };
      case '!=':
        return { name, test: (text) => text !== value };
      case '=~':
        return { name, test: patternOf(value) };
      case '!~': {
        const test = patternOf(value);
        return { name, test: (text) => !test(text) };
      }
    }
  };
}

/** Anchored as in Prometheus, where `.` is any character, a line feed too. */
function compilePattern(source: string): (value: string) => boolean {
  // For itself first, so that a bracket too many is found, and named as it was written.
  compileRegExp(source);
  return compileRegExp(`^(?s:${source})$`).matches;
}

/** Makes a function that says whether labels match all matchers of at least one list. */
export function compileSelection(lists: readonly (readonly Matcher[])[]): (pairs: Pairs) => boolean {
  const compile = createMatching();
  const compiled = lists.map((list) => list.map(compile));
  return (pairs) => compiled.some((list) => list.every(({ name, test }) => test(valueOf(pairs, name))));
}

function valueOf(pairs: Pairs, name: string): string {
  for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return pairs[i + 1]!;
  return '';
}
