import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { valuesOf, type ReceiverRun } from '../../support/collect.ts';
import { createSite, numbered, numbers, pause, range, until } from '../../support/log_site.ts';

/** Waits until it knows what was there before. */
const lookedAll = (run: ReceiverRun): Promise<void> =>
  until(() => run.said.some((line) => line.includes('log files that are there')));

test('logs reads what is there and what is added, with the name of the file', async () => {
  const site = createSite();
  writeFileSync(site.path('a.log'), 'one\r\ntwo\n\nthr');
  await site.start();
  expect(await site.bodies(2)).toEqual(['one', 'two']);
  appendFileSync(site.path('a.log'), 'ee\n');
  expect(await site.bodies(3)).toEqual(['one', 'two', 'three']);
  expect(site.records[0]).toMatchObject({
    attributes: { 'log.file.name': 'a.log' },
    severityNumber: 0,
    time: 0n,
    scope: { name: 'sonde.receiver.logs' },
  });
  expect(site.records[0]!.observedTime > 0n).toBe(true);
});

test('logs begins at the end of files that were there before its first start, and at the beginning of others', async () => {
  const site = createSite();
  writeFileSync(site.path('old.log'), 'old\n');
  await pause(50);
  await lookedAll(await site.start({ start_at: 'end' }));
  writeFileSync(site.path('new.log'), 'new\n');
  appendFileSync(site.path('old.log'), 'added\n');
  expect((await site.bodies(2)).sort()).toEqual(['added', 'new']);
});

test('logs reads what is written to a file that was empty, or is written anew, after its first start', async () => {
  const site = createSite();
  writeFileSync(site.path('empty.log'), '');
  writeFileSync(site.path('old.log'), 'something old\n');
  await pause(50);
  await lookedAll(await site.start({ start_at: 'end' }));
  appendFileSync(site.path('empty.log'), 'first\n');
  appendFileSync(site.path('old.log'), 'added\n');
  expect((await site.bodies(2)).sort()).toEqual(['added', 'first']);
  writeFileSync(site.path('old.log'), numbered(0, 100));
  expect((await site.bodies(102)).filter((body) => body !== 'added' && body !== 'first')).toHaveLength(100);
});

test('logs goes on where it was after a restart, also in files that were rotated and made meanwhile', async () => {
  const site = createSite();
  const include = [site.path('*')];
  writeFileSync(site.path('a.log'), numbered(0, 100));
  await pause(50);
  const first = await site.start({ include, start_at: 'end' });
  await lookedAll(first);
  appendFileSync(site.path('a.log'), numbered(100, 200));
  await site.bodies(100);
  await first.stop();
  appendFileSync(site.path('a.log'), numbered(200, 300));
  renameSync(site.path('a.log'), site.path('a.log.1'));
  writeFileSync(site.path('a.log'), numbered(300, 400));
  await site.start({ include, start_at: 'end' });
  await site.bodies(300);
  expect(numbers(site.records).sort((a, b) => a - b)).toEqual(range(100, 400));
  expect(new Set(site.records.map(({ attributes }) => attributes['log.file.name']))).toEqual(new Set(['a.log']));
});

test('logs follows a renamed file to its end, whether or not its new name is meant', async () => {
  for (const include of ['a.log', 'a.log*']) {
    const site = createSite();
    writeFileSync(site.path('a.log'), '');
    const run = await site.start({ include: [site.path(include)], rotate_wait: '200ms', search_interval: '1h' });
    let next = 0;
    for (let round = 0; round < 5; round++) {
      writeFileSync(site.path('a.log'), numbered(next, (next += 50)), { flag: 'a' });
      await site.bodies(next);
      appendFileSync(site.path('a.log'), numbered(next, (next += 50)));
      for (let old = round; old > 0; old--) renameSync(site.path(`a.log.${old}`), site.path(`a.log.${old + 1}`));
      renameSync(site.path('a.log'), site.path('a.log.1'));
      writeFileSync(site.path('a.log'), '');
      appendFileSync(site.path('a.log.1'), numbered(next, (next += 10)));
    }
    await site.bodies(next);
    expect(numbers(site.records).sort((a, b) => a - b)).toEqual(range(0, next));
    await until(async () => valuesOf(await run.collect())['log.file.open{}'] === (include === 'a.log' ? 1 : 6));
  }
});

test('logs reads a file that is copied and truncated once, its copy included', async () => {
  const site = createSite();
  const run = await site.start({ include: [site.path('a.log*')] });
  let next = 0;
  for (let round = 0; round < 4; round++) {
    appendFileSync(site.path('a.log'), numbered(next, (next += 200)));
    if (round % 2 === 0) await site.bodies(next);
    appendFileSync(site.path('a.log'), numbered(next, (next += 30)));
    copyFileSync(site.path('a.log'), site.path(`a.log.${round}`));
    truncateSync(site.path('a.log'));
    // More than there was, so that the size alone says nothing.
    appendFileSync(site.path('a.log'), numbered(next, (next += 300)));
    await site.bodies(next);
  }
  expect(numbers(site.records).sort((a, b) => a - b)).toEqual(range(0, next));
  expect(valuesOf(await run.collect())['log.file.rotations{"log.file.rotation"="truncated"}']).toBe(4);
});

test('logs tells a copy and a truncation that happened while it did not run', async () => {
  const site = createSite();
  const include = [site.path('a.log*')];
  writeFileSync(site.path('a.log'), numbered(0, 100));
  const first = await site.start({ include });
  await site.bodies(100);
  await first.stop();
  appendFileSync(site.path('a.log'), numbered(100, 200));
  copyFileSync(site.path('a.log'), site.path('a.log.1'));
  truncateSync(site.path('a.log'));
  appendFileSync(site.path('a.log'), numbered(200, 500));
  await site.start({ include });
  await site.bodies(500);
  expect(numbers(site.records).sort((a, b) => a - b)).toEqual(range(0, 500));
});

test.each([
  ['gz', gzipSync],
  ['zst', zstdCompressSync],
])('logs reads of a compressed .%s what was not read before', { timeout: 30_000 }, async (extension, compress) => {
  const site = createSite();
  const include = [site.path('*')];
  writeFileSync(site.path('a.log'), numbered(0, 100));
  const first = await site.start({ include });
  await site.bodies(100);
  await first.stop();
  // Rotated and compressed while nobody looked, with lines that nobody has read; and one that was never seen.
  appendFileSync(site.path('a.log'), numbered(100, 150));
  writeFileSync(site.path(`a.log.1.${extension}`), compress(readFileSync(site.path('a.log'))));
  unlinkSync(site.path('a.log'));
  writeFileSync(site.path(`b.log.1.${extension}`), compress(Buffer.from(numbered(200, 20_000))));
  const second = await site.start({ include });
  await site.bodies(19_950);
  expect(numbers(site.records).sort((a, b) => a - b)).toEqual([...range(0, 150), ...range(200, 20_000)]);
  await second.stop();
  await site.start({ include });
  await pause(300);
  expect(site.records).toHaveLength(19_950);
});

test('logs reads a deleted file to its end and lets it go', async () => {
  const site = createSite();
  const run = await site.start({ rotate_wait: '100ms' });
  writeFileSync(site.path('a.log'), numbered(0, 10));
  await site.bodies(10);
  appendFileSync(site.path('a.log'), numbered(10, 5000) + 'line number 5000 without an end');
  unlinkSync(site.path('a.log'));
  await site.bodies(5001);
  expect(numbers(site.records)).toEqual(range(0, 5001));
  await until(async () => valuesOf(await run.collect())['log.file.open{}'] === 0);
});

test('logs survives a folder, a FIFO, a dangling link and an unreadable file, and says each once', async () => {
  const site = createSite();
  writeFileSync(site.path('a.log'), 'one\n');
  symlinkSync(site.path('nowhere'), site.path('dangling.log'));
  expect(spawnSync('mkfifo', [site.path('fifo.log')]).status).toBe(0);
  const run = await site.start();
  await site.bodies(1);
  unlinkSync(site.path('a.log'));
  mkdirSync(site.path('a.log'));
  writeFileSync(site.path('b.log'), 'two\n');
  expect(await site.bodies(2)).toEqual(['one', 'two']);
  const oddities = (): number => run.said.filter((line) => line.includes('no regular file')).length;
  await until(() => oddities() === 2);
  rmSync(site.path('a.log'), { recursive: true });
  writeFileSync(site.path('a.log'), 'three\n');
  expect(await site.bodies(3)).toEqual(['one', 'two', 'three']);
  await pause(200);
  expect(oddities()).toBe(2);
});

test('logs hands over again what the pipelines did not take, in order, and reads no further meanwhile', async () => {
  const site = createSite();
  writeFileSync(site.path('a.log'), numbered(0, 20_000));
  let refusals = 3;
  site.onBatch = () => {
    if (refusals-- > 0) throw new Error('not now');
  };
  const run = await site.start({ max_batch_records: 500 });
  await until(() => refusals < 3);
  const read = valuesOf(await run.collect())['log.file.lines{}']!;
  expect(read).toBeLessThanOrEqual(1000);
  await site.bodies(20_000);
  expect(numbers(site.records)).toEqual(range(0, 20_000));
});

test('logs repeats after a stop what was not taken, and nothing else', async () => {
  const site = createSite();
  writeFileSync(site.path('a.log'), numbered(0, 1000));
  let taken = 0;
  const { promise: never, resolve } = Promise.withResolvers<void>();
  onTestFinished(() => resolve());
  site.onBatch = () => (taken++ < 3 ? undefined : never);
  const run = await site.start({ max_batch_records: 100 });
  await site.bodies(300);
  await run.stop();
  site.onBatch = () => undefined;
  await site.start({ max_batch_records: 100 });
  await site.bodies(1000);
  expect(numbers(site.records)).toEqual(range(0, 1000));
});

test('logs sets a damaged checkpoint aside, says so, and begins as start_at says', async () => {
  const site = createSite();
  writeFileSync(site.path('a.log'), 'one\n');
  const first = await site.start();
  await site.bodies(1);
  await first.stop();
  const state = join(site.folder, 'state/logs');
  writeFileSync(join(state, 'checkpoint'), 'rubbish\n');
  const second = await site.start();
  expect(await site.bodies(2)).toEqual(['one', 'one']);
  expect(second.said.some((line) => line.includes('damaged'))).toBe(true);
  expect(readdirSync(state).some((name) => name.startsWith('checkpoint.bad-'))).toBe(true);
});

test('logs opens no more files at once than it may, and reads all', async () => {
  const site = createSite();
  for (let file = 0; file < 20; file++) writeFileSync(site.path(`${file}.log`), numbered(file * 10, file * 10 + 10));
  const run = await site.start({ max_open_files: 3 });
  await site.bodies(200);
  expect(numbers(site.records).sort((a, b) => a - b)).toEqual(range(0, 200));
  expect(valuesOf(await run.collect())['log.file.open{}']).toBeLessThanOrEqual(3);
  appendFileSync(site.path('0.log'), numbered(200, 201));
  await site.bodies(201);
});

test('logs gives a line without an end when the file does not grow, marked as a part', async () => {
  const site = createSite();
  await site.start({ force_flush_period: '100ms' });
  writeFileSync(site.path('a.log'), 'unfinished');
  expect(await site.bodies(1)).toEqual(['unfinished']);
  expect(site.records[0]!.attributes).toMatchObject({ 'log.record.partial': true });
  appendFileSync(site.path('a.log'), ' business\nnext\n');
  expect(await site.bodies(3)).toEqual(['unfinished', ' business', 'next']);
});

test(
  'logs waits for the end of a compressed file that is being written, and reads none of it twice',
  { timeout: 30_000 },
  async () => {
    const site = createSite();
    const whole = gzipSync(numbered(0, 20_000));
    writeFileSync(site.path('a.log.gz'), whole.subarray(0, whole.length >> 1));
    const run = await site.start({ include: [site.path('*')] });
    await until(() => run.said.some((line) => line.includes('ends too early')));
    await until(() => site.records.length > 1000);
    appendFileSync(site.path('a.log.gz'), whole.subarray(whole.length >> 1));
    await site.bodies(20_000);
    expect(numbers(site.records)).toEqual(range(0, 20_000));
  },
);

test('logs reads the rest of a compressed file that was opened again before it came', { timeout: 30_000 }, async () => {
  const site = createSite();
  const whole = gzipSync(numbered(0, 20_000));
  writeFileSync(site.path('a.log.gz'), whole.subarray(0, whole.length >> 1));
  const run = await site.start({ include: [site.path('*')] });
  await until(() => run.said.some((line) => line.includes('ends too early')));
  await until(async () => valuesOf(await run.collect())['log.file.open{}'] === 1);
  // What is unpacked meets the end of what there is, a moment after it was opened.
  await pause(50);
  appendFileSync(site.path('a.log.gz'), whole.subarray(whole.length >> 1));
  await site.bodies(20_000);
  expect(numbers(site.records)).toEqual(range(0, 20_000));
});

test(
  'logs reads a damaged compressed file up to shortly before the damage, and says so',
  { timeout: 30_000 },
  async () => {
    const site = createSite();
    const bytes = gzipSync(numbered(0, 20_000));
    // Its checksum (RFC 1952, section 2.3.1).
    bytes[bytes.length - 6]! ^= 1;
    writeFileSync(site.path('a.log.gz'), bytes);
    const run = await site.start({ include: [site.path('*')] });
    await until(() => run.said.some((line) => line.includes('Cannot read all of')));
    await until(() => site.records.length > 10_000);
    await pause(100);
    expect(numbers(site.records)).toEqual(range(0, site.records.length));
    expect(valuesOf(await run.collect())['log.file.errors{}']).toBe(1);
  },
);
