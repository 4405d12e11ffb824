/**
 * Where the reading of a file begins that has just been opened: where it was left, where the file was left that it is a copy
 * or the compressed form of, or where `start_at` says.
 */
import type { Entry } from './entries.ts';
import { BEGINNING, beginsWith, CHECK_BYTES, checkOf, HEAD_BYTES, headOf, WHOLE, type Position } from './identity.ts';
import type { Shelf } from './shelf.ts';
import { readFully } from './system_calls.ts';
import type { Tracked } from './tracked.ts';
import { compressionOf, unpack } from './unpacked.ts';

/** A copy waits so long for what becomes of the file that it was made of. */
const LONGEST_WAIT_MS = 60_000;
/** A file that begins like another and is shorter may be a copy in the making, for so long after it grew. */
const COPY_PAUSE_MS = 5000;

export interface Recognized {
  readonly position: Position;
  /** The same file, which goes on under its number. */
  readonly same?: Entry;
  /** What the file's inode belonged to before. */
  readonly before?: Entry;
}

export interface RecognitionOptions {
  readonly shelf: Shelf;
  /** Files that are being read and begin the same. */
  readonly live: (digest: string, except: Tracked) => readonly Tracked[];
  /** Looks whether the content that was read of a file is still there, and puts it on the shelf if it is not. */
  readonly verify: (file: Tracked) => Promise<void>;
  /** Of files that were there before, only what is added is wanted. */
  readonly startsAtEnd: boolean;
}

/** Undefined where it cannot be told yet. */
export type Recognize = (file: Tracked, size: number, now_ms: number) => Promise<Recognized | undefined>;

export function createRecognition({ shelf, live, verify, startsAtEnd }: RecognitionOptions): Recognize {
  const waitingSince = new WeakMap<Tracked, number>();
  const buffer = Buffer.allocUnsafeSlow(HEAD_BYTES);

  /** Whether all that an entry says was read is in this file. */
  async function holds(file: Tracked, { position }: Entry): Promise<boolean> {
    const { check, offset } = position;
    const before = Buffer.allocUnsafe(check.length);
    const start = offset - check.length;
    const length =
      file.unpacked === undefined
        ? await readFully(file.fd!, before, check.length, start)
        : await file.unpacked.read(before, check.length, start);
    return length === check.length && checkOf(before).crc === check.crc;
  }

  async function fresh(file: Tracked, size: number): Promise<Position> {
    // What is shorter than it was has been written anew.
    const offset = startsAtEnd ? (file.early_bytes ?? 0) : 0;
    if (offset === 0 || offset > size) return BEGINNING;
    const before = Buffer.allocUnsafe(Math.min(CHECK_BYTES, offset));
    const length = await readFully(file.fd!, before, before.length, offset - before.length);
    const check = checkOf(before.subarray(0, length));
    return length < before.length ? BEGINNING : { offset, emitted: offset, inLine: '', check };
  }

  function mayWait(file: Tracked, now_ms: number, limit_ms: number): boolean {
    const since = waitingSince.get(file) ?? now_ms;
    waitingSince.set(file, since);
    return now_ms - since < limit_ms;
  }

  return async (file, size, now_ms) => {
    const bytes = buffer.subarray(0, await readFully(file.fd!, buffer, HEAD_BYTES, 0));
    const before = shelf.withInode(file.inode);
    if (before !== undefined && beginsWith(bytes, before.head)) {
      const compression = compressionOf(file.path);
      if (compression !== undefined || (size >= before.position.offset && (await holds(file, before)))) {
        return { position: before.position, same: before };
      }
    }
    // A file that has no content yet may become a copy.
    if (bytes.length === 0) return undefined;
    const found = (position: Position): Recognized =>
      before === undefined || before.isOver ? { position } : { position, before };

    const content = file.unpacked === undefined ? bytes.length : await file.unpacked.read(buffer, HEAD_BYTES, 0);
    if (content === HEAD_BYTES) {
      const { digest } = headOf(buffer);
      for (const other of live(digest, file)) {
        await verify(other);
        const { position } = other;
        if (size < position.offset && file.unpacked === undefined) {
          if (now_ms - file.grown_ms < COPY_PAUSE_MS) return undefined;
          continue;
        }
        const isCopy = await holds(file, other.toEntry());
        if (file.unpacked !== undefined) reopen(file);
        if (!isCopy) continue;
        if (mayWait(file, now_ms, LONGEST_WAIT_MS)) return undefined;
        // A copy beside a file that goes on: all that was in it is read there.
        return found(position);
      }
      let isShorter = false;
      for (const entry of shelf.beginningWith(digest)) {
        if (await holds(file, entry)) return found(entry.position);
        if (file.unpacked !== undefined) reopen(file);
        isShorter ||= size < entry.position.offset;
      }
      if (isShorter && file.unpacked === undefined && now_ms - file.grown_ms < COPY_PAUSE_MS) return undefined;
    }
    if (file.unpacked !== undefined)
      return found(startsAtEnd && file.early_bytes !== undefined ? { ...BEGINNING, emitted: WHOLE } : BEGINNING);
    return found(await fresh(file, size));
  };
}

function reopen(file: Tracked): void {
  file.unpacked?.close();
  file.unpacked = unpack(file.fd!, compressionOf(file.path)!);
}
