import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SeriesStore, StoreOptions } from '../../src/store/series_store.ts';
import { contentOf, HOUR, labelsOf, START, storeAt, type Clock, type Sample } from './store_at.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'store-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

type Opened = { readonly store: SeriesStore; readonly said: string[] };

async function openAt(clock: Clock, options: Partial<StoreOptions> = {}): Promise<Opened> {
  const opened = storeAt(clock, { directory, ...options });
  await opened.store.open();
  return opened;
}

const files = (): string[] => readdirSync(directory).sort();
const pathOf = (name: string): string => join(directory, name);

function fill(store: SeriesStore, clock: Clock, count: number, valueOf: (i: number, name: string) => Sample[1]): void {
  for (let i = 0; i < count; i++) {
    clock.now += 15_000;
    for (const name of ['a', 'b', 'ü'])
      store.append(labelsOf({ __name__: name, job: 'x' }), clock.now, valueOf(i, name));
  }
}

test('a store holds after a restart what it held before, heads, marks and histograms too', async () => {
  const clock = { now: START };
  const { store } = await openAt(clock);
  const none = { indexes: new Int32Array(0), counts: new Float64Array(0) };
  const histogram = (count: number) =>
    ({ schema: 2, count, sum: 0.5, zeroThreshold: 0, zeroCount: 0, positive: none, negative: none }) as const;
  fill(store, clock, 70, (i, name) => (name === 'a' ? (i % 9 === 8 ? 'stale' : i / 7) : NaN));
  await store.flush();
  fill(store, clock, 10, (i) => ({ ...histogram(i), counterReset: i % 2 === 0 ? 'none' : 'unknown' }));
  await store.flush();
  fill(store, clock, 3, (i) => i);
  const before = contentOf(store);
  await store.close();
  const again = await openAt(clock);
  expect(contentOf(again.store)).toEqual(before);
  expect(again.said).toEqual([]);
  // And goes on, and has each sample once after the next restart.
  fill(again.store, clock, 40, (i) => -i);
  const later = contentOf(again.store);
  await again.store.close();
  const third = await openAt(clock);
  expect(contentOf(third.store)).toEqual(later);
  await third.store.close();
  expect(files().some((name) => name === 'lock')).toBe(false);
});

test('a store has after kill -9 all that was flushed', async () => {
  const module = join(import.meta.dirname, 'store_at.ts');
  const code = `
    const { storeAt, labelsOf, START } = await import(${JSON.stringify(module)});
    const clock = { now: START };
    const { store } = storeAt(clock, { directory: ${JSON.stringify(directory)} });
    await store.open();
    for (let i = 0; i < 100; i++) store.append(labelsOf({ __name__: 'a' }), (clock.now = START + i * 1000), i);
    await store.flush();
    for (let i = 100; i < 103; i++) store.append(labelsOf({ __name__: 'a' }), (clock.now = START + i * 1000), i);
    process.stdout.write('flushed');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  const { store, said } = await openAt({ now: START + 103_000 });
  expect(contentOf(store)).toEqual({ 'a{}': Array.from({ length: 100 }, (_, i) => [START + i * 1000, i]) });
  expect(said).toEqual([]);
  await store.close();
});

test('a store starts whatever happened to its files, and has nothing that it was not given', async () => {
  const damage = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    kind: fc.constantFrom('cut', 'flip', 'zero'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
      rmSync(directory, { recursive: true, force: true });
      const clock = { now: START };
      const first = await openAt(clock);
      for (let part = 0; part < 4; part++) {
        fill(first.store, clock, 5, (i, name) => (name === 'a' ? i / 3 : part * 5 + i));
        await first.store.flush();
      }
      const before = contentOf(first.store);
      await first.store.close();
      const path = pathOf(files()[0]!);
      for (const { at, kind } of damages) {
        const bytes = readFileSync(path);
        const position = Math.min(Math.floor(at * bytes.length), bytes.length - 1);
        if (position < 0) continue;
        if (kind === 'cut') truncateSync(path, position);
        else {
          bytes[position] = kind === 'flip' ? bytes[position]! ^ 0x10 : 0;
          writeFileSync(path, bytes);
        }
      }
      const { store, said } = await openAt(clock);
      expect(said.length).toBeLessThanOrEqual(1);
      for (const [labels, samples] of Object.entries(contentOf(store))) {
        const given = new Set(before[labels]!.map(String));
        for (const sample of samples) expect(given.has(String(sample))).toBe(true);
      }
      // What it keeps from now on is whole.
      fill(store, clock, 5, (i) => i);
      await store.close();
      const last = await openAt(clock);
      for (const samples of Object.values(contentOf(last.store))) {
        expect(samples.slice(-5).map(([, value]) => value)).toEqual([0, 1, 2, 3, 4]);
      }
      await last.store.close();
    }),
    { numRuns: 60 },
  );
});

test('a store loses only the block that is damaged, and says so; a torn end it cuts', async () => {
  const clock = { now: START };
  const first = await openAt(clock);
  const ends: number[] = [];
  for (let part = 0; part < 3; part++) {
    fill(first.store, clock, 2, (i) => part * 2 + i);
    await first.store.flush();
    ends.push(statSync(pathOf('0000000001.history')).size);
  }
  await first.store.close();
  const path = pathOf('0000000001.history');
  const bytes = readFileSync(path);
  bytes[ends[1]! - 2]! ^= 1;
  writeFileSync(path, bytes);
  const second = await openAt(clock);
  expect(contentOf(second.store)['a{job="x"}']?.map(([, value]) => value)).toEqual([0, 1, 4, 5]);
  expect(second.said).toEqual([
    `Cannot use all of the history in ${directory}: 0000000001.history has ${ends[1]! - ends[0]!} damaged bytes`,
  ]);
  await second.store.close();
  bytes[ends[1]! - 2]! ^= 1;
  writeFileSync(path, bytes.subarray(0, ends[2]! - 3));
  const third = await openAt(clock);
  expect(contentOf(third.store)['a{job="x"}']?.map(([, value]) => value)).toEqual([0, 1, 2, 3]);
  expect(third.said.length).toBe(1);
  expect(statSync(path).size).toBe(ends[1]);
  await third.store.close();
  const fourth = await openAt(clock);
  expect(fourth.said).toEqual([]);
  await fourth.store.close();
});

test('a store sets files of another version aside, a few of them, and leaves other files alone', async () => {
  for (let i = 1; i <= 5; i++) writeFileSync(pathOf(`000000000${i}.history`), `SONDEHIS\x02\0\0\0 and more ${i}`);
  writeFileSync(pathOf('notes.txt'), 'mine');
  const clock = { now: START };
  const { store, said } = await openAt(clock);
  expect(said.length).toBe(1);
  expect(said[0]).toContain('0000000001.history is no history of this version, and set aside');
  fill(store, clock, 1, (i) => i);
  await store.close();
  expect(files()).toEqual([
    '0000000003.history.bad',
    '0000000004.history.bad',
    '0000000005.history.bad',
    '0000000006.history',
    'notes.txt',
  ]);
});

test('a store keeps its folder within retention and bytes', async () => {
  const clock = { now: START };
  const { store } = await openAt(clock, { max_bytes: 300_000 });
  let most = 0;
  for (let part = 0; part < 60; part++) {
    fill(store, clock, 20, (i) => Math.sin(part * 20 + i));
    await store.flush();
    most = Math.max(most, store.figures().disk_bytes);
    const onDisk = files().filter((name) => name.endsWith('.history'));
    expect(onDisk.reduce((sum, name) => sum + statSync(pathOf(name)).size, 0)).toBe(store.figures().disk_bytes);
  }
  expect(most).toBeLessThan(300_000);
  // 60 × 5 minutes went by; of each file the newest sample is within the hour.
  expect(files().filter((name) => name.endsWith('.history')).length).toBeLessThan(15);
  await store.close();
  clock.now += 2 * HOUR;
  const later = await openAt(clock);
  expect(later.store.figures()).toMatchObject({ series: 0, samples: 0, disk_bytes: 0 });
  await later.store.close();
});

test('a store does not share its folder', async () => {
  const clock = { now: START };
  const { store } = await openAt(clock);
  const second = storeAt(clock, { directory }).store;
  let isOpen = false;
  // In one process the second waits until the first is closed, as in a reload.
  const opening = second.open().then(() => (isOpen = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOpen).toBe(false);
  fill(store, clock, 2, (i) => i);
  await store.close();
  await opening;
  expect(contentOf(second)['a{job="x"}']?.length).toBe(2);
  await second.close();
});

test('a store whose folder cannot be made says so at its start; one that cannot write goes on, and says so once', async () => {
  writeFileSync(pathOf('file'), '');
  const clock = { now: START };
  const { store } = storeAt(clock, { directory: join(directory, 'file', 'below') });
  await expect(store.open()).rejects.toThrow(`Cannot keep the history in ${join(directory, 'file', 'below')}: ENOTDIR`);
  const gone = join(directory, 'gone');
  const second = await openAt(clock, { directory: gone });
  rmSync(gone, { recursive: true });
  for (let i = 0; i < 3; i++) {
    fill(second.store, clock, 1, () => i);
    await second.store.flush();
  }
  expect(second.said.length).toBe(1);
  expect(second.said[0]).toContain(`Cannot keep the history in ${gone}: ENOENT`);
  expect(contentOf(second.store)['a{job="x"}']?.length).toBe(3);
  await second.store.close();
});
