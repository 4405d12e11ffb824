/** Parses templates of Go's text/template. */
import { TemplateSyntaxError, tokenize, unquote, type Token } from './lexer.ts';
import type { Arg, Body, Command, Node, Pipe, Syntax } from './syntax.ts';

/** More is an attack or a mistake. */
const MAX_DEPTH = 40;
const MAX_LENGTH = 64 * 1024;

/** @throws {TemplateSyntaxError} */
export function parseTemplate(text: string, isFunction: (name: string) => boolean): Syntax {
  if (text.length > MAX_LENGTH) throw new TemplateSyntaxError(`it is longer than ${MAX_LENGTH} characters`, 0);
  return new Parser(tokenize(text), isFunction).parse();
}

/** How a list of nodes ended. */
type Ending = 'end' | 'else' | 'eof';

class Parser {
  readonly #tokens: readonly Token[];
  readonly #isFunction: (name: string) => boolean;
  readonly #templates = new Map<string, Body>();
  #at = 0;
  #depth = 0;
  #rangeDepth = 0;
  /** Names in scope, the innermost last. */
  #variables: string[] = ['$'];

  constructor(tokens: readonly Token[], isFunction: (name: string) => boolean) {
    this.#tokens = tokens;
    this.#isFunction = isFunction;
  }

  parse(): Syntax {
    const { body, ending, token } = this.#body(true);
    if (ending !== 'eof') throw unexpected(token, ending === 'end' ? '{{end}}' : '{{else}}');
    return { main: body, templates: this.#templates };
  }

  #body(isTop = false): { body: Node[]; ending: Ending; token: Token } {
    if (++this.#depth > MAX_DEPTH) throw new TemplateSyntaxError('it is nested too deeply', this.#peek().pos);
    const body: Node[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === 'end') {
        if (!isTop) throw new TemplateSyntaxError('unexpected EOF', token.pos);
        return { body, ending: 'eof', token };
      }
      if (token.kind === 'text') {
        body.push({ kind: 'text', text: token.value });
        continue;
      }
      const word = this.#peek();
      if (word.kind === 'word' && (word.value === 'end' || word.value === 'else')) {
        this.#next();
        if (word.value === 'end') this.#close('end');
        this.#depth--;
        return { body, ending: word.value, token: word };
      }
      this.#action(word, body, isTop);
    }
  }

  #action(word: Token, body: Node[], isTop: boolean): void {
    const keyword = word.kind === 'word' ? word.value : '';
    switch (keyword) {
      case 'if':
      case 'with':
      case 'range':
        this.#next();
        body.push(this.#control(keyword));
        return;
      case 'break':
      case 'continue':
        this.#next();
        if (this.#rangeDepth === 0) throw new TemplateSyntaxError(`{{${keyword}}} outside {{range}}`, word.pos);
        this.#close(keyword);
        body.push({ kind: keyword });
        return;
      case 'template':
        this.#next();
        body.push(this.#invocation(word, this.#name('template clause')));
        return;
      case 'define':
        this.#next();
        if (!isTop) throw new TemplateSyntaxError('unexpected {{define}}', word.pos);
        this.#definition(this.#name('define clause'), true);
        return;
      case 'block': {
        this.#next();
        const name = this.#name('block clause');
        body.push(this.#invocation(word, name));
        this.#definition(name, false);
        return;
      }
      default: {
        const pipe = this.#pipe('command');
        this.#close('command');
        body.push({ kind: 'action', pipe });
      }
    }
  }

  /** From behind the keyword to its end. */
  #control(kind: 'if' | 'with' | 'range'): Node {
    const scope = this.#variables.length;
    const pipe = this.#pipe(kind);
    this.#close(kind);
    if (kind === 'range') this.#rangeDepth++;
    const { body, ending, token } = this.#body();
    if (kind === 'range') this.#rangeDepth--;
    let otherwise: Body = [];
    if (ending === 'else') otherwise = this.#otherwise(kind, token);
    this.#variables.length = scope;
    return { kind, pipe, body, otherwise };
  }

  #otherwise(kind: 'if' | 'with' | 'range', token: Token): Body {
    const next = this.#peek();
    if (kind !== 'range' && next.kind === 'word' && next.value === kind) {
      if (++this.#depth > MAX_DEPTH) throw new TemplateSyntaxError('it is nested too deeply', token.pos);
      this.#next();
      const inner = this.#control(kind);
      this.#depth--;
      return [inner];
    }
    this.#close('else');
    const { body, ending } = this.#body();
    if (ending === 'else') throw new TemplateSyntaxError('expected end; found {{else}}', token.pos);
    return body;
  }

  #definition(name: string, closes: boolean): void {
    if (closes) this.#close('define clause');
    const [outer, outerRanges] = [this.#variables, this.#rangeDepth];
    this.#variables = ['$'];
    this.#rangeDepth = 0;
    const { body, ending, token } = this.#body();
    if (ending === 'else') throw unexpected(token, '{{else}}');
    this.#variables = outer;
    this.#rangeDepth = outerRanges;
    this.#templates.set(name, body);
  }

  #invocation(word: Token, name: string): Node {
    const pipe = this.#peek().kind === 'close' ? undefined : this.#pipe('template clause');
    this.#close('template clause');
    const argument = pipe === undefined ? '' : ` ${pipe.text}`;
    const text = `{{template ${JSON.stringify(name)}${argument}}}`;
    return { kind: 'template', pos: word.pos + word.value.length + 1, text, name, pipe };
  }

  #name(where: string): string {
    const token = this.#next();
    if (token.kind !== 'string') throw unexpected(token, JSON.stringify(token.raw), ` in ${where}`);
    return token.value;
  }

  #pipe(where: string): Pipe {
    if (++this.#depth > MAX_DEPTH) throw new TemplateSyntaxError('it is nested too deeply', this.#peek().pos);
    const { pos } = this.#peek();
    const { variables, isAssignment } = this.#declarations(where);
    const commands = [this.#command(where)];
    while (this.#peek().value === '|' && this.#peek().kind === 'sign') {
      this.#next();
      commands.push(this.#command(where));
      if (!['function', 'field', 'variable', 'chain'].includes(commands.at(-1)!.args[0]!.kind)) {
        const { pos: at } = commands.at(-1)!;
        throw new TemplateSyntaxError(`non executable command in pipeline stage ${commands.length}`, at);
      }
    }
    // Only now: a variable is not known in what it is set to.
    if (!isAssignment) this.#variables.push(...variables);
    this.#depth--;
    const declared = variables.length === 0 ? '' : `${variables.join(', ')} ${isAssignment ? '=' : ':='} `;
    const text = declared + commands.map((command) => command.text).join(' | ');
    return { kind: 'pipe', pos, text, variables, isAssignment, commands };
  }

  #declarations(where: string): { variables: string[]; isAssignment: boolean } {
    const start = this.#at;
    const variables: string[] = [];
    while (this.#peek().kind === 'variable') {
      const token = this.#next();
      variables.push(token.value);
      const sign = this.#peek();
      if (sign.kind === 'sign' && (sign.value === ':=' || sign.value === '=')) {
        this.#next();
        const isAssignment = sign.value === '=';
        if (isAssignment) for (const name of variables) this.#known(name, token.pos);
        return { variables, isAssignment };
      }
      if (where !== 'range' || variables.length > 1 || sign.value !== ',') break;
      this.#next();
    }
    this.#at = start;
    return { variables: [], isAssignment: false };
  }

  #command(where: string): Command {
    const args: Arg[] = [];
    const { pos } = this.#peek();
    for (;;) {
      const token = this.#peek();
      if (token.kind === 'close' || token.value === '|' || token.value === ')') {
        if (token.kind !== 'string') break;
      }
      if (args.length > 0 && !token.isSpaced && token.value !== '(')
        throw unexpected(token, `<${token.raw}>`, ' in operand');
      args.push(this.#operand(where));
    }
    if (args.length === 0) {
      const { kind } = this.#peek();
      if (kind === 'close' && where !== 'parenthesized pipeline')
        throw new TemplateSyntaxError(`missing value for ${where}`, pos);
      throw new TemplateSyntaxError('empty command', pos);
    }
    return { pos, text: args.map(textOf).join(' '), args };
  }

  #operand(where: string): Arg {
    const token = this.#next();
    const term = this.#term(token, where);
    // Go says of a chain that it is where its first field is.
    const { pos } = this.#peek();
    const path = this.#path();
    if (path.length === 0) return term;
    const text = `${textOf(term)}${path.map((name) => `.${name}`).join('')}`;
    if (term.kind === 'field' || term.kind === 'variable') return { ...term, pos, text, path: [...term.path, ...path] };
    if (term.kind === 'dot') return { kind: 'field', pos, text, path };
    if (term.kind === 'constant' || term.kind === 'nil')
      throw new TemplateSyntaxError(`unexpected . after term ${JSON.stringify(term.text)}`, pos);
    return { kind: 'chain', pos, text, of: term, path };
  }

  /** Fields that follow without white space. */
  #path(): string[] {
    const path: string[] = [];
    while (this.#peek().kind === 'field' && !this.#peek().isSpaced) path.push(this.#next().value.slice(1));
    return path;
  }

  #term(token: Token, where: string): Arg {
    const { kind, value, pos, raw: text } = token;
    switch (kind) {
      case 'string':
        return { kind: 'constant', pos, text, value };
      case 'number':
        return { kind: 'constant', pos, text, value: constantOf(token) };
      case 'field':
        return { kind: 'field', pos, text, path: [value.slice(1)] };
      case 'variable':
        return { kind: 'variable', pos, text, name: this.#known(value, pos), path: [] };
      case 'word':
        if (value === 'true' || value === 'false') return { kind: 'constant', pos, text, value: value === 'true' };
        if (value === 'nil') return { kind: 'nil', pos, text };
        if (!this.#isFunction(value))
          throw new TemplateSyntaxError(`function ${JSON.stringify(value)} not defined`, pos);
        return { kind: 'function', pos, text, name: value };
      case 'sign':
        if (value === '.') return { kind: 'dot', pos, text };
        if (value === '(') {
          const pipe = this.#pipe('parenthesized pipeline');
          const close = this.#next();
          if (close.value !== ')') throw new TemplateSyntaxError('unclosed left paren', pos);
          return { ...pipe, pos };
        }
    }
    throw unexpected(token, kind === 'end' ? 'EOF' : JSON.stringify(text), ` in ${where}`);
  }

  #known(name: string, pos: number): string {
    if (!this.#variables.includes(name))
      throw new TemplateSyntaxError(`undefined variable ${JSON.stringify(name)}`, pos);
    return name;
  }

  #close(where: string): void {
    const token = this.#next();
    if (token.kind !== 'close') throw unexpected(token, JSON.stringify(token.raw), ` in ${where}`);
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const token = this.#tokens[this.#at]!;
    if (token.kind !== 'end') this.#at++;
    return token;
  }
}

function textOf(arg: Arg): string {
  return arg.kind === 'pipe' ? `(${arg.text})` : arg.text;
}

/** A bigint is an integer of Go, a number a float. */
function constantOf({ raw, pos }: Token): number | bigint {
  if (raw[0] === "'") return BigInt(unquote(raw, pos).codePointAt(0) ?? 0);
  const text = raw.replaceAll('_', '');
  const isHex = /^[+-]?0[xX]/.test(text);
  if (!isHex && /[.eE]/.test(text)) return Number(text);
  const sign = text.startsWith('-') ? -1n : 1n;
  const digits = text.replace(/^[+-]/, '');
  try {
    return sign * BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  } catch {
    // 08 and the like.
    throw new TemplateSyntaxError(`bad number syntax: ${JSON.stringify(raw)}`, pos);
  }
}

function unexpected(token: Token, what: string, where = ''): TemplateSyntaxError {
  return new TemplateSyntaxError(`unexpected ${what}${where}`, token.pos);
}
