/** The folder of a queue, as little of a file system as the queue needs, so that tests can let one fail in every way. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';

export interface Folder {
  /** For messages. */
  readonly path: string;
  list(): Promise<readonly string[]>;
  /** An existing file, or with `create` a new and empty one that was not there. */
  open(name: string, mode: 'read' | 'write' | 'create'): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** From here on names survive a power cut. */
  sync(): Promise<void>;
  /** Bytes that the volume still has for this user. */
  free(): Promise<number>;
}

export interface OpenFile {
  size(): Promise<number>;
  /** Reads until `into` is full or the file ends: the bytes read. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of it, or throws: then any part of it may be there. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** From here on what was written survives a power cut (fdatasync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Only the agent may read what waits. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** The kernel takes no more buffers in one call (IOV_MAX). */
const MAX_PARTS = 1024;

/** @throws {Error} the folder cannot be made */
export async function openFolder(path: string): Promise<Folder> {
  try {
    await settle((done) => fs.mkdir(path, { recursive: true, mode: FOLDER_MODE }, (error) => done(error)));
  } catch (error) {
    const elsewhere = 'queue.directory chooses another place';
    throw new Error(`Cannot use the queue in ${path}: ${messageOf(error)} (${elsewhere})`, { cause: error });
  }
  return {
    path,
    list: () => settle((done) => fs.readdir(path, done)),
    async open(name, mode) {
      const flags = { read: 'r', write: 'r+', create: 'wx+' }[mode];
      return openFile(await settle((done) => fs.open(join(path, name), flags, FILE_MODE, done)));
    },
    rename: (from, to) => settle((done) => fs.rename(join(path, from), join(path, to), done)),
    remove: (name) => settle((done) => fs.unlink(join(path, name), done)),
    sync: () => syncFolder(path),
    async free() {
      const { bavail, bsize } = await settle<fs.StatsFs>((done) => fs.statfs(path, done));
      return bavail * bsize;
    },
  };
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no such thing: its folders are journaled.
  if (process.platform === 'win32') return;
  const descriptor = await settle<number>((done) => fs.open(path, 'r', done));
  try {
    await settle<void>((done) => fs.fsync(descriptor, done));
  } finally {
    await settle<void>((done) => fs.close(descriptor, done));
  }
}

function openFile(descriptor: number): OpenFile {
  return {
    async size() {
      return (await settle<fs.Stats>((done) => fs.fstat(descriptor, done))).size;
    },
    async read(into, position) {
      let length = 0;
      while (length < into.byteLength) {
        const rest = into.byteLength - length;
        const at = position + length;
        const read = await settle<number>((done) => fs.read(descriptor, into, length, rest, at, done));
        if (read === 0) break;
        length += read;
      }
      return length;
    },
    async write(parts, position) {
      let at = position;
      for (let from = 0; from < parts.length; from += MAX_PARTS) {
        let left: readonly Uint8Array[] = parts.slice(from, from + MAX_PARTS);
        while (left.length > 0) {
          const written = await settle<number>((done) => fs.writev(descriptor, left, at, done));
          if (written === 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' });
          at += written;
          left = behind(left, written);
        }
      }
    },
    truncate: (length) => settle((done) => fs.ftruncate(descriptor, length, done)),
    sync: () => settle((done) => fs.fdatasync(descriptor, done)),
    close: () => settle((done) => fs.close(descriptor, done)),
  };
}

/** Whether an error of the file system says that there is no room. */
export function isFullError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** What of `parts` lies behind their first `length` bytes. */
function behind(parts: readonly Uint8Array[], length: number): readonly Uint8Array[] {
  for (const [index, part] of parts.entries()) {
    if (length < part.byteLength) return [part.subarray(length), ...parts.slice(index + 1)];
    length -= part.byteLength;
  }
  return [];
}

/** Node's callbacks cost a third of its promises here. */
function settle<T = void>(work: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    work((error, value) => (error === null || error === undefined ? resolve(value as T) : reject(error))),
  );
}
