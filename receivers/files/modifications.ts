/** Modifications of files, told when their window is over: several as one. */
import type { Outlet } from '../../src/outlet.ts';
import type { Changes } from './changes.ts';
import { IN_ATTRIB, IN_MODIFY } from './inotify.ts';
import type { Cause, Report } from './report.ts';
import { CONTENT, OTHER, type FileTable } from './table.ts';
import type { Folder, Tree } from './tree.ts';

export interface Modifications {
  /** @param bit IN_MODIFY or IN_ATTRIB @param time when the event was read */
  add(folder: Folder, name: string, slot: number, bit: number, time: bigint): void;
  /** The file has another name now. */
  move(slot: number, folder: Folder, name: string): void;
  /**
   * Tells those whose window is over at `now_ms`; all if it is Infinity.
   * @param isAllRead no event is waiting that could say where a file is that is not where it was
   */
  tell(now_ms: number, isAllRead: () => boolean): Promise<void>;
  /** When the next window ends; Infinity where none is open. */
  readonly due_ms: number;
}

export interface ModificationsContext {
  readonly tree: Tree;
  readonly table: FileTable;
  readonly changes: Changes;
  readonly report: Report;
  readonly outlet: Outlet;
  readonly window_ms: number;
}

interface Pending {
  folder: Folder;
  name: string;
  readonly due_ms: number;
  /** When the first one was told. */
  readonly time: bigint;
  count: number;
  mask: number;
}

export function createModifications(context: ModificationsContext): Modifications {
  const { tree, table, changes, report, outlet } = context;
  /** By slot; in the order in which their windows end. */
  const pending = new Map<number, Pending>();

  changes.onForget = (slot) => {
    const one = pending.get(slot);
    if (one === undefined) return;
    pending.delete(slot);
    if ((one.mask & IN_MODIFY) !== 0) tellUnseen(one, slot);
  };

  function tellUnseen({ folder, name, time, count }: Pending, slot: number): void {
    const cause: Cause = { time, source: 'watch' };
    report.change('modify', tree.path(folder, name), undefined, table.facts(slot), cause, countOf(count));
  }

  /** @returns false where it has to wait for what is still to be read */
  function tellPending(slot: number, one: Pending, isAllRead: () => boolean): boolean {
    const { folder, name, time, count, mask } = one;
    if (folder.entries.get(name) !== slot) return true;
    const stats = changes.look(folder, name);
    const isContent = (mask & IN_MODIFY) !== 0;
    if (stats === undefined) {
      // A folder on the way has another name by now, or the file has, and nothing of what it became would be told again.
      if (!isAllRead()) return false;
      if (isContent) tellUnseen(one, slot);
      return true;
    }
    const isUnseen = table.isUnseen(slot);
    const mayHide = isUnseen || table.mayHideChange(slot);
    let difference = isUnseen ? 0 : table.compare(slot, stats);
    // What was told by the create event, or found by a scan, is not told again.
    const isKnown = difference === 0 && !mayHide;
    if (isContent && !isKnown) difference |= CONTENT;
    if ((mask & IN_ATTRIB) !== 0 && !isKnown) difference |= OTHER;
    if (!isContent && (mask & IN_ATTRIB) !== 0) difference &= ~CONTENT;
    if (difference === 0) return true;
    changes.differ(folder, name, slot, stats, difference, { time, source: 'watch' }, countOf(count));
    return true;
  }

  return {
    add(folder, name, slot, bit, time) {
      const one = pending.get(slot);
      if (one === undefined) {
        const due_ms = performance.now() + context.window_ms;
        pending.set(slot, { folder, name, due_ms, time, count: bit === IN_MODIFY ? 1 : 0, mask: bit });
        return;
      }
      one.mask |= bit;
      if (bit === IN_MODIFY) one.count++;
    },
    move(slot, folder, name) {
      const one = pending.get(slot);
      if (one !== undefined) Object.assign(one, { folder, name });
    },
    async tell(now_ms, isAllRead) {
      for (const [slot, one] of pending) {
        if (one.due_ms > now_ms) return;
        if (outlet.isFull) await outlet.room();
        // It may have been forgotten meanwhile.
        if (!pending.delete(slot)) continue;
        if (!tellPending(slot, one, isAllRead)) {
          pending.set(slot, { ...one, due_ms: performance.now() + context.window_ms });
        }
      }
    },
    get due_ms() {
      const [first] = pending.values();
      return first?.due_ms ?? Infinity;
    },
  };
}

function countOf(count: number): Record<string, number> {
  return count > 0 ? { 'file.modification.count': count } : {};
}
