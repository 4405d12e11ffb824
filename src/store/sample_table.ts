/**
 * The samples of all series, by the slot of the series: the latest as they came, in a head of 32, the others compressed
 * in the log. Columns instead of objects, for an append is a comparison and three stores.
 */
import { BitWriter } from './bits.ts';
import { ChunkLog, type Address } from './chunk_log.ts';
import {
  bitCount,
  decodeBody,
  encodeBody,
  NO_HISTOGRAMS,
  note,
  withRoom,
  type Excerpt,
  type Output,
} from './chunk_body.ts';
import { HeadHistograms } from './head_histograms.ts';
import { isSameHistogram } from './histogram_codec.ts';
import { CHUNK_LENGTH } from './number_codec.ts';
import type { NativeHistogram, Samples } from './queryable.ts';

export type Value = number | NativeHistogram | 'stale';

export interface SampleTableOptions {
  readonly pageBytes: number;
  /** Longest time from the first to the last sample of a chunk. */
  readonly maxSpan_ms: number;
  /** Hears of samples before they are compressed, and of others when asked; the excerpt is valid during the call. */
  readonly onSamples?: ((excerpt: Excerpt) => void) | undefined;
}

/** Histograms of a head are compressed before they take more. */
const MAX_HEAD_HISTOGRAM_BYTES = 16_384;
const HEAD_BYTES = CHUNK_LENGTH * 12 + 8 + 4 + 4 + 2;
const SLOT_BYTES = 8 + 8 + 8 + 4 + 1;
const NONE = -1;

export class SampleTable {
  readonly log: ChunkLog;
  /** Time of the last sample of each slot; -Infinity before the first. */
  lastTime = new Float64Array(0);
  #firstTime = new Float64Array(0);
  #isStale = new Uint8Array(0);
  #newest: Float64Array<ArrayBuffer> = new Float64Array(0);
  #head = new Int32Array(0);

  #headValues = new Float64Array(0);
  /** Milliseconds since the head's first sample. */
  #headOffsets = new Uint32Array(0);
  #headBase = new Float64Array(0);
  #headCount = new Uint8Array(0);
  #headStale = new Uint32Array(0);
  #headHistograms = new Uint32Array(0);
  /** Samples that `onSamples` has heard of. */
  #headTold = new Uint8Array(0);
  readonly #freeHeads: number[] = [];
  #headsUsed = 0;
  readonly headHistograms = new HeadHistograms();
  #samplesInHeads = 0;

  readonly #onSamples: ((excerpt: Excerpt) => void) | undefined;
  readonly #maxSpan_ms: number;
  readonly #writer = new BitWriter();
  readonly #times = new Float64Array(CHUNK_LENGTH);
  readonly #numbers = new Float64Array(CHUNK_LENGTH);
  #readTimes = new Float64Array(512);
  #readValues = new Float64Array(512);
  readonly #path: Address[] = [];

  constructor({ pageBytes, maxSpan_ms, onSamples }: SampleTableOptions) {
    // A head has 32 bits for it.
    this.#maxSpan_ms = Math.min(maxSpan_ms, 0xffff_ffff);
    this.log = new ChunkLog(pageBytes);
    this.#onSamples = onSamples;
  }

  /** Of all that is kept here. */
  get bytes(): number {
    return this.log.bytes + this.headBytes + this.lastTime.length * SLOT_BYTES;
  }

  get headBytes(): number {
    return this.#headBase.length * HEAD_BYTES + this.headHistograms.bytes;
  }

  get samples(): number {
    return this.log.samples + this.#samplesInHeads;
  }

  /** Time of the oldest sample. */
  get oldest_ms(): number | undefined {
    let oldest = this.log.oldest_ms ?? Infinity;
    for (let head = 0; head < this.#headsUsed; head++) {
      if (this.#headCount[head]! > 0 && this.#headBase[head]! < oldest) oldest = this.#headBase[head]!;
    }
    return oldest === Infinity ? undefined : oldest;
  }

  /** Makes room for slots below `count`. */
  reserve(count: number): void {
    const before = this.lastTime.length;
    if (count <= before) return;
    const size = Math.max(count, Math.ceil(before * 1.25), 16);
    this.lastTime = grow(this.lastTime, new Float64Array(size));
    this.#firstTime = grow(this.#firstTime, new Float64Array(size));
    this.#isStale = grow(this.#isStale, new Uint8Array(size));
    this.#newest = grow(this.#newest, new Float64Array(size));
    this.#head = grow(this.#head, new Int32Array(size));
    for (let slot = before; slot < size; slot++) this.reset(slot);
  }

  /** Makes a slot a series without samples. */
  reset(slot: number): void {
    this.lastTime[slot] = -Infinity;
    this.#firstTime[slot] = Infinity;
    this.#isStale[slot] = 0;
    this.#newest[slot] = 0;
    this.#head[slot] = NONE;
  }

  /** Adds a number at a time after the last one. */
  append(slot: number, time_ms: number, value: number): void {
    let head = this.#head[slot]!;
    if (head === NONE) head = this.#takeHead(slot);
    let count = this.#headCount[head]!;
    if (count === 0) {
      this.#headBase[head] = time_ms;
      if (this.#firstTime[slot] === Infinity) this.#firstTime[slot] = time_ms;
    } else if (count === CHUNK_LENGTH || time_ms - this.#headBase[head]! > this.#maxSpan_ms) {
      this.seal(slot);
      this.#headBase[head] = time_ms;
      count = 0;
    }
    const at = head * CHUNK_LENGTH + count;
    this.#headValues[at] = value;
    this.#headOffsets[at] = time_ms - this.#headBase[head]!;
    this.#headCount[head] = count + 1;
    this.lastTime[slot] = time_ms;
    this.#isStale[slot] = 0;
    this.#samplesInHeads++;
  }

  appendHistogram(slot: number, time_ms: number, histogram: NativeHistogram): void {
    this.append(slot, time_ms, NaN);
    const head = this.#head[slot]!;
    this.#headHistograms[head]! |= 1 << (this.#headCount[head]! - 1);
    if (this.headHistograms.add(head, histogram) > MAX_HEAD_HISTOGRAM_BYTES) this.seal(slot);
  }

  /** Ends a series; its head is free for others. Nothing happens where it has ended already, or never began. */
  appendStale(slot: number, time_ms: number): void {
    if (this.#isStale[slot] === 1 || !(time_ms > this.lastTime[slot]!) || this.lastTime[slot] === -Infinity) return;
    this.append(slot, time_ms, NaN);
    const head = this.#head[slot]!;
    this.#headStale[head]! |= 1 << (this.#headCount[head]! - 1);
    this.#isStale[slot] = 1;
    this.seal(slot);
    this.#giveHead(slot);
  }

  /** Whether the last sample of a series is this one. */
  isLast(slot: number, value: Value): boolean {
    if (value === 'stale' || this.#isStale[slot] === 1) return value === 'stale' && this.#isStale[slot] === 1;
    const time_ms = this.lastTime[slot]!;
    const { count, values, histograms } = this.read(slot, time_ms, time_ms);
    if (count === 0) return false;
    const histogram = histograms?.[count - 1];
    if (typeof value !== 'number') return histogram !== undefined && isSameHistogram(histogram, value);
    return histogram === undefined && Object.is(values[count - 1], value);
  }

  /** Whether there are samples; the log forgets them without a word. */
  isEmpty(slot: number): boolean {
    const head = this.#head[slot]!;
    return (head === NONE || this.#headCount[head] === 0) && !this.log.has(this.#newest[slot]!);
  }

  mayHave(slot: number, from_ms: number, to_ms: number): boolean {
    return this.lastTime[slot]! >= from_ms && this.#firstTime[slot]! <= to_ms;
  }

  /** Gives up the head of a series that has not been written to since then; compresses what began before. */
  tidy(slot: number, idleSince_ms: number, begunBefore_ms: number): void {
    const head = this.#head[slot]!;
    if (head === NONE) return;
    const isIdle = this.lastTime[slot]! < idleSince_ms;
    if (this.#headCount[head]! > 0 && (isIdle || this.#headBase[head]! < begunBefore_ms)) this.seal(slot);
    if (isIdle) this.#giveHead(slot);
  }

  /** Takes the head from a series without samples. */
  release(slot: number): void {
    if (this.#head[slot] !== NONE) this.#giveHead(slot);
    this.reset(slot);
  }

  /** Compresses the head of a series. */
  seal(slot: number): void {
    const head = this.#head[slot]!;
    if (head === NONE) return;
    const count = this.#headCount[head]!;
    if (count === 0) return;
    this.tell(slot);
    this.#encode(head, 0, count);
    this.#newest[slot] = this.log.write(this.#times, count, this.#newest[slot]!, this.#writer);
    this.#headCount[head] = this.#headTold[head] = this.#headStale[head] = 0;
    this.#samplesInHeads -= count;
    if (this.#headHistograms[head] === 0) return;
    this.#headHistograms[head] = 0;
    this.headHistograms.clear(head);
  }

  /** Lets `onSamples` hear of the samples in the head that it has not heard of. */
  tell(slot: number): void {
    if (this.#onSamples === undefined) return;
    const head = this.#head[slot]!;
    if (head === NONE) return;
    const from = this.#headTold[head]!;
    const to = this.#headCount[head]!;
    if (from === to) return;
    this.#encode(head, from, to);
    this.#headTold[head] = to;
    this.#onSamples({ slot, times: this.#times, count: to - from, body: this.#writer.view() });
  }

  /** What is in the head is where it came from, and need not be told. */
  tellNothingOf(slot: number): void {
    const head = this.#head[slot]!;
    if (head !== NONE) this.#headTold[head] = this.#headCount[head]!;
  }

  /** Samples from one time to another, in arrays that the next call fills again. */
  read(slot: number, from_ms: number, to_ms: number): Samples {
    const path = this.#path;
    path.length = 0;
    let most = CHUNK_LENGTH;
    for (let address = this.#newest[slot]!; this.log.has(address);) {
      const { column, previous } = this.log.read(address);
      if (column.times[column.count - 1]! < from_ms) break;
      if (column.times[0]! <= to_ms) {
        path.push(address);
        most += column.count;
      }
      address = previous;
    }
    if (most > this.#readTimes.length) {
      this.#readTimes = new Float64Array(most * 2);
      this.#readValues = new Float64Array(most * 2);
    }
    const output: Output = { count: 0, from_ms, to_ms, stale: undefined, histograms: undefined };
    for (let i = path.length - 1; i >= 0; i--) this.#readChunk(path[i]!, output);
    const head = this.#head[slot]!;
    if (head !== NONE) this.#readHead(head, output);
    const { count, histograms } = output;
    const stale = output.stale && withRoom(output.stale, count);
    const samples: Samples = { count, times: this.#readTimes, values: this.#readValues };
    if (stale === undefined && histograms === undefined) return samples;
    return { ...samples, ...(stale && { stale }), ...(histograms && { histograms }) };
  }

  #readChunk(address: Address, output: Output): void {
    const { times, count } = this.log.read(address).column;
    const chunk = decodeBody(this.log.reader, this.#readValues, output.count, count);
    let first = 0;
    while (first < count && times[first]! < output.from_ms) first++;
    let end = count;
    while (end > first && times[end - 1]! > output.to_ms) end--;
    const to = output.count;
    const values = this.#readValues;
    const readTimes = this.#readTimes;
    for (let i = first; i < end; i++) readTimes[to + i - first] = times[i]!;
    if (first > 0) values.copyWithin(to, to + first, to + end);
    note(output, chunk, first, end);
    output.count += end - first;
  }

  #readHead(head: number, output: Output): void {
    const count = this.#headCount[head]!;
    const base = this.#headBase[head]!;
    const start = head * CHUNK_LENGTH;
    let first = 0;
    while (first < count && base + this.#headOffsets[start + first]! < output.from_ms) first++;
    let end = count;
    while (end > first && base + this.#headOffsets[start + end - 1]! > output.to_ms) end--;
    for (let i = first; i < end; i++) {
      this.#readTimes[output.count + i - first] = base + this.#headOffsets[start + i]!;
      this.#readValues[output.count + i - first] = this.#headValues[start + i]!;
    }
    const stale = this.#headStale[head]!;
    const histograms = this.#headHistograms[head]!;
    note(output, { stale, histograms, held: this.headHistograms.of(head) }, first, end);
    output.count += end - first;
  }

  /** Puts part of a head into `#times` and the writer. */
  #encode(head: number, from: number, to: number): void {
    const count = to - from;
    const start = head * CHUNK_LENGTH + from;
    const base = this.#headBase[head]!;
    const within = count === CHUNK_LENGTH ? -1 : (1 << count) - 1;
    const stale = (this.#headStale[head]! >>> from) & within;
    const histograms = (this.#headHistograms[head]! >>> from) & within;
    const others = stale | histograms;
    let numbers = 0;
    for (let i = 0; i < count; i++) {
      this.#times[i] = base + this.#headOffsets[start + i]!;
      if ((others & (1 << i)) === 0) this.#numbers[numbers++] = this.#headValues[start + i]!;
    }
    this.#writer.clear();
    let held = NO_HISTOGRAMS;
    if (histograms !== 0) {
      const before = bitCount(this.#headHistograms[head]! & ((1 << from) - 1));
      held = this.headHistograms.of(head).slice(before, before + bitCount(histograms));
    }
    encodeBody(this.#writer, { stale, histograms, held }, this.#numbers, numbers);
  }

  #takeHead(slot: number): number {
    let head = this.#freeHeads.pop();
    if (head === undefined) {
      head = this.#headsUsed++;
      if (head >= this.#headBase.length) this.#growHeads();
    }
    this.#headCount[head] = this.#headTold[head] = this.#headStale[head] = this.#headHistograms[head] = 0;
    this.#head[slot] = head;
    return head;
  }

  #giveHead(slot: number): void {
    this.#freeHeads.push(this.#head[slot]!);
    this.#head[slot] = NONE;
  }

  #growHeads(): void {
    const size = Math.ceil(this.#headBase.length * 1.125) + 16;
    this.#headValues = grow(this.#headValues, new Float64Array(size * CHUNK_LENGTH));
    this.#headOffsets = grow(this.#headOffsets, new Uint32Array(size * CHUNK_LENGTH));
    this.#headBase = grow(this.#headBase, new Float64Array(size));
    this.#headCount = grow(this.#headCount, new Uint8Array(size));
    this.#headStale = grow(this.#headStale, new Uint32Array(size));
    this.#headHistograms = grow(this.#headHistograms, new Uint32Array(size));
    this.#headTold = grow(this.#headTold, new Uint8Array(size));
  }
}

function grow<T extends Float64Array | Uint32Array | Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
