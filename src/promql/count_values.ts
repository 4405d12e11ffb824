/** count_values: how often each value occurs, the value as a label. */
import type { Labels, NativeHistogram } from '../store/queryable.ts';
import { withoutParentheses, type Aggregation, type StringLiteral } from './ast.ts';
import { PromqlError } from './errors.ts';
import { formatShort } from './functions/quantile.ts';
import { groupingOf } from './groups.ts';
import { labelsChanged } from './labels.ts';
import { numberText } from './literals.ts';
import { allBuckets } from './native_histograms.ts';
import type { Budget } from './limits.ts';
import type { Node } from './plan.ts';
import { emptyColumns, pushFloat, type Vector } from './values.ts';

/** Characters of the labels made that weigh as much as a sample. */
const CHARACTERS_PER_SAMPLE = 16;

export function countValuesNode(aggregation: Aggregation, input: Node): Node {
  const { grouping, without, parameter } = aggregation;
  const label = (withoutParentheses(parameter!) as StringLiteral).value;
  const split = groupingOf(without ? grouping : [...grouping, label], without);
  // The same object at each step: what comes behind remembers by identity.
  const made = new Map<string, Labels>();
  let budget: Budget;
  return {
    prepare(run, steps) {
      if (label === '') throw new PromqlError('execution', 'invalid label name ""', parameter!.position);
      budget = run.budget;
      made.clear();
      input.prepare(run, steps);
    },
    evaluate(time_ms) {
      const { labels, values, histograms } = input.evaluate(time_ms) as Vector;
      budget.part = aggregation;
      const counts = new Map<string, { labels: Labels; count: number }>();
      for (let row = 0; row < labels.length; row++) {
        const histogram = histograms?.[row];
        const text = histogram === undefined ? numberText(values[row]!) : histogramText(histogram);
        budget.load(Math.ceil(text.length / CHARACTERS_PER_SAMPLE));
        const labelled = labelsChanged(labels[row]!, [[label, text]]);
        const key = split.key(labelled);
        const found = counts.get(key);
        if (found !== undefined) {
          found.count++;
          continue;
        }
        let group = made.get(key);
        if (group === undefined) {
          budget.make(1);
          group = split.labels(labelled);
          made.set(key, group);
        }
        counts.set(key, { labels: group, count: 1 });
      }
      const result = emptyColumns();
      for (const { labels: group, count } of counts.values()) pushFloat(result, group, count);
      return result;
    },
    release() {
      made.clear();
      input.release();
    },
  };
}

/** `{count:5, sum:18.4, [-1,1]:2, (1,2]:3}`, as Prometheus writes it. */
function histogramText(histogram: NativeHistogram): string {
  const buckets = allBuckets(histogram, false)
    .filter(({ count }) => count !== 0)
    .map(({ lower, upper, lowerInclusive, upperInclusive, count }) => {
      const bounds = `${lowerInclusive ? '[' : '('}${formatShort(lower)},${formatShort(upper)}${upperInclusive ? ']' : ')'}`;
      return `${bounds}:${formatShort(count)}`;
    });
  return `{${[`count:${formatShort(histogram.count)}`, `sum:${formatShort(histogram.sum)}`, ...buckets].join(', ')}}`;
}
