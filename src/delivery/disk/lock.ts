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
        await take(path, folder);
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

/** A process that was killed takes a moment to be gone, and its successor may be quicker. */
const PATIENCE_MS = 2000;
const LOOK_INTERVAL_MS = 50;

async function take(path: string, folder: string): Promise<void> {
  const own = identity(process.pid);
  const end_ms = performance.now() + PATIENCE_MS;
  for (let attempt = 0; attempt < 3;) {
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
    const pid = holderOf(path);
    if (pid === undefined) {
      fs.rmSync(path, { force: true });
      attempt += 1;
    } else if (performance.now() < end_ms) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
    } else {
      const found = `process ${pid} uses it (if that is no agent, remove ${path})`;
      throw new Error(`Cannot use the queue in ${folder}: ${found}`);
    }
  }
  throw new Error(`Cannot use the queue in ${folder}: another process is taking it just now`);
}

/** The other process that has the lock; undefined where it is gone, or the lock is. */
function holderOf(path: string): number | undefined {
  let holder: string;
  try {
    holder = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
  const pid = Number(holder.split(' ', 1)[0]);
  // A power cut, or a full disk, may have left an empty one.
  return holder !== '' && pid !== process.pid && holder === identity(pid) ? pid : undefined;
}

/**
 * `pid start-time`: on Linux a process that got the same number later is told apart. Empty if there is no such process,
 * or only what is left of one until its parent asks (a container without an init may never).
 */
function identity(pid: number): string {
  try {
    if (process.platform !== 'linux') {
      process.kill(pid, 0);
      return `${pid}`;
    }
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Fields 3 and 22 of proc_pid_stat(5), counted behind the name in brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Threads may still be at work where the first one has ended.
    const isGone = fields[0] === 'Z' && fs.readdirSync(`/proc/${pid}/task`).length < 2;
    return isGone ? '' : `${pid} ${fields[19]}`;
  } catch {
    // No such process.
    return '';
  }
}
