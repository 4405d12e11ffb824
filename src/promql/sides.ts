/** What all binary expressions share. */
import type { NativeHistogram } from '../store/queryable.ts';
import type { BinaryExpression } from './ast.ts';
import type { Annotations } from './errors.ts';
import type { Node } from './plan.ts';

/** Prepares and releases both sides. */
export function bothSides(left: Node, right: Node): Pick<Node, 'prepare' | 'release'> {
  return {
    prepare(run, steps) {
      left.prepare(run, steps);
      right.prepare(run, steps);
    },
    release() {
      left.release();
      right.release();
    },
  };
}

export function typeName(histogram: NativeHistogram | undefined): string {
  return histogram === undefined ? 'float' : 'histogram';
}

export function annotateMismatch(
  { operator, position }: BinaryExpression,
  annotations: Annotations,
  mismatch: 'types' | 'buckets',
  [left, right]: readonly [string, string],
): void {
  if (mismatch === 'buckets')
    annotations.warn(`incompatible bucket layout encountered for binary operator ${operator}`, position);
  else
    annotations.info(
      `incompatible sample types encountered for binary operator "${operator}": ${left} ${operator} ${right}`,
      position,
    );
}
