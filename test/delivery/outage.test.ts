import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Day } from './outage/day.ts';

let path: string;
let day: Day;

beforeAll(async () => {
  path = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  const script = join(import.meta.dirname, 'outage/day.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, path]);
  day = JSON.parse(stdout) as Day;
}, 300_000);

afterAll(() => rmSync(path, { recursive: true }));

/** Items in the batch of that number. */
const countOf = (number: number): number => 1 + (number % 3);

test('an outage of 24 hours does not make memory grow by 10 MiB, nor does the way back', () => {
  const [before, ...later] = day.memory_bytes;
  expect(later.length).toBeGreaterThan(24);
  expect(Math.max(...later) - before!).toBeLessThan(10 * 2 ** 20);
});

test('an outage of 24 hours fills the queue, and never takes more of the disk than max_bytes', () => {
  expect(day.largest_bytes).toBeGreaterThan(day.max_bytes * 0.9);
  expect(day.largest_bytes).toBeLessThanOrEqual(day.max_bytes);
});

test('an outage of 24 hours drops the oldest, and counts each item of it', () => {
  const { arrived, put, dropped } = day;
  const all = Array.from({ length: put }, (_, number) => number);
  const there = new Set(arrived);
  const missing = all.filter((number) => !there.has(number));
  expect(missing.length).toBeGreaterThan(500);
  // All of them in one piece, right behind what arrived before the outage.
  expect(missing).toEqual(all.slice(missing[0]!, missing[0]! + missing.length));
  expect(missing[0]).toBe(50);
  expect(dropped).toEqual({ queue_full: missing.reduce((sum, number) => sum + countOf(number), 0) });
});

test('what waited through an outage arrives once, in order, faster than it came', () => {
  const { arrived, backlog, drain_interval_s, interval_s } = day;
  expect(backlog).toBeGreaterThan(200);
  expect(arrived).toEqual([...new Set(arrived)].toSorted((a, b) => a - b));
  expect(drain_interval_s).toBeLessThan(interval_s / 10);
});

test('the ledger balances at every step of an outage, over a restart', () => {
  const { imbalances, accepted, sent, dropped, put, recovered, arrived } = day;
  expect(imbalances).toBe(0);
  expect(recovered).toBeGreaterThan(0);
  const items = Array.from({ length: put }, (_, number) => countOf(number)).reduce((sum, count) => sum + count, 0);
  expect(accepted).toBe(items);
  expect(sent).toBe(arrived.reduce((sum, number) => sum + countOf(number), 0));
  expect(sent + dropped['queue_full']!).toBe(accepted);
});
