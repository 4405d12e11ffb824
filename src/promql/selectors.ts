/** Which series an expression reads, and how far back: what a store must keep for it. */
import type { Matcher } from '../store/queryable.ts';
import type { Expression, TimeShift } from './ast.ts';

export interface Selection {
  readonly matchers: readonly Matcher[];
  /** Milliseconds before the evaluation's time from which on samples are read: ranges, offsets and lookback together. */
  readonly back_ms: number;
  /** Has `@`, or is in a subquery that has: reads at a fixed time, `back_ms` before that. */
  readonly isFixed: boolean;
}

export interface SelectorsOptions {
  /** How old a sample may be for an instant. 5 minutes unless told. */
  readonly lookback_ms?: number;
}

/** Every vector selector of the expression, in the order of the text. */
export function selectorsOf(expression: Expression, { lookback_ms = 300_000 }: SelectorsOptions = {}): Selection[] {
  const found: Selection[] = [];
  const visit = (part: Expression, back_ms: number, isFixed: boolean): void => {
    const shifted = ({ offset_ms, at }: TimeShift): [number, boolean] => [
      back_ms + offset_ms,
      isFixed || at !== undefined,
    ];
    switch (part.kind) {
      case 'vector_selector': {
        const [back, fixed] = shifted(part);
        found.push({ matchers: part.matchers, back_ms: Math.max(0, back + lookback_ms), isFixed: fixed });
        return;
      }
      case 'matrix_selector': {
        const [back, fixed] = shifted(part.selector);
        found.push({ matchers: part.selector.matchers, back_ms: Math.max(0, back + part.range_ms), isFixed: fixed });
        return;
      }
      case 'subquery': {
        const [back, fixed] = shifted(part);
        return visit(part.expression, back + part.range_ms, fixed);
      }
      case 'call':
        return part.arguments.forEach((argument) => visit(argument, back_ms, isFixed));
      case 'aggregation':
        if (part.parameter !== undefined) visit(part.parameter, back_ms, isFixed);
        return visit(part.expression, back_ms, isFixed);
      case 'binary':
        visit(part.left, back_ms, isFixed);
        return visit(part.right, back_ms, isFixed);
      case 'unary':
      case 'parentheses':
        return visit(part.expression, back_ms, isFixed);
      default:
    }
  };
  visit(expression, 0, false);
  return found;
}
