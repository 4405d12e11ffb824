/** A real folder, and whether something in it is under way: so that time in a test stands still for the disk. */
import { openFolder, type Folder, type OpenFile } from '../../../src/delivery/disk/folder.ts';

export interface WatchedFolder {
  readonly folder: Folder;
  /** Resolves when nothing is under way, nor begins. */
  quiet(): Promise<void>;
}

export async function watchFolder(path: string): Promise<WatchedFolder> {
  const real = await openFolder(path);
  let underWay = 0;

  async function watch<T>(operation: Promise<T>): Promise<T> {
    underWay += 1;
    try {
      return await operation;
    } finally {
      underWay -= 1;
    }
  }

  const watchFile = (file: OpenFile): OpenFile => ({
    size: () => watch(file.size()),
    read: (into, position) => watch(file.read(into, position)),
    write: (parts, position) => watch(file.write(parts, position)),
    truncate: (length) => watch(file.truncate(length)),
    sync: () => watch(file.sync()),
    close: () => watch(file.close()),
  });

  return {
    folder: {
      path,
      list: () => watch(real.list()),
      open: (name, mode) => watch(real.open(name, mode).then(watchFile)),
      rename: (from, to) => watch(real.rename(from, to)),
      remove: (name) => watch(real.remove(name)),
      sync: () => watch(real.sync()),
      free: () => watch(real.free()),
    },
    async quiet() {
      for (let still = 0; still < 2;) {
        await new Promise((resolve) => setImmediate(resolve));
        still = underWay === 0 ? still + 1 : 0;
      }
    },
  };
}
