/** Arithmetic and comparisons between two vectors: samples whose signatures are equal belong together. */
import type { Labels } from '../store/queryable.ts';
import type { BinaryExpression, VectorMatching } from './ast.ts';
import { PromqlError, type Annotations } from './errors.ts';
import { labelsChanged, labelsKey, labelsText, labelsWith, labelsWithout, withoutMetadata } from './labels.ts';
import type { Budget } from './limits.ts';
import { COMPARISONS, histogramOperation, numberOperation } from './operators.ts';
import { sameLabelset } from './outputs.ts';
import type { Node } from './plan.ts';
import { annotateMismatch, bothSides, typeName } from './sides.ts';
import { createSignatures, type Signature } from './signatures.ts';
import { emptyColumns, pushFloat, pushHistogram, type Vector } from './values.ts';

export function matchedNode(expression: BinaryExpression, left: Node, right: Node): Node {
  const { operator, returnsBool, position } = expression;
  const matching = expression.matching!;
  const signatures = createSignatures(matching);
  const results = createResults(expression);
  const isComparison = COMPARISONS.has(operator);
  const apply = numberOperation(operator);
  // The side that each signature may be on once only is the right one but for group_right.
  const isSwapped = matching.cardinality === 'one-to-many';
  const isOneToOne = matching.cardinality === 'one-to-one';
  const sides = bothSides(left, right);
  let step = 0;
  let budget: Budget;
  let annotations: Annotations;

  const indexOnes = (ones: Vector): void => {
    for (let row = 0; row < ones.labels.length; row++) {
      const labels = ones.labels[row]!;
      const signature = signatures.of(labels);
      if (signature.step === step) throw duplicateOnOneSide(expression, labels, ones.labels[signature.row]!);
      signature.step = step;
      signature.row = row;
    }
  };

  return {
    ...sides,
    prepare(run, steps) {
      ({ budget, annotations } = run);
      signatures.begin();
      results.begin();
      sides.prepare(run, steps);
    },
    evaluate(time_ms) {
      const leftVector = left.evaluate(time_ms) as Vector;
      const rightVector = right.evaluate(time_ms) as Vector;
      const result = emptyColumns();
      if (leftVector.labels.length === 0 || rightVector.labels.length === 0) return result;
      budget.part = expression;
      budget.spend(leftVector.labels.length + rightVector.labels.length);
      step++;
      const [manys, ones] = isSwapped ? [rightVector, leftVector] : [leftVector, rightVector];
      indexOnes(ones);
      // Of several mismatches in one step the last one is told, as Prometheus does.
      let mismatch: { kind: 'types' | 'buckets'; types: [string, string] } | undefined;
      for (let row = 0; row < manys.labels.length; row++) {
        const labels = manys.labels[row]!;
        const signature = signatures.of(labels);
        if (signature.step !== step) continue;
        const { row: other } = signature;
        const leftRow = isSwapped ? other : row;
        const rightRow = isSwapped ? row : other;
        const leftHistogram = leftVector.histograms?.[leftRow];
        const rightHistogram = rightVector.histograms?.[rightRow];
        const leftValue = leftHistogram ?? leftVector.values[leftRow]!;
        const rightValue = rightHistogram ?? rightVector.values[rightRow]!;
        let output;
        if (typeof leftValue === 'number' && typeof rightValue === 'number') {
          const applied = apply(leftValue, rightValue);
          if (isComparison && !returnsBool) {
            if (applied === 0) continue;
            output = leftValue;
          } else output = applied;
        } else {
          const applied = histogramOperation(operator, leftValue, rightValue);
          if (applied !== false && 'mismatch' in applied) {
            mismatch = { kind: applied.mismatch, types: [typeName(leftHistogram), typeName(rightHistogram)] };
            continue;
          }
          if (returnsBool) output = applied === false ? 0 : 1;
          else if (applied === false) continue;
          else output = applied;
        }
        const made = results.of(labels, ones.labels[other]!);
        if (isOneToOne) {
          if (signature.matched === step) {
            const message =
              'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)';
            throw new PromqlError('execution', message, position);
          }
          signature.matched = step;
        }
        if (made.step === step) {
          if (made.signature !== signature) throw sameLabelset(position);
          throw new PromqlError(
            'execution',
            'multiple matches for labels: grouping labels must ensure unique matches',
            position,
          );
        }
        made.step = step;
        made.signature = signature;
        if (typeof output === 'number') pushFloat(result, made.labels, output);
        else pushHistogram(result, made.labels, output);
      }
      if (mismatch !== undefined) annotateMismatch(expression, annotations, mismatch.kind, mismatch.types);
      return result;
    },
  };
}

function duplicateOnOneSide({ matching, position }: BinaryExpression, labels: Labels, other: Labels): PromqlError {
  const { on, labels: names, cardinality } = matching!;
  const group = on ? labelsWith(labels, names) : labelsWithout(labels, new Set([...names, '__name__']));
  const side = cardinality === 'one-to-many' ? 'left' : 'right';
  const message =
    `found duplicate series for the match group ${labelsText(group)} on the ${side} hand-side of the operation: ` +
    `[${labelsText(labels)}, ${labelsText(other)}];many-to-many matching not allowed: matching labels must be unique on one side`;
  return new PromqlError('execution', message, position);
}

interface Result {
  readonly labels: Labels;
  step: number;
  signature: Signature | undefined;
}

/** Pairs that are remembered. */
const KEPT = 50_000;

/** The labels of a result, by those of its two samples. */
function createResults({ operator, matching, returnsBool }: BinaryExpression): {
  begin(): void;
  of(many: Labels, one: Labels): Result;
} {
  const make = resultLabels(matching!, !COMPARISONS.has(operator), returnsBool);
  // Without labels of the one side the result hangs on the other alone.
  const dependsOnOne = matching!.include.length > 0;
  const byMany = new Map<Labels, Map<Labels | undefined, Result>>();
  const byKey = new Map<string, Result>();
  let size = 0;
  return {
    begin() {
      if (size <= KEPT) return;
      size = 0;
      byMany.clear();
      byKey.clear();
    },
    of(many, one) {
      let byOne = byMany.get(many);
      if (byOne === undefined) byMany.set(many, (byOne = new Map()));
      const second = dependsOnOne ? one : undefined;
      let result = byOne.get(second);
      if (result !== undefined) return result;
      const labels = make(many, one);
      const key = labelsKey(labels);
      result = byKey.get(key);
      if (result === undefined) byKey.set(key, (result = { labels, step: 0, signature: undefined }));
      byOne.set(second, result);
      size++;
      return result;
    },
  };
}

function resultLabels(
  { cardinality, on, labels: names, include }: VectorMatching,
  isArithmetic: boolean,
  returnsBool: boolean,
): (many: Labels, one: Labels) => Labels {
  const matched = new Set(names);
  return (many, one) => {
    let labels = isArithmetic ? withoutMetadata(many) : many;
    if (cardinality === 'one-to-one') labels = on ? labelsWith(labels, names) : labelsWithout(labels, matched);
    if (include.length > 0)
      labels = labelsChanged(
        labels,
        include.map((name) => [name, one.get(name) ?? '']),
      );
    return returnsBool ? withoutMetadata(labels) : labels;
  };
}
