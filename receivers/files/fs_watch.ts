/**
 * `fs.watch`, where inotify cannot be called directly. It tells that something happened to a name, neither what nor
 * whether something was left out, so every name is looked at, and everything at intervals.
 */
import { watch, type FSWatcher } from 'node:fs';
import { IN_IGNORED, IN_Q_OVERFLOW } from './inotify.ts';
import { CHECK, encodeEvent } from './raw_queue.ts';
import { PATH_ENCODING, systemPath, type WatchSource } from './source.ts';

/** @param isRecursive where the system watches whole trees, as macOS and Windows do */
export function createFsWatch(take: (bytes: Uint8Array) => void, isRecursive: boolean): WatchSource {
  const byPath = new Map<string, number>();
  const watchers = new Map<number, { readonly path: string; readonly watcher: FSWatcher }>();
  let last = 0;

  function end(number: number): void {
    const known = watchers.get(number);
    if (known === undefined) return;
    watchers.delete(number);
    if (byPath.get(known.path) === number) byPath.delete(known.path);
    known.watcher.close();
  }

  return {
    isExact: false,
    isRecursive,
    drain() {},
    add(path) {
      const number = byPath.get(path) ?? ++last;
      // The path may be another folder's by now.
      end(number);
      const options = { encoding: PATH_ENCODING, recursive: isRecursive, persistent: false } as const;
      const watcher = watch(systemPath(path), options, (_, name) => {
        take(encodeEvent(number, CHECK, name?.replaceAll('\\', process.platform === 'win32' ? '/' : '\\') ?? ''));
      });
      watcher.on('error', () => {
        end(number);
        take(encodeEvent(number, IN_IGNORED, ''));
        take(encodeEvent(-1, IN_Q_OVERFLOW, ''));
      });
      byPath.set(path, number);
      watchers.set(number, { path, watcher });
      return number;
    },
    remove: end,
    close() {
      for (const number of watchers.keys()) end(number);
    },
  };
}
