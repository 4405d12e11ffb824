/** What a power cut or a bad disk does to the folder of a queue while no agent uses it. */
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../../src/delivery/disk/format.ts';
import { openSegment, readQueue } from '../../../src/delivery/disk/inspect.ts';
import { decodeNumbers, type NumberedSignal } from './numbered.ts';
import type { Random } from './random.ts';

interface Place {
  readonly path: string;
  readonly seq: number;
  /** Where its header begins. */
  readonly at: number;
  readonly body: Uint8Array;
  readonly isLast: boolean;
}

/** Names of the segments, oldest first; none where there is no folder yet. */
export function segmentsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.queue'))
    .toSorted();
}

/** Adds to the last segment what an interrupted write leaves: the beginning of a record, or anything at all. */
export async function tearTail(folder: string, random: Random): Promise<boolean> {
  const last = segmentsIn(folder).at(-1);
  if (last === undefined) return false;
  const path = join(folder, last);
  const bytes = readFileSync(path);
  const [record] = await recordsIn(folder, last, true);
  const torn =
    record !== undefined && random.chance(0.5)
      ? bytes.subarray(record.at, record.at + random.int(1, RECORD_HEADER_BYTES + record.body.byteLength - 1))
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
  const records: Place[] = [];
  for (const name of names) records.push(...(await recordsIn(folder, name, name === names.at(-1))));
  if (records.length === 0) return undefined;
  const { path, at, seq, body, isLast } = random.pick(records);
  const { progress } = await readQueue(folder);
  const bytes = readFileSync(path);
  const numbers = decodeNumbers(signal, body);
  const offset = random.int(0, RECORD_HEADER_BYTES + body.byteLength - 1);
  bytes[at + offset]! ^= 1 << random.int(0, 7);
  writeFileSync(path, bytes);
  return {
    numbers,
    isSettled: progress.isDone(seq),
    countable: isLast && offset < RECORD_HEADER_BYTES ? [0, body.byteLength] : [numbers.length, numbers.length],
    what: `byte ${offset} of record ${seq} (${numbers.length} items${isLast ? ', the last' : ''})`,
  };
}

/** Those that are whole. */
async function recordsIn(folder: string, name: string, isLastSegment: boolean): Promise<Place[]> {
  // The agent was killed before it had written the header.
  if (statSync(join(folder, name)).size < SEGMENT_HEADER_BYTES) return [];
  const { records } = await openSegment(folder, name);
  const places: Place[] = [];
  for await (const { seq, body, nextAt } of records()) {
    const at = nextAt - body.byteLength - RECORD_HEADER_BYTES;
    places.push({ path: join(folder, name), seq, at, body, isLast: false });
  }
  return places.map((place, index) => ({ ...place, isLast: isLastSegment && index === places.length - 1 }));
}
