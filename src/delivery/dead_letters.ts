/**
 * Requests that a back end will never take: kept in a folder, each with the reason, until someone looks at them. A file
 * is one line of JSON and behind it the body as it was sent. What is moved to the folder `replay` is queued again.
 */
import * as fs from 'node:fs/promises';
import { watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { ComponentLog } from '../component.ts';
import { messageOf } from '../errors.ts';
import type { Signal } from '../model/batch.ts';
import type { DropReason } from './account.ts';
import type { NewBlock } from './store.ts';

export const DEAD_FOLDER = 'dead';
export const REPLAY_FOLDER = 'replay';
const LETTER = /^\d{13}-.+\.letter$/;
const UNFINISHED = '.letter.new';
/** As much more than it must makes room at a time, so that a full folder of small letters is not listed for each. */
const SLACK = 0.1;
const FORMAT_VERSION = 1;

export interface DeadLetter {
  /** Of the request. */
  readonly id: string;
  readonly body: Uint8Array;
  readonly count: number;
  readonly signal: Signal;
  /** When it was queued. */
  readonly time_ms: number;
  readonly reason: DropReason;
  /** The words of the back end, or why it was given up. */
  readonly why: string;
}

/** The first line of a letter's file. */
export interface LetterHeader extends Omit<DeadLetter, 'body'> {
  readonly format: number;
  readonly died_ms: number;
  readonly bytes: number;
  readonly crc32: number;
}

export interface DeadLetters {
  /** Keeps a letter, and removes the oldest that there is no room for. What it cannot keep it says in the log. */
  keep(letter: DeadLetter): Promise<void>;
  /** From now on hands over what is put into the folder `replay`, and what lies there already. */
  onReplay(take: (block: NewBlock) => Promise<void> | void): void;
  close(): void;
}

/** `folder` is the queue's. */
export function createDeadLetters(folder: string, max_bytes: number, log: ComponentLog): DeadLetters {
  const dead = join(folder, DEAD_FOLDER);
  const replay = join(folder, REPLAY_FOLDER);
  /** Bytes of those in the folder, as far as this process knows. */
  let used: number | undefined;
  let keeping: Promise<void> = Promise.resolve();
  let watcher: FSWatcher | undefined;
  let replaying: Promise<void> = Promise.resolve();

  /** One after the other: the room is one. */
  function keep(letter: DeadLetter): Promise<void> {
    return (keeping = keeping.then(() => keepNow(letter)));
  }

  async function keepNow(letter: DeadLetter): Promise<void> {
    try {
      await fs.mkdir(dead, { recursive: true, mode: 0o700 });
      if (used === undefined) await removeUnfinished();
      const died_ms = Date.now();
      const name = `${String(died_ms).padStart(13, '0')}-${letter.id.replaceAll(/[^\w.+-]/g, '_')}.letter`;
      const bytes = encodeLetter(letter, died_ms);
      if (bytes.length > max_bytes) throw new Error(`its ${bytes.length} bytes are more than dead_letters.max_bytes`);
      used = await makeRoom(bytes.length);
      await write(join(dead, name), bytes);
      used += bytes.length;
      log.once('dead letters', 'Keeps requests that will never be taken: see `sonde queue list`', { folder: dead });
    } catch (error) {
      log.once('no dead letters', `Cannot keep a request that will never be taken: ${messageOf(error)}`, {
        folder: dead,
      });
    }
  }

  async function write(path: string, bytes: Buffer): Promise<void> {
    const temporary = `${path}.new`;
    try {
      await fs.writeFile(temporary, bytes, { mode: 0o600, flush: true });
      await fs.rename(temporary, path);
    } catch (error) {
      await fs.rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  /** What a crash left of a letter that was being written. */
  async function removeUnfinished(): Promise<void> {
    for (const name of await fs.readdir(dead)) {
      if (name.endsWith(UNFINISHED)) await fs.rm(join(dead, name), { force: true });
    }
  }

  /** Returns the bytes that are left; looks at the folder only when it may be full, as others may have removed some. */
  async function makeRoom(bytes: number): Promise<number> {
    if (used !== undefined && used + bytes <= max_bytes) return used;
    const letters = await listLetters(dead);
    let left = letters.reduce((sum, letter) => sum + letter.bytes, 0);
    if (left + bytes <= max_bytes) return left;
    for (const { name, bytes: size } of letters) {
      if (left + bytes <= max_bytes * (1 - SLACK)) break;
      left -= size;
      await fs.rm(join(dead, name), { force: true });
    }
    log.once('full of dead letters', 'Removes the oldest dead letters: dead_letters.max_bytes is reached', {
      folder: dead,
    });
    return left;
  }

  async function replayAll(take: (block: NewBlock) => Promise<void> | void): Promise<void> {
    for (const { name } of await listLetters(replay)) {
      const path = join(replay, name);
      try {
        const { header, body } = decodeLetter(await fs.readFile(path));
        await take({ body, count: header.count, signal: header.signal, time_ms: Date.now() });
        await fs.rm(path, { force: true });
      } catch (error) {
        log.once(`replay ${name}`, `Cannot queue a dead letter again: ${messageOf(error)}`, { file: path });
      }
    }
  }

  return {
    keep,
    onReplay(take) {
      const look = (): void => {
        replaying = replaying.then(() => replayAll(take)).catch(() => undefined);
      };
      fs.mkdir(replay, { recursive: true, mode: 0o700 }).then(
        () => {
          watcher = watch(replay, { persistent: false }, look);
          watcher.on('error', () => watcher?.close());
          look();
        },
        (error: unknown) => log.once('no replay', `Cannot watch for dead letters: ${messageOf(error)}`),
      );
    },
    close() {
      watcher?.close();
    },
  };
}

/** In order of their names, which is that of their death; none where there is no folder. */
export async function listLetters(folder: string): Promise<{ name: string; bytes: number }[]> {
  const names: string[] = await fs.readdir(folder).catch(() => []);
  const letters: { name: string; bytes: number }[] = [];
  for (const name of names.toSorted((a, b) => (a < b ? -1 : 1))) {
    if (!LETTER.test(name)) continue;
    const stat = await fs.stat(join(folder, name)).catch(() => undefined);
    if (stat?.isFile() === true) letters.push({ name, bytes: stat.size });
  }
  return letters;
}

function encodeLetter({ body, ...letter }: DeadLetter, died_ms: number): Buffer {
  const header: LetterHeader = {
    format: FORMAT_VERSION,
    ...letter,
    died_ms,
    bytes: body.byteLength,
    crc32: crc32(body),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]);
}

/** @throws {Error} it is no letter, or damaged */
export function decodeLetter(bytes: Buffer): { readonly header: LetterHeader; readonly body: Buffer } {
  const end = bytes.indexOf('\n');
  let header: LetterHeader;
  try {
    header = JSON.parse(bytes.toString('utf8', 0, end === -1 ? 0 : end)) as LetterHeader;
  } catch (error) {
    throw new Error('Cannot read the dead letter: its first line is no JSON', { cause: error });
  }
  const body = bytes.subarray(end + 1);
  if (header.format !== FORMAT_VERSION) {
    throw new Error(`Cannot read the dead letter: it is of format ${header.format}`);
  }
  if (body.length !== header.bytes || crc32(body) !== header.crc32) {
    throw new Error('Cannot read the dead letter: its body is damaged');
  }
  return { header, body };
}
