/** `target_info` of every resource: now and then, for queries look back some minutes, and never twice for one identity. */
import { attributesKey, NO_ATTRIBUTES, type Attributes } from '../../src/model/attributes.ts';
import { Series, type MetricBatch, type Resource } from '../../src/model/batch.ts';
import { perLayout } from '../../src/model/layout.ts';
import { jobAndInstance, targetAttributes, TARGET_INFO } from '../../src/prometheus/target_info.ts';

/** Well within the five minutes that a query of Prometheus looks back. */
const INTERVAL = 60_000_000_000n;
const NO_SCOPE = { name: '', version: '', attributes: NO_ATTRIBUTES, schemaUrl: '' };

/** What is to be said of targets, besides what was measured. */
export interface TargetChanges {
  readonly present: readonly Series[];
  /** Those that others took the place of. */
  readonly ended: readonly Series[];
}

interface Target {
  series: Series;
  key: string;
  said: bigint;
  seen: bigint;
}

/**
 * Makes a function that is shown every batch. It remembers at most `limit` targets. Two resources of one identity would
 * make joins ambiguous: the second is silent until nothing was heard of the first for a while.
 */
export function createTargets(limit: number): (batch: MetricBatch, time: bigint) => TargetChanges {
  const targets = new Map<string, Target>();
  const known = new WeakMap<Resource, { readonly identity: string; readonly attributes: Attributes } | undefined>();
  const resourcesOf = perLayout((layout) => [...new Set(layout.map(({ resource }) => resource))]);

  function describe(resource: Resource) {
    if (known.has(resource)) return known.get(resource);
    const attributes = targetAttributes(resource);
    const identity = attributesKey(Object.fromEntries(jobAndInstance(resource.attributes)));
    const described = attributes && { identity, attributes };
    known.set(resource, described);
    return described;
  }

  return (batch, time) => {
    const present: Series[] = [];
    const ended: Series[] = [];
    for (const resource of resourcesOf(batch.series)) {
      const described = describe(resource);
      if (described === undefined) continue;
      const { identity, attributes } = described;
      let target = targets.get(identity);
      if (target === undefined) {
        if (targets.size >= limit) targets.delete(targets.keys().next().value!);
        const series = new Series(resource, NO_SCOPE, TARGET_INFO, attributes, 0n);
        target = { series, key: attributesKey(attributes), said: -INTERVAL, seen: time };
        targets.set(identity, target);
      } else if (target.series.attributes !== attributes) {
        const key = attributesKey(attributes);
        if (key !== target.key) {
          if (time - target.seen < 2n * INTERVAL) continue;
          ended.push(target.series);
          target.series = new Series(resource, NO_SCOPE, TARGET_INFO, attributes, 0n);
          target.key = key;
          target.said = -INTERVAL;
        }
      }
      if (time > target.seen) target.seen = time;
      // A batch that is encoded again is encoded to the same.
      if (time !== target.said && time - target.said < INTERVAL) continue;
      target.said = time;
      present.push(target.series);
    }
    return { present, ended };
  };
}
