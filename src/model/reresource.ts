/** Gives the series and records of batches other resources. */
import { Series, type Batch, type LogBatch, type Resource } from './batch.ts';
import { createRegroup } from './regroup.ts';

export interface ReresourceOptions {
  /** The resource as it shall be, or the very same where nothing changes. Called once for each resource. */
  readonly change: (resource: Resource) => Resource;
  readonly drop: (reason: 'merged' | 'not_mergeable', count: number) => void;
}

/** Batches that nothing changes in are handed back as they are; traces always, because they travel encoded. */
export function createReresource({ change, drop }: ReresourceOptions): (batch: Batch) => Batch {
  const known = new WeakMap<Resource, Resource>();
  const changed = (resource: Resource): Resource => {
    let result = known.get(resource);
    if (result === undefined) known.set(resource, (result = withEntities(change(resource), resource)));
    return result;
  };

  const regroup = createRegroup({
    drop,
    change(series) {
      const resource = changed(series.resource);
      if (resource === series.resource) return series;
      return new Series(resource, series.scope, series.metric, series.attributes, series.startTime);
    },
  });

  function changeRecords(batch: LogBatch): LogBatch {
    if (batch.records.every(({ resource }) => changed(resource) === resource)) return batch;
    const records = batch.records.map((record) => ({ ...record, resource: changed(record.resource) }));
    return { signal: 'logs', count: batch.count, records };
  }

  return (batch) => {
    if (batch.signal === 'metrics') return regroup(batch);
    return batch.signal === 'logs' ? changeRecords(batch) : batch;
  };
}

/** An entity whose identifying attributes are not all there any more must not be claimed (OTLP `EntityRef`). */
function withEntities(resource: Resource, before: Resource): Resource {
  const { attributes, entityRefs } = resource;
  if (resource === before || entityRefs === undefined) return resource;
  const has = (key: string): boolean => Object.hasOwn(attributes, key);
  const left = entityRefs
    .filter(({ idKeys }) => idKeys.every(has))
    .map((entity) => ({ ...entity, descriptionKeys: entity.descriptionKeys.filter(has) }));
  return { ...resource, entityRefs: left };
}
