/** Parses the constraints of a pattern: `name == "x", $d : labels["device"], value > 90 || value < 10`. */
import { unsupported, type Cursor } from './cursor.ts';
import type { Comparison, Constraint, Field, Operand, Operator } from './syntax.ts';
import { DrlError, type Token } from './tokens.ts';

const MAX_DEPTH = 50;
const PLAIN_OPERATORS: readonly Operator[] = ['==', '!=', '<', '<=', '>', '>='];
const WORD_OPERATORS: readonly string[] = ['matches', 'in', 'contains'];

export interface PatternBody {
  readonly bindings: ReadonlyMap<string, Field>;
  readonly constraint: Constraint | undefined;
}

/** @throws {DrlError} */
export function parsePatternBody(cursor: Cursor): PatternBody {
  const bindings = new Map<string, Field>();
  const parts: Constraint[] = [];
  while (!cursor.is(')')) {
    if (cursor.next.kind === 'variable' && cursor.after.text === ':') {
      const variable = cursor.take();
      cursor.take();
      if (bindings.has(variable.text)) throw new DrlError(`Cannot use ${variable.text}: it is bound twice`, variable);
      // `$v : value > 90` is both.
      const start = cursor.next;
      const field = parseField(cursor, () => false);
      bindings.set(variable.text, field);
      if (!cursor.is(',', ')')) parts.push(parseComparison(cursor, field, start));
    } else parts.push(parseConstraint(cursor, () => false, 0));
    if (!cursor.skip(',')) break;
  }
  return { bindings, constraint: parts.length === 0 ? undefined : allOf(parts) };
}

function allOf(parts: readonly Constraint[]): Constraint {
  return parts.length === 1 ? parts[0]! : { kind: 'all', parts };
}

/** @param isResult whether a variable is a result of accumulate, which stands where a field does. @throws {DrlError} */
export function parseConstraint(cursor: Cursor, isResult: (variable: string) => boolean, depth: number): Constraint {
  if (depth > MAX_DEPTH) {
    throw new DrlError(`Cannot use the rule: it is nested more than ${MAX_DEPTH} deep`, cursor.next);
  }
  const any = [parseAll(cursor, isResult, depth)];
  while (cursor.skip('||') || cursor.skip('or')) any.push(parseAll(cursor, isResult, depth));
  return any.length === 1 ? any[0]! : { kind: 'any', parts: any };
}

function parseAll(cursor: Cursor, isResult: (variable: string) => boolean, depth: number): Constraint {
  const all: Constraint[] = [];
  do {
    if (cursor.is('!')) throw unsupported('"!" before a constraint', cursor.next, 'turn its operators round');
    if (cursor.skip('(')) {
      all.push(parseConstraint(cursor, isResult, depth + 1));
      cursor.expect(')', 'after a constraint');
    } else {
      const start = cursor.next;
      const field = parseField(cursor, isResult);
      all.push(parseComparison(cursor, field, start));
      // `value > 10 && < 90`: the field is meant again.
      while (cursor.is('&&') && PLAIN_OPERATORS.includes(cursor.after.text as Operator)) {
        cursor.take();
        all.push(parseComparison(cursor, field, start));
      }
    }
  } while (cursor.skip('&&') || cursor.skip('and'));
  return allOf(all);
}

/** `name`, `value`, `labels["device"]`, `labels.device`, or a result of accumulate. */
function parseField(cursor: Cursor, isResult: (variable: string) => boolean): Field {
  const { next } = cursor;
  if (next.kind === 'variable' && isResult(next.text)) {
    cursor.take();
    return { kind: 'result', variable: next.text };
  }
  cursor.expectKind('name', 'name, value or labels["…"]');
  if (next.text === 'name' || next.text === 'value') return { kind: next.text };
  const [base, ...rest] = next.text.split('.');
  if (base === 'labels' || base === 'attributes') {
    if (rest.length > 0) return { kind: 'label', label: rest.join('.') };
    cursor.expect('[', `after ${base}`);
    const label = cursor.expectKind('text', 'the name of a label in quotes').text;
    cursor.expect(']', 'after the name of the label');
    return { kind: 'label', label };
  }
  throw unsupported(`field "${next.text}"`, next, 'a Metric has name, value and labels["…"]');
}

function parseComparison(cursor: Cursor, field: Field, start: Token): Comparison {
  const operatorToken = cursor.next;
  const operator = parseOperator(cursor);
  const operandToken = cursor.next;
  const operand = parseOperand(cursor, operator);
  const place = { start: start.start, end: operandToken.end };
  if (cursor.is('+', '-', '*', '/', '%'))
    throw unsupported('arithmetic in a constraint', cursor.next, 'write the number');
  const isNumeric = field.kind === 'value' || field.kind === 'result';
  if (isNumeric && (operand.kind !== 'number' || !PLAIN_OPERATORS.includes(operator))) {
    const what = operand.kind === 'variable' ? 'a comparison of two values' : `"${operator}" with a value`;
    throw unsupported(what, operatorToken, 'compare value with a number: == != < <= > >=');
  }
  if (!isNumeric && operand.kind === 'number') {
    throw new DrlError('Cannot compare a label with a number: put it in quotes', operandToken);
  }
  if (!isNumeric && ['<', '<=', '>', '>='].includes(operator)) {
    throw unsupported(`"${operator}" between texts`, operatorToken, 'there are == != matches in contains');
  }
  if (operand.kind === 'variable' && (field.kind !== 'label' || operator !== '==')) {
    throw unsupported('a variable here', operandToken, 'it stands for a label: labels["x"] == $x');
  }
  return { kind: 'comparison', field, operator, operand, ...place };
}

function parseOperator(cursor: Cursor): Operator {
  const token = cursor.take();
  const plain = PLAIN_OPERATORS.find((one) => one === token.text);
  if (plain !== undefined && token.kind === 'sign') return plain;
  if (token.kind === 'name') {
    if (token.text === 'not' && WORD_OPERATORS.includes(cursor.next.text))
      return `not ${cursor.take().text}` as Operator;
    if (WORD_OPERATORS.includes(token.text)) return token.text as Operator;
    if (token.text === 'str' && cursor.skip('[')) {
      const kind = cursor.expectKind('name', 'startsWith or endsWith');
      cursor.expect(']', 'after it');
      if (kind.text === 'startsWith' || kind.text === 'endsWith') return `str[${kind.text}]`;
      throw unsupported(`str[${kind.text}]`, kind);
    }
    throw unsupported(`operator "${token.text}"`, token);
  }
  throw new DrlError(`Cannot read the rule: expected an operator such as == or >, found "${token.text}"`, token);
}

function parseOperand(cursor: Cursor, operator: Operator): Operand {
  if (operator === 'in' || operator === 'not in') {
    cursor.expect('(', `after ${operator}`);
    const texts: string[] = [];
    do texts.push(cursor.expectKind('text', 'a text in quotes').text);
    while (cursor.skip(','));
    cursor.expect(')', 'after the list');
    return { kind: 'texts', texts };
  }
  const { next } = cursor;
  if (next.kind === 'text') return { kind: 'text', text: cursor.take().text };
  if (next.kind === 'variable') return { kind: 'variable', variable: cursor.take().text };
  const sign = cursor.skip('-') ? -1 : 1;
  const number = cursor.expectKind('number', 'a text in quotes, or a number');
  return { kind: 'number', number: sign * Number(number.text.replace(/[LlDdFf]$/, '')) };
}
