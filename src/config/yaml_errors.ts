/**
 * Says in our words what is wrong with a YAML text, and what usually causes it. The library's own sentences are not
 * used where they quote the text, which may be a secret.
 */
import type { ConfigProblem } from '../errors.ts';

const SENTENCES: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'an alias must be a bare name',
  BAD_DQ_ESCAPE: 'a text in double quotes holds a backslash sequence that does not exist',
  BAD_INDENT: 'the indentation does not fit the lines above',
  BAD_SCALAR_START: 'a text cannot begin with this character unless it is in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'there is a second "key: value" inside a value',
  BLOCK_IN_FLOW: 'indented keys cannot stand inside [ ] or { }',
  MISSING_CHAR: 'a quote or bracket is opened but not closed, or a separator is missing',
  MULTILINE_IMPLICIT_KEY: 'this is neither a key nor a value',
  MULTIPLE_DOCS: 'it holds several documents ("---"); one is read',
  TAB_AS_INDENT: 'a tab indents this line',
  UNEXPECTED_TOKEN: 'something stands here that belongs to no key',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
};

/** @param pos offsets of the fault in `text` */
export function explainYamlError(
  code: string,
  message: string,
  pos: readonly [number, number],
  text: string,
  file: string,
): ConfigProblem {
  const at = Math.min(pos[0], Math.max(text.length - 1, 0));
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const isLineEnd = text[at] === '\n' && at > 0;
  const line = text.slice(0, at).split('\n').length;
  const isOpen = code === 'BAD_INDENT' && message.startsWith('Flow');
  const known = isOpen ? 'MISSING_CHAR' : code;
  const found = Object.hasOwn(SENTENCES, known) ? SENTENCES[known]! : message.replace(/[.:]?\s*".*$/s, '');
  return {
    message: `Cannot read ${file}: ${found}`,
    path: '',
    place: {
      file,
      line,
      column: at - lineStart + 1,
      length: isLineEnd ? 1 : Math.max(1, lengthOnLine(text, at, pos[1])),
    },
    hint: hintFor(code, text.slice(lineStart).split('\n', 1)[0]!, text.slice(0, lineStart)),
  };
}

function lengthOnLine(text: string, start: number, end: number): number {
  const lineEnd = text.indexOf('\n', start);
  return Math.min(end, lineEnd === -1 ? text.length : lineEnd) - start;
}

function hintFor(code: string, line: string, before: string): string | undefined {
  if (code === 'TAB_AS_INDENT') return 'indent with spaces: YAML does not allow tabs';
  const suspects = [line, before.trimEnd().split('\n').at(-1) ?? ''];
  const joined = suspects.map(missingBlank).find((key) => key !== undefined);
  if (joined !== undefined) return `put a space after the colon of "${joined}:"`;
  if (/[[{,].*\$\{/.test(line)) return 'inside [ ] and { } a reference goes in quotes, as "${env:NAME}"';
  if (code === 'BLOCK_AS_IMPLICIT_KEY' || code === 'BAD_SCALAR_START') {
    return 'put the value in quotes, or begin a new line for the second key';
  }
  return undefined;
}

/** The key of a line such as `endpoint:0.0.0.0:4317`, which YAML takes for one text. */
export function missingBlank(line: string): string | undefined {
  return /^\s*(?:-\s+)?([A-Za-z_][\w./-]*):[^\s:/]/.exec(line)?.[1];
}
