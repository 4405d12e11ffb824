import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/delivery/clock.ts';
import { createDiskStore } from '../../../src/delivery/disk/disk_store.ts';
import { openFolder } from '../../../src/delivery/disk/folder.ts';
import type { Block, BlockStore } from '../../../src/delivery/store.ts';

async function openStore(path: string): Promise<BlockStore> {
  const store = createDiskStore({
    place: path,
    folder: () => openFolder(path),
    lock: { isHeldHere: () => false, acquire: () => Promise.resolve(), release() {} },
    capacity_bytes: 2 ** 20,
    maxAge_ms: 0,
    sync: 'group',
    group_ms: 5,
    minFree_bytes: 0,
    order: 'fresh_first',
    clock: systemClock,
    tell: () => {},
  });
  await store.open!({ opened() {}, lost() {}, onRoom() {} });
  return store;
}

const block = (letter: number) => ({ body: Buffer.alloc(10, letter), count: 1, signal: 'logs' as const, time_ms: 1 });
const letterOf = (taken: Block | undefined): number | undefined => taken?.body[0];

test('createDiskStore comes to an end behind a backlog whose successors are delivered and removed', async () => {
  const path = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  const first = await openStore(path);
  await first.put(block(1));
  await first.close();
  const second = await openStore(path);
  await second.put(block(2));
  const fresh = (await second.take(false))!;
  expect(letterOf(fresh)).toBe(2);
  await second.settle(fresh);
  await second.close();
  const third = await openStore(path);
  const old = (await third.take(false))!;
  expect(letterOf(old)).toBe(1);
  expect(await third.take(false)).toBeUndefined();
  // Not a promise: there is nothing more to be read.
  expect(third.take(false)).toBeUndefined();
  await third.put(block(3));
  expect(letterOf(await third.take(false))).toBe(3);
  await third.settle(old);
  await third.close();
});
