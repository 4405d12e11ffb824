/** Keeps a second agent out of a queue's folder. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';

/** Folders that this process uses, and when each is free again: a reload hands them from one exporter to the next. */
const held = new Map<string, Promise<void>>();

const NAME = 'lock';

export interface FolderLock {
  /** Whether another exporter of this process has it, and will give it back. */
  isHeldHere(): boolean;
  /**
   * Waits for an exporter of this process; a lock that a killed process left is taken over.
   * @throws {Error} another process uses it, or the folder cannot be written
   */
  acquire(): Promise<void>;
  /** Gives it back, if it was acquired. */
  release(): void;
}

export function createFolderLock(folder: string): FolderLock {
  const path = join(folder, NAME);
  let free: (() => void) | undefined;

  function release(): void {
    if (free === undefined) return;
    held.delete(folder);
    free();
    free = undefined;
  }

  return {
    isHeldHere: () => held.has(folder),
    async acquire() {
      for (let before = held.get(folder); before !== undefined; before = held.get(folder)) await before;
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(folder, promise);
      free = resolve;
      try {
        take(path, folder);
      } catch (error) {
        release();
        throw error;
      }
    },
    release() {
      if (free !== undefined) fs.rmSync(path, { force: true });
      release();
    },
  };
}

function take(path: string, folder: string): void {
  const own = identity(process.pid);
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      fs.writeFileSync(path, own, { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A full disk has no room for a lock: better without one than not at all.
      if (code === 'ENOSPC' || code === 'EDQUOT') return;
      if (code !== 'EEXIST')
        throw new Error(`Cannot use the queue in ${folder}: ${messageOf(error)}`, { cause: error });
    }
    const holder = fs.readFileSync(path, { encoding: 'utf8', flag: 'r' });
    const pid = Number(holder.split(' ', 1)[0]);
    if (pid !== process.pid && holder === identity(pid)) {
      throw new Error(
        `Cannot use the queue in ${folder}: process ${pid} uses it (if that is no agent, remove ${path})`,
      );
    }
    fs.rmSync(path, { force: true });
  }
  throw new Error(`Cannot use the queue in ${folder}: another process is taking it just now`);
}

/** `pid start-time`: on Linux a process that got the same number later is told apart. Empty if there is no such process. */
function identity(pid: number): string {
  try {
    if (process.platform === 'linux') {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
      // Field 22 of proc_pid_stat(5), counted behind the name in brackets.
      return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
    }
    process.kill(pid, 0);
    return `${pid}`;
  } catch {
    // No such process.
    return '';
  }
}
