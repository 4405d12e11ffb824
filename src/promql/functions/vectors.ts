/** absent, scalar, vector and sort. */
import type { Labels } from '../../store/queryable.ts';
import { withoutParentheses, type Call, type VectorSelector } from '../ast.ts';
import type { CallContext, WholeFunction } from '../functions.ts';
import { labelsChanged, NO_LABELS } from '../labels.ts';
import type { Vector } from '../values.ts';

const EMPTY: Vector = { labels: [], values: [] };

const absent: WholeFunction = {
  kind: 'whole',
  name: 'absent',
  arguments: ['vector'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: false,
  evaluate([vector], context) {
    return (vector as Vector).values.length > 0 ? EMPTY : { labels: [absentLabels(context)], values: [1] };
  },
};

const absentOverTime: WholeFunction = {
  kind: 'whole',
  name: 'absent_over_time',
  arguments: ['matrix'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: false,
  evaluate(_values, context) {
    let isPresent = false;
    context.eachWindow(0, () => {
      isPresent = true;
    });
    return isPresent ? EMPTY : { labels: [absentLabels(context)], values: [1] };
  },
};

/** Once for all steps: the labels of a series are the same object at each. */
const labelsOfCalls = new WeakMap<Call, Labels>();

/** The labels that the selector asks for by equality, each of them once. */
function absentLabels({ call }: CallContext): Labels {
  let labels = labelsOfCalls.get(call);
  if (labels !== undefined) return labels;
  labels = NO_LABELS;
  const seen = new Set<string>();
  for (const { name, op, value } of selectorOf(call)?.matchers ?? []) {
    if (name === '__name__') continue;
    const isFirst = op === '=' && !seen.has(name);
    if (isFirst) seen.add(name);
    labels = labelsChanged(labels, [[name, isFirst ? value : '']]);
  }
  labelsOfCalls.set(call, labels);
  return labels;
}

function selectorOf(call: Call): VectorSelector | undefined {
  const argument = withoutParentheses(call.arguments[0]!);
  if (argument.kind === 'matrix_selector') return argument.selector;
  return argument.kind === 'vector_selector' ? argument : undefined;
}

const scalar: WholeFunction = {
  kind: 'whole',
  name: 'scalar',
  arguments: ['vector'],
  variadic: 0,
  returns: 'scalar',
  dependsOnTime: false,
  evaluate([vector]) {
    const floats = withoutHistograms(vector as Vector).values;
    return floats.length === 1 ? floats[0]! : Number.NaN;
  },
};

const vector: WholeFunction = {
  kind: 'whole',
  name: 'vector',
  arguments: ['scalar'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: false,
  evaluate: ([value]) => ({ labels: [NO_LABELS], values: [value as number] }),
};

/** NaN comes last in both directions. */
const sortBy = (name: string, compare: (one: number, other: number) => number): WholeFunction => ({
  kind: 'whole',
  name,
  arguments: ['vector'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: false,
  evaluate([unsorted], context) {
    const { labels, values } = withoutHistograms(unsorted as Vector);
    context.spend(values.length);
    const rows = Array.from(values.keys()).sort((a, b) => {
      const [one, other] = [values[a]!, values[b]!];
      if (Number.isNaN(one) || Number.isNaN(other)) return Number(Number.isNaN(one)) - Number(Number.isNaN(other));
      // The difference of two infinities is NaN.
      return one === other ? 0 : compare(one, other);
    });
    return { labels: rows.map((row) => labels[row]!), values: rows.map((row) => values[row]!) };
  },
});

function withoutHistograms(all: Vector): Vector {
  const { labels, values, histograms } = all;
  if (histograms === undefined) return all;
  const isFloat = (_: unknown, row: number): boolean => histograms[row] === undefined;
  return { labels: labels.filter(isFloat), values: values.filter(isFloat) };
}

export const vectorFunctions = [
  absent,
  absentOverTime,
  scalar,
  sortBy('sort', (one, other) => one - other),
  sortBy('sort_desc', (one, other) => other - one),
  vector,
] as const;
