/** How rules ask PromQL of the store. */
import { createEngine } from '../../src/promql/engine.ts';
import type { Expression } from '../../src/promql/ast.ts';
import type { QueryLimits } from '../../src/promql/limits.ts';
import { parse } from '../../src/promql/parse.ts';
import { NO_LABELS } from '../../src/promql/labels.ts';
import type { VectorSample } from '../../src/rules/evaluation.ts';
import type { Queryable } from '../../src/store/queryable.ts';

export type Ask = (expression: string, time_ms: number) => readonly VectorSample[];

/** Expressions that are remembered: templates may make ever new ones. */
const MOST_PARSED = 2000;

export function createAsk(queryable: Queryable, lookback_ms: number, limits: Partial<QueryLimits>): Ask {
  const engine = createEngine({ queryable, lookback_ms, limits });
  const parsed = new Map<string, Expression>();
  return (text, time_ms) => {
    let expression = parsed.get(text);
    if (expression === undefined) {
      expression = parse(text);
      if (parsed.size >= MOST_PARSED) parsed.clear();
      parsed.set(text, expression);
    }
    const result = engine.instant(expression, time_ms);
    if (result.type === 'vector') return result.rows;
    if (result.type === 'scalar') return [{ labels: NO_LABELS, value: result.value }];
    throw new Error('rule result is not a vector or scalar');
  };
}
