/** The configured paths: opened when they are there, given up when they are gone, and looked for until they come. */
import { lstatSync, readlinkSync, type BigIntStats } from 'node:fs';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import type { ComponentLog, Host } from '../../src/component.ts';
import type { Changes } from './changes.ts';
import type { Report } from './report.ts';
import type { ScanOptions, Scanner } from './scan.ts';
import { PATH_ENCODING, rawPath, readable, systemPath } from './source.ts';
import type { FileTable } from './table.ts';
import type { Folder, Tree } from './tree.ts';
import type { Watches } from './watches.ts';

export interface Roots {
  /** Opens what can be opened, and gives up what is gone or is another folder by now. */
  check(options: Pick<ScanOptions, 'isSilent'>): Promise<void>;
  /** The folder at a path of the system, or the one above it that is known, and the name in it; if it is below a root. */
  find(raw: string): { readonly folder: Folder; readonly name: string } | undefined;
}

export interface RootsContext {
  readonly paths: readonly string[];
  readonly host: Host;
  readonly tree: Tree;
  readonly table: FileTable;
  readonly changes: Changes;
  readonly watches: Watches;
  readonly scanner: Scanner;
  readonly report: Report;
  readonly log: ComponentLog;
  readonly isRecursive: boolean;
}

/** As the kernel follows at most. */
const MOST_LINKS = 40;

interface Place {
  /** As users write it. */
  readonly path: string;
  folder: Folder | undefined;
  /** Of the folder; where a file was configured, the file's is no matter. */
  identity: string;
}

interface Target {
  readonly raw: string;
  readonly stats: BigIntStats;
}

export function createRoots(context: RootsContext): Roots {
  const { host, tree, table, changes, watches, scanner, report, log, isRecursive } = context;
  // Those above first: what is below another is seen there.
  const places: Place[] = [...new Set(context.paths.map((path) => resolve(path)))]
    .sort((one, other) => one.length - other.length)
    .map((path) => ({ path, folder: undefined, identity: '' }));

  async function open(place: Place, { raw, stats }: Target, options: Pick<ScanOptions, 'isSilent'>): Promise<void> {
    const isFolder = stats.isDirectory();
    const folderRaw = isFolder ? raw : dirname(raw);
    const name = raw.slice(folderRaw.endsWith('/') ? folderRaw.length : folderRaw.length + 1);
    const covering = tree.roots.find((root) => covers(root, folderRaw, isFolder));
    if (covering !== undefined) {
      place.folder = covering;
      place.identity = '';
      return;
    }
    const sameFolder = isFolder
      ? undefined
      : tree.roots.find(({ root }) => root.only !== undefined && root.raw === folderRaw);
    if (sameFolder !== undefined) {
      (sameFolder.root.only as Set<string>).add(name);
      place.folder = sameFolder;
    } else {
      const folderStats = isFolder ? stats : look(folderRaw);
      const slot = folderStats === undefined ? undefined : table.add(folderStats, true);
      if (slot === undefined) return;
      const path = isFolder ? place.path : dirname(place.path);
      place.folder = tree.addRoot({ path, raw: folderRaw, only: isFolder ? undefined : new Set([name]) }, slot);
    }
    place.identity = identityOf(tree.rawPath(place.folder));
    await scanner.scan([place.folder], { ...options, isDeep: true });
  }

  function covers(root: Folder, raw: string, isFolder: boolean): boolean {
    if (root.root.only !== undefined) return false;
    const { raw: above } = root.root;
    if (raw === above) return true;
    return isRecursive && isFolder && raw.startsWith(above.endsWith(sep) ? above : above + sep);
  }

  async function close(place: Place): Promise<void> {
    const { folder } = place;
    for (const other of places) if (other.folder === folder) other.folder = undefined;
    if (folder === undefined || !folder.isAttached) return;
    const cause = { time: 0n, source: 'scan' as const };
    for (const [name, slot] of folder.entries) await changes.remove(folder, name, slot, cause);
    if (folder.root.only === undefined) {
      report.change('delete', tree.path(folder), undefined, table.facts(folder.slot), cause);
    }
    watches.end(folder);
    tree.removeFolder(folder);
    table.release(folder.slot);
  }

  /** Follows links at the end of the path, within the measured machine's root. @throws the system's error */
  function follow(path: string): Target {
    let at = path;
    for (let links = 0; links < MOST_LINKS; links++) {
      const raw = rawPath(host.resolve(at));
      const stats = lstatSync(systemPath(raw), { bigint: true });
      if (!stats.isSymbolicLink()) return { raw, stats };
      const target = readable(readlinkSync(systemPath(raw), PATH_ENCODING));
      at = isAbsolute(target) ? target : join(dirname(at), target);
    }
    throw Object.assign(new Error(`Cannot follow ${path}: more than ${MOST_LINKS} symbolic links`), { code: 'ELOOP' });
  }

  function missing(place: Place, error: unknown): void {
    const { code = 'error' } = error as NodeJS.ErrnoException;
    const key = `root ${place.path}`;
    if (place.identity === key) return;
    // Said once, until it is there.
    place.identity = key;
    log.once(key, `Cannot watch ${place.path}: ${code}; looks for it again and again`);
    const attributes = { 'file.path': place.path, 'error.type': code };
    report.notice('unreadable', `Cannot read ${place.path} (${code}): what happens in it is not seen`, attributes);
  }

  return {
    async check(options) {
      for (const place of places) {
        let target: Target;
        try {
          target = follow(place.path);
        } catch (error) {
          // A file that is not there is looked for in its folder, once that is known.
          if (place.folder?.root.only !== undefined && look(tree.rawPath(place.folder)) !== undefined) continue;
          if (place.folder !== undefined) await close(place);
          missing(place, error);
          continue;
        }
        log.over(`root ${place.path}`, `${place.path} is there`);
        const { folder } = place;
        if (folder !== undefined && !folder.isAttached) place.folder = undefined;
        // One that another covers has no identity of its own.
        else if (folder !== undefined && place.identity !== '') {
          if (identityOf(tree.rawPath(folder)) === place.identity) continue;
          await close(place);
        } else if (folder !== undefined) continue;
        await open(place, target, options);
      }
    },
    find(raw) {
      const root = tree.roots.find((one) => {
        const { raw: above } = one.root;
        return raw.startsWith(above === '/' ? above : `${above}/`) && raw.length > above.length;
      });
      if (root === undefined) return undefined;
      const names = raw.slice(root.root.raw === '/' ? 1 : root.root.raw.length + 1).split('/');
      let folder = root;
      for (const name of names.slice(0, -1)) {
        const next = folder.folders?.get(name);
        if (next === undefined) return { folder, name };
        folder = next;
      }
      return { folder, name: names.at(-1)! };
    },
  };
}

function look(raw: string): BigIntStats | undefined {
  try {
    return lstatSync(systemPath(raw), { bigint: true, throwIfNoEntry: false });
  } catch {
    // A folder on the way is closed, or is none.
    return undefined;
  }
}

/** Another folder in its place has another one. */
function identityOf(raw: string): string {
  const stats = look(raw);
  return stats === undefined ? '' : `${stats.dev} ${stats.ino}`;
}
