/** Where the agent keeps what outlives it: positions, checkpoints, queues. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** What systemd gives a service, what the file system standard names for root, what XDG does for others. */
export function stateDirectory(folder: string): string {
  const { STATE_DIRECTORY, XDG_STATE_HOME } = process.env;
  // systemd lists several with colons between them.
  if (STATE_DIRECTORY !== undefined && STATE_DIRECTORY !== '') return join(STATE_DIRECTORY.split(':', 1)[0]!, folder);
  if (process.getuid?.() === 0) return join('/var/lib/sonde', folder);
  // An empty one stands for none (XDG Base Directory Specification).
  return join(XDG_STATE_HOME || join(homedir(), '.local/state'), 'sonde', folder);
}

/**
 * Makes a folder that only its owner may read, and those above it, where they are not there. Node's own way to do that
 * never ends where the kernel makes no folders, as below /proc: it takes ENOENT for a parent that is missing.
 * @throws {Error} with the system's `code`
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    makeFolder(dirname(path));
    makeFolder(path);
  }
}

/**
 * For files that are set aside when they are damaged, and replaced: a device, as /dev/null, would be gone for all.
 * @throws {TypeError} something else is there
 */
export function checkOrdinaryFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) {
    throw new TypeError(`Cannot use "${path}": it is no ordinary file`);
  }
}
