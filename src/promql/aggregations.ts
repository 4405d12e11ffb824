/** sum, avg, min, max, count, group, stddev, stdvar, quantile; topk and bottomk are ranking.ts, count_values is count_values.ts. */
import type { Aggregation } from './ast.ts';
import { Accumulator, ACCUMULATORS } from './accumulators.ts';
import { countValuesNode } from './count_values.ts';
import type { Annotations } from './errors.ts';
import { invalidQuantile } from './functions/quantile.ts';
import { aggregationGroups } from './groups.ts';
import { quote } from './labels.ts';
import type { Budget } from './limits.ts';
import type { Compile, Node } from './plan.ts';
import { rankingNode } from './ranking.ts';
import { emptyColumns, pushFloat, pushHistogram, type Vector } from './values.ts';

export function aggregationNode(aggregation: Aggregation, within: Compile): Node {
  const { operator, parameter } = aggregation;
  const input = within(aggregation.expression);
  if (operator === 'count_values') return countValuesNode(aggregation, input);
  const parameterNode = parameter === undefined ? undefined : within(parameter);
  if (operator === 'topk' || operator === 'bottomk') return rankingNode(aggregation, operator, input, parameterNode!);
  return accumulatingNode(aggregation, operator, input, parameterNode);
}

function accumulatingNode(
  aggregation: Aggregation,
  operator: keyof typeof ACCUMULATORS,
  input: Node,
  parameterNode: Node | undefined,
): Node {
  const { add, addHistogram, result: resultOf } = ACCUMULATORS[operator];
  const groups = aggregationGroups(aggregation, (labels) => new Accumulator(labels));
  const { position } = aggregation.expression;
  const quantiles = quantileRange();
  let step = 0;
  let end_ms = 0;
  let budget: Budget;
  let annotations: Annotations;

  return {
    prepare(run, steps) {
      ({ budget, annotations } = run);
      groups.begin();
      quantiles.begin();
      ({ end_ms } = steps);
      input.prepare(run, steps);
      parameterNode?.prepare(run, steps);
    },
    evaluate(time_ms) {
      const parameter = (parameterNode?.evaluate(time_ms) ?? 0) as number;
      const { labels, values, histograms } = input.evaluate(time_ms) as Vector;
      if (operator === 'quantile') {
        quantiles.note(parameter);
        if (time_ms >= end_ms) quantiles.tell(aggregation.parameter!.position, annotations);
      }
      step++;
      budget.part = aggregation;
      budget.spend(labels.length);
      const active: Accumulator[] = [];
      for (let row = 0; row < labels.length; row++) {
        const group = groups.of(labels[row]!);
        const histogram = histograms?.[row];
        if (histogram !== undefined && addHistogram === undefined) {
          annotations.info(`ignored histogram in ${operator} aggregation`, position);
          continue;
        }
        if (group.step !== step) {
          group.begin(step);
          active.push(group);
        } else if (group.isIncompatible) continue;
        if (histogram === undefined) add(group, values[row]!);
        else {
          const incompatible = addHistogram!(group, histogram);
          if (incompatible === undefined) continue;
          const what =
            incompatible === 'schema'
              ? 'a mix of histograms with exponential and custom buckets schemas'
              : 'histograms with incompatible custom buckets';
          // "contains" stands before either.
          annotations.warn(
            `vector contains ${what} for metric name ${quote(labels[row]!.get('__name__') ?? '')}`,
            position,
          );
        }
      }
      const result = emptyColumns();
      for (const group of active) {
        if (group.hasFloat && group.histogram !== undefined) {
          annotations.warn('encountered a mix of histograms and floats for aggregation', position);
          continue;
        }
        if (group.isIncompatible) continue;
        const value = resultOf(group, parameter);
        if (typeof value === 'number') pushFloat(result, group.labels, value);
        else pushHistogram(result, group.labels, value);
        group.histogram = undefined;
      }
      return result;
    },
    release() {
      input.release();
      parameterNode?.release();
    },
  };
}

/** Warns of a parameter that is no quantile. The whole query's largest and smallest are told, not each step's. */
function quantileRange(): Quantiles {
  let low = 0;
  let high = 1;
  let hasNan = false;
  return {
    begin() {
      low = 0;
      high = 1;
      hasNan = false;
    },
    note(quantile) {
      if (Number.isNaN(quantile)) hasNan = true;
      else if (quantile < low) low = quantile;
      else if (quantile > high) high = quantile;
    },
    tell(position, annotations) {
      for (const quantile of [hasNan ? Number.NaN : 0, high, low]) {
        const message = invalidQuantile(quantile);
        if (message !== undefined) annotations.warn(message, position);
      }
    },
  };
}

interface Quantiles {
  begin(): void;
  note(quantile: number): void;
  tell(position: Aggregation['position'], annotations: Annotations): void;
}
