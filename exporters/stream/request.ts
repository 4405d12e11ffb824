/** What the request of a client asks for. */
import type { IncomingMessage } from 'node:http';
import { parseDuration } from '../../src/config/options.ts';
import type { Start } from './client.ts';
import { FILTER_PARAMETERS, filterOfQuery, type Filter } from './filter.ts';
import { parsePosition } from './frames.ts';

const PARAMETERS = [...FILTER_PARAMETERS, 'after', 'since'];

/** @throws {SyntaxError} @throws {RangeError} with what is wrong */
export function readRequest(
  { url = '/', headers }: Pick<IncomingMessage, 'url' | 'headers'>,
  now_ms: number,
): { readonly filter: Filter; readonly start: Start } {
  const query = new URL(url, 'http://localhost').searchParams;
  for (const name of query.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw new SyntaxError(`Cannot use the parameter ${JSON.stringify(name)}: there is ${PARAMETERS.join(', ')}`);
    }
  }
  // EventSource asks again with the address it was made with, and says apart how far it came.
  const last = headers['last-event-id'];
  const after = typeof last === 'string' && last !== '' ? last : query.get('after');
  const since = query.get('since');
  return { filter: filterOfQuery(query), start: startOf(after, since, now_ms) };
}

function startOf(after: string | null, since: string | null, now_ms: number): Start {
  if (after !== null) {
    const position = parsePosition(after);
    if (position !== undefined) return { kind: 'after', position };
    throw new SyntaxError(
      `Cannot go on after ${JSON.stringify(after)}: EPOCH-SEQ is needed, as the id of an event has it`,
    );
  }
  if (since === null) return { kind: 'now' };
  const age_ms = parseDuration(since);
  const time_ms = age_ms === undefined ? Date.parse(since) : now_ms - age_ms;
  if (!Number.isNaN(time_ms)) return { kind: 'since', time_ms };
  throw new SyntaxError(`Cannot begin at ${JSON.stringify(since)}: a duration such as 5m or a time is needed`);
}
