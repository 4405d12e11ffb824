/** Sets of labels made from others. */
import type { Labels } from '../../store/queryable.ts';

export const NO_LABELS: Labels = new Map();

/** With the label set to the value, or without it where the value is empty. */
export function withLabel(labels: Labels, name: string, value: string): Labels {
  if ((labels.get(name) ?? '') === value) return labels;
  const changed = new Map(labels);
  if (value === '') {
    changed.delete(name);
    return changed;
  }
  if (changed.has(name)) return changed.set(name, value);
  changed.set(name, value);
  return new Map(Array.from(changed).sort(([one], [other]) => compareUtf8(one, other)));
}

/** By UTF-8 bytes, which is by code points: JavaScript's own order of UTF-16 units puts surrogates before U+E000. */
function compareUtf8(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
