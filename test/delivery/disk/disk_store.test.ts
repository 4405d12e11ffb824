import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/delivery/clock.ts';
import { createDiskStore, type DiskStoreOptions } from '../../../src/delivery/disk/disk_store.ts';
import { openFolder } from '../../../src/delivery/disk/folder.ts';
import type { Block, BlockStore } from '../../../src/delivery/store.ts';
import { eventually } from '../../support/eventually.ts';

let path: string;
let said: string[] = [];
let lost: [string, number][] = [];
let opened: number[] = [];
let onRoom = vi.fn<() => void>();
const stores: BlockStore[] = [];

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  said = [];
  lost = [];
  opened = [];
  onRoom = vi.fn<() => void>();
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(path, { recursive: true });
});

async function openStore(changes: Partial<DiskStoreOptions> = {}): Promise<BlockStore> {
  const store = createDiskStore({
    place: path,
    folder: () => openFolder(path),
    lock: { isHeldHere: () => false, acquire: () => Promise.resolve(), release() {} },
    capacity_bytes: 8 * 2 ** 20,
    maxAge_ms: 0,
    sync: 'group',
    group_ms: 5,
    minFree_bytes: 0,
    order: 'fifo',
    clock: systemClock,
    tell: (message) => said.push(message),
    ...changes,
  });
  stores.push(store);
  await store.open!({
    opened: (n) => opened.push(n),
    lost: (reason, count) => lost.push([reason, count]),
    onRoom,
  });
  return store;
}

/** A block of `size` bytes with `count` items that begins with its number. */
const block = (number: number, size = 100, count = 1) => {
  const body = Buffer.alloc(size, number % 251);
  body.writeUInt32LE(number);
  return { body, count, signal: 'logs' as const, time_ms: Date.now() };
};
const numberOf = ({ body }: Block): number => Buffer.from(body).readUInt32LE();

async function drain(store: BlockStore): Promise<number[]> {
  const numbers: number[] = [];
  for (let next = await store.take(false); next !== undefined; next = await store.take(false)) {
    numbers.push(numberOf(next));
    await store.settle(next);
  }
  return numbers;
}

test('createDiskStore hands out what was put, in order, and again after a restart what was not settled', async () => {
  const first = await openStore();
  for (let number = 0; number < 10; number++) await first.put(block(number, 100, 3));
  for (const expected of [0, 1, 2]) {
    const taken = (await first.take(false))!;
    expect(numberOf(taken)).toBe(expected);
    await first.settle(taken);
  }
  await first.take(false);
  await first.close();
  const second = await openStore();
  expect(opened).toEqual([0, 21]);
  expect(await drain(second)).toEqual([3, 4, 5, 6, 7, 8, 9]);
  await second.close();
  expect(readdirSync(path)).toEqual(['cursor']);
  expect(said).toEqual([]);
});

test('createDiskStore reads back what is too much for its memory, over many segments', async () => {
  const store = await openStore({ capacity_bytes: 64 * 2 ** 20 });
  const numbers = Array.from({ length: 200 }, (_, index) => index);
  for (const number of numbers) await store.put(block(number, 100_000));
  expect(readdirSync(path).length).toBeGreaterThan(4);
  expect(await drain(store)).toEqual(numbers);
  expect(store.bytes).toBeLessThan(5 * 2 ** 20);
  expect(lost).toEqual([]);
});

test('createDiskStore with fresh_first hands out new blocks before a backlog', async () => {
  const first = await openStore();
  for (let number = 0; number < 5; number++) await first.put(block(number));
  await first.close();
  const second = await openStore({ order: 'fresh_first' });
  for (let number = 5; number < 8; number++) await second.put(block(number));
  expect(await drain(second)).toEqual([5, 6, 7, 0, 1, 2, 3, 4]);
  expect(existsSync(join(path, 'cursor'))).toBe(true);
});

test('createDiskStore removes the oldest segment to make room, and counts its items', async () => {
  const store = await openStore({ capacity_bytes: 2 ** 20 });
  let dropped = 0;
  for (let number = 0; number < 40; number++) {
    while (!store.hasRoom(50_000)) dropped += store.evict()!.count;
    await store.put(block(number, 50_000));
  }
  expect(store.bytes).toBeLessThanOrEqual(2 ** 20);
  const numbers = await drain(store);
  expect(numbers).toEqual(Array.from({ length: 40 - dropped }, (_, index) => dropped + index));
});

test('createDiskStore has room for ever under a back end that has settled a segment before the next one begins', async () => {
  const store = await openStore({ capacity_bytes: 2 ** 18 });
  for (let number = 0; number < 40; number++) {
    expect(store.hasRoom(20_000), `for block ${number}`).toBe(true);
    await store.put(block(number, 20_000));
    expect(await drain(store)).toEqual([number]);
  }
  expect(lost).toEqual([]);
});

test('createDiskStore that is full has room again, and says so, when all that was in it has expired', async () => {
  let wall_ms = Date.now();
  const clock = { ...systemClock, wall: () => wall_ms };
  const store = await openStore({ capacity_bytes: 2 ** 18, maxAge_ms: 60_000, clock });
  let count = 0;
  for (; store.hasRoom(20_000); count++) await store.put(block(count, 20_000));
  wall_ms += 3_600_000;
  expect(await drain(store)).toEqual([]);
  expect(lost.reduce((sum, [, items]) => sum + items, 0)).toBe(count);
  await eventually(() => expect(onRoom).toHaveBeenCalled());
  expect(store.hasRoom(20_000)).toBe(true);
});
