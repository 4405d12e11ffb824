/** Notes what a queue asks of its folder, and asks the same again without a queue. */
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Folder } from '../src/delivery/disk/folder.ts';

/** Of one file; `names` makes the names of the folder safe. */
export interface FileOperation {
  readonly is: 'create' | 'write' | 'sync' | 'names' | 'remove';
  readonly name: string;
  readonly position: number;
  /** Of the buffers of one write. */
  readonly lengths: readonly number[];
}

/** `folder`, with what is asked of it added to `operations`. */
export function recordFolder(folder: Folder, operations: FileOperation[]): Folder {
  const note = (is: FileOperation['is'], name: string, position = 0, lengths: readonly number[] = []): void =>
    void operations.push({ is, name, position, lengths });
  return {
    ...folder,
    async open(name, mode) {
      const file = await folder.open(name, mode);
      if (mode === 'create') note('create', name);
      return {
        ...file,
        write(parts, position) {
          note(
            'write',
            name,
            position,
            parts.map(({ byteLength }) => byteLength),
          );
          return file.write(parts, position);
        },
        sync() {
          note('sync', name);
          return file.sync();
        },
      };
    },
    async remove(name) {
      await folder.remove(name);
      note('remove', name);
    },
    sync() {
      note('names', '');
      return folder.sync();
    },
  };
}

const writev = promisify(fs.writev);
const fdatasync = promisify(fs.fdatasync);
/** IOV_MAX. */
const MAX_PARTS = 1024;

/** One after the other, with bytes of `pool`. */
export async function repeat(operations: readonly FileOperation[], path: string, pool: Buffer): Promise<void> {
  fs.mkdirSync(path, { recursive: true });
  const files = new Map<string, number>();
  let at = 0;
  for (const { is, name, position, lengths } of operations) {
    if (is === 'create') files.set(name, fs.openSync(join(path, name), 'wx'));
    else if (is === 'write') {
      const parts = lengths.map((length) => {
        at = at + length > pool.length ? 0 : at;
        return pool.subarray(at, (at += length));
      });
      let to = position;
      for (let from = 0; from < parts.length; from += MAX_PARTS) {
        const some = parts.slice(from, from + MAX_PARTS);
        await writev(files.get(name)!, some, to);
        to += some.reduce((sum, { length }) => sum + length, 0);
      }
    } else if (is === 'sync') await fdatasync(files.get(name)!);
    else if (is === 'remove') fs.unlinkSync(join(path, name));
    else {
      const folder = fs.openSync(path, 'r');
      fs.fsyncSync(folder);
      fs.closeSync(folder);
    }
  }
  for (const file of files.values()) fs.closeSync(file);
}
