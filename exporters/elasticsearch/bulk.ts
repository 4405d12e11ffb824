/**
 * Bodies for `_bulk`: newline-delimited JSON, for each document a line that says what to do with it and a line that is
 * it (Elasticsearch reference, "Bulk index or delete documents").
 *
 * A document of metrics holds several points. So that a part of a body can be told from the body alone, how many each
 * holds may stand before the first document, as a line with a list: `[3,1,2]`. It is never sent.
 */
import type { Payload } from '../../src/component.ts';
import { sharedWriter } from '../../src/model/otlp/writer.ts';
import { textJson } from '../../src/text/value_json.ts';

export interface Document {
  /** As `{"create":{"_index":"logs-generic-default"}}`; always `create`, the only one that data streams take. */
  readonly action: string;
  readonly source: string;
  /** Points or records in it. */
  readonly count: number;
}

/** An answer names every document: with so many, it stays far under the 4 MiB that are read of an answer. */
const MAX_DOCUMENTS = 2000;
const NEWLINE = 0x0a;
const LIST = 0x5b;

/**
 * Packs documents into bodies of at most `max_bytes`; `onTooLarge` is told of points in documents that alone are larger.
 * @param id_bytes what is kept free for each document, for its id
 */
export function packDocuments(
  documents: Iterable<Document>,
  max_bytes: number,
  onTooLarge: (count: number) => void,
  id_bytes = 0,
): readonly Payload[] {
  const payloads: Payload[] = [];
  const writer = sharedWriter;
  // What an encoder that threw left behind.
  writer.position = 0;
  let counts: number[] = [];

  function finish(): void {
    if (counts.length > 0) payloads.push(createPayload(writer.take(), counts));
    counts = [];
  }

  for (const { action, source, count } of documents) {
    const before = writer.position;
    const lines = `${action}\n${source}\n`;
    writer.utf8(lines);
    if (writer.position + (counts.length + 1) * id_bytes > max_bytes || counts.length === MAX_DOCUMENTS) {
      writer.position = before;
      finish();
      writer.utf8(lines);
      if (writer.position + id_bytes > max_bytes) {
        writer.position = 0;
        onTooLarge(count);
        continue;
      }
    }
    counts.push(count);
  }
  finish();
  return payloads;
}

function createPayload(lines: Uint8Array, counts: readonly number[]): Payload {
  const count = counts.reduce((sum, each) => sum + each, 0);
  if (count === counts.length) return { body: lines, count };
  return { body: Buffer.concat([Buffer.from(`${JSON.stringify(counts)}\n`), lines]), count };
}

/** A body, taken apart. */
export interface BulkBody {
  /** What is sent. */
  readonly lines: Uint8Array;
  /** Where each document begins in it, and at last where it ends. */
  readonly starts: readonly number[];
  readonly counts: readonly number[];
}

export function readBody(body: Uint8Array): BulkBody {
  const hasCounts = body[0] === LIST;
  const from = hasCounts ? body.indexOf(NEWLINE) + 1 : 0;
  const lines = body.subarray(from);
  const starts = [0];
  for (let at = 0; at < lines.length;) {
    at = lines.indexOf(NEWLINE, lines.indexOf(NEWLINE, at) + 1) + 1;
    starts.push(at);
  }
  const counts = hasCounts
    ? (JSON.parse(Buffer.from(body.subarray(0, from)).toString()) as number[])
    : starts.slice(1).map(() => 1);
  return { lines, starts, counts };
}

/** Some documents of a body, by position. */
export function selectDocuments({ lines, starts, counts }: BulkBody, positions: readonly number[]): Payload {
  const parts = positions.map((position) => lines.subarray(starts[position], starts[position + 1]));
  return createPayload(
    Buffer.concat(parts),
    positions.map((position) => counts[position]!),
  );
}

/** A body in two halves; one with a single document comes back alone. */
export function splitBody({ body }: Payload): readonly Payload[] {
  const whole = readBody(body);
  const positions = whole.counts.map((_, position) => position);
  const middle = Math.ceil(positions.length / 2);
  return [positions.slice(0, middle), positions.slice(middle)]
    .filter((part) => part.length > 0)
    .map((part) => selectDocuments(whole, part));
}

/** As every action begins. */
const CREATE = Buffer.from('{"create":{');
const WITH_ID = Buffer.from('{"create":{"_id":');

/** What {@link addIds} adds to a document, for a request whose id is a UUID, a number and some parts. */
export const ID_BYTES = 80;

/**
 * Gives each document an id made of the request's, which is the same in every repetition, and its position. Documents
 * that have one, because they are what was left of a request, keep it.
 */
export function addIds(body: Uint8Array, requestId: string): Uint8Array {
  if (WITH_ID.equals(body.subarray(0, WITH_ID.length))) return body;
  const { lines, starts } = readBody(body);
  const parts: Uint8Array[] = [];
  for (let position = 0; position < starts.length - 1; position++) {
    parts.push(
      Buffer.from(`{"create":{"_id":${textJson(`${requestId}.${position}`)},`),
      lines.subarray(starts[position]! + CREATE.length, starts[position + 1]),
    );
  }
  return Buffer.concat(parts);
}
