/** Reads the next stretch of a file and makes records of its lines. Nothing is kept but the position. */
import type { LogRecord } from '../../src/model/batch.ts';
import type { Figures } from './figures.ts';
import { createGroups, type GroupOptions } from './groups.ts';
import { checkOf, HEAD_BYTES } from './identity.ts';
import { CONTINUED, splitLines, type SplitOptions } from './split.ts';
import { readFully } from './system_calls.ts';
import type { Tracked } from './tracked.ts';
import type { CreateRecord } from './records.ts';

/** Bytes that are read at once, unless a line is longer. */
export const STRETCH_BYTES = 256 * 1024;
/** Room for a character and a newline behind the longest line. */
const SLACK_BYTES = 64;

export interface ReaderOptions {
  readonly split: SplitOptions;
  /** Undefined where each line is a record. */
  readonly group: GroupOptions | undefined;
  /** What is not complete is taken as it is when nothing more came for so long; 0 is never. */
  readonly flush_ms: number;
  readonly createRecord: CreateRecord;
  readonly figures: Figures;
  /** @returns false where it has no room for more */
  add(record: LogRecord, size: number): boolean;
  /** The position is another one: in the same turn of the loop as the records before it. */
  moved(file: Tracked): void;
}

export interface Reader {
  /**
   * @param isFinal whether nothing will follow what is there
   * @returns `replaced` where what was read before is not there any more
   */
  read(file: Tracked, now_ms: number, isFinal: boolean): Promise<'read' | 'replaced'>;
}

/** One for each lane: it reads one file at a time, into one buffer. */
export function createReader(options: ReaderOptions): Reader {
  const { split, group, flush_ms, createRecord, figures, add, moved } = options;
  const most_bytes = Math.max(STRETCH_BYTES, split.maxLine_bytes + SLACK_BYTES);
  const headBuffer = Buffer.allocUnsafeSlow(HEAD_BYTES);
  let buffer: Buffer = Buffer.alloc(0);

  async function learnHead(file: Tracked, filled: Buffer, start: number): Promise<void> {
    if (file.head.length >= HEAD_BYTES) return;
    if (file.unpacked === undefined && start === 0) return file.learnHead(filled);
    const length = await readFully(file.fd!, headBuffer, HEAD_BYTES, 0);
    file.learnHead(headBuffer.subarray(0, length));
  }

  return {
    async read(file, now_ms, isFinal) {
      const { position, unpacked, head } = file;
      const { check, offset } = position;
      const start = offset - check.length;
      const wanted = check.length + (file.want_bytes || STRETCH_BYTES);
      if (buffer.length < wanted) buffer = Buffer.allocUnsafeSlow(wanted);
      const length =
        unpacked === undefined
          ? await readFully(file.fd!, buffer, wanted, start)
          : await unpacked.read(buffer, wanted, start);
      if (length < check.length || checkOf(buffer.subarray(0, check.length)).crc !== check.crc) return 'replaced';
      const isAtEnd = length < wanted;
      await learnHead(file, buffer.subarray(0, length), start);
      const data = buffer.subarray(check.length, length);
      if (unpacked === undefined) file.resize(start + length, now_ms);

      const observedTime = BigInt(Date.now()) * 1_000_000n;
      let isFull = false;
      const take = (text: string, from: number, _next: number, flags: number): boolean => {
        const record = createRecord(file, text, from, flags, observedTime);
        if (record !== undefined && !add(record, text.length)) isFull = true;
        return !isFull;
      };
      const isQuiet = flush_ms > 0 && now_ms - file.grown_ms >= flush_ms;
      const isStuck = !isAtEnd && data.length >= most_bytes;
      // The end of a compressed file may still be to come.
      const isEnd = isFinal && !(unpacked?.isUnfinished ?? false);
      const mustFlushLine = isAtEnd && (isEnd || (isQuiet && unpacked === undefined));
      const mustFlushGroups =
        mustFlushLine || isStuck || (unpacked === undefined && flush_ms > 0 && now_ms - file.moved_ms >= flush_ms);
      const groups = group === undefined || file.isCanary ? undefined : createGroups(group, position.emitted, take);
      const end = splitLines(data, position, mustFlushLine, split, groups?.take ?? take);
      if (mustFlushGroups && !isFull) groups?.flush();

      const waiting = groups?.waiting;
      const next = waiting?.start ?? end.offset;
      const inLine = waiting === undefined ? end.inLine : (waiting.flags & CONTINUED) === 0 ? '' : 'continued';
      const emitted = Math.max(end.offset, position.emitted);
      file.moveTo({ offset: next, emitted, inLine }, buffer.subarray(0, next - start), now_ms);
      if (!file.isCanary) figures.bytes += next - offset;
      if (next !== offset || emitted !== position.emitted || file.head.digest !== head.digest) moved(file);
      file.hasMore = isFull || !isAtEnd;
      if (next === offset && !isAtEnd && !isFull)
        file.want_bytes = Math.min(most_bytes, (file.want_bytes || STRETCH_BYTES) * 2);
      // Where a batch is full before the stretch is used up, reading less costs less.
      else file.want_bytes = isFull ? stretchFor(next - offset) : 0;
      return 'read';
    },
  };
}

function stretchFor(used: number): number {
  return Math.min(STRETCH_BYTES, Math.max(16 * 1024, Math.ceil(used * 1.25)));
}
