/** Reads records back from segments, in order, in large pieces; steps over damage. */
import type { Folder, OpenFile } from './folder.ts';
import {
  decodeRecordHeader,
  findRecord,
  intactRecord,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  type FoundHeader,
} from './format.ts';
import type { Segment } from './segments.ts';

/** A record as it was put, and where the next one begins. */
export interface StoredRecord extends FoundHeader {
  readonly body: Buffer;
  readonly nextAt: number;
}

export interface SegmentReader {
  /**
   * The first intact record of `segment` at `at` or behind it; undefined where there is none before its end.
   * One call at a time.
   * @throws {Error} the file cannot be read
   */
  read(segment: Segment, at: number): Promise<StoredRecord | undefined>;
  /** Has the file of a segment open no longer than it is being read, so that the room it takes is free when it is gone. */
  leave(segment: Segment): Promise<void>;
  close(): Promise<void>;
}

/** Large enough that the calls cost little, small enough to be held while a request is under way. */
const PIECE_BYTES = 256 * 1024;

export function createSegmentReader(folder: Folder): SegmentReader {
  let open: { readonly name: string; readonly file: OpenFile } | undefined;
  /** Bytes of the open segment from `start` on. */
  let piece = Buffer.alloc(0);
  let start = 0;
  let reading: Promise<unknown> | undefined;

  async function close(): Promise<void> {
    const { file } = open ?? {};
    open = undefined;
    piece = Buffer.alloc(0);
    // It was only read from: nothing can be lost by that.
    await file?.close().catch(() => undefined);
  }

  /** Has at least `length` bytes from `at` on in `piece`, or all there are. */
  async function load(segment: Segment, at: number, length: number): Promise<void> {
    const wanted = Math.min(length, segment.bytes - at);
    if (at >= start && at + wanted <= start + piece.length) return;
    if (open === undefined) open = { name: segment.name, file: await folder.open(segment.name, 'read') };
    // Records that are handed out keep their piece: it is never written to again.
    const bytes = Buffer.allocUnsafe(Math.min(Math.max(length, PIECE_BYTES), segment.bytes - at));
    piece = bytes.subarray(0, await open.file.read(bytes, at));
    start = at;
  }

  async function find(segment: Segment, from: number): Promise<StoredRecord | undefined> {
    if (open !== undefined && open.name !== segment.name) await close();
    for (let at = Math.max(from, SEGMENT_HEADER_BYTES); at + RECORD_HEADER_BYTES <= segment.bytes;) {
      await load(segment, at, RECORD_HEADER_BYTES);
      const claimed = decodeRecordHeader(piece, at - start);
      if (claimed !== undefined) {
        await load(segment, at, RECORD_HEADER_BYTES + claimed.length);
        const header = intactRecord(piece, at - start, segment.sum);
        if (header !== undefined) {
          const nextAt = at + RECORD_HEADER_BYTES + header.length;
          const body = piece.subarray(at - start + RECORD_HEADER_BYTES, nextAt - start);
          return { ...header, body, nextAt };
        }
      }
      if (piece.length < RECORD_HEADER_BYTES) return undefined;
      const next = findRecord(piece, at - start + 1);
      // The mark itself may lie across the end of the piece.
      at = next === -1 ? Math.max(at + 1, start + piece.length - 3) : start + next;
    }
    return undefined;
  }

  return {
    async read(segment, from) {
      const finding = find(segment, from);
      reading = finding;
      try {
        return await finding;
      } finally {
        reading = undefined;
      }
    },
    async leave({ name }) {
      await reading?.catch(() => undefined);
      // A read that began meanwhile is of another one, and closes this.
      if (open?.name === name && reading === undefined) await close();
    },
    async close() {
      await reading?.catch(() => undefined);
      await close();
    },
  };
}
