import fc from 'fast-check';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openFolder } from '../../../src/delivery/disk/folder.ts';
import { encodeSegmentHeader } from '../../../src/delivery/disk/format.ts';
import type { Block, NewBlock } from '../../../src/delivery/store.ts';
import { createFaultyFolder, type FaultyFolder } from './faulty_folder.ts';
import { createBlocks, drain, fillQueue, openQueue, SETTLED, type OpenQueue } from './queue_folders.ts';

/** More with `SONDE_QUEUE_RUNS=10000`. */
const RUNS = Number(process.env['SONDE_QUEUE_RUNS'] ?? 300);

const itemsIn = (blocks: readonly { readonly count: number }[]): number =>
  blocks.reduce((sum, { count }) => sum + count, 0);
const lostIn = ({ lost }: OpenQueue): number => lost.reduce((sum, { count }) => sum + count, 0);

describe('createDiskStore over damaged files', () => {
  const blocks = createBlocks(40, 1);
  const settled = new Set(SETTLED);

  type Mutation = readonly [is: 'flip' | 'cut' | 'insert' | 'zero' | 'empty', at: number, length: number];
  const mutation: fc.Arbitrary<Mutation> = fc.tuple(
    fc.constantFrom('flip', 'flip', 'cut', 'insert', 'zero', 'empty'),
    fc.nat(20_000),
    fc.integer({ min: 1, max: 5000 }),
  );
  /** For each file what is done to it; a copy under another name, or bytes of no sense. */
  const damage = fc.record({
    files: fc.array(fc.tuple(fc.nat(7), mutation), { minLength: 1, maxLength: 6 }),
    copies: fc.array(fc.tuple(fc.nat(7), fc.nat(60)), { maxLength: 2 }),
    strangers: fc.array(fc.tuple(fc.nat(60), fc.uint8Array({ maxLength: 200 })), { maxLength: 2 }),
  });

  function mutate(bytes: Buffer, [is, place, size]: Mutation): Buffer {
    if (bytes.length === 0) return bytes;
    const at = place % bytes.length;
    const end = Math.min(bytes.length, at + size);
    if (is === 'empty') return Buffer.alloc(0);
    if (is === 'cut') return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    if (is === 'insert') return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(size, 'SQR1'), bytes.subarray(at)]);
    if (is === 'zero') return bytes.fill(0, at, end);
    bytes[at]! ^= 1 << (size % 8);
    return bytes;
  }

  async function filled(): Promise<FaultyFolder> {
    const folder = createFaultyFolder(1);
    const queue = await openQueue(folder.boot(), {}, folder.quiet);
    await fillQueue(queue, blocks, folder.quiet);
    return folder;
  }

  /** Which blocks were handed out; each must be one that was put, as it was, and none twice. */
  function recognise(found: readonly Block[]): number[] {
    const numbers = found.map(({ body, count, signal, time_ms }) => {
      const number = time_ms - blocks[0]!.time_ms;
      const known: NewBlock | undefined = blocks[number];
      expect({ body: Buffer.from(body), count, signal, time_ms }).toEqual(known);
      return number;
    });
    expect(new Set(numbers).size).toBe(numbers.length);
    return numbers;
  }

  test('it opens, hands out what is intact and nothing else, and counts the rest', async () => {
    const intact = await filled();
    const names = intact.names.filter((name) => name.endsWith('.queue')).toSorted();
    expect(names.length).toBeGreaterThan(1);
    const seen = { damaged: 0, setAside: 0, exact: 0 };
    await fc.assert(
      fc.asyncProperty(damage, async ({ files, copies, strangers }) => {
        const folder = createFaultyFolder(1);
        for (const name of intact.names) folder.alter(name, () => Buffer.from(intact.peek(name)!));
        const touched = new Set<string>();
        for (const [pick, change] of files) {
          const name = intact.names[pick % intact.names.length]!;
          touched.add(name);
          folder.alter(name, (bytes) => mutate(bytes, change));
        }
        const segment = (seq: number): string => `${String(seq).padStart(16, '0')}.queue`;
        const others = [
          ...copies.map(([pick, seq]) => [segment(seq), intact.peek(names[pick % names.length]!)!] as const),
          ...strangers.map(([seq, bytes]) => [segment(seq), Buffer.from(bytes)] as const),
        ];
        for (const [name, bytes] of others) if (!intact.names.includes(name)) folder.alter(name, () => bytes);

        const queue = await openQueue(folder.boot(), {}, folder.quiet);
        const found = await drain(queue, folder.quiet);
        const numbers = recognise(found);
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        expect(queue.opened).toBe(itemsIn(found) + lostIn(queue));
        if (!touched.has('cursor')) {
          expect(numbers.filter((number) => settled.has(number))).toEqual([]);
          // The records of the last segment have no neighbour that knows of them.
          if (!touched.has(names.at(-1)!)) {
            const waiting = blocks.filter((_, number) => !settled.has(number));
            expect(queue.opened).toBe(itemsIn(waiting));
            seen.exact += 1;
          }
        }
        if (queue.lost.length > 0) seen.damaged += 1;
        if (queue.told.some(({ message }) => message.startsWith('Sets a segment aside'))) seen.setAside += 1;
        for (const name of folder.names.filter((one) => one.endsWith('.bad'))) {
          expect(queue.told.map(({ fields }) => `${String(fields['file'])}.bad`)).toContain(name);
        }
        for (const block of blocks.slice(0, 3)) await Promise.all([queue.store.put(block), folder.quiet()]);
        expect(recognise(await drain(queue, folder.quiet))).toEqual([0, 1, 2]);
        await Promise.all([queue.store.close(), folder.quiet()]);

        const again = await openQueue(folder.boot(), {}, folder.quiet);
        expect([again.opened, await drain(again, folder.quiet), again.lost]).toEqual([0, [], []]);
        expect(again.told).toEqual([]);
      }),
      { numRuns: RUNS },
    );
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(0);
  }, 600_000);

  test('gives no numbers again that a segment without records has, which it could not remove', async () => {
    const folder = createFaultyFolder(1);
    folder.alter('0000000000000001.queue', () => encodeSegmentHeader({ seq: 1, item: 1, queue: 'ab'.repeat(16) }));
    folder.chances.set('remove', 1);
    const queue = await openQueue(folder.boot(), {}, folder.quiet);
    for (const block of blocks.slice(0, 3)) await Promise.all([queue.store.put(block), folder.quiet()]);
    await Promise.all([queue.store.close(), folder.quiet()]);
    folder.chances.clear();
    const again = await openQueue(folder.boot(), {}, folder.quiet);
    expect(recognise(await drain(again, folder.quiet))).toEqual([0, 1, 2]);
  });
});

describe('createDiskStore on a full volume', () => {
  test.each(['none', 'group'] as const)('sync %s: does not get back by a power cut what was refused', async (sync) => {
    for (let seed = 0; seed < 300; seed++) {
      const folder = createFaultyFolder(seed);
      const queue = await openQueue(folder.boot(), { sync }, folder.quiet);
      const block: NewBlock = { body: Buffer.alloc(24, 'x'), count: 1, signal: 'logs', time_ms: 1 };
      const put = (...all: readonly NewBlock[]): Promise<unknown> =>
        Promise.all([Promise.allSettled(all.map((one) => queue.store.put(one))), folder.quiet()]);
      // For a segment, three records, and a part of the fourth.
      folder.volume_bytes = folder.bytes + 64 + 3 * 72 + 20;
      await put(block, block, block, block, block);
      folder.volume_bytes = Infinity;
      await put({ ...block, count: 2 });
      await drain(queue, folder.quiet);
      folder.cutPower();
      const again = await openQueue(folder.boot(), { sync }, folder.quiet);
      const found = await drain(again, folder.quiet);
      expect(found.filter(({ count }) => count === 1)).toEqual([]);
      expect(again.opened, `seed ${seed}`).toBe(itemsIn(found) + lostIn(again));
    }
  });
});

describe('createDiskStore in a folder with other files', () => {
  let path: string;
  beforeEach(() => void (path = mkdtempSync(join(tmpdir(), 'sonde-test-'))));
  afterEach(() => rmSync(path, { recursive: true }));

  const segment = (seq: number): string => join(path, `${String(seq).padStart(16, '0')}.queue`);
  const messages = ({ told }: OpenQueue): string[] =>
    told.map(({ message, fields }) => `${message}: ${String(fields['file'] ?? fields['files'])}`);

  async function fill(): Promise<void> {
    await fillQueue(await openQueue(await openFolder(path)), createBlocks(40, 1));
  }

  /** Opens it, has all that waits handed out, and closes it. */
  async function use(): Promise<OpenQueue & { readonly items: number }> {
    const queue = await openQueue(await openFolder(path));
    const items = itemsIn(await drain(queue));
    await queue.store.put(createBlocks(1, 2)[0]!);
    expect(await drain(queue)).toHaveLength(1);
    await queue.store.close();
    return { ...queue, items };
  }

  test('leaves files and folders alone that are not its own, and says so', async () => {
    await fill();
    writeFileSync(join(path, 'notes.txt'), 'mine');
    writeFileSync(join(path, '1.queue'), 'mine, too');
    mkdirSync(join(path, 'photos'));
    const queue = await use();
    expect(queue.items).toBe(queue.opened);
    expect(messages(queue)).toEqual(['Leaves files alone that are not its own: 1.queue, notes.txt, photos']);
    expect(readFileSync(join(path, 'notes.txt'), 'utf8')).toBe('mine');
    expect(existsSync(join(path, 'photos'))).toBe(true);
  });

  test('sets a folder with the name of a segment aside', async () => {
    await fill();
    mkdirSync(segment(5));
    const queue = await use();
    expect(queue.items).toBe(queue.opened);
    expect(messages(queue)).toEqual(['Sets a segment aside that it cannot use: 0000000000000005.queue']);
    expect(existsSync(`${segment(5)}.bad`)).toBe(true);
  });

  test('sets an empty segment aside, and one of a future format', async () => {
    await fill();
    writeFileSync(segment(5), '');
    const future = readFileSync(segment(0));
    future.writeUInt32LE(2, 8);
    writeFileSync(segment(6), future);
    const queue = await use();
    expect(queue.items).toBe(queue.opened);
    expect(queue.told.map(({ fields }) => fields['why'])).toEqual([
      'does not begin as a segment does',
      'is of format 2, and this agent knows 1',
    ]);
    expect(readFileSync(`${segment(6)}.bad`)).toEqual(future);
  });

  test('counts the items of a first segment that cannot be used', async () => {
    await fill();
    const waiting = await openQueue(await openFolder(path));
    await waiting.store.close();
    writeFileSync(segment(0), 'overwritten');
    const queue = await use();
    expect(queue.opened).toBe(waiting.opened);
    expect(lostIn(queue)).toBe(waiting.opened - queue.items);
    expect(lostIn(queue)).toBeGreaterThan(0);
  });

  test('keeps no more than the last files that were set aside', async () => {
    await fill();
    for (let seq = 100; seq < 120; seq++) writeFileSync(segment(seq), 'x');
    await use();
    await use();
    expect(readdirSync(path).filter((name) => name.endsWith('.bad'))).toHaveLength(8);
  });

  // Root may read every file.
  test.runIf(process.getuid?.() !== 0)('sets a segment aside that it may not read', async () => {
    await fill();
    chmodSync(segment(0), 0);
    const queue = await use();
    expect(messages(queue)).toEqual(['Sets a segment aside that it cannot use: 0000000000000000.queue']);
  });

  test('begins anew behind a cursor that is a folder', async () => {
    await fill();
    rmSync(join(path, 'cursor'));
    mkdirSync(join(path, 'cursor'));
    const queue = await use();
    expect(queue.items).toBe(queue.opened);
    expect(queue.told[0]?.message).toBe(
      'Cannot read how far the queue was delivered: it is delivered again from its beginning',
    );
    expect(await use()).toMatchObject({ opened: 0, told: [] });
  });
});
