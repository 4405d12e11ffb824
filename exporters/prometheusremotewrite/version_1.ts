/** Encoded requests of remote write 2.0 as `prometheus.WriteRequest` of 1.0, for back ends that know nothing newer. */
import type { Reader } from '../../src/model/otlp/reader.ts';
import { sharedWriter as writer, varintSize } from '../../src/model/otlp/writer.ts';
import { readRequest, type SeriesView, type SymbolPlaces } from './read_request.ts';

/** `WriteRequest.timeseries` and `WriteRequest.metadata`. */
const SERIES = 0x0a;
const METADATA = 0x1a;
const HISTOGRAM_TYPE = 3;
const SUMMARY_TYPE = 5;

/**
 * Start timestamps are left out: 1.0 has none.
 * @param hasMetadata whether type, help and unit go along, once for each metric
 * @throws {SyntaxError} it is no request
 */
export function toVersion1(body: Uint8Array, hasMetadata: boolean): Uint8Array {
  /** By number of the name: `__name__` of series whose metadata is known already. */
  const named = new Set<number>();
  const families = new Map<string, Family>();
  let nameLabel: number | undefined;
  // What an encoder that threw left behind.
  writer.position = 0;
  readRequest(body, (series, symbols, reader) => {
    writeSeries(series, symbols, reader);
    if (!hasMetadata) return;
    nameLabel ??= findSymbol('__name__', symbols);
    const name = nameOf(series, nameLabel);
    if (name === undefined || named.has(name)) return;
    named.add(name);
    const family = familyName(symbols.text(name), series, symbols);
    const { type, help, unit } = series;
    if (!families.has(family)) families.set(family, { type, help: symbols.text(help), unit: symbols.text(unit) });
  });
  for (const [name, family] of families) writeMetadata(name, family);
  return writer.take();
}

interface Family {
  readonly type: number;
  readonly help: string;
  readonly unit: string;
}

function writeSeries(series: SeriesView, symbols: SymbolPlaces, reader: Reader): void {
  const { refs, samples, histograms, exemplars } = series;
  // In 1.0 each series carries its strings itself.
  const expected = 4 * (series.end - series.start);
  const start = writer.begin(SERIES, expected);
  writeLabels(refs, 0x0a, symbols);
  for (let i = 0; i < samples.length; i += 2) copyFields(0x12, reader, samples[i]!, samples[i + 1]!, 2);
  for (let i = 0; i < exemplars.length; i += 2) writeExemplar(reader, exemplars[i]!, exemplars[i + 1]!, symbols);
  for (let i = 0; i < histograms.length; i += 2) copyFields(0x22, reader, histograms[i]!, histograms[i + 1]!, 16);
  writer.end(start, expected);
}

function writeLabels(refs: readonly number[], tag: number, symbols: SymbolPlaces): void {
  for (let i = 0; i < refs.length; i += 2) {
    const [name, value] = [refs[i]!, refs[i + 1]!];
    const nameSize = symbols.end(name) - symbols.start(name);
    const valueSize = symbols.end(value) - symbols.start(value);
    writer.varint(tag);
    writer.varint(2 + varintSize(nameSize) + nameSize + varintSize(valueSize) + valueSize);
    writer.varint(0x0a);
    writer.varint(nameSize);
    writer.raw(symbols.bytes, symbols.start(name), symbols.end(name));
    writer.varint(0x12);
    writer.varint(valueSize);
    writer.raw(symbols.bytes, symbols.start(value), symbols.end(value));
  }
}

/** Copies a message without the fields after number `last`, which 1.0 does not know. */
function copyFields(tag: number, reader: Reader, from: number, to: number, last: number): void {
  const start = writer.begin(tag, to - from);
  reader.position = from;
  while (!reader.isAtEnd(to)) {
    const fieldStart = reader.position;
    const field = reader.tag();
    reader.skip(field);
    if (field >>> 3 <= last) writer.raw(reader.bytes, fieldStart, reader.position);
  }
  writer.end(start, to - from);
}

function writeExemplar(reader: Reader, from: number, to: number, symbols: SymbolPlaces): void {
  const start = writer.begin(0x1a);
  reader.position = from;
  while (!reader.isAtEnd(to)) {
    const fieldStart = reader.position;
    const field = reader.tag();
    if (field === 0x0a) {
      const refs: number[] = [];
      const end = reader.message();
      while (!reader.isAtEnd(end)) refs.push(reader.varint());
      writeLabels(refs, 0x0a, symbols);
    } else {
      reader.skip(field);
      writer.raw(reader.bytes, fieldStart, reader.position);
    }
  }
  writer.end(start);
}

function writeMetadata(name: string, { type, help, unit }: Family): void {
  const start = writer.begin(METADATA);
  if (type !== 0) writer.uint(0x08, type);
  writer.string(0x12, name);
  if (help !== '') writer.string(0x22, help);
  if (unit !== '') writer.string(0x2a, unit);
  writer.end(start);
}

function findSymbol(text: string, symbols: SymbolPlaces): number | undefined {
  for (let ref = 0; ref < symbols.size; ref++) if (symbols.text(ref) === text) return ref;
  return undefined;
}

function nameOf({ refs }: SeriesView, nameLabel: number | undefined): number | undefined {
  for (let i = 0; i < refs.length; i += 2) if (refs[i] === nameLabel) return refs[i + 1];
  return undefined;
}

/** In 1.0 metadata is of the whole histogram or summary, not of each series that it became. */
function familyName(name: string, { type, refs, histograms }: SeriesView, symbols: SymbolPlaces): string {
  if (histograms.length > 0) return name;
  if (type === HISTOGRAM_TYPE) return name.replace(/_(bucket|sum|count)$/, '');
  if (type !== SUMMARY_TYPE) return name;
  const isQuantile = refs.some((ref, i) => i % 2 === 0 && symbols.text(ref) === 'quantile');
  return isQuantile ? name : name.replace(/_(sum|count)$/, '');
}
