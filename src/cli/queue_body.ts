/** The body of a request, for people: what it is, and what it says. */
import type { Signal } from '../model/batch.ts';
import { REQUEST_TYPES } from '../model/otlp/message_types.ts';
import { protobufToJson } from '../model/otlp/protobuf_to_json.ts';
import { countItems } from '../model/otlp/requests.ts';
import { printable } from '../text/printable.ts';

export interface DecodedBody {
  readonly is: 'OTLP' | 'text' | 'binary';
  /** Lines that end with a line break, without anything that a terminal would obey. */
  readonly text: string;
}

/** Of bytes that nobody can read so many are shown. */
const MAX_HEX_BYTES = 4096;
const BYTES_IN_ROW = 16;

/** `count` is what the queue says of it: OTLP is what holds exactly so many items. */
export function decodeBody(body: Uint8Array, signal: Signal, count: number): DecodedBody {
  if (isOtlp(body, signal, count)) {
    const json = Buffer.from(protobufToJson(REQUEST_TYPES[signal], body)).toString();
    return { is: 'OTLP', text: lines(indentJson(json)) };
  }
  const text = asText(body);
  if (text !== undefined) return { is: 'text', text: lines(text) };
  return { is: 'binary', text: hexDump(body) };
}

function isOtlp(body: Uint8Array, signal: Signal, count: number): boolean {
  try {
    return body.byteLength > 0 && countItems(body, signal) === count;
  } catch {
    // Another format.
    return false;
  }
}

// Control characters that no text has: those of protobuf and of compressed data.
const NO_TEXT = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

function asText(body: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    return NO_TEXT.test(text) ? undefined : text;
  } catch {
    // No UTF-8.
    return undefined;
  }
}

function lines(text: string): string {
  const all = text.split('\n').map((line) => printable(line));
  if (all.at(-1) === '') all.pop();
  return all.map((line) => `${line}\n`).join('');
}

/** JSON with a line for each value; numbers stay as they are, digit by digit. */
export function indentJson(json: string): string {
  let text = '';
  let depth = 0;
  /** Right behind an opening bracket. */
  let isFirst = false;
  const newLine = (): string => `\n${'  '.repeat(depth)}`;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === '}' || token === ']') {
      depth -= 1;
      text += isFirst ? token : newLine() + token;
      isFirst = false;
    } else if (token === ':') text += ': ';
    else if (token === ',') text += `,${newLine()}`;
    else {
      if (isFirst) text += newLine();
      text += token;
      isFirst = token === '{' || token === '[';
      if (isFirst) depth += 1;
    }
  }
  return text;
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;

/** As `xxd` shows it. */
function hexDump(body: Uint8Array): string {
  const shown = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, MAX_HEX_BYTES));
  let text = '';
  for (let at = 0; at < shown.length; at += BYTES_IN_ROW) {
    const row = shown.subarray(at, at + BYTES_IN_ROW);
    const hex = row.toString('hex').replace(/(.{4})(?=.)/g, '$1 ');
    const characters = row.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
    text += `${at.toString(16).padStart(8, '0')}  ${hex.padEnd(39)}  ${characters}\n`;
  }
  const rest = body.byteLength - shown.length;
  return rest === 0 ? text : `${text}… and ${rest} bytes more: --raw writes them all\n`;
}
