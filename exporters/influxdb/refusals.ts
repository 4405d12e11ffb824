/**
 * What a refusal says of the lines in the request: each version has its own words for "not these, but the others".
 *
 * 1: 400 `{"error":"partial write: field type conflict: … dropped=2"}`, 400 `partial write: unable to parse 'LINE': why`
 * 2: 422 `{"code":"unprocessable entity","message":"… partial write: … dropped=2"}`; 400 `unable to parse 'LINE': why`,
 *    and nothing is written
 * 3: 400 `{"error":"partial write of line protocol occurred","data":[{"line_number":2,"error_message":"…"}]}`; with
 *    accept_partial=false `data` is the first of them, no list, and nothing is written; by the API of version 2
 *    `{"code":"invalid","line":2,"message":"… error parsing line 2 (1-based): …"}`
 */
import type { Request, SendResult } from '../../src/component.ts';
import type { Signal } from '../../src/model/batch.ts';
import { printable } from '../../src/text/printable.ts';
import { partition } from './items.ts';
import type { Api } from './target.ts';

/** Characters of the server's words that go on. */
const QUOTED_CHARACTERS = 300;

/** Undefined where nothing of the request was taken, and nothing says which lines are to blame. */
export function readRefusal(
  api: Api,
  answer: Uint8Array,
  { body, count }: Request,
  signal: Signal,
): SendResult | undefined {
  const refusal = parseRefusal(answer);
  if (refusal === undefined) return undefined;
  const message = printable(refusal.words, QUOTED_CHARACTERS);
  const without = (isRefused: (line: Buffer, number: number) => boolean, areOthersWritten: boolean) => {
    const { chosen, others } = partition(body, signal, isRefused);
    if (chosen.count === 0) return undefined;
    return { refused: chosen, message, ...(!areOthersWritten && others.count > 0 && { again: others }) };
  };

  if (refusal.lines !== undefined) {
    const { numbers, areOthersWritten } = refusal.lines;
    return without((_, number) => numbers.has(number), areOthersWritten);
  }
  const isPartial = refusal.words.includes('partial write: ');
  const named = unparsedLines(refusal.words);
  if (named.length > 0 && (isPartial || api === 'v2')) {
    return without((line) => named.some((text) => text.startsWith(`${line.toString()}': `)), isPartial);
  }
  const dropped = isPartial ? droppedCount(refusal.words) : undefined;
  // Lines are counted, of which an item may have several.
  return dropped === undefined ? undefined : { rejected: Math.min(dropped, count), message };
}

interface Refusal {
  readonly words: string;
  readonly lines?: { readonly numbers: ReadonlySet<number>; readonly areOthersWritten: boolean };
}

function parseRefusal(answer: Uint8Array): Refusal | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength).toString());
  } catch {
    // A proxy's page, or the plain words of another server that speaks the protocol.
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const { data } = parsed;
  const words = [parsed['error'], parsed['message']].find((text) => typeof text === 'string') ?? '';
  if (isObject(data)) {
    const refused = (Array.isArray(data) ? data : [data]).filter(isObject);
    const numbers = new Set(refused.map((line) => line['line_number']).filter((line) => typeof line === 'number'));
    if (numbers.size === 0) return { words };
    return {
      words: `${words}: ${String(refused[0]!['error_message'] ?? '')}`,
      lines: { numbers, areOthersWritten: Array.isArray(data) },
    };
  }
  const numbers = new Set(
    [...words.matchAll(/^error parsing line (\d+) \(1-based\)/gm)].map(([, line]) => Number(line)),
  );
  return numbers.size === 0 ? { words } : { words, lines: { numbers, areOthersWritten: true } };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** What follows each `unable to parse '`: a line of the request and the reason. */
function unparsedLines(words: string): readonly string[] {
  return words.split("unable to parse '").slice(1);
}

/** The last count, for names of the user's stand before it. */
function droppedCount(words: string): number | undefined {
  const last = [...words.matchAll(/\bdropped=(\d+)/g)].at(-1);
  return last === undefined ? undefined : Number(last[1]);
}
