/** Cuts encoded requests of remote write 2.0 in two, each with the strings that it needs. */
import type { Payload } from '../../src/component.ts';
import type { Reader } from '../../src/model/otlp/reader.ts';
import { sharedWriter as writer } from '../../src/model/otlp/writer.ts';
import { pointsIn, readRefs, readRequest, type SeriesView, type SymbolPlaces } from './read_request.ts';
import { SERIES } from './samples.ts';

/**
 * A payload in two halves; alone, where it is one point. The series of one histogram stay together.
 * @throws {SyntaxError} it is no request
 */
export function splitRequest(payload: Payload): readonly Payload[] {
  const middle = findMiddle(payload.body);
  if (middle === undefined) return [payload];
  // What has no points to count (target_info, stale markers of what vanished) stays without.
  const first = payload.count === 0 ? 0 : middle.points;
  return [
    { body: copySeries(payload.body, (_, index) => index < middle.series), count: first },
    { body: copySeries(payload.body, (_, index) => index >= middle.series), count: payload.count - first },
  ];
}

/**
 * The native histograms of a payload, and what is left; undefined where there is none.
 * @throws {SyntaxError} it is no request
 */
export function separateHistograms(payload: Payload): { readonly histograms?: Payload; readonly rest?: Payload } {
  const isNative = ({ histograms }: SeriesView): boolean => histograms.length > 0;
  let points = 0;
  let others = 0;
  readRequest(payload.body, (view) => {
    if (!isNative(view)) others++;
    points += view.histograms.length / 2;
  });
  if (points === 0) return { rest: payload };
  const count = Math.min(points, payload.count);
  if (others === 0) return { histograms: payload };
  return {
    histograms: { body: copySeries(payload.body, isNative), count },
    rest: { body: copySeries(payload.body, (view) => !isNative(view)), count: payload.count - count },
  };
}

/** Parts of at most `max_bytes`; a point that is larger alone is a part of its own, which the caller must refuse. */
export function splitToSize(payload: Payload, max_bytes: number): readonly Payload[] {
  if (payload.body.byteLength <= max_bytes) return [payload];
  const halves = splitRequest(payload);
  return halves.length === 1 ? halves : halves.flatMap((half) => splitToSize(half, max_bytes));
}

/** How many series, and points, are the first half by size; undefined where there is no place to cut. */
function findMiddle(body: Uint8Array): { readonly series: number; readonly points: number } | undefined {
  const cuts: { series: number; points: number; end: number }[] = [];
  let series = 0;
  let points = 0;
  let start: number | undefined;
  readRequest(body, (view, symbols) => {
    start ??= view.start;
    series++;
    const own = pointsIn(view, symbols);
    points += own;
    if (own > 0) cuts.push({ series, points, end: view.end });
  });
  // Behind the last there is nothing.
  cuts.pop();
  if (start === undefined || cuts.length === 0) return undefined;
  const middle = (start + body.byteLength) / 2;
  return cuts.find(({ end }) => end >= middle) ?? cuts.at(-1);
}

/** The request with only some of its series. */
function copySeries(body: Uint8Array, isWanted: (view: SeriesView, index: number) => boolean): Uint8Array {
  const numbers = new Map<number, number>([[0, 0]]);
  const renumber = (ref: number): number => {
    let number = numbers.get(ref);
    if (number === undefined) numbers.set(ref, (number = numbers.size));
    return number;
  };
  // What an encoder that threw left behind.
  writer.position = 0;
  let index = 0;
  const symbols = readRequest(body, (view, _, reader) => {
    if (isWanted(view, index++)) copyOne(view, reader, renumber);
  });
  const copied = writer.take();
  writeSymbols(symbols, numbers);
  writer.raw(copied);
  return writer.take();
}

function writeSymbols(symbols: SymbolPlaces, numbers: ReadonlyMap<number, number>): void {
  for (const ref of numbers.keys()) {
    const [start, end] = [symbols.start(ref), symbols.end(ref)];
    writer.varint(0x22);
    writer.varint(end - start);
    writer.raw(symbols.bytes, start, end);
  }
}

function copyOne(view: SeriesView, reader: Reader, renumber: (ref: number) => number): void {
  const expected = view.end - view.start;
  const start = writer.begin(SERIES, expected);
  writeRefs(view.refs.map(renumber));
  copyMessages(0x12, view.samples, reader);
  copyMessages(0x1a, view.histograms, reader);
  for (let i = 0; i < view.exemplars.length; i += 2) {
    copyExemplar(reader, view.exemplars[i]!, view.exemplars[i + 1]!, renumber);
  }
  const metadata = writer.begin(0x2a);
  if (view.type !== 0) writer.uint(0x08, view.type);
  if (view.help !== 0) writer.uint(0x18, renumber(view.help));
  if (view.unit !== 0) writer.uint(0x20, renumber(view.unit));
  writer.end(metadata);
  writer.end(start, expected);
}

function copyMessages(tag: number, places: readonly number[], reader: Reader): void {
  for (let i = 0; i < places.length; i += 2) {
    const [start, end] = [places[i]!, places[i + 1]!];
    writer.varint(tag);
    writer.varint(end - start);
    writer.raw(reader.bytes, start, end);
  }
}

function copyExemplar(reader: Reader, from: number, to: number, renumber: (ref: number) => number): void {
  const start = writer.begin(0x22);
  reader.position = from;
  while (!reader.isAtEnd(to)) {
    const fieldStart = reader.position;
    const tag = reader.tag();
    if (tag === 0x0a) {
      const refs: number[] = [];
      readRefs(reader, refs);
      writeRefs(refs.map(renumber));
    } else {
      reader.skip(tag);
      writer.raw(reader.bytes, fieldStart, reader.position);
    }
  }
  writer.end(start);
}

function writeRefs(refs: readonly number[]): void {
  const start = writer.begin(0x0a);
  for (const ref of refs) writer.varint(ref);
  writer.end(start);
}
