/** What a queue can lose, in one line at the start: nobody should have to find out. */
import type { CommonPushConfig } from '../component.ts';
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
