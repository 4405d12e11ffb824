/** Binary operators between two numbers, and between samples of which either may be a histogram. */
import type { NativeHistogram } from '../store/queryable.ts';
import type { BinaryOperator } from './ast.ts';
import {
  addHistograms,
  compactHistogram,
  divideHistogram,
  equalHistograms,
  scaleHistogram,
  subtractHistograms,
} from './native_histograms.ts';

export const COMPARISONS: ReadonlySet<BinaryOperator> = new Set(['==', '!=', '<', '>', '<=', '>=']);

/** Arithmetic, or 1 and 0 of a comparison. */
export function numberOperation(operator: BinaryOperator): (left: number, right: number) => number {
  switch (operator) {
    case '+':
      return (left, right) => left + right;
    case '-':
      return (left, right) => left - right;
    case '*':
      return (left, right) => left * right;
    case '/':
      return (left, right) => left / right;
    case '%':
      return (left, right) => left % right;
    case '^':
      return power;
    case 'atan2':
      return Math.atan2;
    case '==':
      return (left, right) => (left === right ? 1 : 0);
    case '!=':
      return (left, right) => (left === right ? 0 : 1);
    case '<':
      return (left, right) => (left < right ? 1 : 0);
    case '>':
      return (left, right) => (left > right ? 1 : 0);
    case '<=':
      return (left, right) => (left <= right ? 1 : 0);
    case '>=':
      return (left, right) => (left >= right ? 1 : 0);
    default:
      throw new TypeError(`Cannot apply operator to numbers: ${operator}`);
  }
}

/** As C and Go have it: 1 to any power is 1, and -1 to an infinite one; JavaScript says NaN to both. */
function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Infinity)) return 1;
  return base ** exponent;
}

/** The result; false where a comparison fails; else what the annotation says. */
export type HistogramResult = NativeHistogram | false | { readonly mismatch: 'types' | 'buckets' };

const TYPES = { mismatch: 'types' } as const;
const BUCKETS = { mismatch: 'buckets' } as const;

/** At least one side is a histogram. A comparison that holds gives the left side. */
export function histogramOperation(
  operator: BinaryOperator,
  left: number | NativeHistogram,
  right: number | NativeHistogram,
): HistogramResult {
  if (typeof left === 'number') {
    return operator === '*' ? compactHistogram(scaleHistogram(right as NativeHistogram, left)) : TYPES;
  }
  if (typeof right === 'number') {
    if (operator === '*') return compactHistogram(scaleHistogram(left, right));
    return operator === '/' ? compactHistogram(divideHistogram(left, right)) : TYPES;
  }
  switch (operator) {
    case '+':
    case '-': {
      const combined = operator === '+' ? addHistograms(left, right) : subtractHistograms(left, right);
      return typeof combined === 'string' ? BUCKETS : compactHistogram(combined);
    }
    case '==':
      return equalHistograms(left, right) && left;
    case '!=':
      return !equalHistograms(left, right) && left;
    default:
      return TYPES;
  }
}
