/** Goes through the words of a rule file of Drools. */
import { DrlError, type Token } from './tokens.ts';

export class Cursor {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get next(): Token {
    return this.#tokens[this.#at]!;
  }

  get after(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)]!;
  }

  take(): Token {
    const token = this.next;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  /** Whether the next word is this one, and not a text of that content. */
  is(...words: readonly string[]): boolean {
    return (this.next.kind === 'name' || this.next.kind === 'sign') && words.includes(this.next.text);
  }

  /** Takes the next word if it is this one. */
  skip(word: string): boolean {
    const found = this.is(word);
    if (found) this.#at++;
    return found;
  }

  /** @throws {DrlError} */
  expect(word: string, where: string): Token {
    if (!this.is(word)) throw this.unexpected(`"${word}" ${where}`);
    return this.take();
  }

  /** @throws {DrlError} */
  expectKind(kind: Token['kind'], what: string): Token {
    if (this.next.kind !== kind) throw this.unexpected(what);
    return this.take();
  }

  unexpected(expected: string): DrlError {
    const { kind, text } = this.next;
    const shown = kind === 'end' ? text : kind === 'text' ? JSON.stringify(text) : `"${text}"`;
    return new DrlError(`Cannot read the rule: expected ${expected}, found ${shown}`, this.next);
  }
}

/** What DRL has and this subset has not. */
export function unsupported(what: string, place: Pick<Token, 'start' | 'end'>, instead = ''): DrlError {
  const hint = instead === '' ? '' : `; ${instead}`;
  return new DrlError(`Cannot use ${what}: the supported subset of DRL does not have it${hint}`, place);
}
