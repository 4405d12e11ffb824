/** The words of a rule file of Drools (DRL), each with its place. */

export interface Token {
  /** A name may have dots, as in `java.util.List`; `$v` is a variable. */
  readonly kind: 'name' | 'variable' | 'text' | 'number' | 'duration' | 'sign' | 'end';
  /** As it means: of a text without its quotes. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Something that is wrong, or not supported, at an offset of the file. */
export class DrlError extends SyntaxError {
  readonly start: number;
  readonly length: number;
  constructor(message: string, { start, end }: Pick<Token, 'start' | 'end'>) {
    super(message);
    this.name = 'DrlError';
    this.start = start;
    this.length = Math.max(1, end - start);
  }
}

const TOKEN =
  /(?<space>\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|#[^\n]*)|(?<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<duration>(?:\d+(?:ms|[dhms]))+(?![\w.]))|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[LlDdFf]?(?!\w))|(?<variable>\$\w+)|(?<name>[A-Za-z_]\w*(?:-(?:loop|group|on-active|effective|expires|focus))*(?:\.[A-Za-z_*]\w*)*)|(?<sign>==|!=|<=|>=|&&|\|\||[-()[\]{},;:<>+.*!@/=%|&?])/y;

/** @throws {DrlError} */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < text.length) {
    const start = pattern.lastIndex;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) throw strange(text, start);
    const end = pattern.lastIndex;
    const kind = (['text', 'duration', 'number', 'variable', 'name', 'sign'] as const).find(
      (one) => groups[one] !== undefined,
    );
    if (kind === undefined) continue;
    const written = groups[kind]!;
    tokens.push({ kind, text: kind === 'text' ? unquoted(written, start) : written, start, end });
  }
  tokens.push({ kind: 'end', text: 'the end of the file', start: text.length, end: text.length });
  return tokens;
}

function strange(text: string, start: number): DrlError {
  const character = text[start]!;
  const place = { start, end: start + 1 };
  if (character === '"' || character === "'") return new DrlError('Cannot read a text: its quote is not closed', place);
  if (text.startsWith('/*', start)) return new DrlError('Cannot read a comment: it is not closed', place);
  return new DrlError(`Cannot read ${JSON.stringify(character)}: it begins nothing that the subset knows`, place);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', "'": "'", '\\': '\\' };

function unquoted(written: string, start: number): string {
  return written.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|[^])/g, (escape, code: string, offset: number) => {
    if (code.length === 5) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    const meant = ESCAPES[code];
    if (meant !== undefined) return meant;
    const at = start + 1 + offset;
    throw new DrlError(`Cannot read ${escape}: there is no such escape`, { start: at, end: at + escape.length });
  });
}
