/** The folders that are watched, as a tree of names: a folder that is renamed takes everything below it along. */
import { readable } from './source.ts';
import type { FileTable } from './table.ts';

/** One of the configured paths. */
export interface Root {
  /** As users write it. */
  readonly path: string;
  /** As the system is asked for it: below `root_path`, symbolic links followed. */
  readonly raw: string;
  /** Names that are meant, where files were configured instead of the folder. */
  readonly only: ReadonlySet<string> | undefined;
}

/** Why a folder has no watch, or is not read. */
export type Problem = 'exhausted' | 'unreadable' | 'skipped';

export class Folder {
  name: string;
  parent: Folder | undefined;
  readonly root: Root;
  /** Where the table holds the folder itself. */
  readonly slot: number;
  /** -1 for none. */
  watch = -1;
  readonly entries = new Map<string, number>();
  folders: Map<string, Folder> | undefined;
  problem: Problem | undefined;
  /** Code of the error that made it unreadable. */
  errorCode = '';
  isAttached = true;
  /** Some of what is in it is not in the table, for want of room. */
  isIncomplete = false;
  /** It has still to be read, or could not be read whole for what was going on. */
  isUnread = true;
  /** When it was last read whole and the difference was told; 0n for never. Unix nanoseconds. */
  scanned = 0n;
  #epoch = -1;
  #raw = '';
  #shown = '';

  constructor(root: Root, parent: Folder | undefined, name: string, slot: number) {
    this.root = root;
    this.parent = parent;
    this.name = name;
    this.slot = slot;
  }

  raw(epoch: number): string {
    this.#refresh(epoch);
    return this.#raw;
  }
  shown(epoch: number): string {
    this.#refresh(epoch);
    return this.#shown;
  }

  #refresh(epoch: number): void {
    if (this.#epoch === epoch) return;
    this.#epoch = epoch;
    if (this.parent === undefined) {
      this.#raw = this.root.raw;
      this.#shown = this.root.path;
      return;
    }
    const raw = join(this.parent.raw(epoch), this.name);
    const shown = join(this.parent.shown(epoch), readable(this.name));
    this.#raw = raw;
    // Mostly they are the same, and then take memory once.
    this.#shown = shown === raw ? raw : shown;
  }
}

export function join(folder: string, name: string): string {
  return folder.endsWith('/') ? `${folder}${name}` : `${folder}/${name}`;
}

export class Tree {
  readonly table: FileTable;
  readonly roots: Folder[] = [];
  /** Several where one folder is to be seen at several places. */
  readonly byWatch = new Map<number, Folder[]>();
  readonly #byInode = new Map<bigint, Folder>();
  /** Paths that were made before are wrong when a folder has moved. */
  #epoch = 0;
  count = 0;
  readonly problems: Record<Problem, number> = { exhausted: 0, unreadable: 0, skipped: 0 };

  constructor(table: FileTable) {
    this.table = table;
  }

  /** As the system is asked for it. */
  rawPath(folder: Folder, name = ''): string {
    const path = folder.raw(this.#epoch);
    return name === '' ? path : join(path, name);
  }

  /** As people read it. */
  path(folder: Folder, name = ''): string {
    const path = folder.shown(this.#epoch);
    return name === '' ? path : join(path, readable(name));
  }

  addRoot(root: Root, slot: number): Folder {
    const folder = new Folder(root, undefined, '', slot);
    this.roots.push(folder);
    this.#keep(folder);
    return folder;
  }

  addFolder(parent: Folder, name: string, slot: number): Folder {
    const folder = new Folder(parent.root, parent, name, slot);
    (parent.folders ??= new Map()).set(name, folder);
    this.#keep(folder);
    return folder;
  }

  /** The folder only: what is in it is the caller's. */
  removeFolder(folder: Folder): void {
    folder.isAttached = false;
    this.setProblem(folder, undefined);
    this.count--;
    const inode = this.table.inode(folder.slot);
    if (this.#byInode.get(inode) === folder) this.#byInode.delete(inode);
    if (folder.parent === undefined) this.roots.splice(this.roots.indexOf(folder), 1);
    else folder.parent.folders?.delete(folder.name);
  }

  /** With everything in it. */
  moveFolder(folder: Folder, to: Folder, name: string): void {
    folder.parent!.folders!.delete(folder.name);
    folder.parent = to;
    folder.name = name;
    (to.folders ??= new Map()).set(name, folder);
    this.#epoch++;
  }

  folderOfInode(inode: bigint): Folder | undefined {
    return this.#byInode.get(inode);
  }

  setWatch(folder: Folder, watch: number): void {
    if (folder.watch === watch) return;
    this.endWatch(folder);
    folder.watch = watch;
    const others = this.byWatch.get(watch);
    if (others === undefined) this.byWatch.set(watch, [folder]);
    else others.push(folder);
  }

  /** @returns the watch, where nothing else needs it any more; -1 otherwise */
  endWatch(folder: Folder): number {
    const { watch } = folder;
    folder.watch = -1;
    const sharing = this.byWatch.get(watch);
    if (sharing === undefined) return -1;
    if (sharing.length > 1) {
      sharing.splice(sharing.indexOf(folder), 1);
      return -1;
    }
    this.byWatch.delete(watch);
    return watch;
  }

  /** @returns whether it is new */
  setProblem(folder: Folder, problem: Problem | undefined, errorCode = ''): boolean {
    if (folder.problem === problem && folder.errorCode === errorCode) return false;
    if (folder.problem !== undefined) this.problems[folder.problem]--;
    folder.problem = problem;
    folder.errorCode = errorCode;
    if (problem !== undefined) this.problems[problem]++;
    return true;
  }

  #keep(folder: Folder): void {
    this.count++;
    this.#byInode.set(this.table.inode(folder.slot), folder);
  }

  /** Every folder from these on down, those above first. */
  *walk(from: readonly Folder[] = this.roots): Generator<Folder> {
    const queue = [...from];
    for (const folder of queue) {
      yield folder;
      if (folder.folders !== undefined) queue.push(...folder.folders.values());
    }
  }
}
