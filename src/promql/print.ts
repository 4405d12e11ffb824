/** Expressions as text: Prometheus' canonical form, which parses to the same expression again. */
import type { Aggregation, BinaryExpression, Expression, NumberLiteral, TimeShift, VectorSelector } from './ast.ts';
import { isLegacyLabel, quote } from './labels.ts';
import { durationText, numberText } from './literals.ts';

export function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'number':
      return numberLiteralText(expression);
    case 'string':
      return quote(expression.value);
    case 'vector_selector':
      return selectorText(expression) + shiftText(expression);
    case 'matrix_selector':
      return `${selectorText(expression.selector)}[${durationText(expression.range_ms)}]${shiftText(expression.selector)}`;
    case 'subquery': {
      const step = expression.step_ms === undefined ? '' : durationText(expression.step_ms);
      return `${printExpression(expression.expression)}[${durationText(expression.range_ms)}:${step}]${shiftText(expression)}`;
    }
    case 'call':
      return `${expression.function.name}(${expression.arguments.map(printExpression).join(', ')})`;
    case 'aggregation':
      return aggregationText(expression);
    case 'binary':
      return binaryText(expression);
    case 'unary':
      return expression.operator + printExpression(expression.expression);
    case 'parentheses':
      return `(${printExpression(expression.expression)})`;
  }
}

function numberLiteralText({ value, isDuration }: NumberLiteral): string {
  if (!isDuration) return numberText(value);
  const text = durationText(Math.round(Math.abs(value) * 1000));
  return value < 0 ? `-${text}` : text;
}

function selectorText({ name, matchers }: VectorSelector): string {
  const texts = matchers
    .filter((matcher) => !(matcher.name === '__name__' && matcher.op === '=' && matcher.value === name && name !== ''))
    .map(
      (matcher) =>
        `${isLegacyLabel(matcher.name) ? matcher.name : quote(matcher.name)}${matcher.op}${quote(matcher.value)}`,
    );
  return texts.length === 0 ? name : `${name}{${texts.toSorted().join(',')}}`;
}

function shiftText({ at, offset_ms }: TimeShift): string {
  let text = '';
  if (at === 'start' || at === 'end') text += ` @ ${at}()`;
  else if (at !== undefined) text += ` @ ${(at.time_ms / 1000).toFixed(3)}`;
  if (offset_ms !== 0) text += ` offset ${offset_ms < 0 ? '-' : ''}${durationText(Math.abs(offset_ms))}`;
  return text;
}

function aggregationText({ operator, without, grouping, parameter, expression }: Aggregation): string {
  const labels = grouping.map((name) => (isLegacyLabel(name) ? name : quote(name))).join(', ');
  let text: string = operator;
  if (without) text += ` without (${labels}) `;
  else if (grouping.length > 0) text += ` by (${labels}) `;
  const first = parameter === undefined ? '' : `${printExpression(parameter)}, `;
  return `${text}(${first}${printExpression(expression)})`;
}

function binaryText({ operator, left, right, matching, returnsBool }: BinaryExpression): string {
  let text = returnsBool ? `${operator} bool` : operator;
  if (matching !== undefined && (matching.on || matching.labels.length > 0)) {
    const list = (names: readonly string[]): string =>
      names.map((name) => (isLegacyLabel(name) ? name : quote(name))).join(', ');
    text += ` ${matching.on ? 'on' : 'ignoring'} (${list(matching.labels)})`;
    if (matching.cardinality === 'many-to-one') text += ` group_left (${list(matching.include)})`;
    if (matching.cardinality === 'one-to-many') text += ` group_right (${list(matching.include)})`;
  }
  // A sign would bind the whole power.
  const isBase = operator === '^' && left.kind === 'number' && left.value === Infinity;
  return `${isBase ? 'Inf' : printExpression(left)} ${text} ${printExpression(right)}`;
}
