/** `target_info`: what a resource says of itself beyond its name, once a resource. */
import { NO_ATTRIBUTES, attributesKey } from '../../src/model/attributes.ts';
import { Series, type Resource } from '../../src/model/batch.ts';
import { perLayout } from '../../src/model/layout.ts';
import { isSameResource } from '../../src/prometheus/labels.ts';
import { jobAndInstance, TARGET_INFO, targetAttributes } from '../../src/prometheus/target_info.ts';
import type { Source } from './store.ts';

const NO_SCOPE = { name: '', version: '', attributes: NO_ATTRIBUTES, schemaUrl: '' };

const resourcesOf = perLayout((layout) => new Set(layout.map(({ resource }) => resource)));

/**
 * Makes a function that adds `target_info` to sources. The agent's own resource is the scrape target, and has no `job`
 * and `instance`: the scraper adds them. Others have theirs, and none if they say nothing but these.
 */
export function createTargetInfo(ownResource: Resource): (sources: readonly Source[]) => readonly Source[] {
  let known = new Set<Resource>();
  let info: Source | undefined;

  return (sources) => {
    const resources = new Set<Resource>([ownResource]);
    for (const { series } of sources) for (const resource of resourcesOf(series)) resources.add(resource);
    if (info === undefined || resources.size !== known.size || !resources.isSubsetOf(known)) {
      known = resources;
      info = infoOf(resources, ownResource);
    }
    return [info, ...sources];
  };
}

function infoOf(resources: ReadonlySet<Resource>, ownResource: Resource): Source {
  const byIdentity = new Map<string, Series>();
  for (const resource of resources) {
    const isOwn = isSameResource(resource, ownResource);
    const attributes = isOwn ? resource.attributes : targetAttributes(resource);
    const identity = isOwn ? '' : attributesKey(Object.fromEntries(jobAndInstance(resource.attributes)));
    if (attributes === undefined || byIdentity.has(identity)) continue;
    byIdentity.set(identity, new Series(resource, NO_SCOPE, TARGET_INFO, attributes, 0n));
  }
  const series = [...byIdentity.values()];
  return { series, values: new Float64Array(series.length).fill(1), points: undefined, exemplars: undefined };
}
