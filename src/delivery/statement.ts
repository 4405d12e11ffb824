/** What a queue can lose, in one line at the start, and what it has at the end: nobody should have to find out. */
import type { CommonPushConfig, ComponentFigures, ComponentLog } from '../component.ts';
import type { Signal } from '../model/batch.ts';
import type { BlockStore } from './store.ts';

export interface Statement {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function statement(
  signal: Signal,
  { queue, retry }: Pick<CommonPushConfig, 'queue' | 'retry'>,
  { isDurable, capacity_bytes, place }: Pick<BlockStore, 'isDurable' | 'capacity_bytes' | 'place'>,
): Statement {
  const patience = !retry.enabled
    ? 'never repeated'
    : retry.max_elapsed === 0
      ? 'repeated until they are taken'
      : `repeated for ${retry.max_elapsed / 1000} s`;
  const fields = {
    ...(place !== undefined && { folder: place }),
    queue_bytes: capacity_bytes,
    on_full: queue.on_full,
    ...(queue.max_age > 0 && { max_age_s: queue.max_age / 1000 }),
    requests: patience,
  };
  if (!isDurable) return { message: `Queues ${signal} in memory: what waits is lost with the process`, fields };
  return { message: `Queues ${signal} on disk: kill -9 loses nothing that was taken, ${powerCut(queue)}`, fields };
}

function powerCut({ sync, group_ms }: CommonPushConfig['queue']): string {
  if (sync === 'always') return 'nor does a power cut';
  return sync === 'group'
    ? `a power cut at most its last ${group_ms} ms`
    : 'a power cut what the kernel had not written, often the last 30 s';
}

/** At the end: where what could not be sent is now. */
export function sayRest(
  { signal, queued, dropped }: ComponentFigures,
  place: string | undefined,
  log: ComponentLog,
): void {
  if (queued > 0) {
    log.info(`Leaves the ${signal} that wait in their queue on disk`, { folder: place, items: queued });
  }
  const lost = dropped.get('shutdown') ?? 0;
  if (lost > 0) log.warn(`Cannot send all ${signal} that waited before the stop: the rest is dropped`, { items: lost });
}
