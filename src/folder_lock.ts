/** Keeps a second agent out of a folder that one keeps its data in. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { messageOf } from './errors.ts';

/** Folders that this process uses, and when each is free again: a reload hands them from one component to the next. */
const held = new Map<string, Promise<void>>();

const NAME = 'lock';

export interface FolderLock {
  /** Whether another component of this process has it, and will give it back. */
  isHeldHere(): boolean;
  /**
   * Waits for a component of this process; a lock that a killed process left is taken over.
   * @throws {Error} another process uses it, or the folder cannot be written
   */
  acquire(): Promise<void>;
  /** Gives it back, if it was acquired. */
  release(): void;
}

/** @param what lives there, as errors call it */
export function createFolderLock(folder: string, what = 'queue'): FolderLock {
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
        await take(path, `Cannot use the ${what} in ${folder}`);
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

async function take(path: string, cannot: string): Promise<void> {
  // Written aside and linked, so that nobody ever finds a lock that does not say yet whose it is.
  const own = `${path}.${process.pid}`;
  try {
    fs.writeFileSync(own, ownIdentity(), { mode: 0o600 });
    await place(own, path, performance.now() + PATIENCE_MS, cannot);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A full disk has no room for a lock: better without one than not at all.
    if (code === 'ENOSPC' || code === 'EDQUOT') return;
    if (code === undefined) throw error;
    throw new Error(`${cannot}: ${messageOf(error)}`, { cause: error });
  } finally {
    fs.rmSync(own, { force: true });
  }
}

/** Puts `own` at `path`, where nothing may be but what a process that is gone has left. */
async function place(own: string, path: string, end_ms: number, cannot: string): Promise<void> {
  while (!linkOwn(own, path)) {
    const pid = holderIn(path);
    if (pid === undefined || pid === process.pid) {
      // Several may have found the same. Only who has this one replaces it, and looks again before: else the second
      // would replace the lock of the first. Its own rest, if its owner is killed now, is replaced in the same way.
      const guard = `${path}.taking`;
      await place(own, guard, end_ms, cannot);
      try {
        const after = holderIn(path);
        if (after === undefined || after === process.pid) fs.rmSync(path, { force: true });
        if (linkOwn(own, path)) return;
      } finally {
        fs.rmSync(guard, { force: true });
      }
    } else if (performance.now() < end_ms) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
    } else {
      throw new Error(`${cannot}: process ${pid} uses it (if that is no agent, remove ${path})`);
    }
  }
}

/** False where there is one already. */
function linkOwn(own: string, path: string): boolean {
  try {
    fs.linkSync(own, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // As FAT, which has no links.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
  }
  try {
    fs.copyFileSync(own, path, fs.constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The process that uses `folder`; undefined where there is none. */
export function readHolder(folder: string): number | undefined {
  return holderIn(join(folder, NAME));
}

function holderIn(path: string): number | undefined {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
  // A power cut, or a full disk, may have left an empty one.
  const [pid = 0, start] = text.split(' ').map(Number);
  return pid > 0 && isRunning(pid, start) ? pid : undefined;
}

/** @param start as in the lock: a process that got the same number later is told apart */
function isRunning(pid: number, start: number | undefined): boolean {
  let isOthers = false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // It is there, and another user's.
    isOthers = (error as NodeJS.ErrnoException).code === 'EPERM';
    if (!isOthers) return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    const fields = statFields(pid);
    // What is left of one until its parent asks, which in a container without an init may be never; threads may still
    // be at work where the first one has ended.
    const isGone = fields[0] === 'Z' && fs.readdirSync(`/proc/${pid}/task`).length < 2;
    return !isGone && Number(fields[19]) === start;
  } catch {
    // It ended just now; or the system hides other users' processes (hidepid), and nothing more is known.
    return isOthers;
  }
}

/** `pid start-time`; elsewhere than on Linux the number alone. */
function ownIdentity(): string {
  return process.platform === 'linux' ? `${process.pid} ${statFields(process.pid)[19]}` : `${process.pid}`;
}

/** Fields 3 and following of proc_pid_stat(5), counted behind the name in brackets. */
function statFields(pid: number): string[] {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
