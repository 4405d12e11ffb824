import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/delivery/clock.ts';
import { createDiskStore } from '../../../src/delivery/disk/disk_store.ts';
import { openFolder } from '../../../src/delivery/disk/folder.ts';
import { findDamage, listRecords, readQueue } from '../../../src/delivery/disk/inspect.ts';
import { createFolderLock } from '../../../src/folder_lock.ts';
import type { Block, BlockStore } from '../../../src/delivery/store.ts';

let path: string;
let opened = 0;
let lost = 0;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'sonde-inspect-'));
});
afterEach(() => rmSync(path, { recursive: true }));

async function openStore(order: 'fifo' | 'fresh_first' = 'fifo'): Promise<BlockStore> {
  const store = createDiskStore({
    place: path,
    folder: () => openFolder(path),
    lock: createFolderLock(path),
    capacity_bytes: 2 ** 20,
    maxAge_ms: 0,
    sync: 'none',
    group_ms: 10,
    minFree_bytes: 0,
    order,
    clock: systemClock,
    tell() {},
  });
  await store.open!({
    opened: (count) => void (opened = count),
    lost: (_, count) => void (lost += count),
    onRoom() {},
  });
  return store;
}

const block = (count: number, size: number) => ({
  body: Buffer.alloc(size, count),
  count,
  signal: 'logs' as const,
  time_ms: 1_800_000_000_000,
});

/** Everything in the folder, by name. */
const files = (): Record<string, string> =>
  Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name)).toString('base64')]));

async function waitingCounts(): Promise<number[]> {
  const counts: number[] = [];
  for await (const { isSettled, count } of listRecords(await readQueue(path))) if (!isSettled) counts.push(count);
  return counts;
}

async function drain(store: BlockStore): Promise<number[]> {
  const counts: number[] = [];
  for (let next = await store.take(false); next !== undefined; next = await store.take(false)) counts.push(next.count);
  return counts;
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constant('put' as const),
      count: fc.integer({ min: 1, max: 9 }),
      size: fc.integer({ min: 0, max: 30_000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('settle' as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('evict' as const) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('reopen' as const) }) },
);

test('readQueue says what the next agent finds, and changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom('fifo' as const, 'fresh_first' as const),
      async (steps, order) => {
        rmSync(path, { recursive: true });
        let store = await openStore(order);
        let taken: Block[] = [];
        for (const one of steps) {
          if (one.is === 'put') {
            if (store.hasRoom(one.size)) await store.put(block(one.count, one.size));
          } else if (one.is === 'settle') {
            for (let next = 0; next <= one.which; next++) {
              const block = await store.take(false);
              if (block !== undefined) taken.push(block);
            }
            const [settled] = taken.splice(one.which % Math.max(1, taken.length), 1);
            if (settled !== undefined) await store.settle(settled);
          } else if (one.is === 'evict') store.evict();
          else {
            await store.close();
            taken = [];
            store = await openStore(order);
          }
        }
        await store.close();
        const before = files();
        const { waiting, end, progress, tail_bytes, unusable } = await readQueue(path);
        const listed = await waitingCounts();
        expect(await findDamage(await readQueue(path))).toEqual([]);
        expect(files()).toEqual(before);
        expect([tail_bytes, unusable]).toEqual([0, []]);
        expect(end.item - progress.low.item).toBeGreaterThanOrEqual(waiting);
        const next = await openStore();
        expect(waiting).toBe(opened);
        expect(listed.reduce((sum, count) => sum + count, 0)).toBe(waiting);
        expect(await drain(next)).toEqual(listed);
        await next.close();
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

test('readQueue of a folder that is not there throws, and does not make it', async () => {
  await expect(readQueue(join(path, 'none'))).rejects.toThrow('ENOENT');
  expect(readdirSync(path)).toEqual([]);
});

test('findDamage counts what a reader of the queue then skips', async () => {
  const store = await openStore();
  for (let count = 1; count <= 6; count++) await store.put(block(count, 2000));
  await store.settle((await store.take(false))!);
  await store.close();
  const [segment] = readdirSync(path).filter((name) => name.endsWith('.queue'));
  const bytes = readFileSync(join(path, segment!));
  // In the bodies of the first record, which is delivered, and of the third and fourth, which are not.
  for (const count of [1, 3, 4]) bytes[bytes.indexOf(Buffer.alloc(100, count))]! ^= 255;
  writeFileSync(join(path, segment!), bytes);
  expect(await findDamage(await readQueue(path))).toEqual([{ segment, records: 2, items: 7 }]);
  lost = 0;
  const next = await openStore();
  expect(await drain(next)).toEqual([2, 5, 6]);
  expect(lost).toBe(7);
  await next.close();
});
