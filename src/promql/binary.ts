/** Binary expressions: scalars, vectors with scalars; vectors with vectors are matching.ts. */
import type { BinaryExpression } from './ast.ts';
import { withoutMetadata } from './labels.ts';
import type { Budget } from './limits.ts';
import type { Annotations } from './errors.ts';
import { matchedNode } from './matching.ts';
import { COMPARISONS, histogramOperation, numberOperation } from './operators.ts';
import { createOutputs } from './outputs.ts';
import type { Node } from './plan.ts';
import { setNode } from './sets.ts';
import { annotateMismatch, bothSides } from './sides.ts';
import { emptyColumns, pushFloat, pushHistogram, type Vector } from './values.ts';

export function binaryNode(expression: BinaryExpression, left: Node, right: Node): Node {
  const { operator, left: leftPart, right: rightPart } = expression;
  if (leftPart.type === 'scalar' && rightPart.type === 'scalar') return scalarNode(expression, left, right);
  if (leftPart.type !== 'vector' || rightPart.type !== 'vector') return vectorScalarNode(expression, left, right);
  if (operator === 'and' || operator === 'or' || operator === 'unless')
    return setNode(expression, operator, left, right);
  return matchedNode(expression, left, right);
}

function scalarNode({ operator }: BinaryExpression, left: Node, right: Node): Node {
  const apply = numberOperation(operator);
  return {
    ...bothSides(left, right),
    evaluate: (time_ms) => apply(left.evaluate(time_ms) as number, right.evaluate(time_ms) as number),
  };
}

function vectorScalarNode(expression: BinaryExpression, left: Node, right: Node): Node {
  const { operator, returnsBool, position } = expression;
  const isComparison = COMPARISONS.has(operator);
  const apply = numberOperation(operator);
  const isSwapped = expression.left.type === 'scalar';
  const losesName = !isComparison || returnsBool;
  const outputs = createOutputs(losesName ? withoutMetadata : (labels) => labels);
  const sides = bothSides(left, right);
  let budget: Budget;
  let annotations: Annotations;
  return {
    ...sides,
    prepare(run, steps) {
      ({ budget, annotations } = run);
      outputs.begin();
      sides.prepare(run, steps);
    },
    evaluate(time_ms) {
      const leftValue = left.evaluate(time_ms);
      const rightValue = right.evaluate(time_ms);
      const { labels, values, histograms } = (isSwapped ? rightValue : leftValue) as Vector;
      const scalar = (isSwapped ? leftValue : rightValue) as number;
      const result = emptyColumns();
      budget.part = expression;
      budget.spend(labels.length);
      outputs.beginStep();
      for (let row = 0; row < labels.length; row++) {
        const histogram = histograms?.[row];
        if (histogram !== undefined) {
          const output = isSwapped
            ? histogramOperation(operator, scalar, histogram)
            : histogramOperation(operator, histogram, scalar);
          if (output !== false && 'mismatch' in output)
            annotateMismatch(
              expression,
              annotations,
              output.mismatch,
              isSwapped ? ['float', 'histogram'] : ['histogram', 'float'],
            );
          else if (output !== false) pushHistogram(result, outputs.unique(labels[row]!, position), output);
          continue;
        }
        const value = values[row]!;
        const output = isSwapped ? apply(scalar, value) : apply(value, scalar);
        if (!isComparison || returnsBool) pushFloat(result, outputs.unique(labels[row]!, position), output);
        else if (output === 1) pushFloat(result, labels[row]!, value);
      }
      return result;
    },
  };
}
