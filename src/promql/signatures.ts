/** By which labels the samples of two vectors match: a signature a set of them, remembered by the identity of the labels. */
import type { Labels } from '../store/queryable.ts';
import type { VectorMatching } from './ast.ts';
import { keyWith, keyWithout } from './labels.ts';

/** Sets that are always remembered; more are forgotten at the next run. */
const KEPT = 50_000;

export interface Signature {
  /** Step at which one side had it, and in which row. */
  step: number;
  row: number;
  /** Step at which a match was given out. */
  matched: number;
}

export interface Signatures {
  begin(): void;
  of(labels: Labels): Signature;
}

export function createSignatures({ on, labels: names }: VectorMatching): Signatures {
  const byLabels = new Map<Labels, Signature>();
  const byKey = new Map<string, Signature>();
  const sorted = [...new Set(names)].toSorted();
  const ignored = new Set(['__name__', ...names]);
  return {
    begin() {
      if (byLabels.size <= KEPT) return;
      byLabels.clear();
      byKey.clear();
    },
    of(labels) {
      let signature = byLabels.get(labels);
      if (signature !== undefined) return signature;
      const key = on ? keyWith(labels, sorted) : keyWithout(labels, ignored);
      signature = byKey.get(key);
      if (signature === undefined) byKey.set(key, (signature = { step: 0, row: 0, matched: 0 }));
      byLabels.set(labels, signature);
      return signature;
    },
  };
}
