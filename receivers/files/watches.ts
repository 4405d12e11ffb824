/** Which folders have a watch, within a number of watches. */
import type { Report } from './report.ts';
import type { WatchSource } from './source.ts';
import type { Folder, Tree } from './tree.ts';

export interface Watches {
  /**
   * Watches the folder, again if it has been: the path may be another folder's by now.
   * @returns whether it is to be entered, with a watch or without
   */
  watch(folder: Folder): 'entered' | 'closed' | 'gone';
  /** Ends the watch of a folder that is gone from the tree. */
  end(folder: Folder): void;
  /** The folder could not be read: says so once. */
  unreadable(folder: Folder, code: string): void;
  readonly count: number;
}

export interface WatchesOptions {
  readonly source: WatchSource;
  readonly tree: Tree;
  readonly report: Report;
  readonly limit: number;
}

export function createWatches({ source, tree, report, limit }: WatchesOptions): Watches {
  let isExhausted = false;

  function exhausted(folder: Folder, resource: string): 'entered' {
    tree.setProblem(folder, 'exhausted');
    if (isExhausted) return 'entered';
    isExhausted = true;
    const path = tree.path(folder);
    report.notice('exhausted', `No watch is left for ${path} and what follows: such folders are read at intervals`, {
      'file.path': path,
      'file.watch.resource': resource,
      'file.watch.limit': limit,
      'file.watch.count': tree.byWatch.size,
    });
    return 'entered';
  }

  function healthy(folder: Folder): 'entered' {
    tree.setProblem(folder, undefined);
    if (isExhausted && tree.problems.exhausted === 0) isExhausted = false;
    return 'entered';
  }

  function end(folder: Folder): void {
    const watch = tree.endWatch(folder);
    if (watch !== -1) source.remove(watch);
  }

  function unreadable(folder: Folder, code: string): void {
    if (!tree.setProblem(folder, 'unreadable', code)) return;
    const path = tree.path(folder);
    report.notice('unreadable', `Cannot read ${path} (${code}): what happens in it is not seen`, {
      'file.path': path,
      'error.type': code,
    });
  }

  return {
    get count() {
      return tree.byWatch.size;
    },
    watch(folder) {
      if (source.isRecursive && folder.parent !== undefined) return healthy(folder);
      if (folder.watch === -1 && tree.byWatch.size >= limit) return exhausted(folder, 'max_watches');
      try {
        const watch = source.add(tree.rawPath(folder));
        // Another folder is at this path by now.
        if (folder.watch !== watch) end(folder);
        tree.setWatch(folder, watch);
        return healthy(folder);
      } catch (error) {
        const { code = 'error' } = error as NodeJS.ErrnoException;
        end(folder);
        if (code === 'ENOSPC') return exhausted(folder, 'fs.inotify.max_user_watches');
        if (code === 'ENOMEM' || code === 'EMFILE') return exhausted(folder, code);
        // It was there a moment ago: the folder above tells what has become of it.
        if (code === 'ENOENT' || code === 'ENOTDIR') return 'gone';
        unreadable(folder, code);
        return 'closed';
      }
    },
    end,
    unreadable,
  };
}
