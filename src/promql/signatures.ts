/** By which labels the samples of two vectors match: a signature a set of them, remembered by the identity of the labels. */
import type { VectorMatching } from './ast.ts';
import { createGroups, type Groups } from './groups.ts';
import { keyWith, keyWithout } from './labels.ts';

export interface Signature {
  /** Step at which one side had it, and in which row. */
  step: number;
  row: number;
  /** Step at which a match was given out. */
  matched: number;
}

export function createSignatures({ on, labels: names }: VectorMatching): Groups<Signature> {
  const sorted = [...new Set(names)].toSorted();
  const ignored = new Set(['__name__', ...names]);
  return createGroups(
    (labels) => (on ? keyWith(labels, sorted) : keyWithout(labels, ignored)),
    () => ({ step: 0, row: 0, matched: 0 }),
  );
}
