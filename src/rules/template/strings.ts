/** The texts in quotes of templates that ask `query`: whatever is asked is among them, or made from them. */
import { tokenize } from './lexer.ts';

export function stringsIn(template: string): string[] {
  if (!template.includes('{{')) return [];
  const tokens = tokenize(template);
  if (!tokens.some(({ kind, value }) => kind === 'word' && value === 'query')) return [];
  return tokens.filter(({ kind }) => kind === 'string').map(({ value }) => value);
}
