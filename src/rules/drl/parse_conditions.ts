/** Parses what stands between `when` and `then`. */
import { parsePrometheusDuration } from '../duration.ts';
import type { Cursor } from './cursor.ts';
import { unsupported } from './cursor.ts';
import { parseConstraint, parsePatternBody } from './parse_pattern.ts';
import type { Accumulate, AccumulateFunction, Condition, Pattern } from './syntax.ts';
import { DrlError, type Token } from './tokens.ts';

/** More brackets in brackets are no rule. */
const MAX_DEPTH = 50;
const UNSUPPORTED: ReadonlySet<string> = new Set(['forall', 'eval', 'collect', 'from', 'groupby', 'acc']);
const FUNCTIONS: readonly AccumulateFunction[] = ['average', 'min', 'max', 'sum', 'count'];
/** What facts are called. */
const FACTS: readonly string[] = ['Metric'];

/** Until `then`: patterns one after the other all have to hold. @throws {DrlError} */
export function parseConditions(cursor: Cursor): Condition {
  const parts: Condition[] = [];
  const first = cursor.next;
  while (!cursor.is('then')) {
    if (cursor.skip(';') || cursor.skip(',')) continue;
    if (cursor.next.kind === 'end') throw cursor.unexpected('"then"');
    parts.push(parseOr(cursor, 0));
  }
  if (parts.length === 0)
    throw new DrlError('Cannot use the rule: it has no condition, and would always hold', cursor.next);
  return joined('and', parts, first);
}

function joined(kind: 'and' | 'or', parts: readonly Condition[], first: Token): Condition {
  return parts.length === 1 ? parts[0]! : { kind, parts, start: first.start, end: first.end };
}

function parseOr(cursor: Cursor, depth: number): Condition {
  const first = cursor.next;
  const parts = [parseAnd(cursor, depth)];
  while (cursor.skip('or') || cursor.skip('||')) parts.push(parseAnd(cursor, depth));
  return joined('or', parts, first);
}

function parseAnd(cursor: Cursor, depth: number): Condition {
  const first = cursor.next;
  const parts = [parseUnary(cursor, depth)];
  while (cursor.skip('and') || cursor.skip('&&')) parts.push(parseUnary(cursor, depth));
  return joined('and', parts, first);
}

function parseUnary(cursor: Cursor, depth: number): Condition {
  const { next } = cursor;
  if (depth > MAX_DEPTH) throw new DrlError(`Cannot use the rule: it is nested more than ${MAX_DEPTH} deep`, next);
  if (cursor.is('not', 'exists')) {
    const kind = cursor.take().text as 'not' | 'exists';
    return { kind, part: parseUnary(cursor, depth + 1), start: next.start, end: next.end };
  }
  if (cursor.skip('(')) {
    const inner = parseOr(cursor, depth + 1);
    cursor.expect(')', 'after a condition');
    return inner;
  }
  if (cursor.is('accumulate')) return parseAccumulate(cursor);
  if (next.kind === 'name' && UNSUPPORTED.has(next.text)) throw unsupported(`"${next.text}"`, next);
  return { kind: 'pattern', pattern: parsePattern(cursor), start: next.start, end: next.end };
}

/** `$m : Metric(name == "x", value > 90) over window:time(5m)` */
function parsePattern(cursor: Cursor): Pattern {
  const start = cursor.next;
  const variable = start.kind === 'variable' ? cursor.take().text : undefined;
  if (variable !== undefined) cursor.expect(':', 'after a variable');
  const fact = cursor.expectKind('name', 'a pattern such as Metric(name == "…", value > 90)');
  if (!FACTS.includes(fact.text)) throw unsupported(`facts of type ${fact.text}`, fact, 'there is only Metric');
  cursor.expect('(', `after ${fact.text}`);
  const { bindings, constraint } = parsePatternBody(cursor);
  const end = cursor.expect(')', 'at the end of the pattern');
  if (cursor.is('from')) throw unsupported('"from"', cursor.next);
  return { variable, bindings, constraint, window_ms: parseWindow(cursor), start: start.start, end: end.end };
}

function parseWindow(cursor: Cursor): number | undefined {
  if (!cursor.skip('over')) return undefined;
  cursor.expect('window', 'after over');
  cursor.expect(':', 'after window');
  if (cursor.is('length')) throw unsupported('window:length', cursor.next, 'use window:time(5m)');
  cursor.expect('time', 'after window:');
  cursor.expect('(', 'after window:time');
  const time = cursor.expectKind('duration', 'a time such as 5m');
  const window_ms = parsePrometheusDuration(time.text);
  if (window_ms === undefined || window_ms === 0) throw new DrlError(`Cannot use ${time.text}: it is no time`, time);
  cursor.expect(')', 'after the time');
  return window_ms;
}

/** `accumulate(Metric(name == "x", $v : value) over window:time(5m); $max : max($v); $max > 90)` */
function parseAccumulate(cursor: Cursor): Condition {
  const word = cursor.take();
  cursor.expect('(', 'after accumulate');
  const source = parsePattern(cursor);
  if (source.window_ms === undefined) throw unsupported('accumulate without "over window:time(…)"', word);
  if (!cursor.skip(';')) cursor.expect(',', 'or ";" after the pattern of accumulate');
  if (cursor.is('init')) throw unsupported('"init"', cursor.next, `use the functions ${FUNCTIONS.join(', ')}`);
  const results = new Map<string, AccumulateFunction>();
  do {
    const variable = cursor.expectKind('variable', 'a result such as $max : max($v)');
    cursor.expect(':', 'after a variable');
    results.set(variable.text, parseFunction(cursor, source));
  } while (cursor.skip(','));
  const constraint =
    cursor.skip(';') && !cursor.is(')') ? parseConstraint(cursor, (name) => results.has(name), 0) : undefined;
  cursor.expect(')', 'at the end of accumulate');
  const accumulate: Accumulate = { source, results, constraint };
  return { kind: 'accumulate', accumulate, start: word.start, end: word.end };
}

function parseFunction(cursor: Cursor, source: Pattern): AccumulateFunction {
  const name = cursor.expectKind('name', `one of the functions ${FUNCTIONS.join(', ')}`);
  const found = FUNCTIONS.find((one) => one === name.text);
  if (found === undefined) throw unsupported(`function ${name.text}`, name, `there are ${FUNCTIONS.join(', ')}`);
  cursor.expect('(', `after ${name.text}`);
  if (found === 'count' && cursor.skip(')')) return found;
  const variable = cursor.expectKind('variable', 'a variable');
  if (source.bindings.get(variable.text)?.kind !== 'value') {
    throw new DrlError(`Cannot use ${variable.text}: the pattern does not say ${variable.text} : value`, variable);
  }
  cursor.expect(')', 'after the variable');
  return found;
}
