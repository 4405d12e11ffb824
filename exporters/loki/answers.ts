/** What Loki means by its answers (grafana/loki: pkg/distributor, pkg/ingester/stream.go). */
import type { HttpSender, SendResult } from '../../src/component.ts';
import { PermanentError, RefusedError } from '../../src/errors.ts';
import { printable } from '../../src/text/printable.ts';

/** Posts a body to Loki. */
export type Post = (body: Uint8Array, contentType: string, abort: AbortSignal) => ReturnType<HttpSender['post']>;

const QUOTED_CHARACTERS = 200;

/**
 * Posts a request and reads the answer. Of a request with some entries that are too old, out of order or too long, Loki
 * keeps the others and answers 400: where its words say how many it refused, the others count as sent.
 * @throws {RefusedError} it refused all, or does not say how many
 */
export async function postEntries(post: () => ReturnType<HttpSender['post']>, count: number): Promise<SendResult> {
  try {
    const { status, body } = await post();
    // Ingestion is blocked, and nothing was stored: 260 unless `block_ingestion_status_code` says otherwise.
    if (status !== 204 && status !== 200) {
      throw new PermanentError(`Cannot send to Loki: it answered ${status}: ${wordsOf(body)}`);
    }
    return {};
  } catch (error) {
    if (!(error instanceof RefusedError) || error.status !== 400) throw error;
    const rejected = countRefused(Buffer.from(error.body).toString(), count);
    if (rejected === undefined || rejected >= count) throw error;
    return { rejected, message: error.message };
  }
}

/** How many of `count` entries an answer 400 refuses; undefined where its words leave that open. */
export function countRefused(words: string, count: number): number | undefined {
  // An ingester speaks of one stream: "user 'a', total ignored: 2 out of 10 for stream: {…}". If these are not all
  // entries of the request, nobody knows about the others.
  const ignored = [...words.matchAll(/total ignored: (\d+) out of (\d+)/g)];
  if (ignored.length > 0) {
    const total = ignored.reduce((sum, match) => sum + Number(match[2]), 0);
    return total === count ? ignored.reduce((sum, match) => sum + Number(match[1]), 0) : undefined;
  }
  // A distributor names each entry: "3 errors: entry for stream '{…}' has timestamp too old: …; …", one without the number.
  const named = words.match(ENTRY)?.length ?? 0;
  if (named === 0 || STREAM.test(words)) return undefined;
  const said = /^(\d+) errors: /.exec(words);
  return Number(said?.[1] ?? 1) === named ? named : undefined;
}

const ENTRY =
  /entry for stream '.*?' has timestamp too (?:old|new): |Max entry size '\d+' bytes exceeded|has structured metadata too large: |has too many structured metadata labels: |includes structured metadata, but/gs;
/** What refuses streams as a whole. */
const STREAM =
  /label names; limit|has label (?:name|value) too long|duplicate label name|label pair is required|parsing labels|missing required labels/;

function wordsOf(body: Uint8Array): string {
  return printable(Buffer.from(body).toString(), QUOTED_CHARACTERS);
}
