/** The receiver `files` with sources of events that do as a test tells them, and with `fs.watch`. */
import { chmodSync, linkSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createFsWatch } from '../../../receivers/files/fs_watch.ts';
import files from '../../../receivers/files/index.ts';
import {
  IN_CREATE,
  IN_DELETE,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from '../../../receivers/files/inotify.ts';
import { encodeEvent } from '../../../receivers/files/raw_queue.ts';
import type { WatchSource } from '../../../receivers/files/source.ts';
import { createWatching, type Watching, type WatchingConfig } from '../../../receivers/files/watching.ts';
import type { LogRecord } from '../../../src/model/batch.ts';
import { createHost, type Host } from '../../../src/procfs/host.ts';
import { replay, treeOf } from '../../support/file_events.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';

vi.setConfig({ testTimeout: 60_000 });

function createFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sonde-files-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface Site {
  readonly watching: Watching;
  readonly records: LogRecord[];
  /** Tells of something in a folder, as the kernel would. */
  tell(folder: string, mask: number, name: string, cookie?: number): void;
  readonly watched: ReadonlyMap<string, number>;
  inShort(): string[];
}

interface Fakes {
  /** The code that a watch of this path is refused with. */
  readonly refuse?: (path: string) => string | undefined;
  /** What happens each time when the receiver asks what the kernel still holds. */
  readonly drain?: () => void;
  readonly host?: Partial<Host>;
}

/** A source that tells only what the test has it tell. */
async function watch(
  folder: string,
  config: Readonly<Record<string, unknown>> = {},
  { refuse = () => undefined, drain = () => {}, host = {} }: Fakes = {},
): Promise<Site> {
  const watched = new Map<string, number>();
  let take: (bytes: Uint8Array) => void = () => {};
  const source: WatchSource = {
    isExact: true,
    isRecursive: false,
    drain,
    add(path) {
      const code = refuse(path);
      if (code !== undefined) throw Object.assign(new Error(code), { code });
      watched.set(path, watched.get(path) ?? watched.size + 1);
      return watched.get(path)!;
    },
    remove() {},
    close() {},
  };
  const openSource = (taking: (bytes: Uint8Array) => void): WatchSource => {
    take = taking;
    return source;
  };
  const { watching, records } = await start(folder, config, openSource, host);
  return {
    watching,
    records,
    watched,
    tell: (path, mask, name, cookie) => take(encodeEvent(watched.get(path) ?? -1, mask, name, cookie)),
    inShort: () =>
      records.map(({ eventName, attributes }) => {
        const [path, previous] = ['file.path', 'file.previous.path'].map((key) =>
          String(attributes[key] ?? '').replace(folder, ''),
        );
        return [eventName.replace('file.', ''), previous, path].filter((text) => text !== '').join(' ');
      }),
  };
}

async function start(
  folder: string,
  written: Readonly<Record<string, unknown>>,
  openSource: (take: (bytes: Uint8Array) => void) => WatchSource,
  host: Partial<Host> = {},
): Promise<{ watching: Watching; records: LogRecord[] }> {
  const records: LogRecord[] = [];
  const log = createRecordedLog();
  const config = v.parse(files.config, { paths: [folder], coalesce: '20ms', ...written });
  const watching = createWatching({
    config: config as WatchingConfig,
    host: { ...createHost({ platform: 'linux' }), ...host },
    log,
    drop: () => {},
    resource: { attributes: {}, schemaUrl: '' },
    scope: { name: '', version: '', attributes: {}, schemaUrl: '' },
    logs: { consume: (batch) => void records.push(...batch.records) },
    openSource,
    isCanary: () => false,
    onWatching: () => {},
  });
  onTestFinished(() => watching.stop(2000));
  watching.start();
  await until(() => log.lines.some(({ message }) => message === 'Watches folders'));
  return { watching, records };
}

async function until(check: () => boolean): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end && !check();) await wait(10);
  expect(check()).toBe(true);
}

const wait = (time_ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time_ms));

describe('createWatching, when the kernel’s queue overflowed,', () => {
  test('says so, looks at everything, and tells what it finds: renames by their inodes', async () => {
    const folder = createFolder();
    for (const name of ['a', 'b', 'c', 'd']) mkdirSync(join(folder, name));
    for (const name of ['a/mod', 'a/moved', 'b/gone', 'b/chmod', 'c/in', 'd/linked', 'a/replaced']) {
      writeFileSync(join(folder, name), name);
    }
    const before = treeOf(folder);
    const { tell, records, inShort } = await watch(folder);
    await wait(30);
    writeFileSync(join(folder, 'a/mod'), 'longer than before');
    renameSync(join(folder, 'a/moved'), join(folder, 'd/here'));
    rmSync(join(folder, 'b/gone'));
    chmodSync(join(folder, 'b/chmod'), 0o600);
    renameSync(join(folder, 'c'), join(folder, 'a/c'));
    writeFileSync(join(folder, 'a/c/later'), '');
    linkSync(join(folder, 'd/linked'), join(folder, 'd/link'));
    writeFileSync(join(folder, 'a/new'), 'x');
    renameSync(join(folder, 'a/new'), join(folder, 'a/replaced'));
    tell('nowhere', IN_Q_OVERFLOW, '');
    await until(() => records.some(({ eventName }) => eventName === 'file.watch.rescan'));
    expect(inShort().toSorted()).toEqual([
      'attribute_change /b/chmod',
      'attribute_change /d/linked',
      'create /a/c/later',
      'create /d/link',
      'delete /b/gone',
      'modify /a/mod',
      'modify /a/replaced',
      'rename /a/moved /d/here',
      'rename /c /a/c',
      'watch.overflow',
      'watch.rescan',
    ]);
    expect(inShort()[0]).toBe('watch.overflow');
    expect(records.at(-1)!.attributes).toMatchObject({ 'file.watch.rescan.reason': 'overflow' });
    expect(replay(records, before)).toEqual(treeOf(folder));
  });

  test('does not tell again what the scan has told, when events of it come late', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'old'), '');
    writeFileSync(join(folder, 'from'), '');
    const { tell, records, inShort } = await watch(folder);
    writeFileSync(join(folder, 'new'), '');
    rmSync(join(folder, 'old'));
    renameSync(join(folder, 'from'), join(folder, 'to'));
    tell('nowhere', IN_Q_OVERFLOW, '');
    // These were in the queue before the scan, in the same turn.
    tell(folder, IN_CREATE, 'new');
    tell(folder, IN_DELETE, 'old');
    tell(folder, IN_MOVED_FROM, 'from', 7);
    tell(folder, IN_MOVED_TO, 'to', 7);
    await until(() => records.some(({ eventName }) => eventName === 'file.watch.rescan'));
    await wait(300);
    expect(inShort().filter((event) => event.endsWith('/new'))).toEqual(['create /new']);
    expect(inShort().filter((event) => event.endsWith('/old'))).toEqual(['delete /old']);
    expect(inShort().filter((event) => event.includes('/from'))).toEqual(['rename /from /to']);
  });
});

describe('createWatching', () => {
  test('knows the right files after two have changed places in one step (RENAME_EXCHANGE)', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'a'), 'a');
    writeFileSync(join(folder, 'b'), 'bb');
    const before = treeOf(folder);
    const { tell, records } = await watch(folder);
    renameSync(join(folder, 'a'), join(folder, 'x'));
    renameSync(join(folder, 'b'), join(folder, 'a'));
    renameSync(join(folder, 'x'), join(folder, 'b'));
    tell(folder, IN_MOVED_FROM, 'a', 1);
    tell(folder, IN_MOVED_TO, 'b', 1);
    tell(folder, IN_MOVED_FROM, 'b', 2);
    tell(folder, IN_MOVED_TO, 'a', 2);
    await until(() => isDeepStrictEqual(replay(records, before), treeOf(folder)));
    expect(replay(records, before)).toEqual(treeOf(folder));
  });

  test('takes the first half of a rename for a departure when the second does not come', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'a'), 'a');
    const { tell, records, inShort } = await watch(folder);
    rmSync(join(folder, 'a'));
    tell(folder, IN_MOVED_FROM, 'a', 1);
    writeFileSync(join(folder, 'b'), 'b');
    tell(folder, IN_CREATE, 'b');
    await until(() => records.length === 2);
    expect(inShort()).toEqual(['create /b', 'delete /a']);
    expect(records[1]!.attributes['file.event.reason']).toBe('moved_away');
  });

  test('tells a departure before what comes in its place', async () => {
    const folder = createFolder();
    writeFileSync(join(folder, 'a'), 'a');
    const { tell, records, inShort } = await watch(folder);
    tell(folder, IN_MOVED_FROM, 'a', 1);
    tell(folder, IN_CREATE, 'a');
    await until(() => records.length === 2);
    expect(inShort()).toEqual(['delete /a', 'create /a']);
  });

  test('tells how large a file is now that was modified before a folder above it got another name', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'a'));
    writeFileSync(join(folder, 'a/one'), '');
    let isRenamed = false;
    let isTold = false;
    let due_ms = Infinity;
    const { tell, records, inShort } = await watch(
      folder,
      {},
      {
        drain() {
          if (isRenamed && !isTold) {
            isTold = true;
            tell(folder, IN_MOVED_FROM, 'a', 7);
            tell(folder, IN_MOVED_TO, 'b', 7);
          } else if (!isRenamed && performance.now() > due_ms) {
            isRenamed = true;
            renameSync(join(folder, 'a'), join(folder, 'b'));
          }
        },
      },
    );
    writeFileSync(join(folder, 'a/one'), 'content');
    due_ms = performance.now() + 20;
    tell(join(folder, 'a'), IN_MODIFY, 'one');
    await until(() => records.length === 2);
    expect(inShort()).toEqual(['rename /a /b', 'modify /b/one']);
    expect(records[1]!.attributes).toMatchObject({ 'file.size': 7, 'file.previous.size': 0 });
  });

  test('looks at a new folder under its second name, if the first was gone before it could be watched', async () => {
    const folder = createFolder();
    const { tell, inShort } = await watch(
      folder,
      {},
      {
        refuse(path) {
          if (path !== join(folder, 'n')) return undefined;
          renameSync(join(folder, 'n'), join(folder, 'm'));
          tell(folder, IN_MOVED_FROM, 'n', 7);
          tell(folder, IN_MOVED_TO, 'm', 7);
          return 'ENOENT';
        },
      },
    );
    mkdirSync(join(folder, 'n'));
    writeFileSync(join(folder, 'n/one'), '');
    tell(folder, IN_CREATE, 'n');
    await until(() => inShort().length === 3);
    expect(inShort()).toEqual(['create /n', 'rename /n /m', 'create /m/one']);
  });

  test('finds a file that an event tells of, though none told that it came', async () => {
    const folder = createFolder();
    const { tell, inShort } = await watch(folder);
    writeFileSync(join(folder, 'a'), 'a');
    tell(folder, IN_MODIFY, 'a');
    await until(() => inShort().length > 0);
    expect(inShort()).toEqual(['create /a']);
  });

  test('reports that the user has no watch left, and goes on without', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'sub'));
    const refuse: NonNullable<Fakes['refuse']> = (path) => (path.endsWith('sub') ? 'ENOSPC' : undefined);
    const { records, inShort } = await watch(folder, { rescan_interval: '50ms' }, { refuse });
    await until(() => records.length > 0);
    expect(records[0]).toMatchObject({
      eventName: 'file.watch.exhausted',
      severityNumber: 13,
      attributes: { 'file.path': join(folder, 'sub'), 'file.watch.resource': 'fs.inotify.max_user_watches' },
    });
    writeFileSync(join(folder, 'sub/file'), '');
    await until(() => inShort().includes('create /sub/file'));
    expect(inShort().filter((event) => event.startsWith('watch.'))).toHaveLength(1);
  });

  test('reports a folder that is closed once, and tells what is in it when it opens', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'closed'));
    writeFileSync(join(folder, 'closed/file'), '');
    let code: string | undefined = 'EACCES';
    const refuse: NonNullable<Fakes['refuse']> = (path) => (path.endsWith('closed') ? code : undefined);
    const { watching, records, inShort } = await watch(folder, { rescan_interval: '50ms' }, { refuse });
    await until(() => records.length > 0);
    expect(records[0]).toMatchObject({
      eventName: 'file.watch.unreadable',
      attributes: { 'file.path': join(folder, 'closed'), 'error.type': 'EACCES' },
    });
    expect(watching.tree.problems.unreadable).toBe(1);
    await wait(200);
    expect(records).toHaveLength(1);
    code = undefined;
    await until(() => inShort().includes('create /closed/file'));
    expect(watching.tree.problems.unreadable).toBe(0);
  });

  test('keeps to nine tenths of what the kernel allows', async () => {
    const host = { readText: (path: string) => (path.endsWith('max_user_watches') ? '20\n' : '') };
    const { watching } = await watch(createFolder(), {}, { host });
    expect(watching.limit).toBe(18);
  });

  test('reports that something is not mounted any more, and what is gone with it', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'mnt'));
    writeFileSync(join(folder, 'mnt/file'), '');
    let mountinfo = `1 0 254:0 / / rw - ext4 /dev/vda rw\n2 1 0:9 / ${folder}/mnt rw - tmpfs tmpfs rw\n`;
    const host = { readText: (path: string) => (path.endsWith('mountinfo') ? mountinfo : '1000') };
    const { tell, records, inShort } = await watch(folder, {}, { host });
    // The folder below the mount is another one.
    renameSync(join(folder, 'mnt'), `${folder}-unmounted`);
    onTestFinished(() => rmSync(`${folder}-unmounted`, { recursive: true }));
    mkdirSync(join(folder, 'mnt'));
    mountinfo = mountinfo.split('\n', 1)[0]!;
    tell(join(folder, 'mnt'), IN_UNMOUNT, '');
    await until(() => records.length >= 4);
    expect(inShort()).toEqual(['watch.unmounted /mnt', 'delete /mnt/file', 'delete /mnt', 'create /mnt']);
    expect(records[1]!.attributes['file.event.reason']).toBe('unmounted');
  });

  test('does not enter file systems that may hang, and says which', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'share'));
    const mountinfo = `1 0 254:0 / / rw - ext4 /dev/vda rw\n2 1 0:9 / ${folder}/share rw - nfs4 server:/ rw\n`;
    const host = { readText: (path: string) => (path.endsWith('mountinfo') ? mountinfo : '1000') };
    const { watched, records } = await watch(folder, {}, { host });
    expect([...watched.keys()]).toEqual([folder]);
    expect(records).toMatchObject([
      {
        eventName: 'file.watch.skipped',
        attributes: { 'file.path': join(folder, 'share'), 'system.filesystem.type': 'nfs4' },
      },
    ]);
  });
});

test('createFsWatch and looking tell what was done in the end: renames by inodes, everything in new folders', async () => {
  const folder = createFolder();
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  for (const name of ['a/one', 'a/b/two', 'three']) writeFileSync(join(folder, name), name);
  const before = treeOf(folder);
  const { records } = await start(folder, {}, (take) => createFsWatch(take, false));
  renameSync(join(folder, 'a/one'), join(folder, 'uno'));
  await until(() => records.some(({ eventName }) => eventName === 'file.rename'));
  renameSync(join(folder, 'a'), join(folder, 'z'));
  await until(() => records.filter(({ eventName }) => eventName === 'file.rename').length === 2);
  writeFileSync(join(folder, 'z/b/later'), 'x');
  rmSync(join(folder, 'three'));
  mkdirSync(join(folder, 'new/deep'), { recursive: true });
  writeFileSync(join(folder, 'new/deep/file'), 'y');
  await until(() => isDeepStrictEqual(replay(records, before), treeOf(folder)));
  const renames = records.filter(({ eventName }) => eventName === 'file.rename');
  expect(renames.map(({ attributes }) => [attributes['file.previous.path'], attributes['file.path']])).toEqual([
    [join(folder, 'a/one'), join(folder, 'uno')],
    [join(folder, 'a'), join(folder, 'z')],
  ]);
});
