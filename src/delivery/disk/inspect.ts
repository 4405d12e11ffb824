/**
 * What the folder of a queue holds, read without changing anything and without the lock: also while an agent uses it.
 * Files may grow, and vanish, while they are read.
 */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { createSegmentReader, type StoredRecord } from './backlog.ts';
import { readCursor } from './cursor.ts';
import { openFolder, type Folder } from './folder.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, seqOfSegment, type Position } from './format.ts';
import { createProgress, later, type Progress } from './progress.ts';
import type { Segment } from './segments.ts';

export interface QueueContents {
  readonly path: string;
  readonly segments: readonly Segment[];
  /** Segments that cannot be used, with the reason. */
  readonly unusable: readonly { readonly name: string; readonly why: string }[];
  /** Of all segments. */
  readonly bytes: number;
  /** Which records are settled: sent, or dropped. */
  readonly progress: Progress;
  /** Behind the last record. */
  readonly end: Position;
  /** Items that are neither settled nor known to be damaged. */
  readonly waiting: number;
  /** When the first record that waits was queued, in milliseconds since 1970. */
  readonly oldest_ms: number | undefined;
  /** Behind the last record that is whole: it is being written now, or a crash left it unfinished. */
  readonly tail_bytes: number;
  /** Files that were set aside. */
  readonly bad: readonly { readonly name: string; readonly bytes: number }[];
  /** What cannot be read, in words. */
  readonly problems: readonly string[];
}

export interface ListedRecord extends Position {
  readonly segment: string;
  readonly count: number;
  readonly time_ms: number;
  readonly bytes: number;
  readonly isSettled: boolean;
}

/** Records of a segment that were never delivered and are not as they were written. */
export interface Damage {
  readonly segment: string;
  readonly records: number;
  readonly items: number;
}

/** @throws {NodeJS.ErrnoException} the folder cannot be read */
export async function readQueue(path: string): Promise<QueueContents> {
  // Making a folder that is there changes nothing; one that is not there shall not be made.
  const names = (await fs.readdir(path)).toSorted();
  const folder = await openFolder(path);
  const problems: string[] = [];
  const { segments, unusable } = await readSegments(folder, names);
  const cursor = await readCursor(folder).catch((error: unknown) => {
    problems.push(`Cannot read ${join(path, 'cursor')}: ${messageOf(error)}`);
    return undefined;
  });
  const last = segments.at(-1);
  const tail_bytes = last === undefined ? 0 : await findEnd(folder, last);
  const first = segments[0]?.first ?? cursor?.low ?? { seq: 0, item: 0 };
  const progress = createProgress(cursor?.low ?? first, cursor?.spans);
  const end = [progress.low, ...progress.spans.map(({ to }) => to)].reduce(later, last?.end ?? first);
  // What lies before the first segment has made room.
  progress.add({ from: progress.low, to: first });
  const settled = progress.spans.reduce((sum, { from, to }) => sum + to.item - from.item, 0);
  const waiting = Math.max(0, end.item - progress.low.item - settled);
  return {
    path,
    segments,
    unusable,
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    progress,
    end,
    waiting,
    oldest_ms: waiting === 0 ? undefined : await oldestOf(folder, segments, progress),
    tail_bytes,
    bad: await sizesOf(
      path,
      names.filter((name) => name.endsWith('.bad')),
    ),
    problems,
  };
}

/** Every record that is whole, in order. */
export async function* listRecords({ path, segments, progress }: QueueContents): AsyncGenerator<ListedRecord> {
  const folder = await openFolder(path);
  for (const segment of segments) {
    for await (const { seq, item, count, time_ms, length } of recordsOf(folder, segment)) {
      const isSettled = progress.isDone(seq);
      yield { segment: segment.name, seq, item, count, time_ms, bytes: length, isSettled };
    }
  }
}

/** Reads everything, and says what of it is damaged. The last record of all may be under way, and is not looked for. */
export async function findDamage({ path, segments, progress }: QueueContents): Promise<readonly Damage[]> {
  const folder = await openFolder(path);
  const delivered = createProgress(progress.low, progress.spans);
  const found: Damage[] = [];
  for (const segment of segments) {
    let expected: Position = segment.first;
    let [records, items] = [0, 0];
    const miss = (to: Position): void => {
      const span = { from: expected, to };
      if (to.seq <= expected.seq || delivered.covers(span)) return;
      records += to.seq - expected.seq;
      items += delivered.add(span);
    };
    for await (const record of recordsOf(folder, segment)) {
      miss(record);
      expected = { seq: record.seq + 1, item: record.item + record.count };
    }
    miss(segment.end);
    if (records > 0) found.push({ segment: segment.name, records, items });
  }
  return found;
}

/** A segment by the path of its file, with its records. @throws {Error} it is none */
export async function openSegment(
  path: string,
  name: string,
): Promise<{ readonly segment: Segment; readonly records: () => AsyncGenerator<StoredRecord> }> {
  const folder = await openFolder(path);
  const segment = await readSegment(folder, name);
  return { segment, records: () => recordsOf(folder, segment) };
}

async function readSegments(folder: Folder, names: readonly string[]) {
  const segments: Segment[] = [];
  const unusable: { name: string; why: string }[] = [];
  for (const name of names) {
    if (seqOfSegment(name) === undefined) continue;
    try {
      segments.push(await readSegment(folder, name));
    } catch (error) {
      // It was delivered, and removed, since the folder was listed.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      unusable.push({ name, why: messageOf(error) });
    }
  }
  segments.forEach((segment, index) => {
    segment.end = segments[index + 1]?.first ?? segment.end;
  });
  return { segments, unusable };
}

/** Its end is not known yet. */
async function readSegment(folder: Folder, name: string): Promise<Segment> {
  const file = await folder.open(name, 'read');
  try {
    const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const head = bytes.subarray(0, await file.read(bytes, 0));
    const { seq, item, ...own } = decodeSegmentHeader(head);
    if (seq !== seqOfSegment(name)) throw new Error('has the name of another');
    const first = { seq, item };
    return { name, ...own, first, end: first, bytes: await file.size(), newest_ms: 0 };
  } finally {
    await file.close();
  }
}

/** Of the last segment, which may be growing or have a torn end: the bytes behind what is whole. */
async function findEnd(folder: Folder, segment: Segment): Promise<number> {
  let length = Math.min(SEGMENT_HEADER_BYTES, segment.bytes);
  for await (const { seq, item, count, time_ms, nextAt } of recordsOf(folder, segment)) {
    segment.end = { seq: seq + 1, item: item + count };
    segment.newest_ms = time_ms;
    length = nextAt;
  }
  return segment.bytes - length;
}

async function oldestOf(folder: Folder, segments: readonly Segment[], progress: Progress): Promise<number | undefined> {
  for (const segment of segments) {
    if (progress.covers({ from: segment.first, to: segment.end })) continue;
    for await (const { seq, time_ms } of recordsOf(folder, segment)) if (!progress.isDone(seq)) return time_ms;
  }
  return undefined;
}

async function* recordsOf(folder: Folder, segment: Segment): AsyncGenerator<StoredRecord> {
  const reader = createSegmentReader(folder);
  try {
    for (let record = await reader.read(segment, 0); record !== undefined;) {
      yield record;
      record = await reader.read(segment, record.nextAt);
    }
  } catch (error) {
    // It was delivered, and removed, meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    await reader.close();
  }
}

async function sizesOf(path: string, names: readonly string[]): Promise<{ name: string; bytes: number }[]> {
  const sizes: { name: string; bytes: number }[] = [];
  for (const name of names) {
    const stat = await fs.stat(join(path, name)).catch(() => undefined);
    if (stat !== undefined) sizes.push({ name, bytes: stat.size });
  }
  return sizes;
}
