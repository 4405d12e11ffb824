/**
 * Looks at folders and tells how they differ from what is known. A file that is gone from one place and there at another
 * was renamed: the inode says so. No event is looked at meanwhile, so a scan is one moment in the order of events.
 */
import { opendirSync, type BigIntStats, type Dir } from 'node:fs';
import type { Changes } from './changes.ts';
import type { Mounts } from './mounts.ts';
import type { Outlet } from '../../src/outlet.ts';
import type { Cause, Report } from './report.ts';
import { PATH_ENCODING, systemPath } from './source.ts';
import { CONTENT, factsOf, OTHER, type Facts, type FileTable } from './table.ts';
import type { Folder, Tree } from './tree.ts';
import type { Watches } from './watches.ts';

export interface ScanOptions {
  /** With everything below them; otherwise only they and what is new in them. */
  readonly isDeep: boolean;
  /** Nothing is told: it is how things are at the start. */
  readonly isSilent?: boolean;
  readonly reason?: string;
  /** What is known may not be meant any more, under another path. */
  readonly refilters?: boolean;
}

export interface Scanner {
  scan(folders: readonly Folder[], options: ScanOptions): Promise<void>;
  /** Looks at single names. */
  check(names: readonly Name[], reason?: string): Promise<void>;
  /** Changes that were found by looking, so far. */
  readonly found: number;
  /** How long it has worked, so far. */
  readonly busy_ms: number;
}

export interface Name {
  readonly folder: Folder;
  readonly name: string;
}

export interface ScannerContext {
  readonly tree: Tree;
  readonly table: FileTable;
  readonly changes: Changes;
  readonly watches: Watches;
  readonly mounts: Mounts;
  readonly report: Report;
  readonly outlet: Outlet;
  readonly isRecursive: boolean;
  /** Asks for another look at a folder when no event is waiting. */
  readonly again: (folder: Folder) => void;
  /** Takes over what the kernel has told until now. */
  readonly drain: () => void;
  readonly isStopping: () => boolean;
}

/** Gives the loop a turn when the time is up. */
const SLICE_MS = 10;
/** Files that are gone and files that are new wait for each other; more than this are told as what they are. */
const MOST_UNPAIRED = 10_000;
const S_IFMT = 0o17_0000;

interface Missing extends Name {
  readonly facts: Facts | undefined;
  readonly slot: number;
}

interface Added extends Name {
  readonly stats: BigIntStats;
}

export function createScanner(context: ScannerContext): Scanner {
  const { tree, table, changes, watches, mounts, report, outlet } = context;
  let scans = 0;
  let found = 0;
  let busy_ms = 0;
  let sliceStart_ms = 0;

  async function breathe(): Promise<void> {
    endSlice();
    if (outlet.isFull) await outlet.room();
    else await new Promise((resolve) => setImmediate(resolve));
    beginSlice();
  }
  function beginSlice(): void {
    sliceStart_ms = performance.now();
  }
  function endSlice(): void {
    busy_ms += performance.now() - sliceStart_ms;
  }
  const isBreathNeeded = (): boolean => outlet.isFull || performance.now() - sliceStart_ms >= SLICE_MS;

  /** Watches the folder and opens it; undefined where that cannot be. */
  function enter(folder: Folder): Dir | undefined {
    const path = tree.rawPath(folder);
    const type = mounts.skippedType(path, folder.parent === undefined);
    if (type !== undefined) {
      skip(folder, type);
      return undefined;
    }
    // First the watch: what happens from now on is told, what happened before is found.
    const watched = watches.watch(folder);
    if (watched === 'gone') putOff(folder);
    if (watched !== 'entered') return undefined;
    try {
      return opendirSync(systemPath(path), { encoding: PATH_ENCODING, bufferSize: 256 });
    } catch (error) {
      const { code = 'error' } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') putOff(folder);
      else watches.unreadable(folder, code);
      return undefined;
    }
  }

  /** Until what is going on here has been told. */
  function putOff(folder: Folder): void {
    folder.isUnread = true;
    context.again(folder);
  }

  function skip(folder: Folder, type: string): void {
    watches.end(folder);
    if (!tree.setProblem(folder, 'skipped', type)) return;
    const path = tree.path(folder);
    report.notice('skipped', `Does not enter ${path}: file systems of type ${type} are not watched`, {
      'file.path': path,
      'system.filesystem.type': type,
    });
  }

  /** The state of one scan. */
  function begin({ isDeep, isSilent = false, reason, refilters = false }: ScanOptions) {
    const cause: Cause = { time: 0n, source: 'scan', reason };
    const mark = ++scans % 0xffff_ffff;
    const queue: Folder[] = [];
    let added: Added[] = [];
    let missing: Missing[] = [];
    const missingFolders: Missing[] = [];

    function isNew(folder: Folder, name: string, stats: BigIntStats): void {
      if (!isSilent) found++;
      if (isSilent || stats.isDirectory()) {
        const moved = isSilent ? undefined : movedHere(folder, name, stats);
        const child = moved ?? changes.create(folder, name, stats, isSilent ? undefined : cause);
        if (child !== undefined) queue.push(child);
      } else {
        changes.takeUp(folder, name, stats, false);
        added.push({ folder, name, stats });
      }
      const slot = folder.entries.get(name);
      if (slot !== undefined) table.mark(slot, mark);
    }

    /** A folder that is known and not where it was: everything in it has moved along, and is not told. */
    function movedHere(folder: Folder, name: string, stats: BigIntStats): Folder | undefined {
      const known = tree.folderOfInode(stats.ino);
      if (known?.parent === undefined || known.root !== folder.root || isWithin(folder, known)) return undefined;
      const { parent, name: oldName } = known;
      if (changes.look(parent, oldName)?.ino === stats.ino) return undefined;
      changes.rename(parent, oldName, known.slot, folder, name, stats, cause);
      return known;
    }

    function visit(folder: Folder, name: string, stats: BigIntStats): void | Promise<void> {
      const slot = folder.entries.get(name);
      if (slot === undefined) {
        if (changes.wants(folder, name, stats.isDirectory())) isNew(folder, name, stats);
        return undefined;
      }
      table.mark(slot, mark);
      if (refilters && !changes.wants(folder, name, stats.isDirectory())) {
        return changes.remove(folder, name, slot, { ...cause, reason: 'moved_away' });
      }
      const isOtherKind = table.isFolder(slot) !== stats.isDirectory();
      const isOtherFolder = stats.isDirectory() && table.inode(slot) !== stats.ino;
      if (table.isUnseen(slot)) {
        // It was not to be found under the name of its event: a folder above it had another name by then.
        changes.differ(folder, name, slot, stats, stats.isDirectory() ? OTHER : CONTENT, cause);
        if (stats.isDirectory() && context.isRecursive) queue.push(tree.addFolder(folder, name, slot));
        return undefined;
      }
      if (isOtherKind || isOtherFolder) {
        const removed = changes.remove(folder, name, slot, cause);
        if (removed === undefined) return isNew(folder, name, stats);
        return removed.then(() => isNew(folder, name, stats));
      }
      if (isSilent) table.record(slot, stats);
      else if (changes.compare(folder, name, slot, stats, cause)) found++;
      const child = folder.folders?.get(name);
      if (child !== undefined && (isDeep || child.isUnread || child.problem !== undefined)) queue.push(child);
      return undefined;
    }

    function isMissing(folder: Folder, name: string, slot: number): void {
      found++;
      if (folder.folders?.has(name) === true) {
        missingFolders.push({ folder, name, slot, facts: undefined });
        return;
      }
      changes.onForget(slot);
      folder.entries.delete(name);
      missing.push({ folder, name, slot, facts: table.facts(slot) });
      table.release(slot);
    }

    async function read(folder: Folder): Promise<void> {
      folder.isUnread = false;
      let isDoubtful = false;
      const directory = enter(folder);
      if (directory === undefined) return;
      try {
        for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
          if (isBreathNeeded()) await breathe();
          if (context.isStopping()) return;
          // Without a look at the file where the name alone decides.
          if (!folder.entries.has(entry.name) && !changes.wants(folder, entry.name, entry.isDirectory())) continue;
          const stats = changes.look(folder, entry.name);
          if (stats === undefined && !folder.entries.has(entry.name)) isDoubtful = true;
          const waiting = stats && visit(folder, entry.name, stats);
          if (waiting !== undefined) await waiting;
          if (added.length + missing.length > MOST_UNPAIRED) await pair();
        }
      } catch (error) {
        // Reading may fail in the middle, as on a disk that goes away: what was not seen is not known to be gone.
        watches.unreadable(folder, (error as NodeJS.ErrnoException).code ?? 'error');
        return;
      } finally {
        directory.closeSync();
      }
      for (const [name, slot] of folder.entries) {
        if (table.isMarked(slot, mark)) continue;
        // Reading a folder may miss a name while others come and go.
        if (changes.isGone(folder, name)) isMissing(folder, name, slot);
        if (isBreathNeeded()) await breathe();
      }
      if (!isSilent) stamp(folder);
      // It came and went, or the folder has another name since it was opened.
      if (isDoubtful) putOff(folder);
    }

    /** What the kernel told until now is older than what was seen. */
    function stamp(folder: Folder): void {
      context.drain();
      folder.scanned = BigInt(Date.now()) * 1_000_000n;
    }

    /** Tells what is new, as renamed where it is known from elsewhere, and then what is gone. */
    async function pair(): Promise<void> {
      const byInode = new Map<bigint, Missing>();
      for (const one of missing) if (one.facts !== undefined) byInode.set(one.facts.inode, one);
      for (const { folder, name, stats } of added) {
        const path = tree.path(folder, name);
        const raw = tree.rawPath(folder, name);
        const facts = factsOf(stats);
        const old = byInode.get(stats.ino);
        if (old?.facts !== undefined && isSameFile(old.facts, facts)) {
          byInode.delete(stats.ino);
          const more = { 'file.previous.path': tree.path(old.folder, old.name) };
          report.change('rename', path, raw, facts, cause, more);
        } else report.change('create', path, raw, facts, cause);
        if (isBreathNeeded()) await breathe();
      }
      for (const one of missing) {
        if (one.facts !== undefined && byInode.get(one.facts.inode) !== one) continue;
        report.change('delete', tree.path(one.folder, one.name), undefined, one.facts, cause);
        if (isBreathNeeded()) await breathe();
      }
      added = [];
      missing = [];
    }

    return {
      queue,
      visit,
      isMissing,
      async finish(): Promise<void> {
        for (const folder of queue) {
          if (context.isStopping()) break;
          if (folder.isAttached) await read(folder);
        }
        await pair();
        for (const { folder, name, slot } of missingFolders) {
          // A folder that turned up elsewhere has taken its place along.
          if (folder.entries.get(name) === slot) await changes.remove(folder, name, slot, cause);
        }
      },
    };
  }

  return {
    get found() {
      return found;
    },
    get busy_ms() {
      return busy_ms;
    },
    async scan(folders, options) {
      beginSlice();
      const scan = begin(options);
      scan.queue.push(...folders);
      await scan.finish();
      endSlice();
    },
    async check(names, reason) {
      beginSlice();
      const scan = begin({ isDeep: false, ...(reason !== undefined && { reason }) });
      for (const { folder, name } of names) {
        if (!folder.isAttached) continue;
        const stats = changes.look(folder, name);
        const slot = folder.entries.get(name);
        if (stats !== undefined) await scan.visit(folder, name, stats);
        else if (slot !== undefined && changes.isGone(folder, name)) scan.isMissing(folder, name, slot);
        if (isBreathNeeded()) await breathe();
      }
      await scan.finish();
      endSlice();
    },
  };
}

/** The same inode may by now be another file's. */
function isSameFile(one: Facts, other: Facts): boolean {
  const isSameKind = ((one.mode ^ other.mode) & S_IFMT) === 0;
  return isSameKind && one.size === other.size && one.modified === other.modified;
}

function isWithin(folder: Folder, above: Folder): boolean {
  for (let at: Folder | undefined = folder; at !== undefined; at = at.parent) if (at === above) return true;
  return false;
}
