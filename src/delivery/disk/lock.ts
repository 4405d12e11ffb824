/** Keeps a second agent out of a queue's folder. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';

/** Folders that this process uses, and when each is free again: a reload hands them from one exporter to the next. */
const held = new Map<string, Promise<void>>();

const NAME = 'lock';

export interface Lock {
  release(): void;
}

/** Whether another exporter of this very process has it still: then {@link acquire} waits for it. */
export function isHeldHere(folder: string): boolean {
  return held.has(folder);
}

/**
 * Waits for an exporter of this process; a lock that a killed process left is taken over.
 * @throws {Error} another process uses it, or the folder cannot be written
 */
export async function acquire(folder: string): Promise<Lock> {
  for (let before = held.get(folder); before !== undefined; before = held.get(folder)) await before;
  const free = Promise.withResolvers<void>();
  held.set(folder, free.promise);
  const path = join(folder, NAME);
  const release = (): void => {
    fs.rmSync(path, { force: true });
    held.delete(folder);
    free.resolve();
  };
  try {
    take(path, folder);
  } catch (error) {
    held.delete(folder);
    free.resolve();
    throw error;
  }
  return { release };
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
    return '';
  }
}
