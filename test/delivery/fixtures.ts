import type { CommonPushConfig, ComponentFigures } from '../../src/component.ts';
import type { TraceBatch } from '../../src/model/batch.ts';
import { createFigures as createEmptyFigures } from '../../src/pipeline.ts';

export function createFigures(): ComponentFigures {
  const figures = createEmptyFigures({ id: 'test', kind: 'exporter', signal: 'traces', pipeline: undefined });
  return { ...figures, state: 'running' };
}

export type PushConfig = Pick<CommonPushConfig, 'timeout' | 'retry' | 'queue'>;

export function createPushConfig(
  changes: { timeout?: number; retry?: Partial<PushConfig['retry']>; queue?: Partial<PushConfig['queue']> } = {},
): PushConfig {
  return {
    timeout: changes.timeout ?? 10_000,
    retry: {
      enabled: true,
      initial: 1000,
      max: 30_000,
      multiplier: 1.5,
      jitter: 0.5,
      max_elapsed: 300_000,
      ...changes.retry,
    },
    queue: {
      storage: 'memory',
      directory: undefined,
      max_bytes: 1000,
      max_age: 0,
      sync: 'group',
      group_ms: 10,
      min_free: 0,
      order: 'fifo',
      dead_letters: { max_bytes: 0 },
      on_full: 'drop_oldest',
      concurrency: 1,
      ...changes.queue,
    },
  };
}

/** A batch whose items are the bytes of `ids`. */
export function createBatch(...ids: number[]): TraceBatch {
  return { signal: 'traces', count: ids.length, otlp: Uint8Array.from(ids) };
}
