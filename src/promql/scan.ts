/** Looks through a query's text before it is parsed: what is too deep or not closed, and what stands where the grammar stops. */

export interface ScanResult {
  /** The text for the grammar, of the same length. */
  readonly text: string;
  readonly problem?: { readonly message: string; readonly start: number; readonly end: number };
}

/** Patterns of matchers in a query: each is compiled. */
const MAX_PATTERNS = 500;

const CLOSES: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
const OPENED: Readonly<Record<string, string>> = { '(': 'parenthesis', '[': 'bracket', '{': 'brace' };

/** One token, blanks and comments in front of it. */
const TOKEN =
  /(?:\s|#[^\n]*(?:\n|$))*(?:("(?:[^"\\\n]|\\[^])*"?|'(?:[^'\\\n]|\\[^])*'?|`[^`]*`?)|(0[xX][\da-fA-F]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?(?:ms|[smhdwy])?(?:\d+(?:ms|[smhdwy]))*)|([a-zA-Z_:][\w:]*)|(=~|!~|[=!<>]=|[^\s#]))/y;

export function scan(query: string, maxDepth: number): ScanResult {
  const open: { mark: string; start: number }[] = [];
  let text = query;
  let patterns = 0;
  for (const token of tokensOf(query)) {
    const { kind, start, end } = token;
    if (kind === 'string' && !isClosed(query.slice(start, end))) {
      return { text, problem: { message: 'unterminated quoted string', start, end } };
    }
    // The grammar does not know `1.`, which Prometheus reads.
    if (kind === 'number' && query[end - 1] === '.') text = `${text.slice(0, end - 1)} ${text.slice(end)}`;
    if (kind !== 'mark') continue;
    const mark = query.slice(start, end);
    if ((mark === '=~' || mark === '!~') && ++patterns > MAX_PATTERNS) {
      return { text, problem: { message: `expression has more than ${MAX_PATTERNS} patterns`, start, end } };
    }
    if (OPENED[mark] !== undefined) {
      open.push({ mark, start });
      if (open.length > maxDepth) {
        return { text, problem: { message: `expression is nested more than ${maxDepth} deep`, start, end } };
      }
    } else if (CLOSES[mark] !== undefined && open.pop()?.mark !== CLOSES[mark]) {
      return { text, problem: { message: `unexpected "${mark}"`, start, end } };
    }
  }
  const unclosed = open.at(-1);
  if (unclosed === undefined) return { text };
  return {
    text,
    problem: { message: `unclosed left ${OPENED[unclosed.mark]}`, start: unclosed.start, end: query.length },
  };
}

/** `unexpected identifier "foo"`, of what begins at `offset` or is the next thing behind it. */
export function unexpectedAt(query: string, offset: number): { message: string; start: number; end: number } {
  for (const { kind, start, end } of tokensOf(query)) {
    if (end <= offset) continue;
    const token = query.slice(start, end);
    const described = kind === 'mark' ? `"${token}"` : `${kind} ${kind === 'string' ? token : `"${token}"`}`;
    return { message: `unexpected ${described}`, start, end };
  }
  return { message: 'unexpected end of input', start: query.length, end: query.length };
}

/** The identifier that ends right before `offset`, blanks between. */
export function identifierBefore(query: string, offset: number): { name: string; start: number } | undefined {
  const found = /([a-zA-Z_:][\w:]*)\s*$/.exec(query.slice(Math.max(0, offset - 300), offset));
  return found === null ? undefined : { name: found[1]!, start: Math.max(0, offset - 300) + found.index };
}

interface Token {
  readonly kind: 'string' | 'number' | 'identifier' | 'mark';
  readonly start: number;
  readonly end: number;
}

function* tokensOf(query: string): Generator<Token> {
  TOKEN.lastIndex = 0;
  for (let at = 0; at < query.length;) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(query);
    if (found === null) return;
    at = TOKEN.lastIndex;
    const [, string, number, identifier, mark] = found;
    const length = (string ?? number ?? identifier ?? mark)!.length;
    const kind =
      string !== undefined
        ? 'string'
        : number !== undefined
          ? 'number'
          : identifier !== undefined
            ? 'identifier'
            : 'mark';
    yield { kind, start: at - length, end: at };
  }
}

function isClosed(token: string): boolean {
  const mark = token[0]!;
  if (token.length < 2 || !token.endsWith(mark)) return false;
  if (mark === '`') return true;
  // A last quote behind an odd number of backslashes is an escaped one.
  let backslashes = 0;
  while (token[token.length - 2 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 0;
}
