/**
 * Messages that come again. An application measures the same series every time, and what it sends differs in times and
 * values alone, which have fixed widths. So of a message that came twice all other bytes are kept, together with the
 * series that were decoded from them: where they are found again, only times and values are read. Besides being a
 * fiftieth of the work, the layout is the very same object again, so processors and encoders find what they derived
 * from it (see `layout.ts`).
 */
import type { DistributionPoint, Exemplar, MetricBatch } from '../batch.ts';
import { NO_RECORDED_VALUE } from '../batch.ts';
import type { Layout } from '../layout.ts';
import type { DecodedPoint } from './decode_points.ts';
import { Reader } from './reader.ts';

/** Where in a message that was decoded its times and values are. */
export interface Places {
  /** By row: where the 8 bytes of its time and value are; 0 where it has none, or is a distribution. */
  readonly times: readonly number[];
  readonly values: readonly number[];
  /** Histogram and summary points, which are read anew. */
  readonly distributions: readonly Distribution[];
}

export interface Distribution {
  readonly row: number;
  /** Where its length is. */
  readonly position: number;
  /** Fields that belong to the series, and so must not differ: attributes and the start. */
  readonly keptTags: readonly number[];
  read(reader: Reader): DecodedPoint;
}

/** Of all messages that are kept; what is derived from their series takes a few times as much. */
const MAX_KEPT_BYTES = 4 * 2 ** 20;
const MAX_MESSAGE_BYTES = 2 ** 20;
/** Messages of the same length are compared one after the other. */
const MAX_SAME_LENGTH = 64;
/** Messages that came once: only their check sums are kept. */
const MAX_SEEN = 1024;

/** What of a message differs from time to time. */
class Variable {
  readonly times: Uint32Array;
  readonly values: Uint32Array;
  /** Starts and ends of what else differs. */
  readonly #gaps: readonly number[];

  constructor(bytes: Uint8Array, { times, values, distributions }: Places) {
    this.times = Uint32Array.from(times);
    this.values = Uint32Array.from(values);
    this.#gaps = distributions.length === 0 ? [] : [...gapsOf(bytes, distributions)];
  }

  /** Puts zeros there. */
  blank(bytes: Buffer): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const places of [this.times, this.values]) {
      for (let row = 0; row < places.length; row++) {
        const place = places[row]!;
        if (place > 0) view.setFloat64(place, 0);
      }
    }
    for (let gap = 0; gap < this.#gaps.length; gap += 2) bytes.fill(0, this.#gaps[gap], this.#gaps[gap + 1]);
  }

  /** Where the first of it is. */
  get start(): number {
    let least = this.#gaps[0] ?? Infinity;
    for (const places of [this.times, this.values]) {
      for (const place of places) if (place > 0 && place < least) least = place;
    }
    return least;
  }
}

class Recurring {
  readonly size: number;
  /** The message with zeros in place of what differs. */
  readonly #kept: Buffer;
  readonly #variable: Variable;
  /** Up to what differs. */
  readonly #prefix: number;
  readonly #isInt: Uint8Array;
  readonly #distributions: readonly Distribution[];
  readonly #series: Layout;
  readonly #flags: Uint32Array | undefined;

  constructor(kept: Buffer, variable: Variable, { series, flags }: MetricBatch, { distributions }: Places) {
    this.size = kept.length;
    this.#kept = kept;
    this.#variable = variable;
    this.#prefix = Math.min(variable.start, kept.length);
    this.#isInt = Uint8Array.from(series, ({ metric }) => (metric.valueType === 'int' ? 1 : 0));
    this.#distributions = distributions;
    this.#series = series;
    this.#flags = flags;
  }

  is(bytes: Buffer): boolean {
    if (bytes.compare(this.#kept, 0, this.#prefix, 0, this.#prefix) !== 0) return false;
    const copy = scratchOf(bytes);
    this.#variable.blank(copy);
    return copy.equals(this.#kept);
  }

  read(bytes: Uint8Array): MetricBatch {
    const reader = new Reader(bytes);
    const { view } = reader;
    const flags = this.#flags;
    const { values: places, times: timesAt } = this.#variable;
    const count = this.#series.length;
    const values = new Float64Array(count);
    let exactValues: Map<number, bigint> | undefined;
    for (let row = 0; row < count; row++) {
      const place = places[row]!;
      if (place === 0 || (flags !== undefined && (flags[row]! & NO_RECORDED_VALUE) !== 0)) values[row] = Number.NaN;
      else if (this.#isInt[row] === 0) values[row] = view.getFloat64(place, true);
      else {
        const value = view.getInt32(place + 4, true) * 4_294_967_296 + view.getUint32(place, true);
        values[row] = value;
        if (!Number.isSafeInteger(value)) {
          const exact = view.getBigInt64(place, true);
          values[row] = Number(exact);
          (exactValues ??= new Map()).set(row, exact);
        }
      }
    }
    const times = new Times(count);
    for (let row = 0; row < count; row++) {
      const place = timesAt[row]!;
      if (place > 0) times.set(row, view.getUint32(place, true), view.getInt32(place + 4, true));
    }
    const distributions = this.#readDistributions(reader, times);
    return {
      signal: 'metrics',
      count,
      series: this.#series,
      values,
      ...times.finish(),
      ...(flags && { flags }),
      ...(exactValues && { exactValues }),
      ...distributions,
    };
  }

  #readDistributions(reader: Reader, times: Times): Pick<MetricBatch, 'points' | 'exemplars'> {
    if (this.#distributions.length === 0) return {};
    const count = this.#series.length;
    const points = Array.from<DistributionPoint | undefined>({ length: count });
    let exemplars: (readonly Exemplar[] | undefined)[] | undefined;
    for (const { row, position, read } of this.#distributions) {
      reader.position = position;
      const decoded = read(reader);
      points[row] = decoded.point;
      times.set(row, Number(decoded.time & 0xffff_ffffn), Number(BigInt.asIntN(32, decoded.time >> 32n)));
      if (decoded.exemplars !== undefined) (exemplars ??= Array.from({ length: count }))[row] = decoded.exemplars;
    }
    return { points, ...(exemplars && { exemplars }) };
  }
}

/** Times of rows, of which most batches have but one. */
class Times {
  readonly #halves: Int32Array;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    this.#halves = new Int32Array(2 * count);
  }

  set(row: number, low: number, high: number): void {
    this.#halves[2 * row] = low;
    this.#halves[2 * row + 1] = high;
  }

  finish(): Pick<MetricBatch, 'time' | 'times'> {
    const halves = this.#halves;
    const all = new BigUint64Array(halves.buffer);
    const time = all[0] ?? 0n;
    for (let row = 1; row < this.#count; row++) {
      if (halves[2 * row] !== halves[0] || halves[2 * row + 1] !== halves[1]) return { time, times: all };
    }
    return { time };
  }
}

/** What of distribution points is read anew: all but the fields of their series, with tags and lengths left in place. */
function* gapsOf(bytes: Uint8Array, distributions: readonly Distribution[]): Generator<number> {
  const reader = new Reader(bytes);
  for (const { position, keptTags } of distributions) {
    reader.position = position;
    const end = reader.message();
    while (!reader.isAtEnd(end)) {
      const tag = reader.tag();
      const width = tag & 7;
      const from = reader.position;
      reader.skip(tag);
      // Varints may take another length the next time, and then the message is another one.
      if (keptTags.includes(tag) || (width !== 1 && width !== 2)) continue;
      yield width === 1 ? from : startOfContent(reader, from);
      yield reader.position;
    }
  }
}

function startOfContent(reader: Reader, lengthAt: number): number {
  const { position } = reader;
  reader.position = lengthAt;
  reader.varint();
  const start = reader.position;
  reader.position = position;
  return start;
}

const byLength = new Map<number, Recurring[]>();
const seen = new Set<number>();
let keptBytes = 0;
let scratch = Buffer.alloc(0);

/** A copy, which lasts until the next. */
function scratchOf(bytes: Uint8Array): Buffer {
  if (scratch.length < bytes.length) scratch = Buffer.allocUnsafeSlow(bytes.length);
  scratch.set(bytes);
  return scratch.subarray(0, bytes.length);
}

/** The batch, if a message came twice that was the same but for times and values. */
export function readRecurring(bytes: Uint8Array): MetricBatch | undefined {
  const known = byLength.get(bytes.length);
  if (known === undefined) return undefined;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return known.find((one) => one.is(buffer))?.read(bytes);
}

/** Notes what was decoded of a message, to find it again. */
export function noteDecoded(bytes: Uint8Array, batch: MetricBatch, places: Places): void {
  if (batch.count === 0 || bytes.length > MAX_MESSAGE_BYTES) return;
  const variable = new Variable(bytes, places);
  const copy = scratchOf(bytes);
  variable.blank(copy);
  const checkSum = process.getBuiltinModule('node:zlib').crc32(copy, bytes.length);
  if (!seen.delete(checkSum)) {
    // Most messages of a kind that never comes again stop here: they cost a copy, and no memory.
    seen.add(checkSum);
    if (seen.size > MAX_SEEN) seen.delete(seen.values().next().value!);
    return;
  }
  const known = byLength.get(bytes.length) ?? [];
  if (known.length === MAX_SAME_LENGTH) keptBytes -= takeAny(known).size;
  while (keptBytes + bytes.length > MAX_KEPT_BYTES) keptBytes -= forgetAny().size;
  known.push(new Recurring(Buffer.from(copy), variable, batch, places));
  byLength.set(bytes.length, known);
  keptBytes += bytes.length;
}

/** Any one: if more kinds come in turn than are kept, forgetting the oldest would forget each before it comes again. */
function forgetAny(): Recurring {
  const lengths = [...byLength.keys()];
  const length = lengths[Math.floor(Math.random() * lengths.length)]!;
  const known = byLength.get(length)!;
  const forgotten = takeAny(known);
  if (known.length === 0) byLength.delete(length);
  return forgotten;
}

function takeAny(known: Recurring[]): Recurring {
  const [taken] = known.splice(Math.floor(Math.random() * known.length), 1);
  return taken!;
}
