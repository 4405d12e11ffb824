/** What a power cut or a bad disk does to the folder of a queue while no agent uses it. */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCursor } from '../../../src/delivery/disk/cursor.ts';
import { openFolder } from '../../../src/delivery/disk/folder.ts';
import {
  decodeRecordHeader,
  isIntact,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  segmentSum,
  type RecordHeader,
} from '../../../src/delivery/disk/format.ts';
import { decodeNumbers, type NumberedSignal } from './numbered.ts';
import type { Random } from './random.ts';

interface Place extends RecordHeader {
  readonly path: string;
  readonly at: number;
  readonly isLast: boolean;
}

/** Names of the segments, oldest first. */
export function segmentsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.queue'))
    .toSorted();
}

/** Adds to the last segment what an interrupted write leaves: the beginning of a record, or anything at all. */
export function tearTail(folder: string, random: Random): boolean {
  const last = segmentsIn(folder).at(-1);
  if (last === undefined) return false;
  const path = join(folder, last);
  const bytes = readFileSync(path);
  const [record] = recordsIn(path, true);
  const torn =
    record !== undefined && random.chance(0.5)
      ? bytes.subarray(record.at, record.at + random.int(1, RECORD_HEADER_BYTES + record.length - 1))
      : Buffer.from(Array.from({ length: random.int(1, 300) }, () => random.int(0, 255)));
  appendFileSync(path, torn);
  return true;
}

export interface Flipped {
  /** In the record whose bit was flipped. */
  readonly numbers: readonly number[];
  /** It had been delivered, and the cursor knew. */
  readonly isSettled: boolean;
  /**
   * So many of its items have to be counted, at least and at most. With its header damaged, the last record of the queue
   * may look like one that was never finished, or with another count.
   */
  readonly countable: readonly [number, number];
  /** For messages. */
  readonly what: string;
}

/** Flips one bit of a record; undefined where there is none. */
export async function flipBit(folder: string, signal: NumberedSignal, random: Random): Promise<Flipped | undefined> {
  const names = segmentsIn(folder);
  const records = names.flatMap((name, index) => recordsIn(join(folder, name), index === names.length - 1));
  if (records.length === 0) return undefined;
  const record = random.pick(records);
  const { path, at, length, seq } = record;
  const bytes = readFileSync(path);
  const body = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
  const numbers = decodeNumbers(signal, body);
  const offset = random.int(0, RECORD_HEADER_BYTES + length - 1);
  bytes[at + offset]! ^= 1 << random.int(0, 7);
  writeFileSync(path, bytes);
  const cursor = await readCursor(await openFolder(folder));
  const isSettled =
    cursor !== undefined &&
    (seq < cursor.low.seq || cursor.spans.some(({ from, to }) => seq >= from.seq && seq < to.seq));
  return {
    numbers,
    isSettled,
    countable: record.isLast && offset < RECORD_HEADER_BYTES ? [0, length] : [numbers.length, numbers.length],
    what: `byte ${offset} of record ${seq} (${numbers.length} items${record.isLast ? ', the last' : ''})`,
  };
}

function recordsIn(path: string, isLastSegment: boolean): Place[] {
  const bytes = readFileSync(path);
  const places: Place[] = [];
  for (let at = SEGMENT_HEADER_BYTES; ;) {
    const header = decodeRecordHeader(bytes, at);
    if (header === undefined) break;
    const end = at + RECORD_HEADER_BYTES + header.length;
    if (end > bytes.length || !isIntact(bytes, at, header, segmentSum(bytes))) break;
    places.push({ ...header, path, at, isLast: false });
    at = end;
  }
  return places.map((place, index) => ({ ...place, isLast: isLastSegment && index === places.length - 1 }));
}
