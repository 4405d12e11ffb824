/** Keeps what a store takes in a folder, in segments that are only ever added to, and reads it back. */
import { open, readdir, readFile, rename, rm, truncate, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComponentLog } from '../component.ts';
import { messageOf } from '../errors.ts';
import { createFolderLock } from '../folder_lock.ts';
import { makeFolder } from '../state_directory.ts';
import { BlockWriter, hasHeader, MAGIC, readSegment, type ReadChunk } from './disk_format.ts';
import type { Excerpt } from './chunk_body.ts';
import type { Pairs } from './series_table.ts';

export interface DiskOptions {
  readonly directory: string;
  readonly retention_ms: number;
  readonly max_bytes: number;
  readonly log: ComponentLog;
  readonly now_ms: () => number;
}

export interface Disk {
  /** Bytes of all segments. */
  readonly bytes: number;
  /**
   * Reads what there is.
   * @throws {Error} another process uses the folder, or it cannot be made
   */
  open(onChunk: (pairs: Pairs, chunk: ReadChunk) => void, afterEach: () => void): Promise<void>;
  /** Adds to what is written next. `key` is of one series for ever. */
  add(key: number, pairs: () => Pairs, excerpt: Omit<Excerpt, 'slot'>): void;
  /** Writes what was added. Never throws. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface Segment {
  readonly number: number;
  readonly path: string;
  readonly begun_ms: number;
  bytes: number;
  newest_ms: number;
}

const NAME = /^(\d{10})\.history$/;
/** Set aside for whoever wants to know; no more of them. */
const MAX_BAD = 3;
/** Of the retention and the bytes, so many segments at least. */
const SEGMENTS = 8;
const MIN_SEGMENT_BYTES = 65_536;
/** So much is written before its minute is over. */
const EARLY_BYTES = 1_048_576;
/** So much may wait for a disk that is too slow. */
const MAX_QUEUED_BYTES = 4 * EARLY_BYTES;

export function createDisk({ directory, retention_ms, max_bytes, log, now_ms }: DiskOptions): Disk {
  const lock = createFolderLock(directory, 'history');
  const segments: Segment[] = [];
  const segmentBytes = Math.max(MIN_SEGMENT_BYTES, Math.floor(max_bytes / SEGMENTS));
  let next = 1;
  let current: { readonly segment: Segment; readonly file: FileHandle } | undefined;
  let block = new BlockWriter();
  /** Series that the current segment knows. */
  let known = new Set<number>();
  let isNewSegment = true;
  let isOpen = false;
  /** Bytes of blocks that wait for the disk. */
  let queued = 0;
  let writing: Promise<void> = Promise.resolve();

  const bytes = (): number => segments.reduce((sum, segment) => sum + segment.bytes, 0);

  function isFull({ bytes: size, begun_ms }: Segment): boolean {
    return size >= segmentBytes || now_ms() - begun_ms >= retention_ms / SEGMENTS;
  }

  /** What is added from now on goes into a segment that says all anew. */
  function beginSegment(): void {
    isNewSegment = true;
    known = new Set();
    block = new BlockWriter();
  }

  async function write(finished: BlockWriter, isFirst: boolean): Promise<void> {
    try {
      if (isFirst || current === undefined) await create();
      const { file, segment } = current!;
      const content = finished.finish();
      // What a failure has left of it ends the segment.
      segment.newest_ms = Math.max(segment.newest_ms, finished.newest_ms);
      await file.appendFile(content);
      segment.bytes += content.length;
      await file.datasync();
      log.over('history', 'The history is kept on disk again');
    } catch (error) {
      log.once('history', `Cannot keep the history in ${directory}: ${messageOf(error)}; a restart will miss it`);
      await closeFile();
      beginSegment();
    }
    await removeOld();
  }

  async function create(): Promise<void> {
    await closeFile();
    const number = next++;
    const path = join(directory, `${String(number).padStart(10, '0')}.history`);
    const file = await open(path, 'wx', 0o600);
    const segment = { number, path, begun_ms: now_ms(), bytes: MAGIC.length, newest_ms: -Infinity };
    segments.push(segment);
    current = { segment, file };
    await file.appendFile(MAGIC);
  }

  async function closeFile(): Promise<void> {
    const file = current?.file;
    current = undefined;
    try {
      await file?.close();
    } catch {
      // What it holds was written, or was said not to be.
    }
  }

  async function removeOld(): Promise<void> {
    const oldest_ms = now_ms() - retention_ms;
    for (let segment = segments[0]; segment !== undefined; segment = segments[0]) {
      if (segment === current?.segment) break;
      if (segment.newest_ms >= oldest_ms && bytes() <= max_bytes) break;
      segments.shift();
      await remove(segment.path);
    }
  }

  async function remove(path: string): Promise<void> {
    try {
      await rm(path, { force: true });
    } catch (error) {
      log.once('history_removal', `Cannot remove ${path}: ${messageOf(error)}`);
    }
  }

  /** Reads a segment; returns what is wrong with it, if anything. */
  async function load(name: string, onChunk: (pairs: Pairs, chunk: ReadChunk) => void): Promise<string | undefined> {
    const path = join(directory, name);
    const content = await readFile(path);
    if (!hasHeader(content)) {
      // A process that was killed had not got further.
      if (MAGIC.subarray(0, content.length).equals(content)) {
        await remove(path);
        return undefined;
      }
      await setAside(name);
      return `${name} is no history of this version, and set aside`;
    }
    let newest_ms = -Infinity;
    const { damaged, end } = readSegment(content, (pairs, chunk) => {
      newest_ms = Math.max(newest_ms, chunk.times[chunk.count - 1]!);
      onChunk(pairs, chunk);
    });
    const isTorn = damaged === 0 && end < content.length;
    if (isTorn) await truncate(path, end);
    const size = isTorn ? end : content.length;
    segments.push({ number: Number(name.slice(0, 10)), path, begun_ms: 0, bytes: size, newest_ms });
    if (isTorn) return `${name} was cut by ${content.length - end} bytes at its end, where no whole block is`;
    return damaged > 0 ? `${name} has ${damaged} damaged bytes` : undefined;
  }

  async function setAside(name: string): Promise<void> {
    try {
      await rename(join(directory, name), join(directory, `${name}.bad`));
    } catch {
      // It is in nobody's way: new segments have numbers of their own.
    }
  }

  async function read(onChunk: (pairs: Pairs, chunk: ReadChunk) => void, afterEach: () => void): Promise<void> {
    const names = await readdir(directory);
    const wrong: string[] = [];
    for (const name of names.filter((each) => NAME.test(each)).sort()) {
      next = Math.max(next, Number(name.slice(0, 10)) + 1);
      try {
        const problem = await load(name, onChunk);
        if (problem !== undefined) wrong.push(problem);
      } catch (error) {
        wrong.push(`${name} cannot be read: ${messageOf(error)}`);
        await setAside(name);
      }
      afterEach();
    }
    if (wrong.length > 0) log.warn(`Cannot use all of the history in ${directory}: ${wrong.join('; ')}`);
    await removeBad(await readdir(directory));
    await removeOld();
  }

  async function removeBad(names: readonly string[]): Promise<void> {
    const bad = names.filter((name) => name.endsWith('.history.bad')).sort();
    for (const name of bad.slice(0, Math.max(0, bad.length - MAX_BAD))) await remove(join(directory, name));
  }

  return {
    get bytes() {
      return bytes();
    },
    async open(onChunk, afterEach) {
      try {
        makeFolder(directory);
      } catch (error) {
        throw new Error(`Cannot keep the history in ${directory}: ${messageOf(error)}`, { cause: error });
      }
      await lock.acquire();
      try {
        await read(onChunk, afterEach);
      } catch (error) {
        lock.release();
        throw new Error(`Cannot read the history in ${directory}: ${messageOf(error)}`, { cause: error });
      }
      isOpen = true;
    },
    add(key, pairs, excerpt) {
      if (!isOpen) return;
      if (block.length === 0 && current !== undefined && !isNewSegment && isFull(current.segment)) beginSegment();
      if (!known.has(key)) {
        known.add(key);
        block.series(key, pairs());
      }
      block.chunk(key, excerpt);
      if (block.length > EARLY_BYTES) void this.flush();
    },
    flush() {
      if (!isOpen || block.length === 0) return writing;
      if (queued > MAX_QUEUED_BYTES) {
        log.once(
          'history_slow',
          `Cannot keep the history in ${directory}: the disk is too slow; a restart will miss some`,
        );
        beginSegment();
        return writing;
      }
      const finished = block;
      const isFirst = isNewSegment;
      block = new BlockWriter();
      isNewSegment = false;
      queued += finished.length;
      writing = writing.then(() => write(finished, isFirst)).then(() => void (queued -= finished.length));
      return writing;
    },
    async close() {
      if (!isOpen) return;
      await this.flush();
      isOpen = false;
      await closeFile();
      lock.release();
    },
  };
}
