/** The few calls that reading files needs, each answered by libuv's threads: none holds up the loop on a slow volume. */
import { close, constants, fdatasync, fstat, open, read, stat, type BigIntStats } from 'node:fs';

/** Never waits for whoever would write into a FIFO, nor becomes the terminal of this process. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

export function openFile(path: string): Promise<number> {
  return new Promise((resolve, reject) =>
    open(path, FLAGS, (error, fd) => (error === null ? resolve(fd) : reject(error))),
  );
}

/** What is closed is no concern any more, whatever the system says of it. */
export function closeFile(fd: number): Promise<void> {
  return new Promise((resolve) => close(fd, () => resolve()));
}

export function statFile(path: string): Promise<BigIntStats> {
  return new Promise((resolve, reject) =>
    stat(path, { bigint: true }, (error, stats) => (error === null ? resolve(stats) : reject(error))),
  );
}

export function statOpenFile(fd: number): Promise<BigIntStats> {
  return new Promise((resolve, reject) =>
    fstat(fd, { bigint: true }, (error, stats) => (error === null ? resolve(stats) : reject(error))),
  );
}

/** Fills `buffer` from `position` on. @returns the bytes read: fewer than asked for only at the end of the file */
export async function readFully(fd: number, buffer: Uint8Array, length: number, position: number): Promise<number> {
  let filled = 0;
  while (filled < length) {
    const count = await readSome(fd, buffer, filled, length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

function readSome(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    read(fd, buffer, offset, length, position, (error, count) => (error === null ? resolve(count) : reject(error))),
  );
}

export function syncData(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (error) => (error === null ? resolve() : reject(error))));
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
