/** The receiver `files` in folders of its own: what it tells of what is done there. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import files from '../../receivers/files/index.ts';
import { PermanentError, RetryableError } from '../../src/errors.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { runReceiver, valuesOf, type ReceiverRun, type RunOptions } from '../support/collect.ts';
import { replay, treeOf, type Known } from '../support/file_events.ts';

/** A machine that is busy with other things takes its time. */
vi.setConfig({ testTimeout: 60_000 });

function createFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sonde-files-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface Watched {
  readonly run: ReceiverRun;
  readonly folder: string;
  readonly records: () => readonly LogRecord[];
  /** Events in short, once `count` of them are there and no more come: `create /a`, `rename /a → /b`. */
  told(count: number): Promise<string[]>;
  record(name: string, path: string): LogRecord | undefined;
  readonly before: Map<string, Known>;
}

async function watch(
  folder: string,
  config: Readonly<Record<string, unknown>> = {},
  options: RunOptions = {},
): Promise<Watched> {
  const before = existsSync(folder) ? treeOf(folder) : new Map<string, Known>();
  const run = await runReceiver(files, {
    ...options,
    config: { paths: [folder], coalesce: '50ms', lag_probe: { enabled: false }, ...config },
  });
  onTestFinished(() => run.stop());
  await until(() => run.said.includes('info Watches folders'));
  const records = (): LogRecord[] => run.handedOver.flatMap((batch) => (batch.signal === 'logs' ? batch.records : []));
  return {
    run,
    folder,
    before,
    records,
    async told(count) {
      await until(() => records().length >= count);
      let size = -1;
      while (size !== records().length) {
        size = records().length;
        await wait(120);
      }
      return records().map((record) => inShort(record, folder));
    },
    record: (name, path) =>
      records().find(
        ({ eventName, attributes }) => eventName === name && attributes['file.path'] === join(folder, path),
      ),
  };
}

const wait = (time_ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time_ms));

async function until(check: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end && !check();) await wait(10);
}

function inShort({ eventName, attributes }: LogRecord, folder: string): string {
  const short = (key: string): string => String(attributes[key]).replace(folder, '') || '/';
  const name = eventName.replace('file.', '');
  const path = 'file.path' in attributes ? ` ${short('file.path')}` : '';
  const reason = 'file.event.reason' in attributes ? ` (${String(attributes['file.event.reason'])})` : '';
  return name === 'rename' ? `rename ${short('file.previous.path')} →${path}${reason}` : `${name}${path}${reason}`;
}

describe('files tells', () => {
  test('creation, modification, change of attributes and deletion, with what the conventions name', async () => {
    const folder = createFolder();
    const { told, record } = await watch(folder);
    writeFileSync(join(folder, 'a.conf'), 'one');
    expect(await told(2)).toEqual(['create /a.conf', 'modify /a.conf']);
    chmodSync(join(folder, 'a.conf'), 0o4711);
    expect(await told(3)).toContain('attribute_change /a.conf');
    rmSync(join(folder, 'a.conf'));
    expect((await told(4)).at(-1)).toBe('delete /a.conf');
    expect(record('file.modify', 'a.conf')).toMatchObject({
      severityNumber: 9,
      severityText: 'INFO',
      body: `${join(folder, 'a.conf')} modified`,
      attributes: {
        'file.name': 'a.conf',
        'file.directory': folder,
        'file.extension': 'conf',
        'file.size': 3,
        'file.type': 'regular',
        'file.inode': expect.stringMatching(/^\d+$/),
        'file.owner.id': String(process.getuid!()),
        'file.group.id': String(process.getgid!()),
        'file.modified': expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        'file.event.source': 'watch',
      },
    });
    expect(record('file.attribute_change', 'a.conf')!.attributes).toMatchObject({
      'file.mode': '4711',
      'file.previous.mode': (0o666 & ~process.umask()).toString(8).padStart(4, '0'),
      'file.changed_attributes': ['mode'],
    });
    expect(record('file.delete', 'a.conf')!.attributes).toMatchObject({ 'file.size': 3, 'file.mode': '4711' });
    for (const { time, observedTime } of [record('file.create', 'a.conf')!]) {
      expect(time).toBeGreaterThan(0n);
      expect(observedTime).toBeGreaterThanOrEqual(time);
    }
  });

  test('many modifications within the window as one, with their number', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'log'), '');
    const window_ms = 300;
    const { told, records } = await watch(folder, { coalesce: `${window_ms}ms` });
    const begin_ms = performance.now();
    for (let i = 0; i < 50; i++) {
      appendFileSync(join(folder, 'log'), 'x');
      await wait(1);
    }
    await wait(20);
    // All are in one window, but where the machine takes its time for so little.
    const most = 1 + Math.floor((performance.now() - begin_ms) / window_ms);
    const sizes = (): unknown[] => records().map(({ attributes }) => attributes['file.size']);
    await until(() => sizes().includes(50));
    const events = await told(1);
    expect(events.length).toBeLessThanOrEqual(most);
    expect(new Set(events)).toEqual(new Set(['modify /log']));
    expect(sizes().at(-1)).toBe(50);
    expect(records().map(({ attributes }) => attributes['file.previous.size'])).toEqual([0, ...sizes().slice(0, -1)]);
    const counts = records().map(({ attributes }) => Number(attributes['file.modification.count']));
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(25);
  });

  test('a rename as one event, within a folder, between folders and over another file', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'sub'));
    for (const name of ['a', 'b', 'c', 'target']) writeFileSync(join(folder, name), name);
    const { told } = await watch(folder);
    renameSync(join(folder, 'a'), join(folder, 'a2'));
    renameSync(join(folder, 'b'), join(folder, 'sub/b'));
    renameSync(join(folder, 'c'), join(folder, 'target'));
    expect(await told(3)).toEqual(['rename /a → /a2', 'rename /b → /sub/b', 'rename /c → /target (replaced)']);
  });

  test('a rename of a folder as one event, and what happens in it afterwards under its new path', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'old/deep'), { recursive: true });
    writeFileSync(join(folder, 'old/deep/file'), '');
    const { told } = await watch(folder);
    renameSync(join(folder, 'old'), join(folder, 'new'));
    rmSync(join(folder, 'new/deep/file'));
    mkdirSync(join(folder, 'old'));
    expect(await told(3)).toEqual(['rename /old → /new', 'delete /new/deep/file', 'create /old']);
  });

  test('files that change places by way of a third name', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'a'), 'a');
    writeFileSync(join(folder, 'b'), 'bb');
    const { told, records, before } = await watch(folder);
    renameSync(join(folder, 'a'), join(folder, 'x'));
    renameSync(join(folder, 'b'), join(folder, 'a'));
    renameSync(join(folder, 'x'), join(folder, 'b'));
    expect(await told(3)).toEqual(['rename /a → /x', 'rename /b → /a', 'rename /x → /b']);
    expect(replay(records(), before)).toEqual(treeOf(folder));
  });

  test('what is moved in and what is moved away, with everything in it', async () => {
    const folder = createFolder();
    const outside = createFolder();
    mkdirSync(join(folder, 'away'));
    writeFileSync(join(folder, 'away/file'), '');
    mkdirSync(join(outside, 'in'));
    writeFileSync(join(outside, 'in/file'), '');
    const { told } = await watch(folder);
    renameSync(join(folder, 'away'), join(outside, 'away'));
    expect(await told(2)).toEqual(['delete /away/file (moved_away)', 'delete /away (moved_away)']);
    renameSync(join(outside, 'in'), join(folder, 'in'));
    writeFileSync(join(outside, 'away/unseen'), '');
    expect((await told(4)).slice(2)).toEqual(['create /in (moved_in)', 'create /in/file']);
  });

  test('everything in new folders, however fast they fill', async () => {
    const folder = createFolder();
    const { told, records, before } = await watch(folder);
    for (let i = 0; i < 30; i++) {
      mkdirSync(join(folder, `n${i}/a/b`), { recursive: true });
      writeFileSync(join(folder, `n${i}/a/b/file`), 'x');
    }
    await until(() => isDeepStrictEqual(replay(records(), before), treeOf(folder)));
    await told(120);
    expect(replay(records(), before)).toEqual(treeOf(folder));
    const created = records().filter(({ eventName }) => eventName === 'file.create');
    expect(new Set(created.map(({ attributes }) => attributes['file.path'])).size).toBe(created.length);
    writeFileSync(join(folder, 'n7/a/b/later'), '');
    expect((await told(records().length + 1)).at(-1)).toBe('create /n7/a/b/later');
  });

  test('files that are gone before they can be looked at', async () => {
    const folder = createFolder();
    const { told, record } = await watch(folder);
    writeFileSync(join(folder, 'short'), '');
    rmSync(join(folder, 'short'));
    expect(await told(2)).toEqual(['create /short', 'delete /short']);
    expect(record('file.create', 'short')!.attributes).not.toHaveProperty('file.inode');
  });

  test('links with their target, hard links, truncation, and times that are set', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'file'), 'content');
    const { told, record } = await watch(folder);
    symlinkSync('file', join(folder, 'soft'));
    linkSync(join(folder, 'file'), join(folder, 'hard'));
    truncateSync(join(folder, 'file'), 2);
    expect(await told(3)).toEqual(expect.arrayContaining(['create /soft', 'create /hard', 'modify /file']));
    expect(record('file.create', 'soft')!.attributes['file.symbolic_link.target_path']).toBe('file');
    await wait(100);
    utimesSync(join(folder, 'file'), 1, 1);
    expect((await told(4)).at(-1)).toBe('attribute_change /file');
    expect(record('file.attribute_change', 'file')!.attributes).toMatchObject({
      'file.changed_attributes': ['other'],
      'file.modified': '1970-01-01T00:00:01.000Z',
    });
  });

  test('names that are no UTF-8, and names with blanks, quotes, newlines and emoji', async () => {
    const folder = createFolder();
    const odd = ['with blank', '"quotes\'', 'new\nline', 'ünïcode', '🙂', '-dash', '\\back'];
    const { told, records } = await watch(folder);
    for (const name of odd) mkdirSync(join(folder, name));
    for (const name of odd) writeFileSync(join(folder, name, name), '');
    const bytes = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xe9])]);
    mkdirSync(bytes);
    writeFileSync(Buffer.concat([bytes, Buffer.from('/in')]), '');
    rmSync(Buffer.concat([bytes, Buffer.from('/in')]));
    await told(odd.length * 2 + 1);
    const paths = records().map(({ attributes }) => String(attributes['file.path']));
    expect(paths).toEqual(expect.arrayContaining(odd.map((name) => join(folder, name, name))));
    expect(paths.filter((path) => path === `${folder}/\ufffd\ufffd/in`).length).toBeLessThanOrEqual(2);
    expect(paths).toContain(`${folder}/\ufffd\ufffd`);
  });

  test('that a folder came back which was removed and made again', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'd'));
    writeFileSync(join(folder, 'd/f'), '1');
    const { told, records, before } = await watch(folder);
    for (let i = 0; i < 5; i++) {
      rmSync(join(folder, 'd'), { recursive: true });
      mkdirSync(join(folder, 'd'));
      writeFileSync(join(folder, 'd/f'), String(i));
    }
    await until(() => isDeepStrictEqual(replay(records(), before), treeOf(folder)));
    await told(1);
    expect(replay(records(), before)).toEqual(treeOf(folder));
    writeFileSync(join(folder, 'd/g'), '');
    expect(await told(records().length + 1)).toContain('create /d/g');
  });
});

describe('files watches', () => {
  test('only what is included and not excluded, by name and by path', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, '.git'));
    mkdirSync(join(folder, 'cache/x'), { recursive: true });
    const { told, run } = await watch(folder, {
      include: ['*.conf', `${folder}/keys/*`],
      exclude: ['.git', `${folder}/cache`, '*.secret.conf'],
    });
    expect(valuesOf(await run.collect())['file.watch.usage{}']).toBe(1);
    for (const path of ['.git/a.conf', 'cache/a.conf', 'a.secret.conf', 'a.txt', 'a.conf']) {
      writeFileSync(join(folder, path), '');
    }
    mkdirSync(join(folder, 'keys'));
    writeFileSync(join(folder, 'keys/k'), '');
    const all = await told(3);
    expect(all.filter((event) => event.startsWith('create'))).toEqual([
      'create /a.conf',
      'create /keys',
      'create /keys/k',
    ]);
    expect(all.filter((event) => /git|cache|secret|txt/.test(event))).toEqual([]);
  });

  test('what is renamed out of sight and into sight, as deleted and created', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'a.conf'), '');
    writeFileSync(join(folder, 'b.tmp'), '');
    const { told } = await watch(folder, { exclude: ['*.tmp'] });
    renameSync(join(folder, 'a.conf'), join(folder, 'a.tmp'));
    renameSync(join(folder, 'b.tmp'), join(folder, 'b.conf'));
    writeFileSync(join(folder, 'new.tmp'), 'next');
    renameSync(join(folder, 'new.tmp'), join(folder, 'b.conf'));
    expect(await told(3)).toEqual([
      'delete /a.conf (moved_away)',
      'create /b.conf (moved_in)',
      'modify /b.conf (replaced)',
    ]);
  });

  test('what paths mean under the new name of a folder', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'on'));
    writeFileSync(join(folder, 'on/file'), '');
    const { told } = await watch(folder, { include: [`${folder}/on/*`, `${folder}/again/*`] });
    renameSync(join(folder, 'on'), join(folder, 'off'));
    expect(await told(2)).toEqual(['rename /on → /off', 'delete /off/file (moved_away)']);
    renameSync(join(folder, 'off'), join(folder, 'again'));
    expect((await told(4)).slice(2)).toEqual(['rename /off → /again', 'create /again/file']);
  });

  test('nothing below the folder, if it shall not', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'sub'));
    const { told } = await watch(folder, { recursive: false });
    writeFileSync(join(folder, 'sub/file'), '');
    mkdirSync(join(folder, 'new'));
    writeFileSync(join(folder, 'new/file'), '');
    writeFileSync(join(folder, 'file'), '');
    expect(await told(2)).toEqual(['create /new', 'create /file']);
  });

  test('single files by the folder that they are in', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'passwd'), 'root');
    writeFileSync(join(folder, 'shadow'), 'root');
    writeFileSync(join(folder, 'other'), '');
    const { told, run } = await watch(folder, { paths: [join(folder, 'passwd'), join(folder, 'shadow')] });
    expect(valuesOf(await run.collect())['file.watch.usage{}']).toBe(1);
    writeFileSync(join(folder, 'other'), 'x');
    writeFileSync(join(folder, 'shadow'), 'roots');
    writeFileSync(join(folder, 'passwd~'), 'root:x');
    renameSync(join(folder, 'passwd~'), join(folder, 'passwd'));
    expect((await told(2)).toSorted()).toEqual(['modify /passwd (replaced)', 'modify /shadow']);
  });

  test('the machine below root_path, under the paths of that machine', async () => {
    const machine = createFolder();
    mkdirSync(join(machine, 'etc/real'), { recursive: true });
    symlinkSync('/etc/real', join(machine, 'etc/link'));
    writeFileSync(join(machine, 'etc/passwd'), 'admin:x:0:0::/:/bin/sh\n');
    writeFileSync(join(machine, 'etc/group'), 'wheel:x:0:admin\n');
    const { run, records } = await watch('/etc/link', {}, { rootPath: machine });
    writeFileSync(join(machine, 'etc/real/file'), '');
    await until(() => records().length > 0);
    expect(records()[0]!.attributes).toMatchObject({ 'file.path': '/etc/link/file', 'file.directory': '/etc/link' });
    if (process.getuid!() === 0) {
      expect(records()[0]!.attributes).toMatchObject({ 'file.owner.name': 'admin', 'file.group.name': 'wheel' });
    }
    expect(run.dropped.size).toBe(0);
  });

  test('only for the changes that are wanted', async () => {
    const folder = createFolder();
    const { told } = await watch(folder, { events: ['delete'] });
    writeFileSync(join(folder, 'a'), '');
    renameSync(join(folder, 'a'), join(folder, 'b'));
    rmSync(join(folder, 'b'));
    expect(await told(1)).toEqual(['delete /b']);
  });
});

describe('files hashes', () => {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

  test('what is new, up to a size, if it shall', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'a.conf'), 'one');
    const { records, record } = await watch(folder, { hash: { enabled: true, max_size: 10 } });
    writeFileSync(join(folder, 'a.conf'), 'two');
    writeFileSync(join(folder, 'large'), '01234567890');
    symlinkSync('a.conf', join(folder, 'link'));
    const hashes = (path: string, key: string): unknown[] =>
      records()
        .filter(({ attributes }) => attributes['file.path'] === join(folder, path))
        .map(({ attributes }) => attributes[key]);
    await until(
      () => hashes('large', 'file.hash.omitted').includes('too_large') && hashes('link', 'file.type').length > 0,
    );
    await until(() => hashes('a.conf', 'file.hash.sha256').includes(sha256('two')));
    expect(hashes('a.conf', 'file.hash.sha256')).toContain(sha256('two'));
    expect(hashes('large', 'file.hash.omitted')).toContain('too_large');
    expect(record('file.create', 'link')!.attributes).not.toHaveProperty('file.hash.sha256');
  });
});

describe('files loses nothing silently:', () => {
  /** Pipelines that take nothing until they are told to. */
  function createGate() {
    const batches: LogBatch[] = [];
    let fail: (() => Error) | undefined = () => new RetryableError('full', { retryAfter_ms: 20 });
    const logs = {
      consume(batch: LogBatch): void {
        if (fail !== undefined) throw fail();
        batches.push(batch);
      },
    };
    const records = (): LogRecord[] => batches.flatMap((batch) => batch.records);
    return { next: { metrics: undefined, logs, traces: undefined }, records, set: (how?: () => Error) => (fail = how) };
  }

  test('events wait while pipelines take none, and arrive in order', async () => {
    const folder = createFolder();
    const { next, records, set } = createGate();
    const { run } = await watch(folder, {}, { next });
    for (let i = 0; i < 20; i++) mkdirSync(join(folder, `d${i}`));
    await until(() => run.said.join().includes('once consume: '));
    expect(records()).toEqual([]);
    set();
    await until(() => records().length === 20);
    expect(records().map(({ attributes }) => attributes['file.name'])).toEqual(
      Array.from({ length: 20 }, (_, i) => `d${i}`),
    );
    expect(run.said.join()).toMatch(/once consume: Cannot hand over events: full; tries again/);
  });

  test('events beyond the buffer are counted, an event says so, and a rescan finds what they told', async () => {
    const folder = createFolder();
    for (let i = 0; i < 40; i++) mkdirSync(join(folder, `d${i}`));
    const { next, records, set } = createGate();
    const { run, before } = await watch(folder, { buffer: '16KiB' }, { next });
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 800; i++) writeFileSync(join(folder, `d${i % 40}/f${round}-${i}`), 'x');
      await wait(30);
    }
    renameSync(join(folder, 'd0/f0-0'), join(folder, 'd1/moved'));
    rmSync(join(folder, 'd3'), { recursive: true });
    renameSync(join(folder, 'd4'), join(folder, 'd5/d4'));
    await wait(100);
    set();
    // There may be a second overflow, by what the first rescan has found.
    await until(() => isDeepStrictEqual(replay(records(), before), treeOf(folder)));
    const overflow = records().find(({ eventName }) => eventName === 'file.watch.overflow')!;
    expect(overflow).toMatchObject({ severityNumber: 13, attributes: { 'file.watch.overflow.source': 'buffer' } });
    expect(Number(overflow.attributes['file.watch.lost'])).toBeGreaterThan(1000);
    expect(replay(records(), before)).toEqual(treeOf(folder));
    const values = valuesOf(await run.collect());
    expect(values['file.watch.overflows{"file.watch.overflow.source"="buffer"}']).toBeGreaterThan(0);
    expect(values['file.watch.lost{}']).toBeGreaterThan(1000);
    await expect.poll(async () => valuesOf(await run.collect())['file.watch.buffer.usage{}']).toBe(0);
  });

  test('what pipelines will never take is dropped and counted', async () => {
    const folder = createFolder();
    const { next, set } = createGate();
    set(() => new PermanentError('no'));
    const { run } = await watch(folder, {}, { next });
    mkdirSync(join(folder, 'd'));
    await until(() => run.dropped.size > 0);
    expect(run.dropped).toEqual(new Map([['rejected', 1]]));
  });

  test('what still waits at the end is counted', async () => {
    const folder = createFolder();
    const { next } = createGate();
    const { run } = await watch(folder, {}, { next });
    for (let i = 0; i < 7; i++) mkdirSync(join(folder, `d${i}`));
    await wait(50);
    await run.stop();
    expect(run.dropped).toEqual(new Map([['shutdown', 7]]));
  });

  test('what happened just before the end is told', async () => {
    const folder = createFolder();
    const { run, records } = await watch(folder, { coalesce: '1h' });
    writeFileSync(join(folder, 'a'), 'x');
    await run.stop();
    expect(records().map((record) => inShort(record, folder))).toEqual(['create /a', 'modify /a']);
  });

  test('folders beyond max_watches are an event, are read at intervals, and get a watch when one is free', async () => {
    const folder = createFolder();
    for (let i = 0; i < 6; i++) mkdirSync(join(folder, `d${i}`));
    const { run, told } = await watch(folder, { max_watches: 4, rescan_interval: '100ms' });
    expect(await told(1)).toEqual([expect.stringMatching(/^watch.exhausted \/d\d$/)]);
    for (let i = 0; i < 6; i++) writeFileSync(join(folder, `d${i}/f`), '');
    expect((await told(7)).filter((event) => event.startsWith('create')).toSorted()).toEqual(
      Array.from({ length: 6 }, (_, i) => `create /d${i}/f`),
    );
    const figures = async () => {
      const values = valuesOf(await run.collect());
      return [values['file.watch.usage{}'], values['file.watch.folders{"file.watch.state"="exhausted"}']];
    };
    expect(await figures()).toEqual([4, 3]);
    for (let i = 0; i < 3; i++) rmSync(join(folder, `d${i}`), { recursive: true });
    await told(13);
    await expect.poll(figures).toEqual([4, 0]);
  });

  test('files beyond max_files are an event, and what happens to them is told', async () => {
    const folder = createFolder();
    for (let i = 0; i < 10; i++) writeFileSync(join(folder, `f${i}`), '');
    const { told, run } = await watch(folder, { max_files: 5 });
    expect(await told(1)).toEqual([expect.stringMatching(/^watch.exhausted \/f\d$/)]);
    expect(valuesOf(await run.collect())['file.watch.files{}']).toBe(5);
    for (let i = 0; i < 10; i++) rmSync(join(folder, `f${i}`));
    expect((await told(11)).slice(1).toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => `delete /f${i}`));
  });

  test('a folder that cannot be read is an event, once; and is read when it can be', async () => {
    const folder = createFolder();
    const lost = join(folder, 'not/there');
    const { told, run } = await watch(lost, { rescan_interval: '100ms' });
    expect(await told(1)).toEqual(['watch.unreadable /']);
    expect(run.said.filter((line) => line.includes('Cannot watch'))).toEqual([
      `once root ${lost}: Cannot watch ${lost}: ENOENT; looks for it again and again`,
    ]);
  });

  test('without a pipeline of logs it watches nothing, and says so', async () => {
    const run = await runReceiver(files, {
      config: { paths: [createFolder()] },
      next: { metrics: undefined, logs: undefined, traces: undefined },
    });
    expect(run.said).toEqual(['warn Watches nothing: no pipeline of logs takes its events']);
    await run.stop();
  });
});

describe('files measures its own lag:', () => {
  const lagOf = async (run: ReceiverRun) => {
    const batches = await run.collect();
    const rows = batches.flatMap(({ series, points }) => series.map(({ metric }, row) => [metric.name, points?.[row]]));
    return Object.fromEntries(rows)['sonde.source.lag'] as { count: bigint; sum: number } | undefined;
  };
  const probing = { lag_probe: { interval: '50ms', timeout: '5s' } };

  test('canaries in a folder of their own arrive, and nobody is told of them', async () => {
    const folder = createFolder();
    const { run, records } = await watch(folder, probing);
    writeFileSync(join(folder, 'a'), '');
    await until(() => records().length > 0);
    await expect.poll(async () => (await lagOf(run))?.count ?? 0n).toBeGreaterThan(2n);
    const lag = await lagOf(run);
    expect(lag!.sum / Number(lag!.count)).toBeLessThan(1);
    expect(new Set(records().map(({ attributes }) => attributes['file.path']))).toEqual(new Set([join(folder, 'a')]));
    await run.stop();
    expect(run.said.filter((line) => !line.startsWith('info'))).toEqual([]);
  });

  test('canaries behind events that no pipeline takes arrive late', async () => {
    const folder = createFolder();
    let isClosed = true;
    const consume = async (): Promise<void> => {
      while (isClosed) await wait(20);
    };
    const next = { metrics: undefined, logs: { consume }, traces: undefined };
    const run = await runReceiver(files, { next, config: { paths: [folder], ...probing } });
    onTestFinished(() => run.stop());
    await until(() => run.said.includes('info Watches folders'));
    for (let i = 0; i < 5000; i++) writeFileSync(join(folder, `f${i}`), '');
    await wait(1500);
    const before = (await lagOf(run)) ?? { count: 0n, sum: 0 };
    isClosed = false;
    await expect.poll(async () => (await lagOf(run))?.count ?? 0n).toBeGreaterThan(before.count);
    expect((await lagOf(run))!.sum - before.sum).toBeGreaterThan(1);
  });
});
