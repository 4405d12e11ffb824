/** Cuts a template into texts and the tokens of its actions. */

export interface Token {
  readonly kind: 'text' | 'open' | 'close' | 'word' | 'field' | 'variable' | 'number' | 'string' | 'sign' | 'end';
  /** As written; of a string, what it stands for. */
  readonly value: string;
  readonly pos: number;
  /** As written. */
  readonly raw: string;
  /** Whether white space stands before it. */
  readonly isSpaced: boolean;
}

export class TemplateSyntaxError extends SyntaxError {
  readonly pos: number;
  constructor(message: string, pos: number) {
    super(message);
    this.name = 'TemplateSyntaxError';
    this.pos = pos;
  }
}

const SPACE = /[ \t\r\n]/;
const TOKENS: readonly (readonly [Token['kind'], RegExp])[] = [
  ['field', /\.[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ['variable', /\$(?:[\p{L}_][\p{L}\p{Nd}_]*)?/uy],
  ['number', /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)/y],
  ['number', /'(?:[^'\\\n]|\\.[^'\n]*)'/uy],
  ['string', /"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`/uy],
  ['word', /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ['sign', /:=|[=|(),.]/y],
];

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimsNext = false;
  while (at <= text.length) {
    const open = text.indexOf('{{', at);
    const isTrimming = open !== -1 && text[open + 2] === '-' && SPACE.test(text[open + 3] ?? '');
    let piece = text.slice(at, open === -1 ? text.length : open);
    if (trimsNext) piece = piece.replace(/^[ \t\r\n]+/, '');
    if (isTrimming) piece = trimEnd(piece);
    if (piece !== '') tokens.push({ kind: 'text', value: piece, pos: at, raw: piece, isSpaced: false });
    if (open === -1) break;
    const inside = open + (isTrimming ? 3 : 2);
    const action = inAction(text, open, inside, tokens);
    at = action.end;
    trimsNext = action.isTrimming;
  }
  tokens.push({ kind: 'end', value: '', pos: text.length, raw: 'EOF', isSpaced: false });
  return tokens;
}

function inAction(text: string, open: number, inside: number, tokens: Token[]): { end: number; isTrimming: boolean } {
  const comment = /[ \t\r\n]*\/\*/y;
  comment.lastIndex = inside;
  if (comment.test(text)) {
    const end = text.indexOf('*/', comment.lastIndex);
    if (end === -1) throw new TemplateSyntaxError('unclosed comment', open);
    const close = closing(text, end + 2);
    if (close === undefined) throw new TemplateSyntaxError('comment ends before closing delimiter', open);
    return close;
  }
  tokens.push({ kind: 'open', value: '{{', pos: open, raw: '{{', isSpaced: false });
  for (let at = inside; ;) {
    const close = closing(text, at);
    if (close !== undefined) {
      tokens.push({ kind: 'close', value: '}}', pos: at, raw: '}}', isSpaced: false });
      return close;
    }
    const before = at;
    while (at < text.length && SPACE.test(text[at]!)) at++;
    if (closing(text, at) !== undefined) continue;
    if (at >= text.length) throw new TemplateSyntaxError('unclosed action', open);
    const token = oneToken(text, at, at > before);
    tokens.push(token);
    at += token.raw.length;
  }
}

/** Where the action ends that closes here, white space before a trimming mark included. */
function closing(text: string, at: number): { end: number; isTrimming: boolean } | undefined {
  if (text.startsWith('}}', at)) return { end: at + 2, isTrimming: false };
  const trimming = /[ \t\r\n]+-\}\}/y;
  trimming.lastIndex = at;
  if (trimming.test(text)) return { end: trimming.lastIndex, isTrimming: true };
  return undefined;
}

function oneToken(text: string, at: number, isSpaced: boolean): Token {
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) continue;
    const raw = match[0];
    const value = kind === 'string' ? unquote(raw, at) : raw;
    return { kind, value, pos: at, raw, isSpaced };
  }
  const character = String.fromCodePoint(text.codePointAt(at)!);
  if (character === '"') throw new TemplateSyntaxError('unterminated quoted string', at);
  if (character === '`') throw new TemplateSyntaxError('unterminated raw quoted string', at);
  throw new TemplateSyntaxError(`unexpected ${JSON.stringify(character)} in command`, at);
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** What a literal of Go stands for. */
export function unquote(raw: string, pos: number): string {
  const inner = raw.slice(1, -1);
  if (raw[0] === '`') return inner.replaceAll('\r', '');
  const escape = /\\(?:([abfnrtv\\"'])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]?))/g;
  return inner.replace(escape, (whole, simple?: string, ...codes: (string | undefined)[]) => {
    if (simple !== undefined) return ESCAPES[simple]!;
    const [byte, short, long, octal] = codes;
    const code = octal === undefined ? parseInt(byte ?? short ?? long ?? '', 16) : parseInt(octal, 8);
    if (!(code <= 0x10ffff)) throw new TemplateSyntaxError(`invalid escape ${whole} in a string`, pos);
    return String.fromCodePoint(code);
  });
}

/** In linear time, which a regular expression anchored at the end does not keep to. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && SPACE.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}
