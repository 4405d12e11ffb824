/** PromQL expressions as parsed and checked: immutable, so that what is derived from one can be cached by identity. */
import type { Matcher } from '../store/queryable.ts';
import type { Position } from './errors.ts';
import type { FunctionDefinition } from './functions.ts';

export type ValueType = 'scalar' | 'vector' | 'matrix' | 'string';

export type Expression =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Call
  | Aggregation
  | BinaryExpression
  | UnaryExpression
  | ParenthesizedExpression;

interface Node {
  readonly position: Position;
  readonly type: ValueType;
}

export interface NumberLiteral extends Node {
  readonly kind: 'number';
  readonly type: 'scalar';
  readonly value: number;
  /** Written as a duration, as `5m`: is printed as one. */
  readonly isDuration: boolean;
}

export interface StringLiteral extends Node {
  readonly kind: 'string';
  readonly type: 'string';
  readonly value: string;
}

/** Where in time a selector or subquery looks. */
export interface TimeShift {
  /** Into the past; negative: into the future. */
  readonly offset_ms: number;
  /** `@`: instead of the evaluation's time. */
  readonly at: { readonly time_ms: number } | 'start' | 'end' | undefined;
}

export interface VectorSelector extends Node, TimeShift {
  readonly kind: 'vector_selector';
  readonly type: 'vector';
  /** In front of the braces, or quoted in them; '' where there is none. */
  readonly name: string;
  /** All of them, that of the name too (the last one then). */
  readonly matchers: readonly Matcher[];
}

export interface MatrixSelector extends Node {
  readonly kind: 'matrix_selector';
  readonly type: 'matrix';
  /** Bears offset and `@`. */
  readonly selector: VectorSelector;
  readonly range_ms: number;
}

export interface Subquery extends Node, TimeShift {
  readonly kind: 'subquery';
  readonly type: 'matrix';
  readonly expression: Expression;
  readonly range_ms: number;
  /** Absent: the engine's default resolution. */
  readonly step_ms: number | undefined;
}

export interface Call extends Node {
  readonly kind: 'call';
  readonly function: FunctionDefinition;
  readonly arguments: readonly Expression[];
}

export type AggregationOperator =
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'count'
  | 'group'
  | 'stddev'
  | 'stdvar'
  | 'topk'
  | 'bottomk'
  | 'quantile'
  | 'count_values';

export interface Aggregation extends Node {
  readonly kind: 'aggregation';
  readonly type: 'vector';
  readonly operator: AggregationOperator;
  readonly expression: Expression;
  /** k, the quantile or the label. */
  readonly parameter: Expression | undefined;
  readonly grouping: readonly string[];
  readonly without: boolean;
}

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '^' | 'atan2';
export type ComparisonOperator = '==' | '!=' | '<' | '>' | '<=' | '>=';
export type SetOperator = 'and' | 'or' | 'unless';
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | SetOperator;

export interface VectorMatching {
  readonly cardinality: 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many';
  /** `on(…)` rather than `ignoring(…)`. */
  readonly on: boolean;
  readonly labels: readonly string[];
  /** Labels of the one side that the result gets: group_left(…), group_right(…). */
  readonly include: readonly string[];
}

export interface BinaryExpression extends Node {
  readonly kind: 'binary';
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
  /** Between two vectors only. */
  readonly matching: VectorMatching | undefined;
  readonly returnsBool: boolean;
}

export interface UnaryExpression extends Node {
  readonly kind: 'unary';
  readonly operator: '+' | '-';
  readonly expression: Expression;
}

export interface ParenthesizedExpression extends Node {
  readonly kind: 'parentheses';
  readonly expression: Expression;
}

/** The expression inside all parentheses around it. */
export function withoutParentheses(expression: Expression): Expression {
  let inner = expression;
  while (inner.kind === 'parentheses') inner = inner.expression;
  return inner;
}
