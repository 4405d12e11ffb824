/**
 * The compressed samples of all series, in the order in which they were compressed: a log of pages. What is too old, or
 * too much, is given up from its end, a page at a time, so nothing is ever searched for or moved. Each chunk says where
 * the one before it of the same series is.
 */
import { BitReader, BitWriter } from './bits.ts';
import { CHUNK_LENGTH, decodeNumbers, encodeNumbers } from './number_codec.ts';

/** Where a chunk is: number of its page, and place in it. 0 for none. Pages count from 1. */
export type Address = number;

const OFFSET_RANGE = 2 ** 24;
const FIRST_PAGE_BYTES = 2048;
/** Of the object and its arrays. */
const PAGE_OVERHEAD = 200;

interface Page {
  bytes: Uint8Array;
  length: number;
  samples: number;
  oldest_ms: number;
  newest_ms: number;
}

/** Times of a chunk, which chunks of a page share that were measured together. */
export interface Column {
  readonly times: Float64Array;
  readonly count: number;
}

/** A chunk that is being read: what it holds follows at the reader's position. */
export interface Chunk {
  readonly column: Column;
  readonly previous: Address;
}

/** Columns of the open page that the next chunk may share. */
const KEPT_COLUMNS = 16;
/** Decoded columns that are kept for the next series that is read. */
const CACHED_COLUMNS = 64;

export class ChunkLog {
  /** Also of what is open and not full yet. */
  bytes = 0;
  samples = 0;
  readonly reader = new BitReader();
  readonly #pageBytes: number;
  readonly #pages: Page[] = [];
  /** Number of `#pages[0]`. */
  #first = 1;
  readonly #recent: (Column & { readonly offset: number })[] = [];
  #cached = new Map<Address, Column>();
  readonly #header = new BitWriter();

  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes;
  }

  get pageCount(): number {
    return this.#pages.length;
  }

  /** Chunks before it are gone. */
  get oldest(): Address {
    return this.#first * OFFSET_RANGE;
  }

  /** Time of the oldest sample. */
  get oldest_ms(): number | undefined {
    let oldest: number | undefined;
    for (const { oldest_ms } of this.#pages) if (!(oldest! <= oldest_ms)) oldest = oldest_ms;
    return oldest;
  }

  has(address: Address): boolean {
    return address >= this.oldest;
  }

  /** Adds a chunk of samples at `times`, and says where it is. */
  write(times: Float64Array, count: number, previous: Address, body: BitWriter): Address {
    let page = this.#pages.at(-1);
    // A column of its own takes 300 bytes at most.
    const room = body.length + 400;
    if (page === undefined || (page.length > 0 && page.length + room > this.#pageBytes)) page = this.#open();
    const number = this.#first + this.#pages.length - 1;
    const column = this.#columnIn(page, times, count);
    const header = this.#header;
    header.clear();
    if (previous < this.oldest) header.varint(0);
    else {
      header.varint(1 + number - Math.floor(previous / OFFSET_RANGE));
      header.varint(previous % OFFSET_RANGE);
    }
    header.varint(page.length - column);
    const offset = page.length;
    this.#put(page, header);
    this.#put(page, body);
    page.samples += count;
    this.samples += count;
    if (times[0]! < page.oldest_ms) page.oldest_ms = times[0]!;
    if (times[count - 1]! > page.newest_ms) page.newest_ms = times[count - 1]!;
    return number * OFFSET_RANGE + offset;
  }

  /** What is at an address that the log still has; then `reader` stands before the chunk's body. */
  read(address: Address): Chunk {
    const number = Math.floor(address / OFFSET_RANGE);
    const offset = address % OFFSET_RANGE;
    const { reader } = this;
    const { bytes } = this.#pages[number - this.#first]!;
    reader.open(bytes, offset);
    const distance = reader.varint();
    const previous = distance === 0 ? 0 : (number + 1 - distance) * OFFSET_RANGE + reader.varint();
    const columnAt = address - reader.varint();
    let column = this.#cached.get(columnAt);
    if (column === undefined) {
      const { position } = reader;
      column = this.#decodeColumn(bytes, columnAt % OFFSET_RANGE);
      if (this.#cached.size >= CACHED_COLUMNS) this.#cached.clear();
      this.#cached.set(columnAt, column);
      reader.open(bytes, position);
    }
    return { column, previous };
  }

  /** Gives the oldest page up; returns how many samples were in it. */
  dropOldest(): number {
    const page = this.#pages.shift();
    if (page === undefined) return 0;
    this.#first++;
    this.#cached.clear();
    if (this.#pages.length === 0) this.#recent.length = 0;
    this.samples -= page.samples;
    this.bytes -= page.bytes.length + PAGE_OVERHEAD;
    return page.samples;
  }

  /** Time of the newest sample in the oldest page; undefined if there is none. */
  get oldestPageEnd_ms(): number | undefined {
    return this.#pages[0]?.newest_ms;
  }

  /** Begins a new page if the open one has samples from before. */
  closePageBegunBefore(time_ms: number): void {
    const page = this.#pages.at(-1);
    if (page !== undefined && page.oldest_ms < time_ms) this.#open();
  }

  #open(): Page {
    const before = this.#pages.at(-1);
    // What was not needed goes back.
    if (before !== undefined && before.length < before.bytes.length) {
      this.bytes -= before.bytes.length - before.length;
      before.bytes = before.bytes.slice(0, before.length);
    }
    const bytes = new Uint8Array(Math.min(FIRST_PAGE_BYTES, this.#pageBytes));
    const page: Page = { bytes, length: 0, samples: 0, oldest_ms: Infinity, newest_ms: -Infinity };
    this.#pages.push(page);
    this.#recent.length = 0;
    this.bytes += page.bytes.length + PAGE_OVERHEAD;
    return page;
  }

  #put(page: Page, { bytes, length }: BitWriter): void {
    const end = page.length + length;
    if (end > page.bytes.length) {
      const size = Math.max(end, Math.min(page.bytes.length * 2, this.#pageBytes));
      const grown = new Uint8Array(size);
      grown.set(page.bytes.subarray(0, page.length));
      this.bytes += size - page.bytes.length;
      page.bytes = grown;
    }
    // A view of so few bytes would cost more than they do.
    const to = page.bytes;
    for (let i = 0, at = page.length; i < length; i++) to[at++] = bytes[i]!;
    page.length = end;
  }

  /** Where in the page the times are. */
  #columnIn(page: Page, times: Float64Array, count: number): number {
    for (const column of this.#recent) if (isSame(column, times, count)) return column.offset;
    const header = this.#header;
    header.clear();
    header.byte(count);
    encodeNumbers(header, times, count);
    const offset = page.length;
    this.#put(page, header);
    if (this.#recent.length >= KEPT_COLUMNS) this.#recent.pop();
    this.#recent.unshift({ times: times.slice(0, count), count, offset });
    return offset;
  }

  #decodeColumn(bytes: Uint8Array, offset: number): Column {
    this.reader.open(bytes, offset);
    const count = this.reader.byte();
    const times = new Float64Array(CHUNK_LENGTH);
    decodeNumbers(this.reader, times, 0, count);
    return { times, count };
  }
}

function isSame(column: Column, times: Float64Array, count: number): boolean {
  if (column.count !== count || column.times[0] !== times[0] || column.times[count - 1] !== times[count - 1])
    return false;
  for (let i = 1; i < count - 1; i++) if (column.times[i] !== times[i]) return false;
  return true;
}
