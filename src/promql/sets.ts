/** and, or, unless: which samples of two vectors stay, by whether the other side has their signature. */
import type { BinaryExpression, SetOperator } from './ast.ts';
import type { Budget } from './limits.ts';
import type { Node } from './plan.ts';
import { bothSides } from './sides.ts';
import { createSignatures } from './signatures.ts';
import { emptyColumns, pushFloat, pushHistogram, type Vector, type VectorColumns } from './values.ts';

export function setNode(expression: BinaryExpression, operator: SetOperator, left: Node, right: Node): Node {
  const signatures = createSignatures(expression.matching!);
  const sides = bothSides(left, right);
  let step = 0;
  let budget: Budget;
  return {
    ...sides,
    prepare(run, steps) {
      budget = run.budget;
      signatures.begin();
      sides.prepare(run, steps);
    },
    evaluate(time_ms) {
      const leftVector = left.evaluate(time_ms) as Vector;
      const rightVector = right.evaluate(time_ms) as Vector;
      budget.part = expression;
      budget.spend(leftVector.labels.length + rightVector.labels.length);
      step++;
      const [marking, marked] = operator === 'or' ? [leftVector, rightVector] : [rightVector, leftVector];
      for (const labels of marking.labels) signatures.of(labels).step = step;
      const result = emptyColumns();
      if (operator === 'or') for (let row = 0; row < marking.labels.length; row++) copyRow(marking, row, result);
      const wanted = operator === 'and';
      for (let row = 0; row < marked.labels.length; row++) {
        if ((signatures.of(marked.labels[row]!).step === step) === wanted) copyRow(marked, row, result);
      }
      return result;
    },
  };
}

function copyRow({ labels, values, histograms }: Vector, row: number, into: VectorColumns): void {
  const histogram = histograms?.[row];
  if (histogram === undefined) pushFloat(into, labels[row]!, values[row]!);
  else pushHistogram(into, labels[row]!, histogram);
}
