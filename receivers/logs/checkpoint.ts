/**
 * Where reading stands, on disk: a snapshot of all files, replaced as a whole, and a journal of what changed since, to which
 * each batch that was taken adds. So kill -9 repeats the one batch whose line is not there yet. The journal is synced
 * once a second, which is what a power cut may repeat.
 */
import { open, readdir, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComponentLog } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { makeFolder } from '../../src/state_directory.ts';
import { decodeLine, encodeLine, toEntry, type Entry } from './entries.ts';
import { codeOf, syncData } from './system_calls.ts';

export interface Checkpoint {
  /** Reads what is there, and begins a journal. @throws {Error} where the folder cannot be used */
  open(): Promise<readonly Entry[]>;
  /** Unix milliseconds of the first start with this folder. */
  readonly firstStart_ms: number;
  /** A number for a file. */
  nextId(): number;
  /** Records what became of these files; never rejects. */
  write(entries: readonly Entry[]): Promise<void>;
  close(): Promise<void>;
}

interface Header {
  readonly format: 'sonde-logs';
  readonly version: 1;
  readonly generation: number;
  readonly firstStart_ms: number;
  readonly nextId: number;
  readonly count: number;
}

const SNAPSHOT = 'checkpoint';
const JOURNAL = 'journal.';
const SYNC_INTERVAL_MS = 1000;
const LARGEST_JOURNAL_BYTES = 4 * 1024 * 1024;
/** Files that are over and still known: as many rotated and compressed ones find out what was read of them. */
const MOST_OVER = 1000;

export function createCheckpoint(folder: string, log: ComponentLog): Checkpoint {
  const entries = new Map<number, Entry>();
  let generation = 0;
  let firstStart_ms = 0;
  let lastId = 0;
  let journal: FileHandle | undefined;
  let journal_bytes = 0;
  let isUnsynced = false;
  let isBroken = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  /** One thing after the other. */
  let last: Promise<void> = Promise.resolve();

  async function load(): Promise<void> {
    let text: string;
    try {
      text = await readFile(join(folder, SNAPSHOT), 'utf8');
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      firstStart_ms = Date.now();
      return;
    }
    const header = readSnapshot(text, entries);
    if (header === undefined) {
      entries.clear();
      const aside = `${SNAPSHOT}.bad-${Date.now()}`;
      await rename(join(folder, SNAPSHOT), join(folder, aside));
      log.error(`Cannot use the checkpoint in ${folder}: it is damaged, or another program's; start_at decides again`, {
        kept: aside,
      });
      firstStart_ms = Date.now();
      // Of no use without what it continues.
      generation = Date.now();
      return;
    }
    ({ generation, firstStart_ms, nextId: lastId } = header);
    await replay();
  }

  async function replay(): Promise<void> {
    let text: string;
    try {
      text = await readFile(join(folder, `${JOURNAL}${generation}`), 'utf8');
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      return;
    }
    const lines = text.split('\n');
    for (const [number, line] of lines.entries()) {
      // What a kill left unfinished has no newline.
      if (number === lines.length - 1) break;
      const changed = decodeLine(line);
      if (!Array.isArray(changed)) {
        log.warn(`Cannot read line ${number + 1} of the journal in ${folder}: some lines will be read again`);
        break;
      }
      for (const value of changed) keep(toEntry(value));
    }
  }

  function keep(entry: Entry | undefined): void {
    if (entry === undefined) return;
    // The newest last: the oldest are let go first.
    entries.delete(entry.id);
    entries.set(entry.id, entry);
    lastId = Math.max(lastId, entry.id);
  }

  function trim(): void {
    let surplus = -MOST_OVER;
    for (const { isOver } of entries.values()) if (isOver) surplus += 1;
    for (const { id, isOver } of entries.values()) {
      if (surplus <= 0) break;
      if (!isOver) continue;
      entries.delete(id);
      surplus -= 1;
    }
  }

  /** The new journal is there before the snapshot that names it, and the old one until after. */
  async function takeSnapshot(): Promise<void> {
    trim();
    const before = generation;
    const next = generation + 1;
    const opened = await open(join(folder, `${JOURNAL}${next}`), 'w', 0o600);
    try {
      const header: Header = {
        format: 'sonde-logs',
        version: 1,
        generation: next,
        firstStart_ms,
        nextId: lastId,
        count: entries.size,
      };
      const temporary = join(folder, `${SNAPSHOT}.new`);
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(encodeLine(header) + [...entries.values()].map(encodeLine).join(''));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(folder, SNAPSHOT));
    } catch (error) {
      await opened.close();
      throw error;
    }
    await journal?.close();
    journal = opened;
    journal_bytes = 0;
    generation = next;
    isUnsynced = false;
    isBroken = false;
    await syncFolder(folder);
    if (before > 0) await rm(join(folder, `${JOURNAL}${before}`), { force: true });
  }

  async function append(changed: readonly Entry[]): Promise<void> {
    for (const entry of changed) keep(entry);
    try {
      if (isBroken || journal === undefined || journal_bytes > LARGEST_JOURNAL_BYTES) await takeSnapshot();
      else {
        const line = Buffer.from(encodeLine(changed));
        // At its place, so that a try that failed half way is written over.
        const { bytesWritten } = await journal.write(line, 0, line.length, journal_bytes);
        if (bytesWritten < line.length) throw new Error(`only ${bytesWritten} of ${line.length} bytes were written`);
        journal_bytes += line.length;
        isUnsynced = true;
      }
      log.over('checkpoint', 'The checkpoint is written again');
    } catch (error) {
      isBroken = true;
      log.once('checkpoint', `Cannot write the checkpoint: ${messageOf(error)}; a restart would repeat lines`, {
        folder,
      });
    }
  }

  async function sync(): Promise<void> {
    if (!isUnsynced || journal === undefined) return;
    isUnsynced = false;
    try {
      await syncData(journal.fd);
    } catch (error) {
      isBroken = true;
      log.once('checkpoint', `Cannot sync the checkpoint: ${messageOf(error)}; a restart would repeat lines`, {
        folder,
      });
    }
  }

  const inTurn = (work: () => Promise<void>): Promise<void> => (last = last.then(work));

  return {
    async open() {
      makeFolder(folder);
      await load();
      await takeSnapshot();
      await removeStrangers(folder, `${JOURNAL}${generation}`);
      timer = setInterval(() => void inTurn(sync), SYNC_INTERVAL_MS);
      timer.unref();
      return [...entries.values()];
    },
    get firstStart_ms() {
      return firstStart_ms;
    },
    nextId: () => (lastId += 1),
    // After the end another may have taken over the folder.
    write: (changed) => (changed.length === 0 || isClosed ? last : inTurn(() => append(changed))),
    async close() {
      isClosed = true;
      clearInterval(timer);
      await inTurn(async () => {
        try {
          if (journal !== undefined) await takeSnapshot();
        } catch (error) {
          log.warn(`Cannot write the checkpoint: ${messageOf(error)}; a restart may repeat lines`, { folder });
        }
        await journal?.close();
        journal = undefined;
      });
    },
  };
}

/** @returns undefined where any part of it is not as it was written */
function readSnapshot(text: string, entries: Map<number, Entry>): Header | undefined {
  const [first = '', ...rest] = text.split('\n');
  const header = decodeLine(first) as Partial<Header> | undefined;
  const isOurs = header?.format === 'sonde-logs' && header.version === 1;
  if (!isOurs || rest.length !== header.count! + 1) return undefined;
  for (const line of rest.slice(0, -1)) {
    const entry = toEntry(decodeLine(line));
    if (entry === undefined) return undefined;
    entries.set(entry.id, entry);
  }
  return header as Header;
}

/** What a kill between two steps left. */
async function removeStrangers(folder: string, journal: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(JOURNAL) && name !== journal) await rm(join(folder, name), { force: true });
  }
}

/** So that the name outlives a power cut, too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems cannot sync folders.
    if (codeOf(error) !== 'EINVAL') throw error;
  } finally {
    await handle.close();
  }
}
