import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/delivery/clock.ts';
import { createDiskStore } from '../../../src/delivery/disk/disk_store.ts';
import { openFolder } from '../../../src/delivery/disk/folder.ts';
import {
  encodeRecordHeader,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  segmentSum,
} from '../../../src/delivery/disk/format.ts';
import type { BlockStore } from '../../../src/delivery/store.ts';

const BODY_BYTES = 100;
const RECORD_BYTES = RECORD_HEADER_BYTES + BODY_BYTES;

let path: string;
beforeEach(() => void (path = mkdtempSync(join(tmpdir(), 'sonde-test-'))));
afterEach(() => rmSync(path, { recursive: true }));

interface Opened {
  readonly store: BlockStore;
  readonly said: string[];
  readonly lost: [string, number][];
  recovered: number;
}

async function open(): Promise<Opened> {
  const said: string[] = [];
  const store = createDiskStore({
    place: path,
    folder: () => openFolder(path),
    lock: { isHeldHere: () => false, acquire: () => Promise.resolve(), release() {} },
    capacity_bytes: 2 ** 20,
    maxAge_ms: 0,
    sync: 'group',
    group_ms: 5,
    minFree_bytes: 0,
    order: 'fifo',
    clock: systemClock,
    tell: (message) => said.push(message),
  });
  const opened: Opened = { store, said, lost: [], recovered: -1 };
  await store.open!({
    opened: (count) => (opened.recovered = count),
    lost: (reason, count) => opened.lost.push([reason, count]),
    onRoom() {},
  });
  return opened;
}

const block = (letter: number) => ({
  body: Buffer.alloc(BODY_BYTES, letter),
  count: 3,
  signal: 'logs' as const,
  time_ms: 1_700_000_000_000,
});

/** Letters of what can be taken. */
async function drain({ store }: Opened): Promise<number[]> {
  const letters: number[] = [];
  for (let next = await store.take(false); next !== undefined; next = await store.take(false)) {
    letters.push(next.body[0]!);
    await store.settle(next);
  }
  return letters;
}

/** Three blocks, of which the folder then holds what `damage` makes of their segment. */
async function putThree(damage: (bytes: Buffer) => Buffer): Promise<void> {
  const { store } = await open();
  for (const letter of [1, 2, 3]) await store.put(block(letter));
  await store.close();
  const file = join(
    path,
    readdirSync(path).find((name) => name.endsWith('.queue'))!,
  );
  writeFileSync(file, damage(readFileSync(file)));
}

test('createDiskStore counts a damaged last record like any other, though nothing comes behind it', async () => {
  await putThree((bytes) => {
    bytes[bytes.length - 1]! ^= 1;
    return bytes;
  });
  const opened = await open();
  expect(opened.recovered).toBe(9);
  expect(await drain(opened)).toEqual([1, 2]);
  expect(opened.lost).toEqual([['corrupt', 3]]);
  await opened.store.put(block(4));
  expect(await drain(opened)).toEqual([4]);
  await opened.store.close();
  expect(opened.said).toEqual([]);
  const again = await open();
  expect([again.recovered, await drain(again), again.lost]).toEqual([0, [], []]);
  await again.store.close();
});

test('createDiskStore counts the damage of a segment that holds nothing else', async () => {
  await putThree((bytes) => bytes.fill(0xff, SEGMENT_HEADER_BYTES + RECORD_BYTES - 1, bytes.length));
  const opened = await open();
  // What lies behind a damaged header can be neither read nor counted.
  expect(opened.recovered).toBe(3);
  expect(opened.said).toEqual(['Cuts off what a crash left unfinished']);
  expect(await drain(opened)).toEqual([]);
  expect(opened.lost).toEqual([['corrupt', 3]]);
  await opened.store.close();
});

test.each([1, RECORD_HEADER_BYTES, RECORD_BYTES - 1])(
  'createDiskStore cuts off the first %d bytes of a record that was never finished, and counts nothing',
  async (length) => {
    await putThree((bytes) => bytes);
    const file = join(
      path,
      readdirSync(path).find((name) => name.endsWith('.queue'))!,
    );
    const body = block(9).body;
    const record = { seq: 3, item: 9, count: 3, time_ms: 0, signal: 'logs' } as const;
    const header = encodeRecordHeader(record, body, segmentSum(readFileSync(file)));
    appendFileSync(file, Buffer.concat([header, body]).subarray(0, length));
    const opened = await open();
    expect(opened.said).toEqual(['Cuts off what a crash left unfinished']);
    expect([opened.recovered, await drain(opened), opened.lost]).toEqual([9, [1, 2, 3], []]);
    await opened.store.close();
  },
);

test('createDiskStore does not believe a damaged record that it holds more items than bytes', async () => {
  await putThree((bytes) => {
    bytes.writeUInt32LE(2 ** 31, bytes.length - RECORD_BYTES + 12);
    return bytes;
  });
  const opened = await open();
  expect([opened.recovered, await drain(opened), opened.lost]).toEqual([6, [1, 2], []]);
  expect(opened.said).toEqual(['Cuts off what a crash left unfinished']);
  await opened.store.close();
});

test('createDiskStore counts on from the cursor where the last record is damaged, and was delivered', async () => {
  const first = await open();
  for (const letter of [1, 2, 3]) await first.store.put(block(letter));
  expect(await drain(first)).toEqual([1, 2, 3]);
  const name = readdirSync(path).find((one) => one.endsWith('.queue'))!;
  const bytes = readFileSync(join(path, name));
  await first.store.close();
  bytes.writeUInt32LE(2, bytes.length - RECORD_BYTES + 12);
  writeFileSync(join(path, name), bytes);
  const opened = await open();
  expect([opened.recovered, await drain(opened), opened.lost]).toEqual([0, [], []]);
  await opened.store.put(block(4));
  await opened.store.close();
  const again = await open();
  expect([again.recovered, await drain(again), again.lost]).toEqual([3, [4], []]);
  await again.store.close();
});

test.each([0, 1, SEGMENT_HEADER_BYTES - 1])(
  'createDiskStore says nothing of a last segment of %d bytes, whose process was killed while it began it',
  async (length) => {
    await putThree((bytes) => bytes);
    writeFileSync(join(path, '0000000000000003.queue'), Buffer.alloc(length));
    const opened = await open();
    expect([opened.recovered, await drain(opened), opened.lost, opened.said]).toEqual([9, [1, 2, 3], [], []]);
    await opened.store.put(block(4));
    expect(await drain(opened)).toEqual([4]);
    await opened.store.close();
    expect(readdirSync(path)).toEqual(['cursor']);
  },
);
