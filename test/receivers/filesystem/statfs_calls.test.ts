import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, promises, rmSync, openSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createStatfsCalls, type StatfsResult } from '../../../receivers/filesystem/statfs_calls.ts';

const FIGURES: StatfsResult = { bsize: 1, frsize: 1, blocks: 10, bfree: 5, bavail: 4, files: 0, ffree: 0 };
const statfsNow = (): StatfsResult => FIGURES;
const NEVER = new AbortController().signal;
/** Long enough for what answers; nothing is measured against it. */
const PATIENT_MS = 30_000;

/** A `statfs` whose calls return when the test says so. */
function controlled() {
  const asked: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<StatfsResult>>();
  const statfs = (path: string): Promise<StatfsResult> => {
    asked.push(path);
    if (!path.startsWith('/hung')) return Promise.resolve(FIGURES);
    const call = Promise.withResolvers<StatfsResult>();
    waiting.set(path, call);
    return call.promise;
  };
  return { asked, waiting, statfs };
}

test('ask returns the figures, or why there are none', async () => {
  const statfs = (path: string): Promise<StatfsResult> =>
    path === '/' ? Promise.resolve(FIGURES) : Promise.reject(new Error('no'));
  const calls = createStatfsCalls({ statfs, statfsNow, threads: 4 });
  expect(await calls.ask('/', false, PATIENT_MS, NEVER)).toEqual({ outcome: 'known', figures: FIGURES });
  expect(await calls.ask('/gone', false, PATIENT_MS, NEVER)).toEqual({ outcome: 'failed', error: new Error('no') });
  expect(calls.hanging).toBe(0);
});

test('askNow returns the figures, or why there are none', () => {
  const failing = (path: string): StatfsResult => {
    if (path !== '/') throw new Error('no');
    return FIGURES;
  };
  const calls = createStatfsCalls({ statfs: () => new Promise(() => {}), statfsNow: failing, threads: 4 });
  expect(calls.askNow('/')).toEqual({ outcome: 'known', figures: FIGURES });
  expect(calls.askNow('/gone')).toEqual({ outcome: 'failed', error: new Error('no') });
});

test('ask gives up on a mount that hangs, and does not call it again until it returned', async () => {
  const { asked, waiting, statfs } = controlled();
  const calls = createStatfsCalls({ statfs, statfsNow, threads: 4 });
  expect(await calls.ask('/hung', true, 1, NEVER)).toEqual({ outcome: 'hanging' });
  expect(await calls.ask('/hung', true, PATIENT_MS, NEVER)).toEqual({ outcome: 'hanging' });
  expect(await calls.ask('/', false, PATIENT_MS, NEVER)).toMatchObject({ outcome: 'known' });
  expect(asked).toEqual(['/hung', '/']);
  expect(calls.hanging).toBe(1);
  waiting.get('/hung')!.resolve(FIGURES);
  await wait(0);
  expect(calls.hanging).toBe(0);
  waiting.clear();
  void calls.ask('/hung', true, PATIENT_MS, NEVER);
  expect(waiting.size).toBe(1);
});

test.each([
  [4, true, 2],
  [4, false, 3],
  [8, true, 4],
  [1, true, 1],
])('with %i threads, and mounts that may hang: %s, ask has at most %i calls hang', async (threads, mayHang, most) => {
  const { asked, statfs } = controlled();
  const calls = createStatfsCalls({ statfs, statfsNow, threads });
  const outcomes: string[] = [];
  for (let mount = 0; mount < 10; mount++) outcomes.push((await calls.ask(`/hung${mount}`, mayHang, 1, NEVER)).outcome);
  expect(asked).toHaveLength(most);
  expect(outcomes).toEqual([...Array(most).fill('hanging'), ...Array(10 - most).fill('skipped')]);
});

test('ask still asks local disks when no further mount that may hang is asked', async () => {
  const { statfs } = controlled();
  const calls = createStatfsCalls({ statfs, statfsNow, threads: 4 });
  await calls.ask('/hung1', true, 1, NEVER);
  await calls.ask('/hung2', true, 1, NEVER);
  expect(await calls.ask('/remote', true, PATIENT_MS, NEVER)).toEqual({ outcome: 'skipped' });
  expect(await calls.ask('/', false, PATIENT_MS, NEVER)).toMatchObject({ outcome: 'known' });
});

test('two who ask for the same mount share one call', async () => {
  const { asked, waiting, statfs } = controlled();
  const calls = createStatfsCalls({ statfs, statfsNow, threads: 4 });
  const both = [calls.ask('/hung', true, PATIENT_MS, NEVER), calls.ask('/hung', true, PATIENT_MS, NEVER)];
  waiting.get('/hung')!.resolve(FIGURES);
  expect((await Promise.all(both)).map(({ outcome }) => outcome)).toEqual(['known', 'known']);
  expect(asked).toEqual(['/hung']);
});

test('ask ends with the collection', async () => {
  const { statfs } = controlled();
  const calls = createStatfsCalls({ statfs, statfsNow, threads: 4 });
  const collection = new AbortController();
  const pending = calls.ask('/hung', true, PATIENT_MS, collection.signal);
  collection.abort();
  expect(await pending).toEqual({ outcome: 'hanging' });
  expect(calls.hanging).toBe(1);
});

test('a call that really hangs in the kernel leaves threads for the rest of the process', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'statfs-'));
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // To open a pipe nobody writes to blocks its thread, as statfs of a dead server does.
  const statfs = async (path: string): Promise<StatfsResult> => {
    if (path !== pipe) return promises.statfs(path);
    await (await promises.open(path, 'r')).close();
    return FIGURES;
  };
  const calls = createStatfsCalls({ statfs, statfsNow, threads: 4 });
  try {
    expect(await calls.ask(pipe, true, 1, NEVER)).toEqual({ outcome: 'hanging' });
    expect(await calls.ask(folder, false, PATIENT_MS, NEVER)).toMatchObject({ outcome: 'known' });
    expect(await calls.ask(pipe, true, PATIENT_MS, NEVER)).toEqual({ outcome: 'hanging' });
  } finally {
    // The thread goes on once someone writes.
    closeSync(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
  }
  const writer = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  while (calls.hanging > 0) await wait(1);
  closeSync(writer);
  rmSync(folder, { recursive: true });
});
