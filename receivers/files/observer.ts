/** One loop that does everything in order: raw events, scans that they ask for, and what is due by the clock. */
import type { ComponentLog } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import type { Changes } from './changes.ts';
import { createLive, type Live, type Requests } from './live.ts';
import type { Mounts } from './mounts.ts';
import type { Outlet } from '../../src/outlet.ts';
import type { RawQueue } from './raw_queue.ts';
import type { Report } from './report.ts';
import type { Roots } from './roots.ts';
import type { Scanner } from './scan.ts';
import type { WatchSource } from './source.ts';
import type { FileTable } from './table.ts';
import type { Folder, Tree } from './tree.ts';

export interface ObserverOptions {
  readonly log: ComponentLog;
  readonly source: WatchSource;
  readonly raw: RawQueue;
  readonly tree: Tree;
  readonly table: FileTable;
  readonly changes: Changes;
  readonly scanner: Scanner;
  readonly roots: Roots;
  readonly mounts: Mounts;
  readonly report: Report;
  readonly outlet: Outlet;
  readonly window_ms: number;
  /** How often folders without a watch are read, and everything where events are not exact. */
  readonly rescan_ms: number;
  /** How often everything is read; 0 is never. */
  readonly verify_ms: number;
  readonly filterLooksAtPaths: boolean;
  readonly figures: ObserverFigures;
  /** Called once everything there is known: what happens from now on is told. */
  readonly onWatching: () => void;
}

/** Counts since the start. */
export interface ObserverFigures {
  kernelOverflows: number;
  bufferOverflows: number;
  /** Events that found no room. */
  lost: number;
  rescans: number;
}

export interface Observer {
  /** Runs until it is stopped. */
  run(): Promise<void>;
  /** Looks at a folder again when no event is waiting. */
  again(folder: Folder): void;
  /** There are raw events. */
  wake(): void;
  /** Has `run` tell what it still knows, and end. */
  stop(): void;
  readonly isStopping: boolean;
}

/** Work between two turns of the event loop. */
const SLICE_MS = 10;
/** How often roots and mounts are looked at, which tell nothing by themselves. */
const CHECK_MS = 5000;
/** What a source that is not exact tells is looked at together: a rename is two names. */
const GATHER_MS = 100;
/** Names that wait to be looked at; with more everything is. */
const MOST_CHECKS = 50_000;

export function createObserver(options: ObserverOptions): Observer {
  const { source, raw, tree, table, scanner, roots, mounts, report, outlet, figures, log } = options;
  let isStopping = false;
  let wakeUp: (() => void) | undefined;
  let newFolders: Folder[] = [];
  let refiltered: Folder[] = [];
  let checks = new Map<Folder, Set<string>>();
  let checkCount = 0;
  let checksDue_ms = Infinity;
  let rescanDue_ms = Infinity;
  let hasFailed = false;
  let lastRescan_ms = 0;
  let rootsDue_ms = 0;
  let problemsDue_ms = Infinity;
  let verifyDue_ms = Infinity;

  const requests: Requests = {
    scanNew: (folder) => void newFolders.push(folder),
    refilter: (folder) => void refiltered.push(folder),
    check({ folder, name }) {
      const names = checks.get(folder) ?? new Set();
      if (names.size === 0) checks.set(folder, names);
      if (names.has(name)) return;
      names.add(name);
      if (++checkCount > MOST_CHECKS) {
        forgetChecks();
        rescanDue_ms = Math.min(rescanDue_ms, performance.now() + lastRescan_ms);
      } else if (checksDue_ms === Infinity) {
        checksDue_ms = performance.now() + (source.isExact ? 0 : GATHER_MS);
      }
    },
    overflow() {
      const lost = raw.endGap();
      const where = lost > 0 ? 'buffer' : 'kernel';
      if (lost > 0) figures.bufferOverflows++;
      else figures.kernelOverflows++;
      figures.lost += lost;
      const count = lost > 0 ? `${lost} events` : 'An unknown number of events';
      report.notice('overflow', `${count} of files were lost: everything is looked at again`, {
        'file.watch.overflow.source': where,
        ...(lost > 0 && { 'file.watch.lost': lost }),
      });
      // A storm that goes on may not have the machine read its folders all the time.
      rescanDue_ms = Math.min(rescanDue_ms, performance.now() + lastRescan_ms);
    },
    checkRoots: () => void (rootsDue_ms = 0),
    checkMounts: () => void (rootsDue_ms = 0),
  };
  const live: Live = createLive({ ...options, requests });

  function forgetChecks(): void {
    checks = new Map();
    checkCount = 0;
    checksDue_ms = Infinity;
  }

  async function followUp(): Promise<void> {
    while (newFolders.length > 0 || refiltered.length > 0) {
      const fresh = newFolders;
      const old = refiltered;
      newFolders = [];
      refiltered = [];
      await scanner.scan(fresh, { isDeep: source.isRecursive });
      if (old.length > 0) await scanner.scan(old, { isDeep: true, refilters: true });
    }
  }

  function isAllRead(): boolean {
    if (raw.isEmpty) source.drain();
    return raw.isEmpty;
  }

  /** What is due by the clock. */
  async function keepHouse(): Promise<void> {
    const now_ms = performance.now();
    await live.settleMoves(now_ms, isAllRead());
    await live.tellModified(now_ms, isAllRead);
    // What is there now may be told by an event that waits, as half of a rename.
    if (now_ms >= checksDue_ms && isAllRead()) await runChecks();
    if (now_ms >= rootsDue_ms) await checkPlaces(false);
    // Of several overflows in a row only the last one needs it.
    if (now_ms >= rescanDue_ms && raw.overflowsAhead === 0) await rescan('overflow');
    if (now_ms >= problemsDue_ms) await scanProblems();
    if (now_ms >= verifyDue_ms) {
      verifyDue_ms = Infinity;
      await rescan('verify');
    }
    await followUp();
  }

  async function runChecks(): Promise<void> {
    const names = [...checks].flatMap(([folder, all]) => [...all].map((name) => ({ folder, name })));
    forgetChecks();
    await scanner.check(names);
  }

  async function checkPlaces(isFirst: boolean): Promise<void> {
    rootsDue_ms = performance.now() + CHECK_MS;
    const { mounted, unmounted } = mounts.update();
    await roots.check({ isSilent: isFirst });
    for (const path of [...unmounted, ...mounted]) {
      const found = roots.find(path);
      if (found === undefined) continue;
      const isGone = unmounted.includes(path);
      const shown = tree.path(found.folder, found.name);
      const type = mounts.typeAt(path);
      const attributes = { 'file.path': shown, ...(type !== undefined && { 'system.filesystem.type': type }) };
      if (isGone) report.notice('unmounted', `Nothing is mounted at ${shown} any more`, attributes);
      else if (mounts.isSkippedAt(tree.rawPath(found.folder), found.name)) {
        report.notice('skipped', `Does not enter ${shown}: file systems of type ${type} are not watched`, attributes);
      } else if (!isFirst) report.notice('mounted', `A file system was mounted at ${shown}`, attributes);
      if (!isFirst) await scanner.check([found], isGone ? 'unmounted' : 'mounted');
    }
  }

  async function rescan(why: 'overflow' | 'verify'): Promise<void> {
    rescanDue_ms = Infinity;
    const before = scanner.found;
    const busy_ms = scanner.busy_ms;
    await scanner.scan(tree.roots, { isDeep: true, reason: why });
    lastRescan_ms = scanner.busy_ms - busy_ms;
    verifyDue_ms = options.verify_ms > 0 ? performance.now() + options.verify_ms : Infinity;
    figures.rescans++;
    const found = scanner.found - before;
    if (why === 'verify' && found === 0) return;
    report.notice('rescan', `Looked at everything again and found ${found} changes`, {
      'file.watch.rescan.reason': why,
      'file.watch.rescan.found': found,
      'file.watch.rescan.duration': lastRescan_ms / 1000,
    });
  }

  async function scanProblems(): Promise<void> {
    problemsDue_ms = performance.now() + options.rescan_ms;
    const isAll = !source.isExact;
    const { exhausted, unreadable } = tree.problems;
    if (isAll) await scanner.scan(tree.roots, { isDeep: true });
    else if (exhausted + unreadable > 0) {
      const folders = [...tree.walk()].filter(({ problem }) => problem !== undefined && problem !== 'skipped');
      await scanner.scan(folders, { isDeep: false });
    }
  }

  function idle(): Promise<void> {
    const due_ms = Math.min(live.due_ms, checksDue_ms, rootsDue_ms, rescanDue_ms, problemsDue_ms, verifyDue_ms);
    const { promise, resolve } = Promise.withResolvers<void>();
    const wait_ms = Math.max(0, due_ms - performance.now());
    // A turn at least, for what waits for it; and timers take no more than 31 bits.
    const timer = setTimeout(resolve, Math.min(Math.ceil(wait_ms), 2 ** 31 - 1));
    wakeUp = resolve;
    return promise.then(() => clearTimeout(timer));
  }

  async function begin(): Promise<void> {
    const began_ms = performance.now();
    await checkPlaces(true);
    problemsDue_ms = performance.now() + options.rescan_ms;
    if (options.verify_ms > 0) verifyDue_ms = performance.now() + options.verify_ms;
    log.info('Watches folders', {
      folders: tree.count,
      files: table.count - tree.count,
      watches: tree.byWatch.size,
      seconds: Math.round(performance.now() - began_ms) / 1000,
    });
    options.onWatching();
  }

  async function work(): Promise<void> {
    let sliceEnd_ms = performance.now() + SLICE_MS;
    while (!isStopping || !raw.isEmpty) {
      if (outlet.isFull) await outlet.room();
      if (raw.next()) {
        const waiting = live.handle(raw.event);
        if (waiting !== undefined) await waiting;
        if (newFolders.length > 0 || refiltered.length > 0) await followUp();
        if (performance.now() < sliceEnd_ms) continue;
        await new Promise((resolve) => setImmediate(resolve));
        await keepHouse();
      } else {
        await keepHouse();
        if (raw.isEmpty && !isStopping) await idle();
      }
      sliceEnd_ms = performance.now() + SLICE_MS;
    }
  }

  return {
    get isStopping() {
      return isStopping;
    },
    async run() {
      await begin();
      while (!isStopping) {
        try {
          await work();
        } catch (error) {
          // Whatever it was that could not be foreseen: the state is right again after a look at everything.
          const fields = error instanceof Error ? { stack: error.stack } : {};
          log.once('bug', `Cannot follow an event: ${messageOf(error)}; looks at everything again`, fields);
          if (hasFailed) await new Promise((resolve) => setTimeout(resolve, 1000));
          hasFailed = true;
          rescanDue_ms = 0;
        }
      }
      await live.settleMoves(Infinity, true);
      await live.tellModified(Infinity, () => true);
    },
    again({ parent, name }) {
      if (parent === undefined) requests.checkRoots();
      else requests.check({ folder: parent, name });
    },
    wake: () => wakeUp?.(),
    stop() {
      isStopping = true;
      wakeUp?.();
    },
  };
}
