/**
 * What a body is made of. Each item (a data point or a log record) is one line or several; those after its first begin
 * with a space until they are sent, so that a body that waited on a disk can still be taken apart by items.
 */
import type { Payload } from '../../src/component.ts';
import type { Signal } from '../../src/model/batch.ts';
import { LineWriter } from '../../src/text/line_writer.ts';

const NEWLINE = 0x0a;
const SPACE = 0x20;
const BACKSLASH = 0x5c;
const QUOTE = 0x22;

export interface Limits {
  readonly max_lines: number;
  readonly max_bytes: number;
}

/** Collects items into bodies within limits. */
export class Bodies {
  readonly writer = new LineWriter();
  /** Items that alone are over the limit of bytes, and were left out. */
  tooLarge = 0;
  readonly #limits: Limits;
  #payloads: Payload[] = [];
  #count = 0;
  #lines = 0;
  #itemStart = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Ends an item: what was written since the last. */
  end(lines: number): void {
    const { writer } = this;
    const { max_bytes, max_lines } = this.#limits;
    const size = writer.position - this.#itemStart;
    if (size > max_bytes) {
      this.tooLarge++;
      writer.position = this.#itemStart;
      return;
    }
    if (this.#count > 0 && (writer.position > max_bytes || this.#lines + lines > max_lines)) {
      const item = writer.take(this.#itemStart);
      this.#cut();
      writer.raw(item);
    }
    this.#count++;
    this.#lines += lines;
    this.#itemStart = writer.position;
  }

  /** The bodies so far; what comes next begins anew. */
  take(): readonly Payload[] {
    if (this.#count > 0) this.#cut();
    this.writer.take();
    this.#itemStart = 0;
    const payloads = this.#payloads;
    this.#payloads = [];
    return payloads;
  }

  /** Forgets what an encoder that threw left behind. */
  clear(): void {
    this.writer.position = 0;
    this.tooLarge = 0;
    this.#payloads = [];
    this.#count = 0;
    this.#lines = 0;
    this.#itemStart = 0;
  }

  #cut(): void {
    this.#payloads.push({ body: this.writer.take(), count: this.#count });
    this.#count = 0;
    this.#lines = 0;
    this.#itemStart = 0;
  }
}

/** A body as it is sent. */
export function wireBody(body: Uint8Array, signal: Signal): Uint8Array {
  if (signal === 'logs' || bufferOf(body).indexOf('\n ') === -1) return body;
  const sent = Buffer.allocUnsafe(body.length);
  let length = 0;
  for (const { start, end, isFirst } of linesOf(body, signal)) {
    sent.set(body.subarray(isFirst ? start : start + 1, end), length);
    length += end - start - (isFirst ? 0 : 1);
  }
  return sent.subarray(0, length);
}

/** The items in halves; none where there is but one. */
export function halve(body: Uint8Array, signal: Signal): readonly Payload[] {
  const starts = linesOf(body, signal).filter(({ isFirst }) => isFirst);
  if (starts.length < 2) return [];
  const half = Math.ceil(starts.length / 2);
  const cut = starts[half]!.start;
  return [
    { body: body.subarray(0, cut), count: half },
    { body: body.subarray(cut), count: starts.length - half },
  ];
}

/** The items that have one of these lines, and all others. */
export function partition(
  body: Uint8Array,
  signal: Signal,
  isChosen: (line: Buffer, number: number) => boolean,
): { readonly chosen: Payload; readonly others: Payload } {
  const bytes = bufferOf(body);
  const items: { readonly start: number; end: number; isChosen: boolean }[] = [];
  linesOf(body, signal).forEach(({ start, end, isFirst }, index) => {
    if (isFirst) items.push({ start, end, isChosen: false });
    const item = items.at(-1)!;
    item.end = end;
    // The number of a line, from 1, and its text without the newline: as the server has them.
    if (isChosen(bytes.subarray(isFirst ? start : start + 1, end - 1), index + 1)) item.isChosen = true;
  });
  const payloadOf = (which: boolean): Payload => {
    const some = items.filter((item) => item.isChosen === which);
    return { body: Buffer.concat(some.map(({ start, end }) => bytes.subarray(start, end))), count: some.length };
  };
  return { chosen: payloadOf(true), others: payloadOf(false) };
}

interface Line {
  readonly start: number;
  /** Behind its newline. */
  readonly end: number;
  /** Whether an item begins with it. */
  readonly isFirst: boolean;
}

function linesOf(body: Uint8Array, signal: Signal): Line[] {
  const lines: Line[] = [];
  const isLog = signal === 'logs';
  for (let start = 0; start < body.length;) {
    const newline = isLog ? endOfRecord(body, start) : body.indexOf(NEWLINE, start);
    const end = newline === -1 ? body.length : newline + 1;
    lines.push({ start, end, isFirst: isLog || start === 0 || body[start] !== SPACE });
    start = end;
  }
  return lines;
}

/** Position of the newline that ends a record's line, for the strings in it have newlines of their own. */
function endOfRecord(body: Uint8Array, start: number): number {
  let at = start;
  while (at < body.length && !(body[at] === SPACE && body[at - 1] !== BACKSLASH)) at++;
  for (let isQuoted = false; at < body.length; at++) {
    const byte = body[at];
    if (byte === QUOTE) isQuoted = !isQuoted;
    else if (byte === BACKSLASH && isQuoted) at++;
    else if (byte === NEWLINE && !isQuoted) return at;
  }
  return -1;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
