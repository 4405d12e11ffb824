/**
 * An expression made ready to run again and again: one node a part, each with caches that outlive a run. Every node is evaluated
 * step by step, by rising time; the series that selectors read are loaded once a run.
 */
import type { Queryable } from '../store/queryable.ts';
import type { Expression } from './ast.ts';
import { aggregationNode } from './aggregations.ts';
import { binaryNode } from './binary.ts';
import { callNode } from './calls.ts';
import type { Annotations } from './errors.ts';
import type { Budget } from './limits.ts';
import { withoutMetadata } from './labels.ts';
import { scaleHistogram } from './native_histograms.ts';
import { createOutputs } from './outputs.ts';
import { vectorSelectorNode } from './vector_selector.ts';
import { emptyColumns, pushFloat, pushHistogram, type RangeWindow, type Vector } from './values.ts';

/** One evaluation of a query. */
export interface Run {
  readonly queryable: Queryable;
  readonly lookback_ms: number;
  readonly subqueryStep_ms: number;
  /** Of the whole query: what `@ start()` and `@ end()` mean. */
  readonly start_ms: number;
  readonly end_ms: number;
  readonly budget: Budget;
  readonly annotations: Annotations;
}

/** The steps that a node is evaluated at, in this order. */
export interface Steps {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly step_ms: number;
  readonly count: number;
}

export interface Node {
  /** Before each run. */
  prepare(run: Run, steps: Steps): void;
  evaluate(time_ms: number): Vector | number | string;
  /** After each run, however it ended: lets go of what was loaded. */
  release(): void;
}

/** A range vector: each series' samples of one step's range. */
export interface Windows extends Pick<Node, 'prepare' | 'release'> {
  each(time_ms: number, visit: (window: RangeWindow) => void): void;
}

/** Compiles parts for the nodes around them. */
export type Compile = (expression: Expression) => Node;

export function compile(expression: Expression): Node {
  return compileIn(expression, false);
}

/** A part whose value is the same at each step is evaluated once; so is all within it. */
function compileIn(expression: Expression, isInInvariant: boolean): Node {
  const isOnce = !isInInvariant && expression.kind !== 'number' && isInvariant(expression);
  const within: Compile = (part) => compileIn(part, isInInvariant || isOnce);
  const node = nodeOf(expression, within);
  return isOnce ? once(node) : node;
}

function nodeOf(expression: Expression, within: Compile): Node {
  switch (expression.kind) {
    case 'number':
    case 'string':
      return constantNode(expression.value);
    case 'parentheses':
      return within(expression.expression);
    case 'vector_selector':
      return vectorSelectorNode(expression, false);
    case 'unary':
      return unaryNode(expression, within(expression.expression));
    case 'binary':
      return binaryNode(expression, within(expression.left), within(expression.right));
    case 'aggregation':
      return aggregationNode(expression, within);
    case 'call':
      // The steps of a subquery are others than those around it: what is within is invariant on its own.
      return callNode(expression, within, compile);
    case 'matrix_selector':
    case 'subquery':
      throw new TypeError("Cannot evaluate range vector: it is no function's argument");
  }
}

function constantNode(value: number | string): Node {
  return { prepare: () => undefined, evaluate: () => value, release: () => undefined };
}

function once(node: Node): Node {
  let value: Vector | number | string | undefined;
  return {
    prepare(run, { start_ms, step_ms }) {
      value = undefined;
      node.prepare(run, { start_ms, end_ms: start_ms, step_ms, count: 1 });
    },
    evaluate: (time_ms) => (value ??= node.evaluate(time_ms)),
    release() {
      value = undefined;
      node.release();
    },
  };
}

function isInvariant(expression: Expression): boolean {
  switch (expression.kind) {
    case 'number':
    case 'string':
      return true;
    case 'vector_selector':
    case 'subquery':
      return expression.at !== undefined;
    case 'matrix_selector':
      return expression.selector.at !== undefined;
    case 'parentheses':
    case 'unary':
      return isInvariant(expression.expression);
    case 'aggregation':
      return (
        isInvariant(expression.expression) && (expression.parameter === undefined || isInvariant(expression.parameter))
      );
    case 'binary':
      return isInvariant(expression.left) && isInvariant(expression.right);
    case 'call': {
      const { function: called, arguments: values } = expression;
      // It looks from the step's time into the future, whatever its range is.
      const dependsOnTime = called.kind === 'whole' ? called.dependsOnTime : called.name === 'predict_linear';
      return !dependsOnTime && values.every(isInvariant);
    }
  }
}

function unaryNode({ operator, ...expression }: Expression & { kind: 'unary' }, operand: Node): Node {
  if (operator === '+') return operand;
  const outputs = createOutputs(withoutMetadata);
  let budget: Budget;
  return {
    prepare(run, steps) {
      budget = run.budget;
      outputs.begin();
      operand.prepare(run, steps);
    },
    evaluate(time_ms) {
      const value = operand.evaluate(time_ms);
      if (typeof value === 'number') return -value;
      const { labels, values, histograms } = value as Vector;
      const result = emptyColumns();
      budget.spend(labels.length);
      for (let row = 0; row < labels.length; row++) {
        const output = outputs.ownedBy(labels[row]!, expression.position);
        const histogram = histograms?.[row];
        if (histogram === undefined) pushFloat(result, output, -values[row]!);
        else pushHistogram(result, output, scaleHistogram(histogram, -1));
      }
      return result;
    },
    release: () => operand.release(),
  };
}
