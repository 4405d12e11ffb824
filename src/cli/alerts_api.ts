/** Asks a running agent by the part of Alertmanager's API v2 that it answers. */
import { userInfo } from 'node:os';
import type { LoadedConfig } from '../config/load.ts';
import { parseDuration } from '../config/options.ts';
import { messageOf } from '../errors.ts';
import { parseMatcher } from '../notify/matchers.ts';
import { matcherJson, type MatcherJson } from '../notify/silence_json.ts';
import type { Matcher } from '../store/queryable.ts';
import type { NewSilence } from './alerts_commands.ts';
import { listeningExporters } from './live_address.ts';
import type { LiveSelection } from './live_commands.ts';
import { askLive, LiveError, type LiveRequest } from './live_request.ts';
import { withSession, type Surroundings, type Target } from './live_session.ts';

/** Answers of JSON; `path` below the API. */
export interface AlertsApi {
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
  delete(path: string): Promise<void>;
}

const PREFIX = '/api/v2/';
/** There whatever else is. */
const PROBE = 'status';

const HINT = `an exporter "store" answers for alerts: add it to the configuration, or say with --url where it is
    exporters:
      store:
    service:
      pipelines:
        metrics:
          exporters: [store]  # beside its receivers, and other exporters`;

/** Does `work` with the agent that a command is about, and says why it cannot. */
export function withAlerts(
  command: string,
  options: LiveSelection,
  surroundings: Surroundings,
  work: (api: AlertsApi) => Promise<number>,
): Promise<number> {
  return withSession(command, options, surroundings, targetsOf, async (targets, { abort }) => {
    if (targets.length === 0) {
      throw new LiveError('Cannot reach the agent: by the configuration it listens nowhere', { hint: HINT });
    }
    return work(createApi(await firstThatAnswers(targets, abort), abort));
  });
}

/** The listener of an exporter `store` first; others may share it. */
function targetsOf(loaded: LoadedConfig): readonly Target[] {
  const listening = listeningExporters(loaded).toSorted(
    (a, b) => Number(b.type === 'store') - Number(a.type === 'store'),
  );
  const byOrigin = new Map(listening.map(({ origin, tls }) => [origin, tls]));
  return [...byOrigin].map(([url, tls]) => ({ url, tls }));
}

async function firstThatAnswers(targets: readonly Target[], abort: AbortSignal): Promise<Target> {
  let first: unknown;
  for (const target of targets) {
    try {
      (await askLive({ url: urlOf(target, PROBE), tls: target.tls, abort })).destroy();
      return target;
    } catch (error) {
      if (!(error instanceof LiveError) || ![0, 404].includes(error.status)) throw error;
      first ??= error;
    }
  }
  if (first instanceof LiveError && first.status === 0) throw first;
  throw new LiveError(`Cannot ask the agent at ${new URL(targets[0]!.url).origin}: it does not answer for alerts`, {
    hint: HINT,
  });
}

/** `url` may be that of the agent, of its API, or of an Alertmanager below a path. */
function urlOf({ url }: Target, path: string): string {
  const base = new URL(url);
  const folder = base.pathname.replace(/\/+$/, '').replace(/\/api\/v2$/, '');
  return `${base.origin}${folder}${PREFIX}${path}`;
}

function createApi(target: Target, abort: AbortSignal): AlertsApi {
  const ask = async (path: string, request: Pick<LiveRequest, 'method' | 'body' | 'headers'>): Promise<unknown> => {
    let text = '';
    try {
      const response = await askLive({ url: urlOf(target, path), tls: target.tls, abort, ...request });
      response.setEncoding('utf8');
      for await (const piece of response) text += String(piece);
    } catch (error) {
      throw error instanceof LiveError ? readable(error) : error;
    }
    return text.trim() === '' ? undefined : JSON.parse(text);
  };
  return {
    get: (path) => ask(path, {}),
    post(path, body) {
      const text = JSON.stringify(body);
      const headers = { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(text)) };
      return ask(path, { method: 'POST', body: text, headers });
    },
    delete: async (path) => void (await ask(path, { method: 'DELETE' })),
  };
}

/** Refusals of this API are JSON strings. */
function readable(error: LiveError): LiveError {
  if (!error.message.startsWith('"')) return error;
  try {
    return new LiveError(String(JSON.parse(error.message)), { status: error.status, cause: error });
  } catch {
    // It is no JSON after all.
    return error;
  }
}

/**
 * `DiskFull`, `device=sda` → matchers; a word alone is the name of an alert.
 * @throws {LiveError}
 */
export function matchersOf(texts: readonly string[]): readonly Matcher[] {
  return texts.map((text) => {
    if (/^[^\s"=!~{},]+$/.test(text)) return { name: 'alertname', op: '=', value: text };
    try {
      return parseMatcher(text);
    } catch (error) {
      throw new LiveError(messageOf(error), { isUsage: true, cause: error });
    }
  });
}

/** Of the API’s `postableSilence`. */
export interface PostableSilence {
  readonly matchers: readonly MatcherJson[];
  readonly startsAt: string;
  readonly endsAt: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly untilResolved?: true;
}

/** @throws {LiveError} */
export function newSilence(
  matchers: readonly Matcher[],
  options: NewSilence,
  time: string,
  now_ms: number,
): PostableSilence {
  const length_ms = parseDuration(options.for ?? time);
  if (length_ms === undefined || length_ms <= 0) {
    throw new LiveError(`Cannot silence for ${JSON.stringify(options.for)}: a time such as 30m or 2h is needed`, {
      isUsage: true,
    });
  }
  return {
    matchers: matchers.map(matcherJson),
    startsAt: new Date(now_ms).toISOString(),
    endsAt: new Date(now_ms + length_ms).toISOString(),
    createdBy: options.by ?? userName(),
    comment: options.comment ?? '',
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run with a number that has no name.
    return String(process.getuid?.() ?? 'unknown');
  }
}
