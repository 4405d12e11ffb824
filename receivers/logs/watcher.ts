/** What becomes of one file: it grows, is renamed, truncated, replaced, deleted, and in the end let go. */
import type { BigIntStats } from 'node:fs';
import type { ComponentLog } from '../../src/component.ts';
import type { Figures } from './figures.ts';
import { checkOf, WHOLE } from './identity.ts';
import type { Intake } from './intake.ts';
import type { Origin } from './origin.ts';
import { createRecognition } from './recognition.ts';
import type { Reader } from './reader.ts';
import type { Shelf } from './shelf.ts';
import { closeFile, codeOf, openFile, readFully, statFile, statOpenFile } from './system_calls.ts';
import { inodeOf, type Tracked } from './tracked.ts';
import { compressionOf, unpack } from './unpacked.ts';

export interface WatcherOptions {
  readonly shelf: Shelf;
  readonly intake: Pick<Intake, 'moved'>;
  readonly figures: Figures;
  readonly log: ComponentLog;
  readonly rotateWait_ms: number;
  readonly maxOpen: number;
  readonly unpacks: boolean;
  readonly reader: { readonly flush_ms: number };
  readonly originOf: (path: string) => Origin;
  readonly files: () => Iterable<Tracked>;
  readonly nextId: () => number;
  /** Asks for a search for files. */
  readonly search: () => void;
  /** Of files that were there before, only what is added is wanted. */
  readonly startsAtEnd: boolean;
  /** Another file is at a path now. */
  readonly onPathTaken: (path: string, stats: BigIntStats) => void;
  readonly onOver: (file: Tracked) => void;
}

export interface Watcher {
  /** Looks whether there is something to read. */
  poll(file: Tracked, reader: Reader, now_ms: number): Promise<void>;
  read(file: Tracked, reader: Reader, now_ms: number): Promise<void>;
  close(file: Tracked): Promise<void>;
  readonly open: number;
}

/** A file that finds no room among the open ones asks again after this. */
const ROOM_MS = 250;

export function createWatcher(options: WatcherOptions): Watcher {
  const { shelf, intake, figures, log, rotateWait_ms, maxOpen } = options;
  let open = 0;
  const recognize = createRecognition({
    shelf,
    live: (digest, except) => {
      const found: Tracked[] = [];
      for (const file of options.files()) {
        if (file !== except && file.isRecognized && file.head.digest === digest) found.push(file);
      }
      return found;
    },
    verify,
    startsAtEnd: options.startsAtEnd,
  });

  async function close(file: Tracked): Promise<void> {
    const { fd } = file;
    file.unpacked?.close();
    file.unpacked = undefined;
    if (fd === undefined) return;
    file.fd = undefined;
    open -= weightOf(file);
    await closeFile(fd);
  }

  /** A canary is beside those that max_open_files allows. */
  const weightOf = ({ isCanary }: Tracked): number => (isCanary ? 0 : 1);
  const hasRoomFor = (file: Tracked): boolean => file.isCanary || open < maxOpen;

  /** @returns false where it cannot be open now */
  async function ensureOpen(file: Tracked): Promise<boolean> {
    if (file.fd !== undefined) return true;
    if (!hasRoomFor(file)) {
      const idle = longestIdle();
      if (idle === undefined) return false;
      await close(idle);
    }
    open += weightOf(file);
    try {
      file.fd = await openFile(file.path);
    } catch (error) {
      open -= weightOf(file);
      throw error;
    }
    const stats = await statOpenFile(file.fd);
    if (inodeOf(stats) !== file.inode || !stats.isFile()) {
      await close(file);
      return false;
    }
    log.over(`read ${file.path}`, `Reads ${file.path} again`);
    const compression = options.unpacks ? compressionOf(file.path) : undefined;
    if (compression !== undefined) file.unpacked = unpack(file.fd, compression);
    return true;
  }

  /** Of those that could be opened again: their names still lead to them. */
  function longestIdle(): Tracked | undefined {
    let found: Tracked | undefined;
    for (const file of options.files()) {
      if (
        file.fd === undefined ||
        file.isCanary ||
        file.hasMore ||
        file.detached_ms !== undefined ||
        !file.isRecognized
      )
        continue;
      if (file.unpacked === undefined && (found === undefined || file.grown_ms < found.grown_ms)) found = file;
    }
    return found;
  }

  function finish(file: Tracked): Promise<void> {
    file.isOver = true;
    file.hasMore = false;
    if (file.isRecognized) {
      intake.moved(file.toEntry());
      shelf.put(file.toEntry());
    }
    options.onOver(file);
    return close(file);
  }

  /** Its content is not the one that was read: that is over, and the file begins anew under another number. */
  function replace(file: Tracked, now_ms: number): void {
    if (!file.isCanary) figures.truncated += 1;
    const before = { ...file.toEntry(), isOver: true };
    intake.moved(before);
    shelf.put(before);
    file.restart(options.nextId(), now_ms);
  }

  async function verify(file: Tracked): Promise<void> {
    const { check, offset } = file.position;
    if (file.fd === undefined || file.unpacked !== undefined) return;
    const bytes = Buffer.allocUnsafe(check.length);
    const length = await readFully(file.fd, bytes, check.length, offset - check.length);
    const isThere = length === check.length && checkOf(bytes).crc === check.crc;
    // It may have been read on meanwhile.
    if (!isThere && file.position.offset === offset) replace(file, performance.now());
  }

  function detach(file: Tracked, now_ms: number): void {
    if (file.detached_ms !== undefined) return;
    file.detached_ms = now_ms;
    figures.renamed += 1;
    options.search();
  }

  async function lookAt(file: Tracked, now_ms: number): Promise<BigIntStats | undefined> {
    if (file.detached_ms === undefined || file.isPathVacant) {
      const stats = await statPath(file, now_ms);
      if (stats !== undefined) return stats;
    }
    return file.fd === undefined ? undefined : statOpenFile(file.fd);
  }

  /** Undefined where the file is not at its path. */
  async function statPath(file: Tracked, now_ms: number): Promise<BigIntStats | undefined> {
    try {
      const stats = await statFile(file.path);
      file.isPathVacant = false;
      if (inodeOf(stats) === file.inode) {
        file.detached_ms = undefined;
        return stats;
      }
      detach(file, now_ms);
      if (stats.isFile()) options.onPathTaken(file.path, stats);
      else log.once(`kind ${file.path}`, `Does not read ${file.path} any more: it is no regular file now`);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
      detach(file, now_ms);
      // Whoever rotates it puts the next one there.
      file.isPathVacant = true;
    }
    return undefined;
  }

  const isWhole = (file: Tracked): boolean => file.position.emitted === WHOLE;

  return {
    get open() {
      return open;
    },
    close,
    async poll(file, reader, now_ms) {
      const stats = await lookAt(file, now_ms);
      if (stats !== undefined) {
        const size = Number(stats.size);
        const { offset } = file.position;
        if (size !== file.size) {
          file.resize(size, now_ms);
          file.hasMore = !isWhole(file);
        } else if (size > offset && !isWhole(file)) {
          file.hasMore ||= !file.isRecognized || isQuiet(file, now_ms);
        }
        if (file.isRecognized && !isCompressed(file) && size < offset) {
          replace(file, now_ms);
          file.hasMore = size > 0;
        }
      }
      const isIdle = now_ms - Math.max(file.grown_ms, file.detached_ms ?? now_ms) >= rotateWait_ms;
      // Open, it cannot be lost by what is done to its name.
      if (file.detached_ms === undefined && hasRoomFor(file) && !isWhole(file)) await ensureOpen(file);
      if (file.detached_ms === undefined || file.hasMore || !isIdle) return;
      if (file.fd !== undefined && file.isRecognized && file.size > file.position.offset && !isWhole(file)) {
        // Nothing will be added to a last line without newline.
        if ((await reader.read(file, now_ms, true)) === 'replaced') replace(file, now_ms);
        if (file.hasMore) return;
      }
      await finish(file);
    },
    async read(file, reader, now_ms) {
      if (!(await ensureOpen(file))) {
        file.retry_ms = now_ms + ROOM_MS;
        return;
      }
      if (!file.isRecognized && !(await settle(file, now_ms))) return;
      if (isWhole(file)) {
        file.hasMore = false;
        return close(file);
      }
      const isFinal = file.unpacked !== undefined;
      const outcome = await reader.read(file, now_ms, isFinal);
      if (outcome === 'replaced') {
        if (isFinal) {
          const isBeingWritten = await isChanging(file);
          // What is open has been unpacked as far as it goes.
          await close(file);
          if (isBeingWritten) return;
        }
        return replace(file, now_ms);
      }
      if (isFinal && !file.hasMore) await endUnpacked(file);
    },
  };

  function isQuiet(file: Tracked, now_ms: number): boolean {
    const { flush_ms } = options.reader;
    return flush_ms > 0 && now_ms - file.grown_ms >= flush_ms;
  }

  function isCompressed({ path }: Tracked): boolean {
    return options.unpacks && compressionOf(path) !== undefined;
  }

  /** Finds out where reading begins. */
  async function settle(file: Tracked, now_ms: number): Promise<boolean> {
    const { size } = await statOpenFile(file.fd!);
    const found = await recognize(file, Number(size), now_ms);
    if (found === undefined) {
      // It is asked again when it is looked at next.
      file.hasMore = false;
      return false;
    }
    const { same, before, position } = found;
    if (same !== undefined) {
      shelf.take(same.id);
      file.id = same.id;
      file.head = same.head;
      file.origin = options.originOf(same.path);
    }
    if (before !== undefined) {
      const over = { ...before, isOver: true };
      shelf.put(over);
      intake.moved(over);
    }
    file.begin(position, now_ms);
    return true;
  }

  /** A compressed file that is written anew: it is looked at again when its size is another. */
  async function isChanging(file: Tracked): Promise<boolean> {
    const size = Number((await statOpenFile(file.fd!)).size);
    const isBeingWritten = size === 0 || size !== file.size || file.unpacked?.isUnfinished === true;
    if (isBeingWritten) file.hasMore = false;
    return isBeingWritten;
  }

  async function endUnpacked(file: Tracked): Promise<void> {
    const { error, isUnfinished, packed_bytes } = file.unpacked!;
    if (isUnfinished || (await isChanging(file))) {
      // What was written since the end was met shows when the file is looked at next, though its size was seen already.
      if (isUnfinished) file.resize(packed_bytes, performance.now());
      log.once(`end ${file.path}`, `Waits for the rest of ${file.path}: it ends too early`);
      return close(file);
    }
    if (error !== undefined) {
      figures.errors += 1;
      log.warn(`Cannot read all of ${file.path}: ${error.message}`);
    }
    log.over(`end ${file.path}`, `The rest of ${file.path} has come`);
    file.position = { ...file.position, emitted: WHOLE };
    intake.moved(file.toEntry());
    await close(file);
  }
}
