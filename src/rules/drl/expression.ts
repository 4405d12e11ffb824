/** Conditions of Drools as PromQL. */
import { escapePattern, labelText, numberText, selectorText } from '../expression_text.ts';
import { prometheusDurationText } from '../duration.ts';
import type { Matcher } from '../../store/queryable.ts';
import { unsupported } from './cursor.ts';
import type { Accumulate, Comparison, Condition, Constraint, Field, Pattern, Span } from './syntax.ts';
import { DrlError } from './tokens.ts';

/** PromQL for a condition, and what variables mean on its series. */
export interface Vector {
  readonly text: string;
  /** Labels that it has in common with what stands before it: `labels["x"] == $x`. */
  readonly on: readonly string[];
  readonly variables: ReadonlyMap<string, Field | 'whole' | 'hidden'>;
}

type Variables = Vector['variables'];

const NO_VARIABLES: Variables = new Map();
/** Alternatives of one pattern, once its brackets are multiplied out. */
const MOST_ALTERNATIVES = 64;

/** @throws {DrlError} */
export function conditionVector(condition: Condition, scope: Variables = NO_VARIABLES): Vector {
  switch (condition.kind) {
    case 'pattern':
      return patternVector(condition.pattern, scope);
    case 'accumulate':
      return accumulateVector(condition.accumulate, scope);
    case 'or':
      return alternatives(condition, scope);
    case 'and':
    case 'not':
    case 'exists':
      return together(condition.kind === 'and' ? condition.parts : [condition], scope);
  }
}

function alternatives({ parts, ...place }: Span & { readonly parts: readonly Condition[] }, scope: Variables): Vector {
  const vectors = parts.map((part) => conditionVector(part, scope));
  const [first, ...rest] = vectors as [Vector, ...Vector[]];
  if (rest.some(({ on }) => on.join() !== first.on.join())) {
    throw unsupported('"or" between conditions that compare different labels with variables', place);
  }
  const isCommon = ([name, meaning]: readonly [string, Field | string]): boolean =>
    rest.every(({ variables }) => JSON.stringify(variables.get(name)) === JSON.stringify(meaning));
  return {
    text: vectors.map(({ text }) => `(${text})`).join(' or '),
    on: first.on,
    variables: new Map([...first.variables].filter(isCommon)),
  };
}

/** The first condition that says that something is there gives the series; the others only decide whether it counts. */
function together(parts: readonly Condition[], scope: Variables): Vector {
  const base = parts.find(({ kind }) => kind !== 'not' && kind !== 'exists');
  if (base === undefined) return withoutSeries(parts);
  const first = conditionVector(base, scope);
  let text = parts.length === 1 ? first.text : `(${first.text})`;
  const variables = new Map(first.variables);
  for (const part of parts) {
    if (part === base) continue;
    const isNegative = part.kind === 'not';
    const other = conditionVector(part.kind === 'not' || part.kind === 'exists' ? part.part : part, first.variables);
    text += ` ${isNegative ? 'unless' : 'and'} on (${other.on.map(labelText).join(', ')}) (${other.text})`;
    // What only others bind cannot be shown: an alert has the labels of the first.
    for (const name of other.variables.keys()) if (!variables.has(name)) variables.set(name, 'hidden');
  }
  return { text, on: first.on, variables };
}

/** `not` and `exists` alone: whether there is something at all. */
function withoutSeries(parts: readonly Condition[]): Vector {
  const texts = parts.map((part) => {
    const { kind, part: inner } = part as Extract<Condition, { kind: 'not' | 'exists' }>;
    return `${kind === 'not' ? 'absent' : 'group'}(${conditionVector(inner).text})`;
  });
  return { text: texts.join(' and on () '), on: [], variables: NO_VARIABLES };
}

function patternVector(pattern: Pattern, scope: Variables): Vector {
  const alternatives = alternativesOf(pattern.constraint, pattern);
  const texts = alternatives.map((comparisons) => {
    const values = comparisons.filter(({ field }) => field.kind === 'value');
    const selector = selectorOf(comparisons, pattern);
    return values.reduce(
      (text, { operator, operand }) =>
        `${text} ${operator} ${operand.kind === 'number' ? numberText(operand.number) : ''}`,
      pattern.window_ms === undefined ? selector : inWindow(selector, pattern.window_ms, values, pattern),
    );
  });
  return {
    text: texts.join(' or '),
    on: joinLabels(alternatives, scope, pattern),
    variables: variablesOf(pattern),
  };
}

/** Whether one of the values in a window fulfils a comparison: its greatest or its smallest tells. */
function inWindow(selector: string, window_ms: number, values: readonly Comparison[], pattern: Pattern): string {
  const range = `${selector}[${prometheusDurationText(window_ms)}]`;
  if (values.length === 0) return `last_over_time(${range})`;
  if (values.every(({ operator }) => operator.startsWith('>'))) return `max_over_time(${range})`;
  if (values.every(({ operator }) => operator.startsWith('<'))) return `min_over_time(${range})`;
  throw unsupported('a window with these comparisons', pattern, 'use accumulate(…)');
}

const FUNCTIONS = {
  average: 'avg_over_time',
  min: 'min_over_time',
  max: 'max_over_time',
  sum: 'sum_over_time',
  count: 'count_over_time',
};

function accumulateVector({ source, results, constraint }: Accumulate, scope: Variables): Vector {
  const sources = alternativesOf(source.constraint, source);
  const filtered = sources.flat().find(({ field }) => field.kind === 'value');
  if (filtered !== undefined)
    throw unsupported('a comparison of the value within accumulate', filtered, 'compare a result');
  const range = `[${prometheusDurationText(source.window_ms!)}]`;
  const resultText = (variable: string): string => {
    const name = FUNCTIONS[results.get(variable)!];
    const texts = sources.map((comparisons) => `${name}(${selectorOf(comparisons, source)}${range})`);
    return texts.length === 1 ? texts[0]! : `(${texts.join(' or ')})`;
  };
  const conditions = alternativesOf(constraint, source);
  const variableOf = ({ field }: Comparison): string => (field as Extract<Field, { kind: 'result' }>).variable;
  const texts = conditions.map((comparisons) =>
    comparisons.length === 0
      ? resultText(results.keys().next().value!)
      : comparisons
          .map((one) => {
            const limit = one.operand.kind === 'number' ? numberText(one.operand.number) : '';
            return `${resultText(variableOf(one))} ${one.operator} ${limit}`;
          })
          .join(' and '),
  );
  const shown = conditions[0]![0] === undefined ? results.keys().next().value! : variableOf(conditions[0]![0]);
  const isShown = conditions.every(([one]) => one === undefined || variableOf(one) === shown);
  const own = [...results.keys()].map((name): [string, Field | 'hidden'] => [
    name,
    name === shown && isShown ? { kind: 'value' } : 'hidden',
  ]);
  const labels = [...variablesOf(source)].filter(([, field]) => typeof field === 'object' && field.kind === 'label');
  return {
    text: texts.join(' or '),
    on: joinLabels(sources, scope, source),
    variables: new Map([...labels, ...own]),
  };
}

function variablesOf({ variable, bindings }: Pattern): Variables {
  const variables = new Map<string, Field | 'whole'>(bindings);
  if (variable !== undefined) variables.set(variable, 'whole');
  return variables;
}

/** Every way in which a constraint may be fulfilled, each as comparisons that all have to hold. */
function alternativesOf(constraint: Constraint | undefined, place: Span): Comparison[][] {
  if (constraint === undefined) return [[]];
  if (constraint.kind === 'comparison') return [[constraint]];
  let all: Comparison[][] = constraint.kind === 'all' ? [[]] : [];
  for (const part of constraint.parts) {
    const some = alternativesOf(part, place);
    all = constraint.kind === 'any' ? [...all, ...some] : all.flatMap((one) => some.map((other) => [...one, ...other]));
    if (all.length > MOST_ALTERNATIVES) {
      throw new DrlError(`Cannot use the condition: it has more than ${MOST_ALTERNATIVES} alternatives`, place);
    }
  }
  return all;
}

function selectorOf(comparisons: readonly Comparison[], place: Span): string {
  let name = '';
  const matchers: Matcher[] = [];
  for (const comparison of comparisons) {
    const { field, operator, operand } = comparison;
    if (field.kind === 'value' || operand.kind === 'variable') continue;
    if (field.kind === 'name' && operator === '==' && operand.kind === 'text') {
      if (name !== '' && name !== operand.text)
        throw new DrlError('Cannot use the pattern: it has two names', comparison);
      name = operand.text;
    } else matchers.push({ name: field.kind === 'label' ? field.label : '__name__', ...matching(comparison) });
  }
  if (name === '' && !matchers.some(({ op }) => op === '=' || op === '=~')) {
    throw new DrlError('Cannot use the pattern: it selects every metric, as it does not say name == "…"', place);
  }
  return selectorText(name, matchers);
}

function matching({ operator, operand, ...place }: Comparison): Pick<Matcher, 'op' | 'value'> {
  if (operand.kind === 'texts') {
    return { op: operator === 'in' ? '=~' : '!~', value: operand.texts.map(escapePattern).join('|') };
  }
  const text = operand.kind === 'text' ? operand.text : '';
  switch (operator) {
    case '==':
      return { op: '=', value: text };
    case '!=':
      return { op: '!=', value: text };
    case 'matches':
      return { op: '=~', value: text };
    case 'not matches':
      return { op: '!~', value: text };
    case 'contains':
      return { op: '=~', value: `.*${escapePattern(text)}.*` };
    case 'not contains':
      return { op: '!~', value: `.*${escapePattern(text)}.*` };
    case 'str[startsWith]':
      return { op: '=~', value: `${escapePattern(text)}.*` };
    case 'str[endsWith]':
      return { op: '=~', value: `.*${escapePattern(text)}` };
    default:
      throw unsupported(`"${operator}" with a label`, place);
  }
}

function joinLabels(alternatives: readonly (readonly Comparison[])[], scope: Variables, place: Span): string[] {
  const [first, ...rest] = alternatives.map((comparisons) =>
    comparisons
      .flatMap((one) => (one.operand.kind === 'variable' ? joinLabel(one, one.operand.variable, scope) : []))
      .sort(),
  ) as [string[], ...string[][]];
  if (rest.some((one) => one.join() !== first.join())) {
    throw unsupported('"||" between constraints that compare different labels with variables', place);
  }
  return [...new Set(first)];
}

function joinLabel(comparison: Comparison, variable: string, scope: Variables): string {
  const meant = scope.get(variable);
  const label = (comparison.field as Extract<Field, { kind: 'label' }>).label;
  if (typeof meant !== 'object' || meant.kind !== 'label') {
    throw new DrlError(
      `Cannot use ${variable}: the first pattern does not say ${variable} : labels["${label}"]`,
      comparison,
    );
  }
  if (meant.label === label) return label;
  throw unsupported(
    `a comparison of label "${label}" with label "${meant.label}"`,
    comparison,
    'their names must be equal',
  );
}
