/**
 * What clients are sent: JSON objects whose `frame` says what they are (docs/exporters/stream.schema.json), each as a
 * WebSocket text message or a server-sent event.
 */
import type { LogRecord, Resource } from '../../src/model/batch.ts';
import type { LineWriter } from '../../src/text/line_writer.ts';
import { attributesJson, recordFields } from '../../src/text/record_json.ts';
import { textJson } from '../../src/text/value_json.ts';

/** Where a client is: the run of the stream, and the last event of it that it has seen. */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
}

/** `EPOCH-SEQ`, as the id of a server-sent event and in `?after=`. */
export function positionText({ epoch, seq }: Position): string {
  return `${epoch}-${seq}`;
}

export function parsePosition(text: string): Position | undefined {
  const match = /^([0-9a-z]{1,32})-(\d{1,15})$/.exec(text);
  return match === null ? undefined : { epoch: match[1]!, seq: Number(match[2]) };
}

/** A resource that events refer to by its id; each client is sent it once, before the first of them. */
export interface KnownResource {
  readonly id: string;
  readonly json: string;
}

export function resourceFrame(id: string, { attributes, schemaUrl }: Resource): string {
  const schema = schemaUrl === '' ? '' : `,"schema_url":${textJson(schemaUrl)}`;
  return `{"frame":"resource","id":"${id}","attributes":${attributesJson(attributes)}${schema}}`;
}

/**
 * An event as JSON, of at most `max_bytes` or thereabouts: one that is longer loses its attributes, and the end of its
 * body, and says so by `truncated`.
 */
export function eventFrame(position: Position, resource: string, record: LogRecord, max_bytes: number): string {
  const head = `{"frame":"event","epoch":"${position.epoch}","seq":${position.seq},"resource":"${resource}",`;
  const isHuge = typeof record.body === 'string' && record.body.length > max_bytes;
  const whole = isHuge ? '' : `${head}${recordFields(record)}}`;
  // A UTF-16 unit takes three bytes of UTF-8 at most.
  if (!isHuge && (whole.length * 3 <= max_bytes || Buffer.byteLength(whole) <= max_bytes)) return whole;
  // Of each unit JSON may make six characters.
  const short = Math.floor(max_bytes / 16);
  const cut = (text: string): string => text.slice(0, short);
  const body = typeof record.body === 'string' ? cut(record.body) : undefined;
  const kept: LogRecord = {
    ...record,
    body,
    attributes: {},
    eventName: cut(record.eventName),
    severityText: cut(record.severityText),
    scope: { ...record.scope, name: cut(record.scope.name) },
  };
  return `${head}${recordFields(kept)},"truncated":true}`;
}

/** What is told apart from events. */
export type Notice =
  /** The first: where the stream is, and the oldest event that it still has. */
  | { readonly frame: 'hello'; readonly epoch: string; readonly seq: number; readonly oldest: number }
  /** Events that the client asked for and will never get; null where nobody knows how many. */
  | {
      readonly frame: 'missed';
      readonly epoch: string;
      readonly reason: 'ring' | 'restart' | 'unknown';
      readonly count: number | null;
    }
  /** What is up to here was looked at; of a client with a filter, events may be long ago. */
  | { readonly frame: 'position'; readonly epoch: string; readonly seq: number }
  /** The filter in force from the event after `seq` on. */
  | { readonly frame: 'filter'; readonly epoch: string; readonly seq: number; readonly filter: object }
  | { readonly frame: 'error'; readonly message: string }
  /** The last: why the client is sent away, and behind which event it may go on. */
  | { readonly frame: 'dropped'; readonly reason: string; readonly epoch: string; readonly seq: number };

/** One way of putting frames on the wire. */
export interface Wire {
  /** Appends an event, whose position a client remembers. */
  event(out: LineWriter, json: string, position: Position): void;
  /** Appends anything else; `position` is one that the client may go on from. */
  notice(out: LineWriter, json: string, name: string, position: string | undefined): void;
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html; JSON has no line breaks. */
export const eventSourceWire: Wire = {
  event(out, json, position) {
    out.text(`id: ${position.epoch}-${position.seq}\ndata: ${json}\n\n`);
  },
  notice(out, json, name, position) {
    const id = position === undefined ? '' : `id: ${position}\n`;
    out.text(`${id}event: ${name}\ndata: ${json}\n\n`);
  },
};

const TEXT_FRAME = 0x81;

/** Unmasked text messages of one frame (RFC 6455, section 5.2), the same bytes for every client. */
export const webSocketWire: Wire = {
  event: appendText,
  notice: appendText,
};

function appendText(out: LineWriter, json: string): void {
  out.reserve(10 + 3 * json.length);
  // Most frames have 126 to 65,535 bytes; the length is known when the text is written.
  const start = out.position;
  const size = out.bytes.write(json, start + 4);
  out.bytes[start] = TEXT_FRAME;
  if (size >= 126 && size < 65_536) {
    out.bytes[start + 1] = 126;
    out.bytes.writeUInt16BE(size, start + 2);
    out.position = start + 4 + size;
    return;
  }
  const head = size < 126 ? 2 : 10;
  out.bytes.copyWithin(start + head, start + 4, start + 4 + size);
  out.bytes[start + 1] = size < 126 ? size : 127;
  if (size >= 65_536) out.bytes.writeBigUInt64BE(BigInt(size), start + 2);
  out.position = start + head + size;
}
