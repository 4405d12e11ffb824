/** How far a source was read, kept through restarts in a small file. */
import { closeSync, fsync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { ComponentLog } from './component.ts';
import { messageOf } from './errors.ts';
import { checkOrdinaryFile, makeFolder, stateDirectory } from './state_directory.ts';

export interface PositionFile<P> {
  readonly path: string;
  /** What was kept; undefined where there is nothing, or nothing usable: then the file is set aside and that is said. */
  load(): P | undefined;
  /** Never throws: what cannot be kept is said. Survives the process at once, a power cut after a second. */
  save(position: P): void;
}

export interface PositionFileOptions<P> {
  readonly path: string;
  /** Undefined for what is no position. */
  readonly parse: (value: unknown) => P | undefined;
  readonly log: ComponentLog;
  /** What is kept, if it is no position. */
  readonly words?: PositionWords;
}

/** As `position`, `start_at decides`, `a restart would read again from before`. */
export interface PositionWords {
  readonly what: string;
  readonly withoutIt: string;
  readonly unkept: string;
}

const POSITION: PositionWords = {
  what: 'position',
  withoutIt: 'start_at decides',
  unkept: 'a restart would read again from before',
};

const SYNC_INTERVAL_MS = 1000;

export function createPositionFile<P>({ path, parse, log, words = POSITION }: PositionFileOptions<P>): PositionFile<P> {
  const { what, withoutIt, unkept } = words;
  let syncing: NodeJS.Timeout | undefined;

  function sync(): void {
    syncing = undefined;
    try {
      const fd = openSync(path, 'r+');
      // A disk that cannot take it says so at the next write.
      fsync(fd, () => closeSync(fd));
    } catch {
      // It was moved away: the next position makes it anew.
    }
  }

  function setAside(): void {
    const damage = `Cannot use the kept ${what}: the file is damaged`;
    try {
      renameSync(path, `${path}.bad`);
      log.warn(`${damage}; it is set aside, and ${withoutIt}`, { file: `${path}.bad` });
    } catch (error) {
      log.warn(`${damage}, and cannot be set aside: ${messageOf(error)}; ${withoutIt}`, { file: path });
    }
  }

  return {
    path,
    load() {
      let text: string;
      try {
        checkOrdinaryFile(path);
        text = readFileSync(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw new Error(`Cannot read the ${what} "${path}": ${messageOf(error)}`, { cause: error });
      }
      const position = parseText(text, parse);
      if (position !== undefined) return position;
      setAside();
      return undefined;
    },
    save(position) {
      try {
        write(path, `${JSON.stringify(position)}\n`);
        log.over('position', `The ${what} can be kept again`);
        syncing ??= setTimeout(sync, SYNC_INTERVAL_MS).unref();
      } catch (error) {
        log.once('position', `Cannot keep the ${what}: ${messageOf(error)}; ${unkept}`);
      }
    },
  };
}

function parseText<P>(text: string, parse: (value: unknown) => P | undefined): P | undefined {
  try {
    return parse(JSON.parse(text));
  } catch {
    // What is no JSON is no position.
    return undefined;
  }
}

/** Whole or not at all, by a file beside it that takes its place. */
function write(path: string, text: string): void {
  checkOrdinaryFile(path);
  const beside = `${path}.new`;
  let fd: number;
  try {
    fd = openSync(beside, 'w', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    makeFolder(dirname(path));
    fd = openSync(beside, 'w', 0o600);
  }
  try {
    // On a disk that is nearly full, one call may write a part and call that success.
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
  renameSync(beside, path);
}

/** `/var/lib/sonde/positions/journald%2Fhost.json` for the receiver `journald/host`. */
export function positionPath(id: string, path: string | undefined): string {
  return resolve(path ?? join(stateDirectory('positions'), `${encodeURIComponent(id)}.json`));
}
