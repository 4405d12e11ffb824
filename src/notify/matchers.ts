/** Which labels are meant: `severity="critical"`, `instance=~"db.*"`; as in Prometheus and Alertmanager. */
import type { Labels, Matcher } from '../store/queryable.ts';
import { compileRegExp } from '../text/regexp.ts';

/**
 * `instance=~"db.*"` → a matcher; quotes round name and value may be left out where they hold nothing special.
 * @throws {SyntaxError} it is none, or its pattern is no RE2
 */
export function parseMatcher(text: string): Matcher {
  const match = /^\s*("(?:[^"\\]|\\.)*"|[^\s"=!~{},]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^"]*?)\s*$/s.exec(text);
  if (match === null) {
    throw new SyntaxError(
      `Cannot read the matcher ${JSON.stringify(text)}: NAME="VALUE" is needed, with =, !=, =~ or !~`,
    );
  }
  const matcher = { name: unquote(match[1]!), op: match[2] as Matcher['op'], value: unquote(match[3]!) };
  compileMatcher(matcher);
  return matcher;
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    // Of Go's escapes those that JSON has; \\' and \\x are no part of it.
    return JSON.parse(text.replaceAll('\n', '\\n').replaceAll('\t', '\\t')) as string;
  } catch (error) {
    throw new SyntaxError(`Cannot read the text ${text}: it holds an escape that is none`, { cause: error });
  }
}

/** As {@link parseMatcher} reads it. */
export function matcherText({ name, op, value }: Matcher): string {
  const isPlain = /^[a-zA-Z_][a-zA-Z0-9_.:]*$/.test(name);
  return `${isPlain ? name : JSON.stringify(name)}${op}${JSON.stringify(value)}`;
}

export type Matches = (labels: Labels) => boolean;

/** @throws {SyntaxError} its pattern is no RE2 */
function compileMatcher({ name, op, value }: Matcher): Matches {
  if (op === '=') return (labels) => (labels.get(name) ?? '') === value;
  if (op === '!=') return (labels) => (labels.get(name) ?? '') !== value;
  // Alone at first: what is no expression could become one between brackets.
  compileRegExp(value);
  const pattern = compileRegExp(`^(?s:${value})$`);
  const isWanted = op === '=~';
  return (labels) => pattern.matches(labels.get(name) ?? '') === isWanted;
}

/** Whether all match; no matchers match everything. */
export function compileMatchers(matchers: readonly Matcher[]): Matches {
  const all = matchers.map(compileMatcher);
  return (labels) => all.every((matches) => matches(labels));
}
