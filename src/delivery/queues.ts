/** Which queue an exporter gets, and where it lies. */
import { join, resolve } from 'node:path';
import type { CommonPushConfig, ComponentLog } from '../component.ts';
import type { Signal } from '../model/batch.ts';
import { stateDirectory } from '../state_directory.ts';
import { systemClock } from './clock.ts';
import { createDeadLetters, type DeadLetters } from './dead_letters.ts';
import { createDiskStore } from './disk/disk_store.ts';
import { openFolder } from './disk/folder.ts';
import { createFolderLock } from '../folder_lock.ts';
import type { BlockStore } from './store.ts';

/** Of a queue on disk whose size nobody has set. */
export const DISK_BYTES = 1024 * 1024 * 1024;

/** What is not in memory. */
export interface DiskQueue {
  readonly store: BlockStore;
  readonly deadLetters: DeadLetters | undefined;
}

/** Undefined for a queue in memory. */
export function createDiskQueue(
  id: string,
  signal: Signal,
  { queue }: Pick<CommonPushConfig, 'queue'>,
  log: ComponentLog,
): DiskQueue | undefined {
  if (queue.storage === 'memory') return undefined;
  const folder = queueFolder(id, signal, queue);
  const store = createDiskStore({
    place: folder,
    folder: () => openFolder(folder),
    lock: createFolderLock(folder),
    capacity_bytes: queue.max_bytes ?? DISK_BYTES,
    maxAge_ms: queue.max_age,
    sync: queue.sync,
    group_ms: queue.group_ms,
    minFree_bytes: queue.min_free,
    order: queue.order,
    clock: systemClock,
    tell: (message, fields) => log.warn(message, fields),
  });
  const { max_bytes } = queue.dead_letters;
  return { store, deadLetters: max_bytes === 0 ? undefined : createDeadLetters(folder, max_bytes, log) };
}

/** `…/otlp%2Fcloud/metrics` for the exporter `otlp/cloud`. */
export function queueFolder(
  id: string,
  signal: Signal,
  { directory }: Pick<CommonPushConfig['queue'], 'directory'>,
): string {
  return join(resolve(directory ?? stateDirectory('queue')), encodeURIComponent(id), signal);
}
