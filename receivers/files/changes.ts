/**
 * What is known and what is told are changed together, here: after each event the table is what someone knows who has
 * heard of all events.
 */
import { lstatSync, type BigIntStats } from 'node:fs';
import type { AnyValue } from '../../src/model/attributes.ts';
import type { PathFilter } from './filter.ts';
import type { Mounts } from './mounts.ts';
import type { Outlet } from '../../src/outlet.ts';
import { modeText, type Cause, type Report } from './report.ts';
import { systemPath } from './source.ts';
import { CONTENT, factsOf, GROUP, MODE, OTHER, OWNER, REPLACED, type Facts, type FileTable } from './table.ts';
import type { Folder, Tree } from './tree.ts';
import type { Watches } from './watches.ts';

export interface Changes {
  /** Whether the name is meant. */
  wants(folder: Folder, name: string, isFolder: boolean): boolean;
  /** Undefined where there is no such file, or where it cannot be looked at. */
  look(folder: Folder, name: string): BigIntStats | undefined;
  /** That there is no such file any more, not only that it cannot be looked at. */
  isGone(folder: Folder, name: string): boolean;
  /**
   * Takes up a name that was not known.
   * @param cause undefined for what was there at the start, which is not told
   * @returns the folder, where it is one that is to be entered
   */
  create(folder: Folder, name: string, stats: BigIntStats | undefined, cause: Cause | undefined): Folder | undefined;
  /** Takes up a name without telling. @returns its place; undefined where there is none left */
  takeUp(folder: Folder, name: string, stats: BigIntStats | undefined, isBaseline: boolean): number | undefined;
  /** Forgets a name and, first, everything below it; a promise where that is much. */
  remove(folder: Folder, name: string, slot: number, cause: Cause): void | Promise<void>;
  /** A name that is known: tells how it differs, and keeps what is there. Not for folders in the place of files. */
  compare(folder: Folder, name: string, slot: number, stats: BigIntStats, cause: Cause): boolean;
  /** Tells of changes of content and attributes that `difference` holds. */
  differ(
    folder: Folder,
    name: string,
    slot: number,
    stats: BigIntStats,
    difference: number,
    cause: Cause,
    more?: More,
  ): void;
  /**
   * A known name has another one now, which nothing has any more.
   * @returns the folder, where it is one that turns out only now to be one and is to be entered
   */
  rename(
    from: Folder,
    fromName: string,
    slot: number,
    to: Folder,
    name: string,
    stats: BigIntStats | undefined,
    cause: Cause,
  ): Folder | undefined;
  /** Told before a name is forgotten or replaced: what was still to be told of it. */
  onForget: (slot: number) => void;
}

type More = Record<string, AnyValue>;

export interface ChangesOptions {
  readonly tree: Tree;
  readonly table: FileTable;
  readonly watches: Watches;
  readonly report: Report;
  readonly outlet: Outlet;
  readonly mounts: Mounts;
  readonly filter: PathFilter;
  readonly isRecursive: boolean;
}

export function createChanges(options: ChangesOptions): Changes {
  const { tree, table, watches, report, outlet, mounts, filter } = options;
  let isFull = false;

  function noRoom(folder: Folder, name: string): void {
    folder.isIncomplete = true;
    if (isFull) return;
    isFull = true;
    const path = tree.path(folder, name);
    report.notice(
      'exhausted',
      `No room is left to remember ${path} and what follows: a rescan does not find what they miss`,
      {
        'file.path': path,
        'file.watch.resource': 'max_files',
        'file.watch.limit': table.limit,
        'file.watch.count': table.count,
      },
    );
  }

  function takeUp(
    folder: Folder,
    name: string,
    stats: BigIntStats | undefined,
    isBaseline: boolean,
  ): number | undefined {
    const slot = table.add(stats, isBaseline);
    if (slot === undefined) noRoom(folder, name);
    else folder.entries.set(name, slot);
    return slot;
  }

  function tellRemoved(folder: Folder, name: string, slot: number, cause: Cause): void {
    changes.onForget(slot);
    const child = folder.folders?.get(name);
    if (child !== undefined) {
      watches.end(child);
      tree.removeFolder(child);
    }
    folder.entries.delete(name);
    report.change('delete', tree.path(folder, name), undefined, table.facts(slot), cause);
    table.release(slot);
    if (table.count < table.limit * 0.9) isFull = false;
  }

  /** Those below first, as `rm -r` does. */
  async function removeAll(folder: Folder, name: string, slot: number, cause: Cause): Promise<void> {
    const child = folder.folders?.get(name);
    if (child !== undefined) {
      for (const [entry, entrySlot] of child.entries) {
        if (child.folders?.has(entry) === true) await removeAll(child, entry, entrySlot, cause);
        else {
          if (outlet.isFull) await outlet.room();
          tellRemoved(child, entry, entrySlot, cause);
        }
      }
    }
    tellRemoved(folder, name, slot, cause);
  }

  const changes: Changes = {
    onForget: () => {},
    wants(folder, name, isFolder) {
      const { only } = folder.root;
      if (only !== undefined) return !isFolder && only.has(name);
      return filter.wants(name, () => tree.path(folder, name), isFolder);
    },
    look(folder, name) {
      if (mounts.isSkippedAt(tree.rawPath(folder), name)) return undefined;
      try {
        return lstatSync(systemPath(tree.rawPath(folder, name)), { bigint: true, throwIfNoEntry: false });
      } catch {
        // A folder on the way is gone or closed: what is told of that folder says so.
        return undefined;
      }
    },
    isGone(folder, name) {
      // What is mounted over it hides it.
      if (mounts.isSkippedAt(tree.rawPath(folder), name)) return true;
      try {
        return lstatSync(systemPath(tree.rawPath(folder, name)), { throwIfNoEntry: false }) === undefined;
      } catch {
        // Denied, for one: nobody knows.
        return false;
      }
    },
    takeUp,
    create(folder, name, stats, cause) {
      const slot = takeUp(folder, name, stats, cause === undefined);
      if (cause !== undefined) {
        const raw = stats === undefined ? undefined : tree.rawPath(folder, name);
        report.change('create', tree.path(folder, name), raw, stats && factsOf(stats), cause);
      }
      const isEntered = stats?.isDirectory() === true && options.isRecursive && slot !== undefined;
      return isEntered ? tree.addFolder(folder, name, slot) : undefined;
    },
    remove(folder, name, slot, cause) {
      const child = folder.folders?.get(name);
      if (child === undefined || child.entries.size === 0) return tellRemoved(folder, name, slot, cause);
      return removeAll(folder, name, slot, cause);
    },
    compare(folder, name, slot, stats, cause) {
      const difference = table.compare(slot, stats);
      if (difference === 0) return false;
      changes.differ(folder, name, slot, stats, difference, cause);
      return true;
    },
    differ(folder, name, slot, stats, difference, cause, more = {}) {
      const path = tree.path(folder, name);
      const raw = tree.rawPath(folder, name);
      const before = table.facts(slot);
      table.record(slot, stats);
      const facts = factsOf(stats);
      if ((difference & (CONTENT | REPLACED)) !== 0) {
        const previous: More = before === undefined ? {} : { 'file.previous.size': before.size };
        const isReplaced = (difference & REPLACED) !== 0;
        const told = isReplaced ? { ...cause, reason: 'replaced' } : cause;
        if (isReplaced && before !== undefined) more['file.previous.inode'] = String(before.inode);
        report.change('modify', path, raw, facts, told, { ...previous, ...more });
      }
      if ((difference & (MODE | OWNER | GROUP | OTHER)) !== 0) {
        report.change('attribute_change', path, raw, facts, cause, attributeChanges(difference, before));
      }
    },
    rename(from, fromName, slot, to, name, stats, cause) {
      const previous = nameBefore(tree.path(from, fromName));
      from.entries.delete(fromName);
      to.entries.set(name, slot);
      const child = from.folders?.get(fromName);
      if (child !== undefined) tree.moveFolder(child, to, name);
      // A later change of its content has its own event, which compares with what is known.
      if (stats !== undefined && table.inode(slot) === stats.ino) table.recordChange(slot, stats);
      else if (stats !== undefined) table.record(slot, stats);
      table.endBaseline(slot);
      const facts = stats === undefined ? table.facts(slot) : factsOf(stats);
      report.change('rename', tree.path(to, name), tree.rawPath(to, name), facts, cause, previous);
      const isUnknown = stats?.isDirectory() === true && options.isRecursive && to.folders?.has(name) !== true;
      return isUnknown ? tree.addFolder(to, name, slot) : undefined;
    },
  };
  return changes;
}

function nameBefore(path: string): More {
  return { 'file.previous.path': path };
}

function attributeChanges(difference: number, before: Facts | undefined): More {
  const changed: string[] = [];
  const more: More = {};
  if ((difference & MODE) !== 0) changed.push('mode');
  if ((difference & OWNER) !== 0) changed.push('owner');
  if ((difference & GROUP) !== 0) changed.push('group');
  if (changed.length === 0) changed.push('other');
  more['file.changed_attributes'] = changed;
  if (before === undefined) return more;
  if ((difference & MODE) !== 0) more['file.previous.mode'] = modeText(before.mode);
  if ((difference & OWNER) !== 0) more['file.previous.owner.id'] = String(before.uid);
  if ((difference & GROUP) !== 0) more['file.previous.group.id'] = String(before.gid);
  return more;
}
