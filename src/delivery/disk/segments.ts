/** The segments that a folder holds when a queue is opened: what can be used, and what has to be set aside. */
import { messageOf } from '../../errors.ts';
import type { Folder, OpenFile } from './folder.ts';
import { CURSOR_NAME } from './cursor.ts';
import {
  behind,
  decodeRecordHeader,
  decodeSegmentHeader,
  findRecord,
  intactRecord,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  seqOfSegment,
  type Position,
  type RecordHeader,
} from './format.ts';

export interface Segment {
  readonly name: string;
  readonly queue: string;
  /** Of its header. */
  readonly sum: number;
  readonly first: Position;
  /** Behind its last record. */
  end: Position;
  /** Of the file, as far as it is good. */
  bytes: number;
  /** When its last record was queued, at the latest; Infinity where that is not known. */
  newest_ms: number;
}

/** Something to say about a file. */
export type Tell = (message: string, fields: Readonly<Record<string, unknown>>) => void;

const BAD = '.bad';
/** A first record that is longer is not read at the start. */
const MAX_CHECKED_BYTES = 1024 * 1024;
/** Of files that were set aside so many are kept: a failing disk must not fill itself. */
const MAX_BAD_FILES = 8;
/** What the queue knows besides segments; everything else in the folder is not its own. */
const OWN = new Set([CURSOR_NAME, 'lock', 'dead', 'replay']);

export interface LoadedSegments {
  readonly segments: Segment[];
  /** Whether one that could not be used is still there, so that the next start may find that it can. */
  readonly hasOthers: boolean;
}

/**
 * In order. Damaged and unreadable segments are renamed, alien files are left alone, and all of it is told. With
 * `isSynced` what is found survives a power cut, also where the process before had not come to that.
 */
export async function loadSegments(folder: Folder, isSynced: boolean, tell: Tell): Promise<LoadedSegments> {
  const names = (await folder.list()).toSorted();
  const found: Segment[] = [];
  const alien: string[] = [];
  let hasOthers = false;
  const lastName = names.findLast((name) => seqOfSegment(name) !== undefined);
  for (const name of names) {
    const seq = seqOfSegment(name);
    if (seq === undefined) {
      if (!OWN.has(name) && !name.endsWith(BAD)) alien.push(name);
      continue;
    }
    try {
      const segment = await withFile(folder, name, 'read', (file) => readFirst(file, name));
      if (segment.first.seq !== seq) throw new Error('has the name of another');
      found.push(segment);
    } catch (error) {
      if (name === lastName && (await removeUnbegun(folder, name))) continue;
      if (!(await setAside(folder, name, messageOf(error), tell))) hasOthers = true;
    }
  }
  if (alien.length > 0)
    tell('Leaves files alone that are not its own', { folder: folder.path, files: alien.join(', ') });
  const segments = consistent(found);
  for (const segment of found) {
    if (segments.includes(segment)) continue;
    if (!(await setAside(folder, segment.name, 'contradicts the others', tell))) hasOthers = true;
  }
  segments.forEach((segment, index) => {
    const next = segments[index + 1];
    if (next === undefined) return;
    segment.end = next.first;
    segment.newest_ms = next.newest_ms;
  });
  const last = segments.pop();
  const state = last === undefined ? 'empty' : await finish(folder, last, isSynced, tell);
  if (state === 'good') segments.push(last!);
  await tidyBad(folder, names, tell);
  return { segments, hasOthers: hasOthers || state === 'unusable' };
}

/**
 * The most segments that count their items on from each other, rather the later ones: one that came from elsewhere, or
 * that could not be used for a time, does not go on where the one before it ends.
 */
function consistent(segments: readonly Segment[]): Segment[] {
  /** By segment: how many there are from it on, and which comes next. */
  const chains: { readonly length: number; readonly next: number }[] = [];
  let best = -1;
  for (let index = segments.length - 1; index >= 0; index--) {
    const { item } = segments[index]!.first;
    let [length, next] = [1, -1];
    for (let other = index + 1; other < segments.length; other++) {
      const chain = chains[other]!;
      if (segments[other]!.first.item >= item && chain.length >= length) [length, next] = [chain.length + 1, other];
      // Usually they all are.
      if (length === segments.length - index) break;
    }
    chains[index] = { length, next };
    if (best === -1 || length > chains[best]!.length) best = index;
  }
  const chosen: Segment[] = [];
  for (let index = best; index !== -1; index = chains[index]!.next) chosen.push(segments[index]!);
  return chosen;
}

/** Removes what a process left that was killed between making a segment and writing its header; false if it is none. */
async function removeUnbegun(folder: Folder, name: string): Promise<boolean> {
  try {
    const size = await withFile(folder, name, 'read', (file) => file.size());
    if (size < SEGMENT_HEADER_BYTES) await folder.remove(name);
    return size < SEGMENT_HEADER_BYTES;
  } catch {
    // It is set aside, then.
    return false;
  }
}

/** Its header, and the time of its first record. */
async function readFirst(file: OpenFile, name: string): Promise<Segment> {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES);
  const head = bytes.subarray(0, await file.read(bytes, 0));
  const { seq, item, queue, sum } = decodeSegmentHeader(head);
  const first = { seq, item };
  const newest_ms = await timeOfFirst(file, head, sum);
  return { name, queue, sum, first, end: first, bytes: await file.size(), newest_ms };
}

/** A time that may be damaged must not let good data expire. */
async function timeOfFirst(file: OpenFile, head: Buffer, sum: number): Promise<number> {
  const { length = Infinity } = decodeRecordHeader(head, SEGMENT_HEADER_BYTES) ?? {};
  if (length > MAX_CHECKED_BYTES) return Infinity;
  const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + length);
  const found = record.subarray(0, await file.read(record, SEGMENT_HEADER_BYTES));
  return intactRecord(found, 0, sum)?.time_ms ?? Infinity;
}

/** Finds the end of the last segment, and cuts off what a crash left behind it. */
async function finish(
  folder: Folder,
  segment: Segment,
  isSynced: boolean,
  tell: Tell,
): Promise<'good' | 'empty' | 'set aside' | 'unusable'> {
  const { name, first } = segment;
  try {
    await withFile(folder, name, 'read', async (file) => {
      const bytes = Buffer.allocUnsafe(segment.bytes);
      Object.assign(segment, scan(bytes.subarray(0, await file.read(bytes, 0)), first, segment.sum));
    });
  } catch (error) {
    return (await setAside(folder, name, messageOf(error), tell)) ? 'set aside' : 'unusable';
  }
  try {
    if (segment.end.seq === first.seq) {
      await folder.remove(name);
      return 'empty';
    }
    await withFile(folder, name, 'write', async (file) => {
      const torn = (await file.size()) - segment.bytes;
      if (torn > 0) {
        tell('Cuts off what a crash left unfinished', { folder: folder.path, file: name, bytes: torn });
        await file.truncate(segment.bytes);
      }
      if (isSynced) await file.sync();
    });
    if (isSynced) await folder.sync();
  } catch (error) {
    // What it holds can be read all the same, and nothing is added to it.
    tell('Cannot put the last segment in order', { folder: folder.path, file: name, error: messageOf(error) });
  }
  // One without a record that is still there: numbers that are given now must not run into its own.
  return segment.end.seq > first.seq ? 'good' : 'unusable';
}

type Found = Pick<Segment, 'end' | 'bytes' | 'newest_ms'>;

/** Where the last record of a segment ends that was written as a whole. */
function scan(bytes: Buffer, first: Position, sum: number): Found {
  let found: Found = { end: first, bytes: SEGMENT_HEADER_BYTES, newest_ms: Infinity };
  for (let at = SEGMENT_HEADER_BYTES; at !== -1;) {
    const intact = intactRecord(bytes, at, sum);
    const header = intact ?? damagedRecord(bytes, at, found);
    if (header !== undefined) {
      const newest_ms = intact?.time_ms ?? found.newest_ms;
      found = { end: behind(header), bytes: at + RECORD_HEADER_BYTES + header.length, newest_ms };
    }
    // The length of a damaged record may be what is damaged: others may lie in it.
    at = intact === undefined ? findRecord(bytes, at + 1) : found.bytes;
  }
  return found;
}

/**
 * The header of a record right behind the ones before it that has its full length and their next number: it was
 * written as a whole and damaged since, so its reader has to count it. A crash leaves one that is too short. No item
 * is without a byte, so a damaged count is not believed beyond that.
 */
function damagedRecord(bytes: Buffer, at: number, found: Found): RecordHeader | undefined {
  const header = at === found.bytes ? decodeRecordHeader(bytes, at) : undefined;
  if (header === undefined || at + RECORD_HEADER_BYTES + header.length > bytes.length) return undefined;
  const isNext = header.seq === found.end.seq && header.item === found.end.item && header.count <= header.length;
  return isNext ? header : undefined;
}

/** Renames a file that cannot be used, so that the next start does not meet it again; false if it cannot. */
export async function setAside(folder: Folder, name: string, why: string, tell: Tell): Promise<boolean> {
  const fields = { folder: folder.path, file: name, why };
  try {
    await folder.rename(name, `${name}${BAD}`);
    tell('Sets a segment aside that it cannot use', fields);
    return true;
  } catch (error) {
    tell('Cannot use a segment, nor rename it', { ...fields, error: messageOf(error) });
    return false;
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

async function withFile<T>(
  folder: Folder,
  name: string,
  mode: 'read' | 'write',
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const file = await folder.open(name, mode);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
