/** The leaves of an expression: numbers, durations, strings, selectors, lists of labels. */
import type { SyntaxNode } from '@lezer/common';
import type { Matcher } from '../store/queryable.ts';
import { compileRegExp } from '../text/regexp.ts';
import type { NumberLiteral, VectorSelector } from './ast.ts';
import type { Position } from './errors.ts';
import { isDuration, parseDuration, parseNumber, unquote } from './literals.ts';
import type { Fail } from './parse.ts';
import type { TreeContext } from './parse_tree.ts';

type TextOf = (node: SyntaxNode) => string;

/** A number or duration, in seconds, or the tree of a duration of which only a plain one is supported. */
export function durationPart(
  part: SyntaxNode | { token: string; position: Position },
  { text, fail, query }: TreeContext,
  mayBeNegative: boolean,
): { value: number; position: Position; literal: NumberLiteral } {
  const isToken = 'token' in part;
  const position = isToken ? part.position : { start: part.from, end: part.to };
  const written = isToken ? part.token : text(part);
  const [, sign = '', token = ''] = /^([-+]?)\s*([\w.]+(?:(?<=[eE])[-+]\w+)?)$/.exec(written) ?? [];
  if (token === '' || !/^(?:[\d.]|inf$|nan$)/i.test(token)) {
    return fail(
      `experimental duration expression is not enabled: "${query.slice(position.start, position.end)}"`,
      position,
    );
  }
  const value = literalValue(token, position, fail);
  const signed = sign === '-' ? -value : value;
  if (!mayBeNegative && !(signed > 0)) fail('duration must be greater than 0', position);
  if (!isToken && !(Math.abs(signed) < MAX_SECONDS)) fail('duration out of range', position);
  return {
    value: signed,
    position,
    literal: { kind: 'number', type: 'scalar', value: signed, isDuration: isDuration(token), position },
  };
}

/** Of Go's time.Duration: 63 bits of nanoseconds. */
const MAX_SECONDS = 2 ** 63 / 1e9;

/** The time of `@`: seconds. */
export function signedNumber(node: SyntaxNode, { text, fail }: TreeContext): number {
  const position = { start: node.from, end: node.to };
  const [, sign, token] = /^([-+]?)\s*([^]+)$/.exec(text(node))!;
  const value = literalValue(token!, position, fail);
  return sign === '-' ? -value : value;
}

function literalValue(token: string, position: Position, fail: Fail): number {
  if (isDuration(token)) {
    const duration_ms = parseDuration(token);
    return duration_ms === undefined ? fail('duration out of range', position) : duration_ms / 1000;
  }
  return parseNumber(token) ?? fail(`error parsing number: "${token}"`, position);
}

export function readString(node: SyntaxNode, text: TextOf, fail: Fail): string {
  const token = text(node);
  try {
    return unquote(token);
  } catch (cause) {
    return fail(
      `error unquoting string ${token}: ${(cause as Error).message}`,
      { start: node.from, end: node.to },
      cause,
    );
  }
}

export function readGroupingLabels(node: SyntaxNode, text: TextOf, fail: Fail): string[] {
  const names: string[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (child.name === 'LabelName') names.push(text(child));
    if (child.name !== 'QuotedLabelName') continue;
    const name = readString(child.firstChild!, text, fail);
    if (name === '') fail('invalid label name for grouping: ""', { start: child.from, end: child.to });
    names.push(name);
  }
  return names;
}

export function readSelector(node: SyntaxNode, text: TextOf, fail: Fail): VectorSelector {
  const identifier = node.getChild('Identifier');
  const name = identifier === null ? '' : text(identifier);
  const matchers: Matcher[] = [];
  const list = node.getChild('LabelMatchers');
  for (let child = list?.firstChild ?? null; child !== null; child = child.nextSibling) {
    if (child.name === 'QuotedLabelName') {
      matchers.push({ name: '__name__', op: '=', value: readString(child.firstChild!, text, fail) });
    } else if (child.name.endsWith('LabelMatcher')) matchers.push(readMatcher(child, text, fail));
  }
  if (name !== '') matchers.push({ name: '__name__', op: '=', value: name });
  const position = { start: node.from, end: node.to };
  return { kind: 'vector_selector', type: 'vector', name, matchers, offset_ms: 0, at: undefined, position };
}

function readMatcher(node: SyntaxNode, text: TextOf, fail: Fail): Matcher {
  const first = node.firstChild!;
  const name = first.name === 'QuotedLabelName' ? readString(first.firstChild!, text, fail) : text(first);
  const op = text(node.getChild('MatchOp')!) as Matcher['op'];
  const value = readString(node.lastChild!, text, fail);
  if (op === '=~' || op === '!~') {
    try {
      compileRegExp(anchored(value));
    } catch (cause) {
      fail(`error parsing regexp: ${(cause as Error).message}`, { start: node.from, end: node.to }, cause);
    }
  }
  return { name, op, value };
}

/** Patterns match whole values, and a dot matches a line feed, too. */
export function anchored(pattern: string): string {
  return `^(?s:${pattern})$`;
}
