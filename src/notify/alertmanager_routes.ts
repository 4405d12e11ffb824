/**
 * The part of Alertmanager’s API v2 (its api/v2/openapi.yaml) that tells of alerts and silences, so that amtool and
 * Grafana’s data source “Alertmanager” can look at an agent and silence what it finds.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServeOptions } from '../component.ts';
import { isLoopbackAddress } from '../config/options.ts';
import { messageOf } from '../errors.ts';
import { VERSION } from '../model/version.ts';
import type { Board } from '../rules/board.ts';
import { alertsOf, toGettableAlert, type AlertQuery } from './alert_list.ts';
import { compileMatchers, parseMatcher, type Matches } from './matchers.ts';
import { matchesSilence, parseSilence, toGettableSilence } from './silence_json.ts';

export interface AlertmanagerRoutesOptions {
  /** Whether other machines may change silences, and not only look at them. */
  readonly allowsRemoteChanges?: boolean;
  readonly now?: () => number;
}

/** An answer that is no success. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
  }
}

const MOST_BODY_BYTES = 65_536;
const ONE_SILENCE = '/api/v2/silence/';

/** Who is told is decided by each notifier’s own filter: to who asks they are one. */
const RECEIVER = 'sonde';
const CONFIG = `route:\n  receiver: ${RECEIVER}\nreceivers:\n- name: ${RECEIVER}\n`;

/** For `context.serve`. */
export function alertmanagerRoutes(
  board: Pick<Board, 'judges' | 'silences'>,
  { allowsRemoteChanges = false, now = Date.now }: AlertmanagerRoutesOptions = {},
): ServeOptions['routes'] {
  const { silences } = board;
  const started_ms = now();

  const listAlerts = (request: IncomingMessage): unknown[] => {
    const time_ms = now();
    return alertsOf(board, alertQuery(request), time_ms).map((alert) => toGettableAlert(alert, RECEIVER, time_ms));
  };

  async function addSilence(request: IncomingMessage): Promise<unknown> {
    checkChange(request, allowsRemoteChanges);
    // Pages of other sites may post forms without asking, but no JSON.
    if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
      throw new Refusal(415, 'Cannot read the silence: Content-Type has to be application/json');
    }
    const body = await readBody(request);
    try {
      const draft = parseSilence(body, now());
      return { silenceID: silences.set(draft, now()).id };
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError) {
        throw new Refusal(400, error.message);
      }
      throw error;
    }
  }

  function oneSilence(request: IncomingMessage): unknown {
    const id = pathOf(request).slice(ONE_SILENCE.length);
    const silence = silences.get(id, now());
    if (request.method === 'DELETE') checkChange(request, allowsRemoteChanges);
    if (silence === undefined) throw new Refusal(404, 'Cannot find the silence: there is none with this id');
    if (request.method !== 'DELETE') return toGettableSilence(silence, now());
    if (!silences.expire(id, now())) throw new Refusal(409, 'Cannot end the silence: it has ended already');
    return undefined;
  }

  return {
    '/api/v2/alerts': answering(['GET'], listAlerts),
    '/api/v2/alerts/groups': answering(['GET'], (request) => {
      const alerts = listAlerts(request);
      return alerts.length === 0 ? [] : [{ labels: {}, receiver: { name: RECEIVER }, alerts }];
    }),
    '/api/v2/receivers': answering(['GET'], () => [{ name: RECEIVER }]),
    '/api/v2/silences': answering(['GET', 'POST'], (request) => {
      if (request.method === 'POST') return addSilence(request);
      const filters = matchersOf(queryOf(request));
      const kept = silences.list(now()).filter((silence) => matchesSilence(filters, silence));
      return kept.map((silence) => toGettableSilence(silence, now()));
    }),
    [`${ONE_SILENCE}*`]: answering(['GET', 'DELETE'], oneSilence),
    '/api/v2/status': answering(['GET'], () => ({
      cluster: { status: 'disabled', peers: [] },
      config: { original: CONFIG },
      uptime: new Date(started_ms).toISOString(),
      versionInfo: { version: VERSION, revision: '', branch: '', buildUser: '', buildDate: '', goVersion: '' },
    })),
  };
}

type Method = 'GET' | 'POST' | 'DELETE';

/** What `make` returns becomes JSON, as do refusals: the clients of Alertmanager read a JSON string. */
function answering(methods: readonly Method[], make: (request: IncomingMessage) => unknown) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!(methods as readonly string[]).includes(request.method === 'HEAD' ? 'GET' : request.method!)) {
      response.setHeader('Allow', methods.join(', '));
      return answer(response, 405, `Cannot ${request.method} here: there is ${methods.join(' and ')}`);
    }
    try {
      answer(response, 200, await make(request));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (!request.complete) response.setHeader('Connection', 'close');
      answer(response, error.status, error.message);
    }
  };
}

function answer(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(value === undefined ? '' : `${JSON.stringify(value)}\n`);
}

/** What a browser sends for a page of another site is refused, whatever it is allowed to read (CSRF). */
function checkChange({ headers, socket }: IncomingMessage, allowsRemote: boolean): void {
  if (!allowsRemote && !isLoopbackAddress(socket.remoteAddress)) {
    throw new Refusal(403, 'Cannot change silences: only this machine may');
  }
  const { origin, host } = headers;
  const isOwn = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  if (!isOwn || headers['sec-fetch-site'] === 'cross-site') {
    throw new Refusal(403, 'Cannot change silences: a page of another site asks for it');
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BODY_BYTES) {
      throw new Refusal(413, `Cannot read the silence: it is over ${MOST_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

const pathOf = (request: IncomingMessage): string => new URL(request.url!, 'http://localhost').pathname;
const queryOf = (request: IncomingMessage): URLSearchParams => new URL(request.url!, 'http://localhost').searchParams;

const MOST_FILTERS = 64;

/** `filter=NAME="VALUE"`, as often as wanted. */
function matchersOf(query: URLSearchParams): ReturnType<typeof parseMatcher>[] {
  const filters = query.getAll('filter');
  if (filters.length > MOST_FILTERS) throw new Refusal(400, `Cannot filter: at most ${MOST_FILTERS} matchers`);
  try {
    return filters.map(parseMatcher);
  } catch (error) {
    throw new Refusal(400, messageOf(error));
  }
}

function alertQuery(request: IncomingMessage): AlertQuery {
  const query = queryOf(request);
  const has = (name: string, byDefault: boolean): boolean => (query.get(name) ?? String(byDefault)) === 'true';
  const matches: Matches = compileMatchers(matchersOf(query));
  return {
    matches,
    active: has('active', true),
    silenced: has('silenced', true),
    // Alertmanager is never told of them: only who asks for them gets them.
    pending: has('pending', false),
  };
}
