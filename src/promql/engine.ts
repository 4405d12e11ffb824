/** Answers PromQL queries over whatever holds series. Loads the parser: import this file where PromQL is really used. */
import type { Labels, NativeHistogram, Queryable } from '../store/queryable.ts';
import { withoutParentheses, type Expression } from './ast.ts';
import { createAnnotations, PromqlError, type AnnotationLists } from './errors.ts';
import { compareLabels, NO_LABELS } from './labels.ts';
import { createBudget, DEFAULT_LIMITS, type QueryLimits } from './limits.ts';
import { parse } from './parse.ts';
import { compile, type Node, type Run, type Steps, type Windows } from './plan.ts';
import { createSeriesColumns, type SeriesColumns } from './result_columns.ts';
import type { Vector } from './values.ts';
import { matrixSelectorWindows, subqueryWindows } from './windows.ts';

export interface EngineOptions {
  readonly queryable: Queryable;
  /** How old a sample may be for an instant. 5 minutes unless told. */
  readonly lookback_ms?: number;
  /** Of subqueries that say none. 1 minute unless told, as Prometheus has it. */
  readonly subqueryStep_ms?: number;
  readonly limits?: Partial<QueryLimits>;
  /** Milliseconds of a clock that only rises; for tests. */
  readonly now?: () => number;
}

export interface VectorRow {
  readonly labels: Labels;
  /** NaN where a histogram is. */
  readonly value: number;
  readonly histogram?: NativeHistogram | undefined;
  readonly time_ms: number;
}

export interface MatrixRow {
  readonly labels: Labels;
  readonly times: readonly number[];
  /** NaN where a histogram is. */
  readonly values: readonly number[];
  readonly histograms?: readonly (NativeHistogram | undefined)[] | undefined;
}

export type QueryResult = AnnotationLists &
  (
    | { readonly type: 'scalar'; readonly value: number; readonly time_ms: number }
    | { readonly type: 'string'; readonly value: string; readonly time_ms: number }
    | { readonly type: 'vector'; readonly rows: readonly VectorRow[] }
    | { readonly type: 'matrix'; readonly rows: readonly MatrixRow[] }
  );

/** All throw {@link PromqlError}. Given the same expression again, what was made ready for it is used again. */
export interface Engine {
  instant(query: string | Expression, time_ms: number): QueryResult;
  /** Both ends are included. */
  range(query: string | Expression, start_ms: number, end_ms: number, step_ms: number): QueryResult;
}

export function createEngine({
  queryable,
  lookback_ms = 300_000,
  subqueryStep_ms = 60_000,
  limits,
  now = () => performance.now(),
}: EngineOptions): Engine {
  const allLimits = { ...DEFAULT_LIMITS, ...limits };
  const plans = new WeakMap<Expression, Node>();

  const planOf = (expression: Expression): Node => {
    let plan = plans.get(expression);
    if (plan === undefined) plans.set(expression, (plan = compile(expression)));
    return plan;
  };

  const open = (query: string | Expression, start_ms: number, end_ms: number) => {
    const expression = typeof query === 'string' ? parse(query) : query;
    const annotations = createAnnotations(typeof query === 'string' ? query : undefined);
    const budget = createBudget(expression, allLimits, now);
    const run: Run = { queryable, lookback_ms, subqueryStep_ms, start_ms, end_ms, budget, annotations };
    return { expression, annotations, run };
  };

  return {
    instant(query, time_ms) {
      const { expression, annotations, run } = open(query, time_ms, time_ms);
      const steps: Steps = { start_ms: time_ms, end_ms: time_ms, step_ms: 1, count: 1 };
      if (expression.type === 'matrix') {
        const rows = rawSamples(expression, run, steps);
        return { type: 'matrix', rows, ...annotations.lists() };
      }
      const value = runPlan(planOf(expression), run, steps, (node) => node.evaluate(time_ms));
      if (typeof value === 'number') return { type: 'scalar', value, time_ms, ...annotations.lists() };
      if (typeof value === 'string') return { type: 'string', value, time_ms, ...annotations.lists() };
      return { type: 'vector', rows: vectorRows(value, time_ms), ...annotations.lists() };
    },
    range(query, start_ms, end_ms, step_ms) {
      const count = stepCount(start_ms, end_ms, step_ms, allLimits.points);
      const { expression, annotations, run } = open(query, start_ms, end_ms);
      if (expression.type !== 'scalar' && expression.type !== 'vector') {
        const found = expression.type === 'string' ? 'string' : 'range vector';
        const message = `invalid expression type "${found}" for range query, must be Scalar or instant Vector`;
        throw new PromqlError('parse', message, expression.position);
      }
      const steps: Steps = { start_ms, end_ms: start_ms + (count - 1) * step_ms, step_ms, count };
      const columns = createSeriesColumns(run.budget);
      runPlan(planOf(expression), run, steps, (node) => {
        for (let index = 0; index < count; index++) {
          const time_ms = start_ms + index * step_ms;
          const value = node.evaluate(time_ms);
          const vector = typeof value === 'number' ? { labels: [NO_LABELS], values: [value] } : (value as Vector);
          run.budget.load(vector.labels.length);
          run.budget.spend(4);
          columns.add(vector, time_ms);
        }
      });
      return { type: 'matrix', rows: sortedRows(columns), ...annotations.lists() };
    },
  };
}

function stepCount(start_ms: number, end_ms: number, step_ms: number, limit: number): number {
  if (!(step_ms > 0)) {
    throw new PromqlError(
      'execution',
      'zero or negative query resolution step widths are not accepted. Try a positive integer',
    );
  }
  if (!(end_ms >= start_ms)) throw new PromqlError('execution', 'end timestamp must not be before start time');
  const count = Math.floor((end_ms - start_ms) / step_ms) + 1;
  // Prometheus compares the quotient, so that one more step than the limit is allowed.
  if (count - 1 > limit) {
    const message = `exceeded maximum resolution of ${limit.toLocaleString('en-US')} points per timeseries. Try decreasing the query resolution (?step=XX)`;
    throw new PromqlError('limit', message);
  }
  return count;
}

function runPlan<Value>(node: Node, run: Run, steps: Steps, evaluate: (node: Node) => Value): Value {
  try {
    node.prepare(run, steps);
    return evaluate(node);
  } finally {
    node.release();
  }
}

function vectorRows({ labels, values, histograms }: Vector, time_ms: number): VectorRow[] {
  return labels.map((one, row) => {
    const histogram = histograms?.[row];
    return histogram === undefined
      ? { labels: one, value: values[row]!, time_ms }
      : { labels: one, value: Number.NaN, histogram, time_ms };
  });
}

function sortedRows(columns: SeriesColumns): MatrixRow[] {
  return columns.rows().sort((a, b) => compareLabels(a.labels, b.labels));
}

/** The samples themselves, of `metric[5m]` as a whole query. */
function rawSamples(expression: Expression, run: Run, steps: Steps): MatrixRow[] {
  const inner = withoutParentheses(expression);
  const rows: MatrixRow[] = [];
  const windows: Windows =
    inner.kind === 'matrix_selector'
      ? matrixSelectorWindows(inner)
      : subqueryWindows(
          inner as Expression & { kind: 'subquery' },
          compile((inner as Expression & { kind: 'subquery' }).expression),
        );
  try {
    windows.prepare(run, steps);
    windows.each(steps.start_ms, ({ labels, times, values, histograms, from, to }) => {
      run.budget.load(to - from);
      rows.push({
        labels,
        times: Array.from(times.subarray(from, to)),
        values: Array.from(values.subarray(from, to)),
        histograms: histograms?.slice(from, to),
      });
    });
  } finally {
    windows.release();
  }
  return rows.sort((a, b) => compareLabels(a.labels, b.labels));
}
