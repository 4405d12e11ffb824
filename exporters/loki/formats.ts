/** The two ways to write a push request: protobuf (logproto.PushRequest of grafana/loki, pkg/push/push.proto), and JSON. */
import { sharedWriter, type Writer } from '../../src/model/otlp/writer.ts';
import { textJson } from '../../src/text/value_json.ts';
import type { Entry } from './entries.ts';
import type { Origin } from './labels.ts';
import type { Pair } from './names.ts';

/** Writes a request piece by piece; what was begun is ended in reverse. */
export interface PushFormat {
  readonly contentType: string;
  /** Most bytes that {@link endStream} and {@link endRequest} add together. */
  readonly end_bytes: number;
  beginRequest(writer: Writer): void;
  /** Returns what `endStream` needs. */
  beginStream(writer: Writer, labels: readonly Pair[], isFirst: boolean): number;
  entry(writer: Writer, entry: Entry, isFirst: boolean): void;
  endStream(writer: Writer, start: number): void;
  endRequest(writer: Writer): void;
}

const NANOSECONDS_PER_S = 1_000_000_000n;

export const protobufFormat: PushFormat = {
  contentType: 'application/x-protobuf',
  end_bytes: 8,
  beginRequest() {},
  beginStream(writer, labels) {
    const start = writer.begin(0x0a, EXPECTED_STREAM);
    writer.string(0x0a, labelsText(labels));
    return start;
  },
  entry(writer, { time, line, pairs, origin }) {
    const start = writer.begin(0x12, EXPECTED_ENTRY);
    const seconds = time / NANOSECONDS_PER_S;
    const timeStart = writer.begin(0x0a);
    if (seconds !== 0n) writer.uint(0x08, Number(seconds));
    const nanoseconds = Number(time - seconds * NANOSECONDS_PER_S);
    if (nanoseconds !== 0) writer.uint(0x10, nanoseconds);
    writer.end(timeStart);
    writer.string(0x12, line);
    for (const pair of pairs) writePair(writer, pair);
    if (origin !== undefined) writer.raw(sharedProtobuf(origin));
    writer.end(start, EXPECTED_ENTRY);
  },
  endStream: (writer, start) => void writer.end(start, EXPECTED_STREAM),
  endRequest() {},
};

/** Right guesses of lengths save moving what follows them. */
const EXPECTED_STREAM = 16_384;
const EXPECTED_ENTRY = 128;

function writePair(writer: Writer, [name, value]: Pair): void {
  const start = writer.begin(0x1a);
  writer.string(0x0a, name);
  writer.string(0x12, value);
  writer.end(start);
}

const encodedPairs = new WeakMap<Origin, Uint8Array>();

function sharedProtobuf(origin: Origin): Uint8Array {
  let bytes = encodedPairs.get(origin);
  if (bytes === undefined) {
    const start = sharedWriter.position;
    for (const pair of origin.shared) writePair(sharedWriter, pair);
    encodedPairs.set(origin, (bytes = sharedWriter.take(start)));
  }
  return bytes;
}

/** `{a="b", c="d"}`, values quoted as in Go. */
export function labelsText(labels: readonly Pair[]): string {
  return `{${labels.map(([name, value]) => `${name}="${value.toWellFormed().replace(ESCAPED, escape)}"`).join(', ')}}`;
}

// eslint-disable-next-line no-control-regex
const ESCAPED = /["\\\u0000-\u001f\u007f]/g;
const SHORT: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escape(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

export const jsonFormat: PushFormat = {
  contentType: 'application/json',
  end_bytes: 4,
  beginRequest: (writer) => writer.ascii('{"streams":['),
  beginStream(writer, labels, isFirst) {
    const start = writer.position;
    writer.utf8(`${isFirst ? '' : ','}{"stream":{${pairsJson(labels)}},"values":[`);
    return start;
  },
  entry(writer, { time, line, pairs, origin }, isFirst) {
    const own = pairsJson(pairs);
    const shared = origin === undefined ? '' : sharedJson(origin);
    const metadata = own === '' || shared === '' ? own + shared : `${own},${shared}`;
    const suffix = metadata === '' ? ']' : `,{${metadata}}]`;
    writer.utf8(`${isFirst ? '' : ','}["${time}",${textJson(line)}${suffix}`);
  },
  endStream: (writer) => writer.ascii(']}'),
  endRequest: (writer) => writer.ascii(']}'),
};

function pairsJson(pairs: readonly Pair[]): string {
  return pairs.map(([name, value]) => `"${name}":${textJson(value)}`).join();
}

const textPairs = new WeakMap<Origin, string>();

function sharedJson(origin: Origin): string {
  let text = textPairs.get(origin);
  if (text === undefined) textPairs.set(origin, (text = pairsJson(origin.shared)));
  return text;
}
