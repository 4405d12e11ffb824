/** topk and bottomk: the samples of each group with the largest or smallest values, the best first. */
import type { Labels } from '../store/queryable.ts';
import type { Aggregation } from './ast.ts';
import { PromqlError, type Annotations } from './errors.ts';
import { aggregationGroups } from './groups.ts';
import { numberText } from './literals.ts';
import type { Budget } from './limits.ts';
import type { Node } from './plan.ts';
import { emptyColumns, pushFloat, type Vector } from './values.ts';

interface Ranked {
  readonly labels: Labels;
  readonly value: number;
}

interface Group {
  step: number;
  /** A heap: the worst of them is first. */
  readonly heap: Ranked[];
}

export function rankingNode(
  aggregation: Aggregation,
  operator: 'topk' | 'bottomk',
  input: Node,
  parameterNode: Node,
): Node {
  const groups = aggregationGroups<Group>(aggregation, () => ({ step: 0, heap: [] }));
  const isWorse = operator === 'topk' ? isLess : isGreater;
  let step = 0;
  let budget: Budget;
  let annotations: Annotations;

  const offer = (heap: Ranked[], one: Ranked, limit: number): void => {
    if (heap.length < limit) {
      heap.push(one);
      siftUp(heap, heap.length - 1, isWorse);
      return;
    }
    const worst = heap[0]!.value;
    const isBetter = operator === 'topk' ? worst < one.value : worst > one.value;
    if (!isBetter && !(Number.isNaN(worst) && !Number.isNaN(one.value))) return;
    heap[0] = one;
    siftDown(heap, isWorse);
  };

  return {
    prepare(run, steps) {
      ({ budget, annotations } = run);
      groups.begin();
      parameterNode.prepare(run, steps);
      input.prepare(run, steps);
    },
    evaluate(time_ms) {
      const parameter = parameterNode.evaluate(time_ms) as number;
      const { labels, values, histograms } = input.evaluate(time_ms) as Vector;
      const result = emptyColumns();
      step++;
      budget.part = aggregation;
      budget.spend(labels.length);
      // As Prometheus: it is an error only where there is a sample to rank.
      if (labels.length === 0 || parameter < 1) return result;
      if (!(Math.abs(parameter) <= 2 ** 63)) {
        throw new PromqlError(
          'execution',
          `Scalar value ${numberText(parameter)} overflows int64`,
          aggregation.parameter!.position,
        );
      }
      const limit = Math.min(Math.trunc(parameter), labels.length);
      const active: Group[] = [];
      for (let row = 0; row < labels.length; row++) {
        if (histograms?.[row] !== undefined) {
          annotations.info(`ignored histogram in ${operator} aggregation`, aggregation.position);
          continue;
        }
        const group = groups.of(labels[row]!);
        if (group.step !== step) {
          group.step = step;
          active.push(group);
        }
        offer(group.heap, { labels: labels[row]!, value: values[row]! }, limit);
      }
      for (const { heap } of active) {
        budget.spend(4 * heap.length);
        heap.sort((a, b) => (isWorse(b.value, a.value) ? -1 : isWorse(a.value, b.value) ? 1 : 0));
        for (const { labels: kept, value } of heap) pushFloat(result, kept, value);
        heap.length = 0;
      }
      return result;
    },
    release() {
      parameterNode.release();
      input.release();
    },
  };
}

/** NaN is worse than all else, on either side. */
function isLess(a: number, b: number): boolean {
  return Number.isNaN(a) || a < b;
}

function isGreater(a: number, b: number): boolean {
  return Number.isNaN(a) || a > b;
}

type Compare = (a: number, b: number) => boolean;

function siftUp(heap: Ranked[], from: number, isWorse: Compare): void {
  for (let at = from; at > 0;) {
    const parent = (at - 1) >> 1;
    if (!isWorse(heap[at]!.value, heap[parent]!.value)) return;
    [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
    at = parent;
  }
}

function siftDown(heap: Ranked[], isWorse: Compare): void {
  for (let at = 0; ;) {
    let child = 2 * at + 1;
    if (child >= heap.length) return;
    if (child + 1 < heap.length && isWorse(heap[child + 1]!.value, heap[child]!.value)) child++;
    if (!isWorse(heap[child]!.value, heap[at]!.value)) return;
    [heap[at], heap[child]] = [heap[child]!, heap[at]!];
    at = child;
  }
}
