/**
 * Queues that lie in a folder: to be opened by other versions, damaged, or surrounded by other files.
 * `node test/delivery/disk/queue_folders.ts test/fixtures/queue/vN` writes what the agent of today leaves behind; a
 * folder of a released version is never written again.
 */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDiskStore, type DiskStoreOptions } from '../../../src/delivery/disk/disk_store.ts';
import { openFolder, type Folder } from '../../../src/delivery/disk/folder.ts';
import { createDeadLetters } from '../../../src/delivery/dead_letters.ts';
import type { Block, BlockStore, NewBlock } from '../../../src/delivery/store.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';
import { createRandom } from './faulty_folder.ts';

export interface OpenQueue {
  readonly store: BlockStore;
  readonly told: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[];
  readonly lost: { readonly reason: string; readonly count: number; readonly why: string }[];
  /** Items that it said it holds. */
  opened: number;
}

const TIME_MS = 1_800_000_000_000;

/** `run` has what is under way happen, where the folder does not by itself. */
export async function openQueue(
  folder: Folder,
  changes: Partial<DiskStoreOptions> = {},
  run: () => Promise<void> = () => Promise.resolve(),
): Promise<OpenQueue> {
  const told: OpenQueue['told'] = [];
  const lost: OpenQueue['lost'] = [];
  const store = createDiskStore({
    place: folder.path,
    folder: () => Promise.resolve(folder),
    lock: { isHeldHere: () => false, acquire: () => Promise.resolve(), release() {} },
    capacity_bytes: 64 * 1024,
    maxAge_ms: 0,
    sync: 'group',
    group_ms: 5,
    minFree_bytes: 0,
    order: 'fifo',
    clock: { now: () => 0, wall: () => TIME_MS, after: () => () => {} },
    tell: (message, fields) => void told.push({ message, fields }),
    ...changes,
  });
  const queue: OpenQueue = { store, told, lost, opened: -1 };
  const opening = store.open!({
    opened: (count) => void (queue.opened = count),
    lost: (reason, count, why) => void lost.push({ reason, count, why }),
    onRoom() {},
  });
  await Promise.all([opening, run()]);
  return queue;
}

/** Takes and settles all there is. */
export async function drain({ store }: OpenQueue, run = (): Promise<void> => Promise.resolve()): Promise<Block[]> {
  const blocks: Block[] = [];
  for (;;) {
    const taking = Promise.resolve(store.take(false));
    await Promise.all([taking, run()]);
    const block = await taking;
    if (block === undefined) return blocks;
    blocks.push(block);
    await Promise.all([store.settle(block), run()]);
  }
}

/** Blocks of all signals, from nothing to several KiB, some of which hold what looks like a record. */
export function createBlocks(count: number, seed: number): NewBlock[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, number) => {
    const length = number % 7 === 3 ? 0 : Math.floor(random() ** 4 * 4000);
    const body = Buffer.alloc(length, number % 5 === 0 ? 'SQR1' : `block ${number} `);
    return { body, count: 1 + (number % 4), signal: SIGNALS[number % 3]!, time_ms: TIME_MS + number };
  });
}

const SIGNALS = ['metrics', 'logs', 'traces'] as const;

/** Of the settled ones some lie behind others that wait. */
export const SETTLED = [0, 1, 2, 3, 4, 9, 10, 25];

/** Fills a queue with `blocks`, of which those in SETTLED are settled. */
export async function fillQueue(
  queue: OpenQueue,
  blocks: readonly NewBlock[],
  run?: () => Promise<void>,
): Promise<void> {
  const pump = run ?? ((): Promise<void> => Promise.resolve());
  const { store } = queue;
  for (const block of blocks) await Promise.all([store.put(block), pump()]);
  for (let number = 0; number <= Math.max(...SETTLED); number++) {
    const taking = Promise.resolve(store.take(false));
    await Promise.all([taking, pump()]);
    const block = (await taking)!;
    if (SETTLED.includes(number)) await Promise.all([store.settle(block), pump()]);
  }
  await Promise.all([store.close(), pump()]);
}

const [, script, path] = process.argv;
if (script === import.meta.filename && path !== undefined) {
  const place = join(path, 'folder');
  await fillQueue(await openQueue(await openFolder(place)), createBlocks(40, 1));
  const again = await openQueue(await openFolder(place));
  const waiting: unknown[] = [];
  for (let block = await again.store.take(false); block !== undefined; block = await again.store.take(false)) {
    const { id, body, count, signal, time_ms } = block;
    waiting.push({ id, count, signal, time_ms, body: Buffer.from(body).toString('base64') });
  }
  await again.store.close();
  writeFileSync(join(path, 'waiting.json'), `${JSON.stringify(waiting, undefined, 1)}\n`);
  const last = readdirSync(place)
    .filter((name) => name.endsWith('.queue'))
    .toSorted()
    .at(-1)!;
  // The beginning of a record, as a crash leaves it.
  appendFileSync(join(place, last), readFileSync(join(place, last)).subarray(64, 164));
  const letters = createDeadLetters(place, 1_000_000, createRecordedLog());
  const letter = { id: 'a-7', body: Buffer.from('refused'), count: 3, signal: 'logs', time_ms: TIME_MS } as const;
  await letters.keep({ ...letter, reason: 'rejected', why: 'Cannot send: 400 Bad Request' });
}
