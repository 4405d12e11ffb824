/** The segments that a folder holds when a queue is opened: what can be used, and what has to be set aside. */
import { messageOf } from '../../errors.ts';
import type { Folder, OpenFile } from './folder.ts';
import { CURSOR_NAME } from './cursor.ts';
import {
  decodeRecordHeader,
  decodeSegmentHeader,
  findRecord,
  isIntact,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  seqOfSegment,
  type Position,
  type RecordHeader,
} from './format.ts';

export interface Segment {
  readonly name: string;
  readonly queue: string;
  readonly first: Position;
  /** Behind its last record. */
  end: Position;
  /** Of the file, as far as it is good. */
  bytes: number;
  /** When its last record was queued, at the latest. */
  newest_ms: number;
}

/** Something to say about a file. */
export type Tell = (message: string, fields: Readonly<Record<string, unknown>>) => void;

const BAD = '.bad';
/** Of files that were set aside so many are kept: a failing disk must not fill itself. */
const MAX_BAD_FILES = 8;
/** What the queue knows besides segments; everything else in the folder is not its own. */
const OWN = new Set([CURSOR_NAME, 'lock', 'dead', 'replay']);

export interface LoadedSegments {
  readonly segments: Segment[];
  /** How many could not be used. */
  readonly setAside: number;
}

/** In order. Damaged and unreadable segments are renamed, alien files are left alone, and all of it is told. */
export async function loadSegments(folder: Folder, tell: Tell): Promise<LoadedSegments> {
  const names = (await folder.list()).toSorted();
  const segments: Segment[] = [];
  const alien: string[] = [];
  let bad = 0;
  for (const name of names) {
    const seq = seqOfSegment(name);
    if (seq === undefined) {
      if (!OWN.has(name) && !name.endsWith(BAD)) alien.push(name);
      continue;
    }
    try {
      const segment = await withFile(folder, name, (file) => readFirst(file, name));
      if (segment.first.seq !== seq) throw new Error('has the name of another');
      segments.push(segment);
    } catch (error) {
      bad += 1;
      await setAside(folder, name, messageOf(error), tell);
    }
  }
  if (alien.length > 0)
    tell('Leaves files alone that are not its own', { folder: folder.path, files: alien.join(', ') });
  segments.forEach((segment, index) => {
    const next = segments[index + 1];
    if (next === undefined) return;
    segment.end = next.first;
    segment.newest_ms = next.newest_ms;
  });
  const last = segments.pop();
  if (last !== undefined && (await finish(folder, last, tell))) segments.push(last);
  await tidyBad(folder, names, tell);
  return { segments, setAside: bad };
}

/** Its header, and the time of its first record. */
async function readFirst(file: OpenFile, name: string): Promise<Segment> {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES);
  const head = bytes.subarray(0, await file.read(bytes, 0));
  const { seq, item, queue } = decodeSegmentHeader(head);
  const first = { seq, item };
  const newest_ms = decodeRecordHeader(head, SEGMENT_HEADER_BYTES)?.time_ms ?? 0;
  return { name, queue, first, end: first, bytes: await file.size(), newest_ms };
}

/** Finds the end of the last segment, and cuts off what a crash left behind it; false if there is nothing in it. */
async function finish(folder: Folder, segment: Segment, tell: Tell): Promise<boolean> {
  try {
    return await withFile(folder, segment.name, async (file) => {
      const bytes = Buffer.allocUnsafe(segment.bytes);
      const { end, length, newest_ms } = scan(bytes.subarray(0, await file.read(bytes, 0)), segment.first);
      const torn = segment.bytes - length;
      if (torn > 0) {
        tell('Cuts off what a crash left unfinished', { folder: folder.path, file: segment.name, bytes: torn });
        await file.truncate(length);
      }
      Object.assign(segment, { end, bytes: length, newest_ms });
      if (end.seq > segment.first.seq) return true;
      await folder.remove(segment.name);
      return false;
    });
  } catch (error) {
    await setAside(folder, segment.name, messageOf(error), tell);
    return false;
  }
}

/** Where the last record of a segment ends that was written as a whole. */
function scan(bytes: Buffer, first: Position): { end: Position; length: number; newest_ms: number } {
  let found = { end: first, length: SEGMENT_HEADER_BYTES, newest_ms: 0 };
  for (let at = SEGMENT_HEADER_BYTES; at !== -1;) {
    const intact = intactRecord(bytes, at);
    const header = intact ?? damagedRecord(bytes, at, found);
    if (header === undefined) {
      at = findRecord(bytes, at + 1);
      continue;
    }
    at += RECORD_HEADER_BYTES + header.length;
    const { seq, item, count } = header;
    found = { end: { seq: seq + 1, item: item + count }, length: at, newest_ms: intact?.time_ms ?? found.newest_ms };
  }
  return found;
}

/**
 * The header of a record right behind the ones before it that has its full length and their next number: it was
 * written as a whole and damaged since, so its reader has to count it. A crash leaves one that is too short. No item
 * is without a byte, so a damaged count is not believed beyond that.
 */
function damagedRecord(
  bytes: Buffer,
  at: number,
  { end, length }: { readonly end: Position; readonly length: number },
): RecordHeader | undefined {
  const header = at === length ? decodeRecordHeader(bytes, at) : undefined;
  if (header === undefined || at + RECORD_HEADER_BYTES + header.length > bytes.length) return undefined;
  const isNext = header.seq === end.seq && header.item === end.item && header.count <= header.length;
  return isNext ? header : undefined;
}

/** The header of a record that lies at `at` as a whole and is as it was written. */
export function intactRecord(bytes: Buffer, at: number): RecordHeader | undefined {
  const header = decodeRecordHeader(bytes, at);
  if (header === undefined || at + RECORD_HEADER_BYTES + header.length > bytes.length) return undefined;
  return isIntact(bytes, at, header) ? header : undefined;
}

/** Renames a file that cannot be used, so that the next start does not meet it again. */
export async function setAside(folder: Folder, name: string, why: string, tell: Tell): Promise<void> {
  const fields = { folder: folder.path, file: name, why };
  try {
    await folder.rename(name, `${name}${BAD}`);
    tell('Sets a segment aside that it cannot use', fields);
  } catch (error) {
    tell('Cannot use a segment, nor rename it', { ...fields, error: messageOf(error) });
  }
}

/** Removes a segment of which nothing is needed any more. */
export async function removeSegment(folder: Folder, { name }: Segment, tell: Tell): Promise<void> {
  try {
    await folder.remove(name);
  } catch (error) {
    tell('Cannot remove a segment that is no longer needed', { file: name, error: messageOf(error) });
  }
}

async function tidyBad(folder: Folder, before: readonly string[], tell: Tell): Promise<void> {
  const bad = before.filter((name) => name.endsWith(BAD)).toSorted();
  for (const name of bad.slice(0, Math.max(0, bad.length - MAX_BAD_FILES))) {
    try {
      await folder.remove(name);
      tell('Removes the oldest file that was set aside', { folder: folder.path, file: name });
    } catch {
      // It is in nobody's way; the next start tries again.
    }
  }
}

async function withFile<T>(folder: Folder, name: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  const file = await folder.open(name, 'write');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
