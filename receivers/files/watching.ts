/** Puts the parts of the receiver together. */
import type { ComponentLog, Consumer, Host } from '../../src/component.ts';
import type { LogBatch, Resource, Scope } from '../../src/model/batch.ts';
import { createNames, createOwners } from '../../src/procfs/process/owners.ts';
import { sleep } from '../../src/sleep.ts';
import { createChanges } from './changes.ts';
import { createPathFilter } from './filter.ts';
import { createFsWatch } from './fs_watch.ts';
import { createHasher } from './hash.ts';
import { openInotify } from './inotify.ts';
import { readLimit } from './kernel_limits.ts';
import { createMounts } from './mounts.ts';
import { createObserver, type ObserverFigures } from './observer.ts';
import { createOutlet } from '../../src/outlet.ts';
import { createRawQueue, type RawQueue } from './raw_queue.ts';
import { createReport, type Change } from './report.ts';
import { createRoots } from './roots.ts';
import { createScanner } from './scan.ts';
import type { WatchSource } from './source.ts';
import { FileTable } from './table.ts';
import { Tree } from './tree.ts';
import { createWatches } from './watches.ts';

export interface WatchingConfig {
  readonly paths: readonly string[];
  readonly recursive: boolean;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly events: readonly Change[];
  readonly coalesce: number;
  readonly max_watches: number;
  readonly max_files: number;
  readonly buffer: number;
  readonly rescan_interval: number;
  readonly verify_interval: number;
  readonly skip_filesystems: readonly string[];
  readonly hash: { readonly enabled: boolean; readonly max_size: number };
}

export interface WatchingOptions {
  readonly config: WatchingConfig;
  readonly host: Host;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  readonly resource: Resource;
  readonly scope: Scope;
  readonly logs: Consumer<LogBatch>;
  /** Whether the path is of a canary, which is not told. */
  readonly isCanary: (path: string) => boolean;
  /** Called once everything there is known: what happens from now on is told. */
  readonly onWatching: () => void;
  /** Where raw events come from; inotify where it can be had, unless a test says otherwise. */
  readonly openSource?: (take: (bytes: Uint8Array) => void) => WatchSource;
}

export interface Watching {
  readonly tree: Tree;
  readonly table: FileTable;
  readonly raw: RawQueue;
  readonly figures: ObserverFigures;
  /** Most watches. */
  readonly limit: number;
  start(): void;
  stop(limit_ms: number): Promise<void>;
}

/** Other programs of the same user need some, too. */
const SHARE_OF_WATCHES = 0.9;

/** @throws {Error} where the user has too many inotify instances */
export function createWatching(options: WatchingOptions): Watching {
  const { config, host, log, drop, resource, scope, isCanary } = options;
  const raw = createRawQueue(config.buffer);
  const take = (bytes: Uint8Array): void => {
    raw.push(bytes);
    // Woken by libuv itself, outside of any turn of JavaScript, promises would not be looked after.
    setImmediate(observer.wake);
  };
  const source = (options.openSource ?? ((taking) => openSource(host, log, taking)))(take);
  const allowed = host.platform === 'linux' ? readLimit(host, 'max_user_watches', log) : undefined;
  const limit = Math.max(1, Math.min(config.max_watches, Math.floor((allowed ?? Infinity) * SHARE_OF_WATCHES)));

  const table = new FileTable(config.max_files);
  const tree = new Tree(table);
  const filter = createPathFilter(config.include, config.exclude, isCanary);
  const mounts = createMounts(host, config.skip_filesystems, log);
  const outlet = createOutlet({ next: options.logs, log, drop });
  const report = createReport({
    outlet,
    resource,
    scope,
    isCanary,
    changes: new Set(config.events),
    hasher: config.hash.enabled ? createHasher(config.hash.max_size) : undefined,
    userName: createOwners(host),
    groupName: createNames(host, '/etc/group'),
    hasOwners: host.platform !== 'win32',
  });
  const watches = createWatches({ source, tree, report, limit });
  const changes = createChanges({
    tree,
    table,
    watches,
    report,
    outlet,
    mounts,
    filter,
    isRecursive: config.recursive,
  });
  const figures: ObserverFigures = { kernelOverflows: 0, bufferOverflows: 0, lost: 0, rescans: 0 };
  const scanner = createScanner({
    tree,
    table,
    changes,
    watches,
    mounts,
    report,
    outlet,
    isRecursive: config.recursive,
    again: (folder) => observer.again(folder),
    drain: source.drain,
    isStopping: () => observer.isStopping,
  });
  const roots = createRoots({
    paths: config.paths,
    host,
    tree,
    table,
    changes,
    watches,
    scanner,
    report,
    log,
    isRecursive: config.recursive,
  });
  const observer = createObserver({
    log,
    source,
    raw,
    tree,
    table,
    changes,
    scanner,
    roots,
    mounts,
    report,
    outlet,
    window_ms: config.coalesce,
    rescan_ms: config.rescan_interval,
    verify_ms: config.verify_interval,
    filterLooksAtPaths: filter.looksAtPaths,
    figures,
    onWatching: options.onWatching,
  });
  let running: Promise<void> | undefined;

  return {
    tree,
    table,
    raw,
    figures,
    limit,
    start() {
      running = observer.run();
    },
    async stop(limit_ms) {
      source.drain();
      observer.stop();
      const timeUp = new AbortController();
      await Promise.race([running, sleep(limit_ms / 2, timeUp.signal)]);
      timeUp.abort();
      await outlet.stop(limit_ms / 2);
      await running;
      source.close();
    },
  };
}

/** @throws {Error} */
function openSource(host: Host, log: ComponentLog, take: (bytes: Uint8Array) => void): WatchSource {
  if (host.platform !== 'linux' || process.platform !== 'linux') {
    return createFsWatch(take, ['darwin', 'win32'].includes(process.platform));
  }
  try {
    const inotify = openInotify(take);
    if (inotify !== undefined) return inotify;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EMFILE') throw error;
    const advice = 'the user has as many instances as fs.inotify.max_user_instances allows';
    throw new Error(`Cannot watch files: ${advice}`, { cause: error });
  }
  log.warn('Cannot call inotify directly: watches by fs.watch, which does not tell what it leaves out');
  return createFsWatch(take, false);
}
