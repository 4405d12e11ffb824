/** The grammar's tree → expressions: what stands between brackets is laid out flat, then put together by precedence. */
import type { SyntaxNode } from '@lezer/common';
import type { AggregationOperator, BinaryOperator, Expression, VectorMatching } from './ast.ts';
import { functions } from './functions/index.ts';
import { durationPart, readGroupingLabels, readSelector, readString, signedNumber } from './parse_parts.ts';
import type { Fail } from './parse.ts';
import type { Position } from './errors.ts';
import { atModified, offsetModified, rangeSelected, subqueried } from './parse_modifiers.ts';

/** What a tree is read with. */
export interface TreeContext {
  readonly query: string;
  readonly fail: Fail;
  text(node: SyntaxNode): string;
}

export function convertTree(query: string, top: SyntaxNode, maxDepth: number, fail: Fail): Expression {
  const context: TreeContext = { query, fail, text: ({ from, to }) => query.slice(from, to) };
  const convert = (node: SyntaxNode, depth: number): Expression => {
    if (depth > maxDepth) return fail(`expression is nested more than ${maxDepth} deep`, positionOf(node));
    const operands = new Map<SyntaxNode, Expression>();
    const items = flatten(node, context);
    for (const item of items) {
      if (item.kind === 'operand')
        operands.set(
          item.node,
          convertOperand(item.node, context, (child) => convert(child, depth + 1)),
        );
    }
    return assemble(items, operands, context, maxDepth - depth);
  };
  return convert(childrenOf(top)[0]!, 0);
}

export function positionOf({ from, to }: { from: number; to: number }): Position {
  return { start: from, end: to };
}

type Item =
  | { readonly kind: 'operand'; readonly node: SyntaxNode }
  | { readonly kind: 'unary'; readonly operator: '+' | '-'; readonly start: number }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly matching: VectorMatching;
      readonly returnsBool: boolean;
    }
  | { readonly kind: 'postfix'; readonly node: SyntaxNode };

const POSTFIX: ReadonlySet<string> = new Set(['OffsetExpr', 'StepInvariantExpr', 'MatrixSelector', 'SubqueryExpr']);
const REFUSED_POSTFIX: Readonly<Record<string, string>> = { AnchoredExpr: 'anchored', SmoothedExpr: 'smoothed' };

/** In the order of the text. Not recursive: chains of operators are as deep as they are long in the grammar's tree. */
function flatten(root: SyntaxNode, context: TreeContext): Item[] {
  const items: Item[] = [];
  const pending: (SyntaxNode | Item)[] = [root];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if ('kind' in next) items.push(next);
    else if (next.name === 'BinaryExpr') {
      const [left, ...middle] = childrenOf(next);
      const right = middle.pop()!;
      pending.push(right, binaryItem(middle, context), left!);
    } else if (next.name === 'UnaryExpr') {
      items.push({ kind: 'unary', operator: context.text(next.firstChild!) as '+' | '-', start: next.from });
      pending.push(next.lastChild!);
    } else if (POSTFIX.has(next.name)) {
      pending.push({ kind: 'postfix', node: next }, childrenOf(next)[0]!);
    } else if (REFUSED_POSTFIX[next.name] !== undefined) {
      return context.fail(`the modifier "${REFUSED_POSTFIX[next.name]}" is not supported`, positionOf(next.lastChild!));
    } else if (next.name === 'NumberDurationLiteral' && /^[-+]/.test(context.text(next))) {
      items.push({ kind: 'unary', operator: context.query[next.from] as '+' | '-', start: next.from });
      items.push({ kind: 'operand', node: next });
    } else items.push({ kind: 'operand', node: next });
  }
  return items;
}

function binaryItem(nodes: readonly SyntaxNode[], { text, fail }: TreeContext): Item {
  const [operatorNode, ...modifiers] = nodes;
  const operator = text(operatorNode!).toLowerCase();
  if (operator === '</' || operator === '>/')
    fail(`the operator "${operator}" is not supported`, positionOf(operatorNode!));
  let matching: VectorMatching = { cardinality: 'one-to-one', on: false, labels: [], include: [] };
  for (const modifier of modifiers) {
    if (modifier.name === 'FillModifier')
      fail(`the modifier "${text(modifier).replace(/\W[^]*/, '')}" is not supported`, positionOf(modifier));
    if (modifier.name !== 'MatchingModifierClause') continue;
    const [kind, labels, group, include] = childrenOf(modifier);
    matching = {
      cardinality: group === undefined ? 'one-to-one' : group.name === 'GroupLeft' ? 'many-to-one' : 'one-to-many',
      on: kind!.name === 'On',
      labels: readGroupingLabels(labels!, text, fail),
      include: include === undefined ? [] : readGroupingLabels(include, text, fail),
    };
  }
  const returnsBool = modifiers.some(({ name }) => name === 'BoolModifier');
  return { kind: 'binary', operator: operator as BinaryOperator, matching, returnsBool };
}

const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  or: 1,
  and: 2,
  unless: 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '>': 3,
  '<=': 3,
  '>=': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
  '%': 5,
  atan2: 5,
  '^': 7,
};
/** Above products, below powers: `-a ^ b` is `-(a ^ b)`, `-a * b` is `(-a) * b`. */
const UNARY = 6;

/** Precedence climbing: postfixes bind most tightly. */
function assemble(
  items: readonly Item[],
  operands: ReadonlyMap<SyntaxNode, Expression>,
  context: TreeContext,
  maxDepth: number,
): Expression {
  const depths = new WeakMap<Expression, number>();
  const deepen = (made: Expression, ...parts: readonly Expression[]): Expression => {
    const depth = 1 + Math.max(...parts.map((part) => depths.get(part) ?? 0));
    if (depth > maxDepth) context.fail('expression is nested too deeply', made.position);
    depths.set(made, depth);
    return made;
  };
  let at = 0;

  const operand = (level: number): Expression => {
    const item = items[at++]!;
    if (level > maxDepth) context.fail('expression is nested too deeply', { start: 0, end: context.query.length });
    if (item.kind === 'unary') {
      const expression = climb(UNARY, level + 1);
      const position = { start: item.start, end: expression.position.end };
      if (expression.kind === 'number') {
        return { ...expression, value: item.operator === '-' ? -expression.value : expression.value, position };
      }
      return deepen(
        { kind: 'unary', type: expression.type, operator: item.operator, expression, position },
        expression,
      );
    }
    if (item.kind !== 'operand') return context.fail('unexpected operator', { start: 0, end: context.query.length });
    let expression = operands.get(item.node)!;
    for (let next = items[at]; next?.kind === 'postfix'; next = items[++at]) {
      expression = deepen(withPostfix(expression, next.node, context), expression);
    }
    return expression;
  };

  const climb = (minimum: number, level: number): Expression => {
    let left = operand(level);
    for (let item = items[at]; item?.kind === 'binary' && PRECEDENCE[item.operator] >= minimum; item = items[at]) {
      at++;
      const { operator, matching, returnsBool } = item;
      // Powers are bound from the right.
      const right = climb(operator === '^' ? PRECEDENCE[operator] : PRECEDENCE[operator] + 1, level + 1);
      const isSet = PRECEDENCE[operator] <= 2;
      const areVectors = left.type === 'vector' && right.type === 'vector';
      const cardinality = isSet && matching.cardinality === 'one-to-one' ? 'many-to-many' : matching.cardinality;
      const made: Expression = {
        kind: 'binary',
        type: left.type === 'scalar' && right.type === 'scalar' ? 'scalar' : 'vector',
        operator,
        left,
        right,
        matching:
          areVectors || matching.labels.length > 0 || matching.include.length > 0
            ? { ...matching, cardinality }
            : undefined,
        returnsBool,
        position: { start: left.position.start, end: right.position.end },
      };
      left = deepen(made, left, right);
    }
    return left;
  };
  return climb(0, 0);
}

function withPostfix(expression: Expression, node: SyntaxNode, context: TreeContext): Expression {
  const parts = childrenOf(node).slice(1);
  switch (node.name) {
    case 'OffsetExpr': {
      const { value, position } = durationPart(parts[1]!, context, true);
      return offsetModified(expression, value, position.end, context.fail);
    }
    case 'StepInvariantExpr': {
      const at = parts[1]!;
      if (at.name === 'NumberDurationLiteral')
        return atModified(expression, signedNumber(at, context), node.to, context.fail);
      return atModified(expression, context.text(at).toLowerCase() as 'start' | 'end', node.to, context.fail);
    }
    case 'MatrixSelector': {
      const brackets = { start: bracketBefore(parts[0]!, context), end: node.to };
      return rangeSelected(expression, durationPart(parts[0]!, context, false).value, brackets, context.fail);
    }
    default: {
      const range = durationPart(parts[0]!, context, false).value;
      const step = parts[1] === undefined ? undefined : durationPart(parts[1], context, false).value;
      return subqueried(expression, range, step, node.to);
    }
  }
}

function bracketBefore({ from }: SyntaxNode, { query }: TreeContext): number {
  return query.lastIndexOf('[', from);
}

function convertOperand(node: SyntaxNode, context: TreeContext, convert: (node: SyntaxNode) => Expression): Expression {
  const { text, fail } = context;
  const position = positionOf(node);
  switch (node.name) {
    case 'NumberDurationLiteral': {
      // Its sign is an operator of its own here.
      const token = text(node).replace(/^[-+]\s*/, '');
      return signlessNumber(token, position, context);
    }
    case 'StringLiteral':
      return { kind: 'string', type: 'string', value: readString(node, text, fail), position };
    case 'ParenExpr': {
      const expression = convert(node.getChild('Expr')!);
      return { kind: 'parentheses', type: expression.type, expression, position };
    }
    case 'VectorSelector':
      return readSelector(node, text, fail);
    case 'FunctionCall':
      return convertCall(node, context, convert);
    case 'AggregateExpr':
      return convertAggregation(node, context, convert);
    default:
      return fail(`unexpected ${node.name}`, position);
  }
}

function signlessNumber(token: string, position: Position, context: TreeContext): Expression {
  return durationPart({ token, position }, context, true).literal;
}

function convertCall(
  node: SyntaxNode,
  { text, fail }: TreeContext,
  convert: (node: SyntaxNode) => Expression,
): Expression {
  const identifier = node.firstChild!;
  const name = text(identifier);
  const definition = functions.get(name);
  if (definition === undefined) return fail(`unknown function with name "${name}"`, positionOf(identifier));
  if (definition.refused !== undefined) return fail(definition.refused, positionOf(identifier));
  const values = node.lastChild!.getChildren('Expr').map(convert);
  return {
    kind: 'call',
    type: definition.returns,
    function: definition,
    arguments: values,
    position: positionOf(node),
  };
}

const PARAMETERIZED: ReadonlySet<string> = new Set(['topk', 'bottomk', 'quantile', 'count_values']);

function convertAggregation(
  node: SyntaxNode,
  { text, fail }: TreeContext,
  convert: (node: SyntaxNode) => Expression,
): Expression {
  const operator = text(node.firstChild!).toLowerCase();
  const position = positionOf(node);
  if (operator === 'limitk' || operator === 'limit_ratio') {
    return fail(`${operator}() is experimental and is not supported`, position);
  }
  const modifier = node.getChild('AggregateModifier');
  const grouping = modifier === null ? [] : readGroupingLabels(modifier.lastChild!, text, fail);
  const values = node.getChild('FunctionCallBody')!.getChildren('Expr').map(convert);
  if (values.length === 0) return fail('no arguments for aggregate expression provided', position);
  const expected = PARAMETERIZED.has(operator) ? 2 : 1;
  if (values.length !== expected) {
    return fail(
      `wrong number of arguments for aggregate expression provided, expected ${expected}, got ${values.length}`,
      position,
    );
  }
  return {
    kind: 'aggregation',
    type: 'vector',
    operator: operator as AggregationOperator,
    expression: values.at(-1)!,
    parameter: expected === 2 ? values[0] : undefined,
    grouping,
    without: modifier?.firstChild?.name === 'Without',
    position,
  };
}

/** Comments stand anywhere blanks may. */
function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (child.name !== 'LineComment') children.push(child);
  }
  return children;
}
