/**
 * A storm of changes in a tree of files, as the agent tells it: whoever hears of its events knows the tree.
 * `SONDE_TEST_STORM=full` is 100,000 changes in 5,000 folders.
 */
import { execFile } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import {
  differences,
  eventsAbout,
  replay,
  treeOf,
  wrongPaths,
  type FileEvent,
  type Known,
} from '../support/file_events.ts';
import type { Ledger } from './files_writer.ts';
import { startSonde, until, type Server } from './servers.ts';

const run = promisify(execFile);
const IS_FULL = process.env['SONDE_TEST_STORM'] === 'full';
const FOLDERS = IS_FULL ? 5000 : 400;
const CHANGES = IS_FULL ? 100_000 : 5000;
/** More events than the kernel’s queue holds: nearly two for each change. */
const UNSEEN_CHANGES = Math.ceil(Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) * 0.8);

interface Site {
  readonly tree: string;
  readonly events: string;
  /** What was there before the agent. */
  readonly before: Map<string, Known>;
}

function createSite(folders: number): Site {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-files-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const tree = join(folder, 'tree');
  for (let i = 0; i < folders; i++) mkdirSync(join(tree, `d${i % 50}/e${i}`), { recursive: true });
  return { tree, events: join(folder, 'events.jsonl'), before: treeOf(tree) };
}

async function startAgent({ tree, events }: Site, options = ''): Promise<Server> {
  const sonde = await startSonde(`
agent: { collection_interval: 500ms }
receivers: { files: { paths: ['${tree}'], coalesce: 200ms, lag_probe: { enabled: false } ${options} } }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT, max_age: 0s }
  file: { path: '${events}', queue: { on_full: block } }
service:
  pipelines:
    logs: { receivers: [files], exporters: [file] }
    metrics: { receivers: [files], exporters: [prometheus] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  await until('the agent watches', async () => sonde.output().includes('Watches folders'), 60_000);
  return sonde;
}

async function change({ tree }: Site, folders: number, changes: number, seed: number): Promise<Ledger> {
  const script = join(import.meta.dirname, 'files_writer.ts');
  const args = [script, tree, String(folders), String(changes), String(seed)];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 2 ** 28 });
  return JSON.parse(stdout) as Ledger;
}

interface LogDocument {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly {
      readonly logRecords: readonly {
        readonly eventName: string;
        readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
      }[];
    }[];
  }[];
}

function eventsIn(file: string): FileEvent[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const documents = lines.map((line) => JSON.parse(line) as LogDocument);
  const records = documents.flatMap(({ resourceLogs }) =>
    resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords)),
  );
  return records.map(({ eventName, attributes }) => ({
    eventName,
    attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
  }));
}

/**
 * A last file, whose event comes behind all others; and modifications, which come a window later. Waits for what `isTold`
 * waits for, too.
 */
async function settled(
  site: Site,
  isTold: (events: readonly FileEvent[]) => boolean = () => true,
): Promise<readonly FileEvent[]> {
  const last = join(site.tree, `last${Date.now()}`);
  closeSync(openSync(last, 'w'));
  const arrivals = createArrivals(site.events);
  await until('the last file is told of', async () => arrivals.have(last), IS_FULL ? 500_000 : 120_000);
  // Modifications come a window later, and through a queue.
  let events: readonly FileEvent[] = [];
  for (const end_ms = performance.now() + 60_000; performance.now() < end_ms;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    events = eventsIn(site.events);
    if (isTold(events) && wrongPaths(replay(events, site.before), treeOf(site.tree)).length === 0) break;
  }
  return events;
}

/** Looks for a text in what was added to a file since it was looked at last. */
function createArrivals(file: string): { have(text: string): boolean } {
  let position = 0;
  return {
    have(text) {
      const fd = openSync(file, 'r');
      const buffer = Buffer.alloc(Math.max(0, statSync(file).size - position));
      readSync(fd, buffer, 0, buffer.length, position);
      closeSync(fd);
      // It may be cut in two by the end.
      position += Math.max(0, buffer.length - text.length);
      return buffer.includes(text);
    },
  };
}

async function metricsOf(sonde: Server): Promise<Map<string, number>> {
  const text = await (await fetch(`${sonde.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('file_watch_'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

const named = (events: readonly FileEvent[], name: string): readonly FileEvent[] =>
  events.filter(({ eventName }) => eventName === name);
const paths = (events: readonly FileEvent[]): string[] =>
  events.map(({ attributes }) => String(attributes['file.path'])).toSorted();

/** Largest resident memory of a process, in MiB: `VmHWM:   81234 kB`. */
function largestMemory(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

/** Seconds of CPU time that a process has used; utime and stime of /proc/PID/stat, in ticks of 10 ms. */
function cpuTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

test('A storm of changes: each is told once, renames as pairs, and the tree is known at the end', async () => {
  const site = createSite(FOLDERS);
  const sonde = await startAgent(site, `, max_files: 200000`);
  const began_ms = Date.now();
  const ledger = await change(site, FOLDERS, CHANGES, 1);
  const events = await settled(site);
  const took_ms = Date.now() - began_ms;
  const metrics = await metricsOf(sonde);

  expect(differences(replay(events, site.before), treeOf(site.tree), events)).toEqual([]);
  const overflows = named(events, 'file.watch.overflow').length;
  const counted = [...metrics].filter(([name]) => name.startsWith('file_watch_overflows_total'));
  expect(counted.reduce((sum, [, value]) => sum + value, 0)).toBe(overflows);
  if (overflows === 0) {
    const isOurs = ({ attributes }: FileEvent): boolean => !/\/last\d+$/.test(String(attributes['file.path']));
    // What is in a new folder may have been found when the folder had moved already.
    const inFresh = /\/[nm]\d+\/(one|deep|deep\/two)$/;
    const told = paths(named(events, 'file.create').filter(isOurs));
    const wherever = (all: readonly string[]): string[] =>
      all.map((path) => path.replace(/.*(?=\/[nm]\d+\/)\/[nm]\d+/, ''));
    const split = (all: readonly string[]): readonly string[][] => [
      all.filter((path) => !inFresh.test(path)).toSorted(),
      wherever(all.filter((path) => inFresh.test(path))).toSorted(),
    ];
    const done = new Set(ledger.created);
    const strange = told.filter((path) => !inFresh.test(path) && !done.has(path));
    expect(strange.slice(0, 5).map((path) => eventsAbout(path, events))).toEqual([]);
    expect(split(told)).toEqual(split(ledger.created));
    expect(paths(named(events, 'file.delete'))).toEqual(ledger.deleted.toSorted());
    const pairs = named(events, 'file.rename').map(({ attributes }) =>
      [attributes['file.previous.path'], attributes['file.path']].join(' → '),
    );
    expect(pairs).toEqual(ledger.renamed.map((pair) => pair.join(' → ')));
  } else expect(named(events, 'file.watch.rescan').length).toBeGreaterThan(0);
  const memory = largestMemory(sonde.pid);
  if (IS_FULL)
    process.stderr.write(
      `${JSON.stringify({ events: events.length, overflows, memory, cpu_s: cpuTime(sonde.pid), took_ms })}\n`,
    );
  expect(memory).toBeLessThan(300);
  const folders = [...treeOf(site.tree)].filter(([path]) => statSync(path).isDirectory()).length + 1;
  expect([...metrics].find(([name]) => name.startsWith('file_watch_usage'))![1]).toBe(folders);
}, 600_000);

test('An agent that was held up while the kernel’s queue overflowed says so, and knows the tree at the end', async () => {
  const site = createSite(100);
  const sonde = await startAgent(site);
  process.kill(sonde.pid, 'SIGSTOP');
  const writer = change(site, 100, UNSEEN_CHANGES, 2);
  await writer.finally(() => process.kill(sonde.pid, 'SIGCONT'));
  // That it has looked again it says behind what it has found.
  const events = await settled(site, (told) => named(told, 'file.watch.rescan').length > 0);

  expect(named(events, 'file.watch.overflow')).toMatchObject([
    { attributes: { 'file.watch.overflow.source': 'kernel' } },
  ]);
  expect(named(events, 'file.watch.rescan')).toMatchObject([
    { attributes: { 'file.watch.rescan.reason': 'overflow' } },
  ]);
  expect(differences(replay(events, site.before), treeOf(site.tree), events)).toEqual([]);
}, 300_000);

test('Folders beyond the budget have no watch, and are read at intervals', async () => {
  const site = createSite(100);
  const sonde = await startAgent(site, ', max_watches: 60, rescan_interval: 500ms');
  const ledger = await change(site, 100, 500, 3);
  expect(ledger.created.length).toBeGreaterThan(0);
  await until(
    'the tree is known',
    async () => {
      const now = treeOf(site.tree);
      const known = replay(eventsIn(site.events), site.before);
      return known.size === now.size && [...now].every(([path, { inode }]) => known.get(path)?.inode === inode);
    },
    60_000,
  );
  const metrics = await metricsOf(sonde);
  const valueOf = (start: string): number => [...metrics].find(([name]) => name.startsWith(start))![1];
  expect(valueOf('file_watch_usage')).toBe(60);
  expect(valueOf('file_watch_limit')).toBe(60);
  expect(valueOf('file_watch_folders{file_watch_state="exhausted"')).toBeGreaterThan(90);
  expect(named(eventsIn(site.events), 'file.watch.exhausted')).toMatchObject([
    { attributes: { 'file.watch.resource': 'max_watches', 'file.watch.limit': '60' } },
  ]);
}, 120_000);
