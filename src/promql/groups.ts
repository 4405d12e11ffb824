/** Which labels fall together, in aggregations and where vectors match, and the labels that a group gets. */
import type { Labels } from '../store/queryable.ts';
import type { Aggregation } from './ast.ts';
import { keyWith, keyWithout, labelsWith, labelsWithout, NO_LABELS } from './labels.ts';

/** Sets that are always remembered; more are forgotten at the next run. */
const KEPT = 50_000;

/** What sets of labels have in common, remembered by the identity of the labels. */
export interface Groups<Group> {
  begin(): void;
  of(labels: Labels): Group;
}

/**
 * @param keyOf Equal for sets of one group
 * @param make A group, by a set of it
 */
export function createGroups<Group>(keyOf: (labels: Labels) => string, make: (labels: Labels) => Group): Groups<Group> {
  const byLabels = new Map<Labels, Group>();
  const byKey = new Map<string, Group>();
  return {
    begin() {
      if (byLabels.size <= KEPT) return;
      byLabels.clear();
      byKey.clear();
    },
    of(labels) {
      let group = byLabels.get(labels);
      if (group !== undefined) return group;
      const key = keyOf(labels);
      group = byKey.get(key);
      if (group === undefined) byKey.set(key, (group = make(labels)));
      byLabels.set(labels, group);
      return group;
    },
  };
}

/** @param make A group by the labels that it is shown with */
export function aggregationGroups<Group>(
  { grouping, without }: Aggregation,
  make: (labels: Labels) => Group,
): Groups<Group> {
  const split = groupingOf(grouping, without);
  return createGroups(split.key, (labels) => make(split.labels(labels)));
}

export function groupingOf(
  grouping: readonly string[],
  without: boolean,
): { key(labels: Labels): string; labels(labels: Labels): Labels } {
  if (without) {
    const removed = new Set([...grouping, '__name__']);
    return { key: (labels) => keyWithout(labels, removed), labels: (labels) => labelsWithout(labels, removed) };
  }
  if (grouping.length === 0) return { key: () => '', labels: () => NO_LABELS };
  const sorted = [...new Set(grouping)].toSorted();
  return { key: (labels) => keyWith(labels, sorted), labels: (labels) => labelsWith(labels, sorted) };
}
