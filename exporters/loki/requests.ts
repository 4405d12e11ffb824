/** Streams to push requests of limited size, and requests in halves. */
import type { Payload } from '../../src/component.ts';
import { Reader } from '../../src/model/otlp/reader.ts';
import { sharedWriter } from '../../src/model/otlp/writer.ts';
import type { Entry, Stream } from './entries.ts';
import type { PushFormat } from './formats.ts';
import type { Pair } from './names.ts';

/** `onTooLarge` is told of each entry that alone makes a request larger than `max_bytes`. */
export function encodeStreams(
  streams: readonly Stream[],
  format: PushFormat,
  max_bytes: number,
  onTooLarge: () => void,
): readonly Payload[] {
  const payloads: Payload[] = [];
  const writer = sharedWriter;
  // What an encoder that threw left behind.
  writer.position = 0;
  let count = 0;
  let streamCount = 0;

  function finish(): void {
    format.endRequest(writer);
    const body = writer.take();
    if (count > 0) payloads.push({ body, count });
    count = 0;
    streamCount = 0;
    format.beginRequest(writer);
  }

  /** Writes as many entries as there is room for, and returns the position of the first that has none. */
  function writeStream(labels: readonly Pair[], entries: readonly Entry[], from: number): number {
    const before = writer.position;
    const start = format.beginStream(writer, labels, streamCount === 0);
    let to = from;
    while (to < entries.length) {
      const end = writer.position;
      format.entry(writer, entries[to]!, to === from);
      if (writer.position + format.end_bytes > max_bytes) {
        writer.position = end;
        break;
      }
      to++;
    }
    if (to === from) writer.position = before;
    else {
      format.endStream(writer, start);
      streamCount++;
      count += to - from;
    }
    return to;
  }

  format.beginRequest(writer);
  for (const { labels, entries } of streams) {
    let next = 0;
    while (next < entries.length) {
      const wasEmpty = count === 0;
      const reached = writeStream(labels, entries, next);
      if (reached === next && wasEmpty) {
        onTooLarge();
        next++;
      } else next = reached;
      if (next < entries.length && count > 0) finish();
    }
  }
  finish();
  writer.position = 0;
  return payloads;
}

/** A protobuf request in two halves; streams with entries in both are in both. */
export function splitProtobuf({ body, count }: Payload): readonly Payload[] {
  const middle = Math.ceil(count / 2);
  return [copyEntries(body, 0, middle), copyEntries(body, middle, count)].filter((part) => part.count > 0);
}

function copyEntries(body: Uint8Array, from: number, to: number): Payload {
  const reader = new Reader(body);
  const writer = sharedWriter;
  writer.position = 0;
  let index = 0;
  let count = 0;
  while (!reader.isAtEnd(reader.size)) {
    reader.tag();
    const end = reader.message();
    const before = writer.position;
    const countBefore = count;
    const expected = end - reader.position;
    const start = writer.begin(0x0a, expected);
    while (!reader.isAtEnd(end)) {
      const fieldStart = reader.position;
      const tag = reader.tag();
      reader.skip(tag);
      if (tag === 0x12) {
        const isWanted = index >= from && index < to;
        index++;
        if (!isWanted) continue;
        count++;
      }
      writer.raw(reader.bytes, fieldStart, reader.position);
    }
    writer.end(start, expected);
    if (count === countBefore) writer.position = before;
  }
  return { body: writer.take(), count };
}

interface JsonStream {
  readonly stream: unknown;
  readonly values: readonly unknown[];
}

/** A JSON request in two halves. Everything in it is text, so nothing changes by being parsed. */
export function splitJson({ body, count }: Payload): readonly Payload[] {
  const { streams } = JSON.parse(Buffer.from(body).toString()) as { readonly streams: readonly JsonStream[] };
  const middle = Math.ceil(count / 2);
  return [selectValues(streams, 0, middle), selectValues(streams, middle, count)].filter((part) => part.count > 0);
}

function selectValues(streams: readonly JsonStream[], from: number, to: number): Payload {
  const selected: JsonStream[] = [];
  let index = 0;
  let count = 0;
  for (const { stream, values } of streams) {
    const part = values.slice(Math.max(0, from - index), Math.max(0, to - index));
    index += values.length;
    count += part.length;
    if (part.length > 0) selected.push({ stream, values: part });
  }
  return { body: Buffer.from(JSON.stringify({ streams: selected })), count };
}
