/**
 * What a store keeps on disk: segments of blocks. A block is what came in a minute; it says of each series what it is
 * where the segment has not said so before, so a segment can be read without the others.
 *
 *     segment  "SONDEHIS" version:u32 block*
 *     block    length:u32 crc32:u32 entry*                       CRC of the entries
 *     entry    1 id:varint count:varint (length:varint utf8)*    what series `id` is, names and values
 *            | 2 count:u8 numbers                                times of the chunks that follow
 *            | 3 id:varint back:varint length:varint body        a chunk, and which of the last times are its own
 */
import { crc32 } from 'node:zlib';
import { BitReader, BitWriter } from './bits.ts';
import { CHUNK_LENGTH, decodeNumbers, encodeNumbers } from './number_codec.ts';
import { decodeBody, type Body, type Excerpt } from './chunk_body.ts';
import type { Pairs } from './series_table.ts';

export const MAGIC = Buffer.from('SONDEHIS\x01\0\0\0', 'latin1');
const BLOCK_HEADER = 8;
const SERIES = 1;
const TIMES = 2;
const CHUNK = 3;
/** Times that chunks may share. */
const KEPT_TIMES = 16;

/** A block in the making. */
export class BlockWriter {
  newest_ms = -Infinity;
  readonly #writer = new BitWriter();
  readonly #times: Float64Array[] = [];

  constructor() {
    this.#writer.raw(new Uint8Array(BLOCK_HEADER));
  }

  get length(): number {
    return this.#writer.length - BLOCK_HEADER;
  }

  series(id: number, pairs: Pairs): void {
    this.#writer.byte(SERIES);
    this.#writer.varint(id);
    this.#writer.varint(pairs.length);
    for (const text of pairs) {
      const bytes = Buffer.from(text);
      this.#writer.varint(bytes.length);
      this.#writer.raw(bytes);
    }
  }

  chunk(id: number, { times, count, body }: Omit<Excerpt, 'slot'>): void {
    const writer = this.#writer;
    let back = this.#times.findIndex((known) => isSame(known, times, count));
    if (back === -1) {
      back = 0;
      writer.byte(TIMES);
      writer.byte(count);
      encodeNumbers(writer, times, count);
      this.#times.unshift(times.slice(0, count));
      if (this.#times.length > KEPT_TIMES) this.#times.pop();
    }
    writer.byte(CHUNK);
    writer.varint(id);
    writer.varint(back);
    writer.varint(body.length);
    writer.raw(body);
    this.newest_ms = Math.max(this.newest_ms, times[count - 1]!);
  }

  /** The whole block; nothing can be added to it any more. */
  finish(): Uint8Array {
    const bytes = this.#writer.view();
    const header = Buffer.from(bytes.buffer, bytes.byteOffset, BLOCK_HEADER);
    header.writeUInt32LE(bytes.length - BLOCK_HEADER, 0);
    header.writeUInt32LE(crc32(bytes.subarray(BLOCK_HEADER)), 4);
    return bytes;
  }
}

function isSame(known: Float64Array, times: Float64Array, count: number): boolean {
  if (known.length !== count) return false;
  for (let i = 0; i < count; i++) if (known[i] !== times[i]) return false;
  return true;
}

/** A chunk as it was read; the arrays are valid during the call. */
export interface ReadChunk extends Body {
  readonly count: number;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

export interface SegmentReading {
  /** Bytes of blocks that could not be used. */
  readonly damaged: number;
  /** Where the last whole block ends. What follows is no block. */
  readonly end: number;
}

/**
 * Reads a segment, whose header was checked, as far as it goes: a damaged block is left out, and what follows the last
 * whole one too.
 */
export function readSegment(bytes: Uint8Array, onChunk: (pairs: Pairs, chunk: ReadChunk) => void): SegmentReading {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const known = new Map<number, Pairs>();
  let damaged = 0;
  let end = MAGIC.length;
  for (let at = MAGIC.length; at + BLOCK_HEADER <= buffer.length;) {
    const length = buffer.readUInt32LE(at);
    const next = at + BLOCK_HEADER + length;
    if (length === 0 || next > buffer.length) break;
    const entries = buffer.subarray(at + BLOCK_HEADER, next);
    if (crc32(entries) === buffer.readUInt32LE(at + 4) && isReadable(entries, known, onChunk)) end = next;
    else damaged += next - at;
    at = next;
  }
  return { damaged, end };
}

function isReadable(...given: Parameters<typeof readBlock>): boolean {
  try {
    return readBlock(...given);
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

export function hasHeader(bytes: Uint8Array): boolean {
  return MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

const chunkTimes = new Float64Array(CHUNK_LENGTH);
const chunkValues = new Float64Array(CHUNK_LENGTH);

/** False where its bytes are whole, but make no sense. */
function readBlock(
  entries: Buffer,
  known: Map<number, Pairs>,
  onChunk: (pairs: Pairs, chunk: ReadChunk) => void,
): boolean {
  const reader = new BitReader();
  reader.open(entries, 0);
  const columns: { readonly count: number; readonly at: number }[] = [];
  while (reader.position < entries.length) {
    const kind = reader.byte();
    if (kind === SERIES) {
      const id = reader.varint();
      const texts: string[] = [];
      const count = reader.varint();
      if (count > entries.length) return false;
      for (let i = 0; i < count; i++) {
        const length = reader.varint();
        texts.push(entries.toString('utf8', reader.position, reader.position + length));
        reader.position += length;
      }
      known.set(id, texts);
    } else if (kind === TIMES) {
      const count = reader.byte();
      if (count === 0 || count > CHUNK_LENGTH) return false;
      columns.unshift({ count, at: reader.position });
      if (columns.length > KEPT_TIMES) columns.pop();
      decodeNumbers(reader, chunkTimes, 0, count);
    } else if (kind === CHUNK) {
      const id = reader.varint();
      const column = columns[reader.varint()];
      const length = reader.varint();
      const next = reader.position + length;
      if (column === undefined || next > entries.length) return false;
      // What a block that was left out has said is not known.
      const pairs = known.get(id);
      if (pairs !== undefined) {
        const { count } = column;
        const body = decodeBody(reader, chunkValues, 0, count);
        reader.open(entries, column.at);
        decodeNumbers(reader, chunkTimes, 0, count);
        onChunk(pairs, { ...body, count, times: chunkTimes, values: chunkValues });
      }
      reader.open(entries, next);
    } else return false;
  }
  return true;
}
