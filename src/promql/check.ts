/** Types, counts and placement: what the grammar cannot say. Messages are those that users know from Prometheus. */
import { compileRegExp } from '../text/regexp.ts';
import type { BinaryExpression, Call, Expression, ValueType, VectorSelector } from './ast.ts';
import type { Fail } from './parse.ts';
import { anchored } from './parse_parts.ts';

const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  scalar: 'scalar',
  string: 'string',
  vector: 'instant vector',
  matrix: 'range vector',
};

export function checkExpression(query: string, expression: Expression, fail: Fail): void {
  const expectType = (part: Expression, type: ValueType, place: string): void => {
    check(part);
    if (part.type !== type)
      fail(`expected type ${TYPE_NAMES[type]} in ${place}, got ${TYPE_NAMES[part.type]}`, part.position);
  };
  const check = (part: Expression): void => {
    switch (part.kind) {
      case 'aggregation':
        expectType(part.expression, 'vector', 'aggregation expression');
        if (part.parameter !== undefined) {
          expectType(part.parameter, part.operator === 'count_values' ? 'string' : 'scalar', 'aggregation parameter');
        }
        return;
      case 'binary':
        check(part.left);
        check(part.right);
        return checkBinary(query, part, fail);
      case 'call':
        checkCount(part, fail);
        part.arguments.forEach((argument, index) => {
          const { arguments: types, name } = part.function;
          expectType(argument, types[Math.min(index, types.length - 1)]!, `call to function "${name}"`);
        });
        return;
      case 'parentheses':
        return check(part.expression);
      case 'unary':
        check(part.expression);
        if (part.expression.type !== 'scalar' && part.expression.type !== 'vector') {
          const found = TYPE_NAMES[part.expression.type];
          fail(
            `unary expression only allowed on expressions of type scalar or instant vector, got "${found}"`,
            part.position,
          );
        }
        return;
      case 'subquery':
        check(part.expression);
        if (part.expression.type !== 'vector') {
          fail(`subquery is only allowed on instant vector, got ${part.expression.type} instead`, part.position);
        }
        return;
      case 'matrix_selector':
        return checkSelector(part.selector, fail);
      case 'vector_selector':
        return checkSelector(part, fail);
      default:
    }
  };
  check(expression);
}

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '>', '<=', '>=']);
const SETS: ReadonlySet<string> = new Set(['and', 'or', 'unless']);

function checkBinary(query: string, part: BinaryExpression, fail: Fail): void {
  const { left, right, operator, matching, returnsBool, position } = part;
  const isComparison = COMPARISONS.has(operator);
  const between = { start: left.position.end, end: right.position.start };
  while (/\s/.test(query[between.start] ?? '')) between.start++;
  if (returnsBool && !isComparison) fail('bool modifier can only be used on comparison operators', between);
  if (isComparison && !returnsBool && left.type === 'scalar' && right.type === 'scalar') {
    fail('comparisons between scalars must use BOOL modifier', between);
  }
  const twice = matching?.on === true ? matching.labels.find((label) => matching.include.includes(label)) : undefined;
  if (twice !== undefined) fail(`label "${twice}" must not occur in ON and GROUP clause at once`, between);
  for (const side of [left, right]) {
    if (side.type !== 'scalar' && side.type !== 'vector') {
      fail('binary expression must contain only scalar and instant vector types', side.position);
    }
  }
  const areVectors = left.type === 'vector' && right.type === 'vector';
  if (!areVectors && matching !== undefined && matching.labels.length > 0) {
    fail('vector matching only allowed between instant vectors', position);
  }
  if (!SETS.has(operator)) return;
  if (!areVectors) fail(`set operator "${operator}" not allowed in binary scalar expression`, position);
  if (matching?.cardinality !== 'many-to-many') fail(`no grouping allowed for "${operator}" operation`, position);
}

function checkCount(
  { function: { name, arguments: types, variadic }, arguments: given, position }: Call,
  fail: Fail,
): void {
  if (variadic === 0) {
    if (given.length !== types.length) {
      fail(`expected ${types.length} argument(s) in call to "${name}", got ${given.length}`, position);
    }
    return;
  }
  const least = variadic < 0 ? types.length - 1 : types.length - variadic;
  if (given.length < least)
    fail(`expected at least ${least} argument(s) in call to "${name}", got ${given.length}`, position);
  if (variadic > 0 && given.length > types.length) {
    fail(`expected at most ${types.length} argument(s) in call to "${name}", got ${given.length}`, position);
  }
}

function checkSelector({ name, matchers, position }: VectorSelector, fail: Fail): void {
  const names = matchers.filter((matcher) => matcher.name === '__name__');
  if (name !== '') {
    const other = names.find((_, index) => index < names.length - 1);
    if (other !== undefined) fail(`metric name must not be set twice: "${name}" or "${other.value}"`, position);
    return;
  }
  // Else a slip of the pen would select all there is.
  const isNarrow = matchers.some(({ op, value }) => {
    if (op === '=' || op === '!=') return (value === '') === (op === '!=');
    return compileRegExp(anchored(value)).matches('') === (op === '!~');
  });
  if (!isNarrow) fail('vector selector must contain at least one non-empty matcher', position);
}
