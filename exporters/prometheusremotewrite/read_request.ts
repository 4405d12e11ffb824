/**
 * Reads encoded requests of remote write 2.0, as they wait in the queue: to count what is in them, to cut them in parts,
 * and to send them to back ends that know only 1.0.
 */
import { Reader } from '../../src/model/otlp/reader.ts';

const SYMBOL = 0x22;
const SERIES = 0x2a;
const HISTOGRAM_TYPE = 3;
const SUMMARY_TYPE = 5;

/** Strings of a request, as places in its bytes. */
export class SymbolPlaces {
  readonly bytes: Buffer;
  /** Start and end of each, alternately. */
  readonly #places: number[] = [];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.#places.length / 2;
  }

  add(start: number, end: number): void {
    this.#places.push(start, end);
  }

  /** @throws {SyntaxError} there is no such string */
  start(ref: number): number {
    if (ref >= this.size) throw new SyntaxError(`Cannot read a request: it has no symbol ${ref}`);
    return this.#places[2 * ref]!;
  }

  end(ref: number): number {
    return this.#places[2 * ref + 1]!;
  }

  text(ref: number): string {
    return this.bytes.toString('utf8', this.start(ref), this.end(ref));
  }
}

/** One series of a request. The same object serves all: what it holds is the series being visited. */
export class SeriesView {
  readonly refs: number[] = [];
  /** Start and end of each message, alternately. */
  readonly samples: number[] = [];
  readonly histograms: number[] = [];
  readonly exemplars: number[] = [];
  type = 0;
  help = 0;
  unit = 0;
  /** The whole field, with its tag. */
  start = 0;
  end = 0;

  read(reader: Reader, start: number): void {
    this.refs.length = this.samples.length = this.histograms.length = this.exemplars.length = 0;
    this.type = this.help = this.unit = 0;
    this.start = start;
    this.end = reader.message();
    while (!reader.isAtEnd(this.end)) {
      const tag = reader.tag();
      if (tag === 0x0a) readRefs(reader, this.refs);
      else if (tag === 0x12) readPlace(reader, this.samples);
      else if (tag === 0x1a) readPlace(reader, this.histograms);
      else if (tag === 0x22) readPlace(reader, this.exemplars);
      else if (tag === 0x2a) this.#readMetadata(reader);
      else reader.skip(tag);
    }
  }

  #readMetadata(reader: Reader): void {
    const end = reader.message();
    while (!reader.isAtEnd(end)) {
      const tag = reader.tag();
      if (tag === 0x08) this.type = reader.varint();
      else if (tag === 0x18) this.help = reader.varint();
      else if (tag === 0x20) this.unit = reader.varint();
      else reader.skip(tag);
    }
  }
}

/**
 * Visits every series of a request; returns its strings, which `visit` is given too.
 * @throws {SyntaxError} it is none, or its strings do not come first
 */
export function readRequest(
  body: Uint8Array,
  visit: (series: SeriesView, symbols: SymbolPlaces, reader: Reader) => void,
): SymbolPlaces {
  const reader = new Reader(body);
  const symbols = new SymbolPlaces(reader.bytes);
  const view = new SeriesView();
  while (!reader.isAtEnd(reader.size)) {
    const start = reader.position;
    const tag = reader.tag();
    if (tag === SYMBOL) {
      const end = reader.message();
      symbols.add(reader.position, end);
      reader.position = end;
    } else if (tag === SERIES) {
      view.read(reader, start);
      visit(view, symbols, reader);
      reader.position = view.end;
    } else reader.skip(tag);
  }
  return symbols;
}

export interface Counts {
  readonly samples: number;
  readonly histograms: number;
}

/** @throws {SyntaxError} it is no request */
export function countSamples(body: Uint8Array): Counts {
  let samples = 0;
  let histograms = 0;
  readRequest(body, (series) => {
    samples += series.samples.length / 2;
    histograms += series.histograms.length / 2;
  });
  return { samples, histograms };
}

/**
 * How many data points end with this series: of the series that a histogram or summary becomes, the count is the last,
 * and always there.
 */
export function pointsIn({ type, refs, samples, histograms }: SeriesView, symbols: SymbolPlaces): number {
  if (histograms.length > 0) return histograms.length / 2;
  if (type !== HISTOGRAM_TYPE && type !== SUMMARY_TYPE) return samples.length / 2;
  let isCount = false;
  for (let i = 0; i < refs.length; i += 2) {
    const label = symbols.text(refs[i]!);
    if (label === 'le' || label === 'quantile') return 0;
    if (label === '__name__') isCount = symbols.text(refs[i + 1]!).endsWith('_count');
  }
  return isCount ? samples.length / 2 : 0;
}

export function readRefs(reader: Reader, refs: number[]): void {
  const end = reader.message();
  while (!reader.isAtEnd(end)) refs.push(reader.varint());
}

function readPlace(reader: Reader, places: number[]): void {
  const end = reader.message();
  places.push(reader.position, end);
  reader.position = end;
}
