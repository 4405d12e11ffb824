/** What stands behind a selector: ranges, subqueries, offset, @. */
import type { Expression, MatrixSelector, Subquery, VectorSelector } from './ast.ts';
import type { Position } from './errors.ts';
import type { Fail } from './parse.ts';

export function rangeSelected(expression: Expression, range: number, brackets: Position, fail: Fail): MatrixSelector {
  if (expression.kind !== 'vector_selector') return fail('ranges only allowed for vector selectors', brackets);
  if (expression.offset_ms !== 0) fail('no offset modifiers allowed before range', brackets);
  if (expression.at !== undefined) fail('no @ modifiers allowed before range', brackets);
  const position = { start: expression.position.start, end: brackets.end };
  return { kind: 'matrix_selector', type: 'matrix', selector: expression, range_ms: milliseconds(range), position };
}

export function subqueried(expression: Expression, range: number, step: number | undefined, end: number): Subquery {
  return {
    kind: 'subquery',
    type: 'matrix',
    expression,
    range_ms: milliseconds(range),
    // A step below a millisecond is 0, and none at all.
    step_ms: step === undefined ? undefined : milliseconds(step) || undefined,
    offset_ms: 0,
    at: undefined,
    position: { start: expression.position.start, end },
  };
}

export function offsetModified(expression: Expression, seconds: number, end: number, fail: Fail): Expression {
  return shifted(
    expression,
    end,
    ({ offset_ms }) => {
      if (offset_ms !== 0) fail('offset may not be set multiple times', expression.position);
      return { offset_ms: milliseconds(seconds) };
    },
    () =>
      fail(
        'offset modifier must be preceded by an instant vector selector or range vector selector or a subquery',
        expression.position,
      ),
  );
}

export function atModified(
  expression: Expression,
  time: number | 'start' | 'end',
  end: number,
  fail: Fail,
): Expression {
  if (typeof time === 'number' && !(Math.abs(time) < 2 ** 63)) {
    fail(`timestamp out of bounds for @ modifier: ${time}`, expression.position);
  }
  return shifted(
    expression,
    end,
    ({ at }) => {
      if (at !== undefined) fail('@ <timestamp> may not be set multiple times', expression.position);
      return { at: typeof time === 'number' ? { time_ms: Math.round(time * 1000) } : time };
    },
    () =>
      fail(
        '@ modifier must be preceded by an instant vector selector or range vector selector or a subquery',
        expression.position,
      ),
  );
}

function shifted(
  expression: Expression,
  end: number,
  change: (shift: VectorSelector | Subquery) => Partial<Pick<Subquery, 'offset_ms' | 'at'>>,
  refuse: () => never,
): Expression {
  const position = { start: expression.position.start, end };
  switch (expression.kind) {
    case 'vector_selector':
    case 'subquery':
      return { ...expression, ...change(expression), position };
    case 'matrix_selector':
      return { ...expression, selector: { ...expression.selector, ...change(expression.selector) }, position };
    default:
      return refuse();
  }
}

/** Nanoseconds are rounded, what is below a millisecond is cut off, as Prometheus does. */
function milliseconds(seconds: number): number {
  return Math.trunc(Math.round(seconds * 1e9) / 1e6);
}
