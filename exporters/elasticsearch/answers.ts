/** What an answer to `_bulk` says of each document. */
import type { SendResult } from '../../src/component.ts';
import { RetryableError } from '../../src/errors.ts';
import { printable } from '../../src/text/printable.ts';
import { readBody, selectDocuments } from './bulk.ts';

const QUOTED_CHARACTERS = 200;
/** Different reasons that are quoted. */
const QUOTED_REASONS = 3;

interface Item {
  readonly status: number;
  readonly reason: string;
}

/**
 * Sorts the documents: stored; to be sent again (429 and 5xx: a shard that is busy or away); refused.
 * @throws {RetryableError} the answer is none to this request: nobody knows what was stored
 */
export function readAnswer(answer: Uint8Array, body: Uint8Array): SendResult {
  const parsed = parseAnswer(answer);
  if (parsed.errors === false) return {};
  const whole = readBody(body);
  const items = parsed.items;
  if (items === undefined || items.length !== whole.counts.length) {
    throw unreadable(`${items?.length ?? 'no'} items for ${whole.counts.length} documents`);
  }
  const again: number[] = [];
  const refused: number[] = [];
  const reasons = new Set<string>();
  for (const [position, { status, reason }] of items.entries()) {
    // 409: a document with this id is there. The id is ours, so it came with a request whose answer got lost.
    if ((status >= 200 && status < 300) || status === 409) continue;
    (status === 429 || status >= 500 ? again : refused).push(position);
    reasons.add(`${status} ${reason}`);
  }
  const words = [...reasons].slice(0, QUOTED_REASONS).map((reason) => printable(reason, QUOTED_CHARACTERS));
  return {
    ...(again.length > 0 && { again: selectDocuments(whole, again) }),
    ...(refused.length > 0 && { refused: selectDocuments(whole, refused) }),
    ...(words.length > 0 && { message: words.join('; ') }),
  };
}

function parseAnswer(answer: Uint8Array): { readonly errors: unknown; readonly items: readonly Item[] | undefined } {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(answer).toString());
  } catch (error) {
    throw unreadable('no JSON', error);
  }
  if (!isObject(value)) throw unreadable('no object');
  const { errors, items } = value;
  return { errors, items: Array.isArray(items) ? items.map(readItem) : undefined };
}

/** `{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"…"}}}` */
function readItem(item: unknown): Item {
  const result = isObject(item) ? Object.values(item)[0] : undefined;
  if (!isObject(result) || typeof result.status !== 'number') throw unreadable('an item without a status');
  const { error } = result;
  if (!isObject(error)) return { status: result.status, reason: '' };
  const cause = isObject(error.caused_by) ? `: ${String(error.caused_by.reason)}` : '';
  return { status: result.status, reason: `${String(error.type)}: ${String(error.reason)}${cause}` };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(found: string, cause?: unknown): RetryableError {
  return new RetryableError(`Cannot read the answer to a bulk request: ${found}`, { cause });
}
