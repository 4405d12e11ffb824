/** From raw events to changes, in the order in which the kernel told them. */
import type { BigIntStats } from 'node:fs';
import type { Changes } from './changes.ts';
import { createModifications } from './modifications.ts';
import {
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_MODIFY,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from './inotify.ts';
import type { Outlet } from '../../src/outlet.ts';
import { CHECK, type RawEvent } from './raw_queue.ts';
import type { Cause, Report } from './report.ts';
import type { Name } from './scan.ts';
import { REPLACED, type FileTable } from './table.ts';
import type { Folder, Tree } from './tree.ts';

export interface Live {
  /** @returns a promise where much has to be told */
  handle(event: RawEvent): void | Promise<void>;
  /**
   * Tells of modifications whose window is over at `now_ms`; all if it is Infinity.
   * @param isAllRead no event is waiting that could say where a file is that is not where it was
   */
  tellModified(now_ms: number, isAllRead: () => boolean): Promise<void>;
  /**
   * Files that went and did not come elsewhere left what is watched.
   * @param isAllRead no event is waiting that could be the other half
   */
  settleMoves(now_ms: number, isAllRead: boolean): Promise<void>;
  /** When either has something to do next; Infinity where never. */
  readonly due_ms: number;
}

/** What events ask for that they cannot do themselves. */
export interface Requests {
  /** Look at a new folder, now. */
  scanNew(folder: Folder): void;
  /** Look at it all again, under its new path. */
  refilter(folder: Folder): void;
  /** Look at a name when no event is waiting. */
  check(name: Name): void;
  overflow(): void;
  /** A root, or what leads to it, has changed. */
  checkRoots(): void;
  checkMounts(): void;
}

export interface LiveContext {
  readonly tree: Tree;
  readonly table: FileTable;
  readonly changes: Changes;
  readonly report: Report;
  readonly outlet: Outlet;
  readonly requests: Requests;
  readonly window_ms: number;
  /** A name may be meant in one folder and not in another. */
  readonly filterLooksAtPaths: boolean;
}

/** The kernel tells both halves of a rename within microseconds, unless whoever renames has to wait for a CPU between. */
const MOVE_MS = 200;
/** However many events wait, the other half is not behind so many of them. */
const MOVE_EVENTS = 10_000;

interface Move extends Name {
  readonly slot: number;
  readonly cause: Cause;
  readonly due_ms: number;
  readonly dueEvents: number;
}

export function createLive(context: LiveContext): Live {
  const { tree, table, changes, report, requests } = context;
  /** By cookie, and by which of several places that show the folder. */
  const moves = new Map<string, Move>();
  const modifications = createModifications(context);
  let handled = 0;

  function created(folder: Folder, name: string, cause: Cause): void | Promise<void> {
    const stats = changes.look(folder, name);
    const slot = folder.entries.get(name);
    if (slot === undefined) {
      // What is gone already is taken for a file; or a folder above it has another name by now.
      if (stats === undefined) requests.check({ folder, name });
      if (changes.wants(folder, name, stats?.isDirectory() === true)) enter(changes.create(folder, name, stats, cause));
      return undefined;
    }
    const isSame = stats === undefined || table.isUnseen(slot) || table.inode(slot) === stats.ino;
    if (isSame && table.isBaseline(slot) && stats !== undefined) {
      // It came between the watch and the first look.
      table.endBaseline(slot);
      report.change('create', tree.path(folder, name), tree.rawPath(folder, name), table.facts(slot), cause);
    }
    // A scan has found it before.
    if (isSame) return undefined;
    return after(changes.remove(folder, name, slot, cause), () => enter(changes.create(folder, name, stats, cause)));
  }

  function enter(folder: Folder | undefined): void {
    if (folder !== undefined) requests.scanNew(folder);
  }

  function deleted(folder: Folder, name: string, cause: Cause): void | Promise<void> {
    const slot = folder.entries.get(name);
    if (slot !== undefined) return changes.remove(folder, name, slot, cause);
    // A scan has told it; or it came and went before the folder was looked at.
    if (cause.time <= folder.scanned || !changes.wants(folder, name, false)) return undefined;
    report.change('delete', tree.path(folder, name), undefined, undefined, cause);
    return undefined;
  }

  function movedTo(folder: Folder, name: string, key: string, cause: Cause): void | Promise<void> {
    const move = moves.get(key);
    moves.delete(key);
    const stats = changes.look(folder, name);
    const isFolder = move === undefined ? stats?.isDirectory() === true : table.isFolder(move.slot);
    const known = folder.entries.get(name);
    const isWanted = known !== undefined || changes.wants(folder, name, isFolder);
    if (move === undefined) return isWanted ? movedIn(folder, name, stats, known, cause) : undefined;
    if (!isWanted) return leave(move);
    if (known === move.slot) return undefined;
    return after(known === undefined ? undefined : forgetTarget(folder, name, known), () => {
      const { folder: from, name: oldName, slot } = move;
      const told = known === undefined ? cause : { ...cause, reason: 'replaced' };
      enter(changes.rename(from, oldName, slot, folder, name, stats, told));
      modifications.move(slot, folder, name);
      // Two that changed places: the second rename is of what the first one seems to have replaced.
      if (!changes.isGone(from, oldName)) requests.check({ folder: from, name: oldName });
      if (stats !== undefined && table.isFolder(slot) !== stats.isDirectory()) requests.check({ folder, name });
      const child = folder.folders?.get(name);
      // Its first look was put off, and what was to be looked at then has this name now.
      if (child?.isUnread === true) requests.scanNew(child);
      if (child !== undefined && context.filterLooksAtPaths) requests.refilter(child);
    });
  }

  /** Only an empty folder can be replaced, so there is nothing below it to be told. */
  function forgetTarget(folder: Folder, name: string, slot: number): void | Promise<void> {
    const cause: Cause = { time: 0n, source: 'watch' };
    if (folder.folders?.has(name) === true) return changes.remove(folder, name, slot, cause);
    changes.onForget(slot);
    folder.entries.delete(name);
    table.release(slot);
    return undefined;
  }

  function movedIn(
    folder: Folder,
    name: string,
    stats: BigIntStats | undefined,
    known: number | undefined,
    cause: Cause,
  ): void | Promise<void> {
    const told = { ...cause, reason: 'moved_in' };
    if (known === undefined) return enter(changes.create(folder, name, stats, told));
    // A scan has found it before, or the next event tells that it is gone.
    const isTold = cause.time <= folder.scanned && !table.isBaseline(known);
    if (stats === undefined || (isTold && table.inode(known) === stats.ino)) return undefined;
    if (table.isFolder(known) || stats.isDirectory()) {
      const removed = changes.remove(folder, name, known, cause);
      return after(removed, () => enter(changes.create(folder, name, stats, told)));
    }
    changes.onForget(known);
    changes.differ(folder, name, known, stats, REPLACED, cause);
    return undefined;
  }

  function leave({ folder, name, slot, cause }: Move): void | Promise<void> {
    if (folder.entries.get(name) !== slot) return undefined;
    return changes.remove(folder, name, slot, { ...cause, reason: 'moved_away' });
  }

  function modified(folder: Folder, name: string, bit: number, cause: Cause): void {
    const slot = folder.entries.get(name);
    if (slot === undefined) {
      if (changes.wants(folder, name, false)) requests.check({ folder, name });
      return;
    }
    modifications.add(folder, name, slot, bit, cause.time);
  }

  function handleSelf(folder: Folder, mask: number, cause: Cause): void {
    if ((mask & IN_IGNORED) !== 0) tree.endWatch(folder);
    if ((mask & IN_UNMOUNT) !== 0) requests.checkMounts();
    if ((mask & CHECK) !== 0) requests.scanNew(folder);
    const { parent } = folder;
    if (parent === undefined) {
      if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) !== 0) requests.checkRoots();
      if ((mask & IN_ATTRIB) !== 0) tellRoot(folder, cause);
    } else if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF)) !== 0 && parent.watch === -1) {
      requests.check({ folder: parent, name: folder.name });
    }
  }

  /** Nobody watches the folder above a root. */
  function tellRoot(folder: Folder, cause: Cause): void {
    const stats = changes.look(folder, '');
    if (stats === undefined || folder.root.only !== undefined) return;
    const difference = table.compare(folder.slot, stats);
    if (difference !== REPLACED) changes.differ(folder, '', folder.slot, stats, difference, cause);
  }

  function handleName(
    folder: Folder,
    at: number,
    { mask, cookie, name }: RawEvent,
    cause: Cause,
  ): void | Promise<void> {
    for (const [key, move] of moves) {
      const isOther = (mask & IN_MOVED_TO) === 0 || key !== `${cookie} ${at}`;
      if (move.folder === folder && move.name === name && isOther) {
        moves.delete(key);
        return after(leave(move), () => handleName(folder, at, { mask, cookie, name, watch: 0, time: 0n }, cause));
      }
    }
    if ((mask & IN_CREATE) !== 0) return created(folder, name, cause);
    if ((mask & IN_DELETE) !== 0) return deleted(folder, name, cause);
    if ((mask & IN_MOVED_FROM) !== 0) {
      const slot = folder.entries.get(name);
      const due_ms = performance.now() + MOVE_MS;
      const dueEvents = handled + MOVE_EVENTS;
      if (slot !== undefined) moves.set(`${cookie} ${at}`, { folder, name, slot, cause, due_ms, dueEvents });
      return undefined;
    }
    if ((mask & IN_MOVED_TO) !== 0) return movedTo(folder, name, `${cookie} ${at}`, cause);
    if ((mask & IN_MODIFY) !== 0) modified(folder, name, IN_MODIFY, cause);
    if ((mask & IN_ATTRIB) !== 0) modified(folder, name, IN_ATTRIB, cause);
    if ((mask & CHECK) !== 0) requests.check(nearest(folder, name));
    return undefined;
  }

  return {
    handle(event) {
      handled++;
      if ((event.mask & IN_Q_OVERFLOW) !== 0) return requests.overflow();
      const folders = tree.byWatch.get(event.watch);
      if (folders === undefined) return undefined;
      const cause: Cause = { time: event.time, source: 'watch' };
      if (folders.length === 1) {
        if (event.name !== '') return handleName(folders[0]!, 0, event, cause);
        return handleSelf(folders[0]!, event.mask, cause);
      }
      const copy = { ...event };
      return [...folders].reduce<void | Promise<void>>((before, folder, at) => {
        if (copy.name === '') return after(before, () => handleSelf(folder, copy.mask, cause));
        return after(before, () => handleName(folder, at, copy, cause));
      }, undefined);
    },
    tellModified: modifications.tell,
    async settleMoves(now_ms, isAllRead) {
      for (const [key, move] of moves) {
        if (handled < move.dueEvents && (!isAllRead || move.due_ms > now_ms)) return;
        moves.delete(key);
        await leave(move);
      }
    },
    get due_ms() {
      const [firstMove] = moves.values();
      return Math.min(firstMove?.due_ms ?? Infinity, modifications.due_ms);
    },
  };
}

/** A watch of a whole tree tells a path: the first name on it that is no folder we know. */
function nearest(folder: Folder, path: string): Name {
  const names = path.split('/');
  let at = folder;
  for (const name of names.slice(0, -1)) {
    const next = at.folders?.get(name);
    if (next === undefined) return { folder: at, name };
    at = next;
  }
  return { folder: at, name: names.at(-1)! };
}

/** At once where there is nothing to wait for. */
function after(before: void | Promise<void>, then: () => void | Promise<void>): void | Promise<void> {
  return before === undefined ? then() : before.then(then);
}
