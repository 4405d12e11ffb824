/** A file that is appended to, and set aside when it is too large or too old. Others may rename it (logrotate). */
import { open, rename, stat, type FileHandle } from 'node:fs/promises';
import type { ComponentLog } from '../../src/component.ts';
import { messageOf, RetryableError } from '../../src/errors.ts';
import { asidePath, compressAside, removeOldest } from './aside.ts';

export interface RotatingFileOptions {
  readonly path: string;
  /** Infinity for never. */
  readonly max_bytes: number;
  /** Infinity for never. */
  readonly maxAge_ms: number;
  /** Files kept of those set aside; 0 is all. */
  readonly max_files: number;
  readonly isCompressed: boolean;
  readonly log: ComponentLog;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

export interface RotatingFile {
  /** @throws {Error} it cannot be opened */
  open(): Promise<void>;
  /** @throws {RetryableError} it cannot be written now; nothing of `bytes` is left in it */
  append(bytes: Uint8Array): Promise<void>;
  /** Ends all work on it. */
  close(): Promise<void>;
}

/** Telemetry tells of people and machines: not everyone's to read. */
const MODE = 0o640;

interface Opened {
  readonly handle: FileHandle;
  readonly inode: bigint;
  readonly device: bigint;
  readonly since_ms: number;
  size: number;
}

export function createRotatingFile(options: RotatingFileOptions): RotatingFile {
  const { path, max_bytes, maxAge_ms, log, now = Date.now } = options;
  let current: Opened | undefined;
  /** Writes go one after the other, whatever the number of requests under way. */
  let last: Promise<unknown> = Promise.resolve();
  /** Compressing and removing what was set aside. */
  let housekeeping: Promise<void> = Promise.resolve();

  async function openFile(): Promise<Opened> {
    const handle = await open(path, 'a+', MODE);
    const { ino, dev, size, birthtimeMs } = await handle.stat({ bigint: true });
    const length = Number(size) + (await endLine(handle, Number(size)));
    const born_ms = Number(birthtimeMs);
    // File systems that do not know when a file was made say 0.
    const since_ms = size > 0n && born_ms > 0 ? born_ms : now();
    return { handle, inode: ino, device: dev, since_ms, size: length };
  }

  /** The file at `path`: opened again where another process renamed or removed it. */
  async function ensureOpen(): Promise<Opened> {
    if (current !== undefined) {
      const there = await stat(path, { bigint: true }).catch(() => undefined);
      if (there?.ino === current.inode && there.dev === current.device) return current;
      await letGo();
    }
    return (current = await openFile());
  }

  async function letGo(): Promise<void> {
    const { handle } = current!;
    current = undefined;
    await handle.close();
  }

  async function setAside(): Promise<void> {
    await letGo();
    const aside = await asidePath(path, now());
    await rename(path, aside);
    housekeeping = housekeeping.then(async () => {
      try {
        if (options.isCompressed) await compressAside(aside);
        if (options.max_files > 0) await removeOldest(path, options.max_files);
        log.over('aside', `Keeps the files set aside of ${path} in order again`);
      } catch (error) {
        log.once('aside', `Cannot keep the files set aside of ${path} in order: ${messageOf(error)}`);
      }
    });
  }

  async function write(bytes: Uint8Array): Promise<void> {
    try {
      let file = await ensureOpen();
      const isTooLarge = file.size + bytes.byteLength > max_bytes;
      if (file.size > 0 && (isTooLarge || now() - file.since_ms >= maxAge_ms)) {
        await setAside();
        file = await ensureOpen();
      }
      await writeAll(file, bytes);
    } catch (error) {
      throw new RetryableError(`Cannot write to "${path}": ${messageOf(error)}`, { cause: error });
    }
  }

  /** One after the other; a failed one does not keep the next from trying. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = last.then(work, work);
    last = result;
    return result;
  }

  return {
    open: () =>
      inTurn(async () => {
        try {
          await ensureOpen();
        } catch (error) {
          throw new Error(`Cannot open "${path}": ${messageOf(error)}`, { cause: error });
        }
      }),
    append: (bytes) => inTurn(() => write(bytes)),
    close: () =>
      inTurn(async () => {
        if (current !== undefined) await letGo();
        await housekeeping;
      }),
  };
}

/** All of `bytes`, or, as on a full disk, nothing: half a line would spoil the one after it. */
async function writeAll(file: Opened, bytes: Uint8Array): Promise<void> {
  try {
    for (let written = 0; written < bytes.byteLength;) {
      written += (await file.handle.write(bytes, written)).bytesWritten;
    }
  } catch (error) {
    await file.handle.truncate(file.size).catch(() => {
      // The same disk that refused to write: the error that is thrown says why.
    });
    throw error;
  }
  file.size += bytes.byteLength;
}

/** Ends the line that a process killed while it was writing left behind. Returns the bytes added. */
async function endLine(handle: FileHandle, size: number): Promise<number> {
  if (size === 0) return 0;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  if (buffer[0] === 0x0a) return 0;
  return (await handle.write('\n')).bytesWritten;
}
