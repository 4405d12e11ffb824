/** The routes of Prometheus' HTTP API: methods, turns, errors. What answers is loaded with the first request. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ComponentLog, ServeOptions } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { VERSION } from '../../src/model/version.ts';
import type { Board } from '../../src/rules/board.ts';
import type { SeriesStore } from '../../src/store/series_store.ts';
import { ApiError, envelope, errorEnvelope, sendJson, type Answer } from './answers.ts';
import { unescapeName } from './label_name.ts';
import { readForm, type Bodies } from './parameters.ts';
import type { Ask, Limits, Queries } from './queries.ts';
import type { Turns } from './turns.ts';

export interface ApiOptions {
  readonly store: SeriesStore;
  readonly board: Pick<Board, 'judges'>;
  readonly turns: Turns;
  readonly lookback_ms: number;
  readonly limits: Limits;
  readonly log: ComponentLog;
  /** Counts requests that asked the store. */
  readonly counted: (request: CountedRequest) => void;
  readonly now_ms?: () => number;
}

export interface CountedRequest {
  /** As `query_range`. */
  readonly endpoint: string;
  readonly outcome: 'success' | ApiError['errorType'];
  /** The limit that ended it. */
  readonly limit: string | undefined;
  /** Without the time that it waited. */
  readonly duration_s: number;
  readonly samples: number;
}

/**
 * Grafana asks older versions of Prometheus in ways of their own: it has to see the one whose API this is. What is behind
 * the plus sign is ours (semantic versioning).
 */
const PROMETHEUS_VERSION = '3.5.0';

interface Parts {
  readonly queries: Queries;
  readonly rules: typeof import('./rules.ts');
}

type Respond = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** For `context.serve`. */
export function apiRoutes(options: ApiOptions): ServeOptions['routes'] {
  const { store, board, turns, log, counted, now_ms = Date.now } = options;
  const bodies: Bodies = { bytes: 0 };
  let loading: Promise<Parts> | undefined;

  const load = (): Promise<Parts> => (loading ??= loadParts());

  async function loadParts(): Promise<Parts> {
    const [{ createQueries }, rules] = await Promise.all([import('./queries.ts'), import('./rules.ts')]);
    return { queries: createQueries({ ...options, now_ms }), rules };
  }

  /** What asks the store, one after the other. */
  const asking = (endpoint: string, methods: Methods, choose: (queries: Queries, request: IncomingMessage) => Ask) =>
    answering(methods, async (request, response) => {
      const form = await readForm(request, bodies);
      const { queries } = await load();
      let began_ms = performance.now();
      const count = (outcome: CountedRequest['outcome'], limit: string | undefined, samples: number): void =>
        counted({ endpoint, outcome, limit, samples, duration_s: (performance.now() - began_ms) / 1000 });
      try {
        const answer = await turns.run(
          (waited_ms) => {
            began_ms = performance.now();
            const made = choose(queries, request)(form, waited_ms);
            count('success', undefined, made.samples ?? 0);
            return made;
          },
          () => response.closed,
        );
        return answer;
      } catch (error) {
        const { errorType, limit } = asApiError(error);
        count(errorType, limit, 0);
        throw error;
      }
    });

  const answering = (
    methods: Methods,
    make: (request: IncomingMessage, response: ServerResponse) => Promise<Answer | undefined>,
  ): Respond => {
    return async (request, response) => {
      allowOrigin(response, methods);
      if (request.method === 'OPTIONS') return void response.writeHead(204).end();
      if (!(methods as readonly string[]).includes(request.method!)) return refuseMethod(request, response, methods);
      try {
        const answer = await make(request, response);
        if (answer !== undefined) await sendJson(request, response, 200, envelope(answer));
      } catch (error) {
        const known = asApiError(error);
        if (known.errorType === 'internal') {
          log.once('internal', `Cannot answer a query: ${messageOf(error)}`, { url: request.url?.slice(0, 200) });
        }
        if (response.closed) return;
        if (known.errorType === 'unavailable') response.setHeader('Retry-After', '1');
        await sendJson(request, response, known.status, errorEnvelope(known));
      }
    };
  };

  const plain = (make: (form: URLSearchParams, parts: Parts) => Answer): Respond =>
    answering(['GET'], async (request) => make(await readForm(request, bodies), await load()));

  return {
    '/api/v1/query': asking('query', EITHER, ({ instant }) => instant),
    '/api/v1/query_range': asking('query_range', EITHER, ({ range }) => range),
    '/api/v1/query_exemplars': asking('query_exemplars', EITHER, ({ exemplars }) => exemplars),
    '/api/v1/format_query': asking('format_query', EITHER, ({ format }) => format),
    '/api/v1/series': asking('series', EITHER, ({ series }) => series),
    '/api/v1/labels': asking('labels', EITHER, ({ labelNames }) => labelNames),
    '/api/v1/label/*/values': asking('label_values', ['GET'], ({ labelValues }, request) =>
      labelValues(labelIn(request)),
    ),
    '/api/v1/metadata': plain((form) => metadataAnswer(store, form)),
    '/api/v1/rules': plain((form, { rules, queries }) => rules.rulesAnswer(board, form, queries.matchers(form))),
    '/api/v1/alerts': plain((_, { rules }) => rules.alertsAnswer(board)),
    '/api/v1/status/buildinfo': answering(['GET'], async () => ({ data: JSON.stringify(BUILD) })),
  };
}

type Methods = readonly ('GET' | 'POST')[];
const EITHER: Methods = ['GET', 'POST'];

const BUILD = {
  version: `${PROMETHEUS_VERSION}+sonde.${VERSION}`,
  revision: VERSION,
  branch: 'sonde',
  buildUser: '',
  buildDate: '',
  goVersion: '',
};

/** The listener has named the origin, if pages of another may read. */
function allowOrigin(response: ServerResponse, methods: Methods): void {
  if (!response.hasHeader('Access-Control-Allow-Origin')) return;
  response.setHeader('Access-Control-Allow-Headers', 'Accept, Authorization, Content-Type, Origin');
  response.setHeader('Access-Control-Allow-Methods', [...methods, 'OPTIONS'].join(', '));
  response.setHeader('Access-Control-Expose-Headers', 'Date');
}

function refuseMethod(request: IncomingMessage, response: ServerResponse, methods: Methods): void {
  const headers = { Allow: [...methods, 'OPTIONS'].join(', '), 'Content-Type': 'text/plain; charset=utf-8' };
  response.writeHead(405, request.complete ? headers : { ...headers, Connection: 'close' });
  response.end('Method Not Allowed\n');
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError('internal', 'Cannot answer: an error inside, which the log tells', { cause: error });
}

/** `/api/v1/label/NAME/values` */
function labelIn({ url = '' }: IncomingMessage): string {
  const segment = url.split('?', 1)[0]!.split('/').at(-2)!;
  try {
    return unescapeName(decodeURIComponent(segment));
  } catch (error) {
    throw new ApiError('bad_data', `invalid label name: ${JSON.stringify(segment)}`, { cause: error });
  }
}

function metadataAnswer(store: Pick<SeriesStore, 'metadata'>, form: URLSearchParams): Answer {
  const [limit, limitPerMetric] = ['limit', 'limit_per_metric'].map((name) => {
    const text = form.get(name) ?? '';
    if (text === '') return -1;
    if (!/^[+-]?\d{1,18}$/.test(text)) throw new ApiError('bad_data', `${name} must be a number`);
    return Number(text);
  }) as [number, number];
  const wanted = form.get('metric') ?? '';
  let metrics = store.metadata().filter(({ name }) => wanted === '' || name === wanted);
  if (limit >= 0) metrics = metrics.slice(0, limit);
  const entries = metrics.map(({ name, type, unit, help }) => {
    // Each has but one here; Prometheus has one for each that its targets tell.
    return [name, limitPerMetric === 0 ? [] : [{ type, unit, help }]];
  });
  return { data: JSON.stringify(Object.fromEntries(entries)) };
}
