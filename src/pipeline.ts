/** The joints of a pipeline: a place whose occupant can change, the counting at each component, the fan-out. */
import type { ComponentFigures, Consumer } from './component.ts';
import type { Batch } from './model/batch.ts';

/** Where a component hands its batches to. What lies behind can be exchanged between two batches (reload). */
export class Outlet implements Consumer {
  target: Consumer | undefined;

  consume(batch: Batch): Promise<void> | void {
    return this.target?.consume(batch);
  }
}

/** Counts what passes into `consumer`: accepted, or refused if it throws. */
export function counted(consumer: Consumer, figures: ComponentFigures): Consumer {
  return {
    async consume(batch) {
      try {
        await consumer.consume(batch);
        figures.accepted += batch.count;
      } catch (error) {
        figures.refused += batch.count;
        throw error;
      }
    },
  };
}

/** Counts what a component hands on. */
export function counting(outlet: Consumer, figures: ComponentFigures): Consumer {
  return {
    consume(batch) {
      figures.sent += batch.count;
      return outlet.consume(batch);
    },
  };
}

export interface Branch {
  readonly consumer: Consumer;
  /** Whether it also takes what was collected because someone asked. */
  readonly isPull: boolean;
}

/**
 * Hands a batch to every branch at once; resolves when all have it. A branch that refuses does not keep it from the
 * others; its error is thrown when they are done. Batches collected on demand, and empty collections (which tell that all
 * series are gone), go to pull exporters alone.
 */
export function fanOut(branches: readonly Branch[]): Consumer {
  const pullers = branches.filter((branch) => branch.isPull);
  return {
    async consume(batch) {
      const isOnDemand = batch.signal === 'metrics' && batch.collection?.onDemand === true;
      const results = await Promise.allSettled(
        (isOnDemand || batch.count === 0 ? pullers : branches).map(async ({ consumer }) => consumer.consume(batch)),
      );
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    },
  };
}

export function createFigures(
  identity: Pick<ComponentFigures, 'id' | 'kind' | 'signal' | 'pipeline'>,
): ComponentFigures {
  return {
    ...identity,
    accepted: 0,
    refused: 0,
    sent: 0,
    failed: 0,
    dropped: new Map(),
    duration_s: 0,
    operations: 0,
    queued: 0,
    queued_bytes: 0,
    queue_capacity_bytes: 0,
    skipped: 0,
    timed_out: 0,
    state: 'starting',
    reason: '',
  };
}
