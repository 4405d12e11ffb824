/** `sonde query`: asks a running agent, or a Prometheus, by its HTTP API. */
import type { LoadedConfig } from '../config/load.ts';
import { parseDuration } from '../config/options.ts';
import { EXIT_CODES } from './exit_codes.ts';
import { listeningExporters } from './live_address.ts';
import { askLive, LiveError } from './live_request.ts';
import { withSession, type LiveSession, type Surroundings, type Target } from './live_session.ts';
import type { QuerySelection } from './query_commands.ts';
import { explainRefusal } from './query_error.ts';
import { resultText, type QueryData, type Span } from './query_text.ts';

const HINT = `an exporter "store" answers queries: add it to the configuration, or say with --url where it is
    exporters:
      store:
    service:
      pipelines:
        metrics:
          exporters: [store]  # beside its receivers, and other exporters`;

/** Resolves with the exit code. */
export function query(expression: string, options: QuerySelection, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings;
  return withSession('query', options, surroundings, storesOf, async ([target], session) => {
    const span = spanOf(options, Date.now());
    if (target === undefined) {
      throw new LiveError('Cannot ask the agent: by the configuration it listens nowhere', { hint: HINT });
    }
    const { data, warnings = [], infos = [] } = await ask(target, expression, span, session);
    for (const text of [...warnings, ...infos]) session.notice(text);
    if (options.json === true) terminal.print(`${JSON.stringify(data)}\n`);
    else terminal.print(resultText(data, span, terminal));
    return EXIT_CODES.ok;
  });
}

/** Without a store in the configuration, the agent's usual place: it may run with another one than this command was given. */
function storesOf(loaded: LoadedConfig): readonly Target[] {
  const listening = listeningExporters(loaded);
  const stores = listening.filter(({ type }) => type === 'store');
  return (stores.length > 0 ? stores : listening).map(({ origin, tls }) => ({ url: origin, tls }));
}

/** Steps of a range that says none: what fits beside the names of series. */
const USUAL_STEPS = 60;

/** @throws {LiveError} */
function spanOf({ time, range, step }: QuerySelection, now_ms: number): Span {
  const end_ms = time === undefined ? now_ms : timeOf(time, now_ms);
  if (range === undefined) {
    if (step === undefined) return { end_ms, range: undefined };
    throw new LiveError('Cannot use --step: it is of a range, so say --range as well', { isUsage: true });
  }
  const range_ms = durationOf('--range', range);
  const step_ms = step === undefined ? Math.max(1000, Math.ceil(range_ms / USUAL_STEPS)) : durationOf('--step', step);
  return { end_ms, range: { start_ms: end_ms - range_ms, step_ms } };
}

function durationOf(option: string, text: string): number {
  const duration_ms = parseDuration(text);
  if (duration_ms !== undefined && duration_ms > 0) return duration_ms;
  throw new LiveError(`Cannot use ${option} ${JSON.stringify(text)}: a duration such as 15s or 1h is needed`, {
    isUsage: true,
  });
}

/** `5m` is a while ago. */
function timeOf(text: string, now_ms: number): number {
  const ago_ms = parseDuration(text);
  if (ago_ms !== undefined) return now_ms - ago_ms;
  const time_ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time_ms)) return time_ms;
  const needed = 'a time such as 5m (ago) or 2026-01-31T12:00:00Z is needed';
  throw new LiveError(`Cannot use --time ${JSON.stringify(text)}: ${needed}`, { isUsage: true });
}

interface QueryAnswer {
  readonly data: QueryData;
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

async function ask(
  { url, tls }: Target,
  expression: string,
  { end_ms, range }: Span,
  { abort }: LiveSession,
): Promise<QueryAnswer> {
  const form = new URLSearchParams({ query: expression });
  if (range === undefined) form.set('time', String(end_ms / 1000));
  else {
    form.set('start', String(range.start_ms / 1000));
    form.set('end', String(end_ms / 1000));
    form.set('step', String(range.step_ms / 1000));
  }
  const body = form.toString();
  const headers = {
    'Content-Type': 'application/x-www-form-urlencoded',
    'Content-Length': String(Buffer.byteLength(body)),
  };
  const address = addressOf(url, range === undefined ? 'query' : 'query_range');
  let text = '';
  try {
    const response = await askLive({ url: address, tls, method: 'POST', body, headers, abort });
    response.setEncoding('utf8');
    for await (const piece of response) text += String(piece);
  } catch (error) {
    throw error instanceof LiveError ? explainRefusal(error, expression, address, HINT) : error;
  }
  const answer = readAnswer(text);
  if (answer === undefined) {
    throw new LiveError(`Cannot read the answer of ${new URL(address).origin}: it is none of a Prometheus`);
  }
  return answer;
}

/** `url` may be that of the agent, of its API, or of a Prometheus below a path. */
function addressOf(url: string, endpoint: string): string {
  const { origin, pathname } = new URL(url);
  const folder = pathname.replace(/\/+$/, '').replace(/\/api\/v1$/, '');
  return `${origin}${folder}/api/v1/${endpoint}`;
}

function readAnswer(text: string): QueryAnswer | undefined {
  try {
    const answer = JSON.parse(text) as Partial<QueryAnswer> | null;
    return typeof answer?.data?.resultType === 'string' ? (answer as QueryAnswer) : undefined;
  } catch {
    // It is no JSON: undefined says so.
    return undefined;
  }
}
