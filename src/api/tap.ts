/**
 * `GET /-/tap?at=PIPELINE:POINT`: shows what passes an edge of a pipeline, a line of JSON for each batch, as many a second
 * as are asked for. Without `at` it lists the edges.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PipelineFigures } from '../component.ts';
import { isLoopbackAddress } from '../config/options.ts';
import type { Batch, Signal } from '../model/batch.ts';
import { END, pointsOf, type Observe } from '../taps.ts';
import type { Handler } from './http_listener.ts';
import { isAllowedOrigin, OTHER_SITE } from './origin.ts';
import { isOwnUser } from './peer_user.ts';
import { tapLine, type Skipped } from './tap_lines.ts';

export interface TapOptions {
  readonly pipelines: () => readonly PipelineFigures[];
  /** Begins to show; resolves with what ends it. */
  readonly open: (pipeline: string, point: string, observe: Observe) => Promise<() => void>;
  /** Instead of asking the kernel whose the connection is. */
  readonly isOwnUser?: (socket: IncomingMessage['socket']) => Promise<boolean | undefined>;
}

/** What `GET /-/tap` answers: the edges of each pipeline. */
export interface TapList {
  readonly pipelines: readonly { readonly name: string; readonly signal: Signal; readonly points: readonly string[] }[];
}

const MOST_TAPS = 8;
const DEFAULT_RATE = 10;
const MOST_RATE = 1000;
const DEFAULT_ITEMS = 20;
const MOST_ITEMS = 10_000;
/** A reader that takes less is shown less. */
const MOST_WAITING_BYTES = 1_048_576;
const KEEP_ALIVE_MS = 15_000;

export function createTapHandler(options: TapOptions): Handler {
  const { pipelines, open, isOwnUser: isOwn = isOwnUser } = options;
  let taps = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = await refusalOf(request, isOwn);
    if (refusal !== undefined) return text(response, ...refusal);
    const query = new URL(request.url!, 'http://localhost').searchParams;
    const at = query.get('at');
    const known = pipelines();
    if (at === null) return list(response, known);
    const place = placeOf(at, known);
    const rate = numberOf(query, 'rate', DEFAULT_RATE, MOST_RATE);
    const items = numberOf(query, 'items', DEFAULT_ITEMS, MOST_ITEMS);
    for (const problem of [place, rate, items]) if (typeof problem === 'string') return text(response, 400, problem);
    if (taps >= MOST_TAPS) return text(response, 503, `Cannot tap: ${taps} others do, as many as may at a time`);
    return show(request, response, place as Place, rate as number, items as number);
  }

  async function show(
    request: IncomingMessage,
    response: ServerResponse,
    place: Place,
    rate: number,
    items: number,
  ): Promise<void> {
    const gone = Promise.withResolvers<void>();
    response.once('close', gone.resolve);
    // What breaks it has it closed, too.
    response.on('error', () => {});
    request.socket.setTimeout(0);
    let keepAlive: NodeJS.Timeout | undefined;
    taps++;
    try {
      const close = await open(place.pipeline, place.point, createSampler(response, rate, items));
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
      response.write(`${JSON.stringify({ tap: { ...place, rate, items } })}\n`);
      keepAlive = setInterval(() => response.write('\n'), KEEP_ALIVE_MS);
      if (!response.closed) await gone.promise;
      close();
    } finally {
      clearInterval(keepAlive);
      taps--;
    }
  }

  return answer;
}

type Refusal = readonly [status: number, text: string];

/** What passes may be secret, and has not been through a `redaction` yet: only who runs the agent may see it. */
async function refusalOf(
  request: IncomingMessage,
  isOwn: NonNullable<TapOptions['isOwnUser']>,
): Promise<Refusal | undefined> {
  const { method, socket, headers } = request;
  if (method !== 'GET') return [405, 'Cannot tap: only GET does'];
  if (!isLoopbackAddress(socket.remoteAddress)) return [403, 'Cannot tap: only this machine may ask for it'];
  // A proxy on this machine asks for others.
  if (['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'].some((name) => headers[name] !== undefined)) {
    return [403, 'Cannot tap: the request came through a proxy'];
  }
  if (!isAllowedOrigin(request)) return [403, OTHER_SITE];
  if ((await isOwn(socket)) === false) {
    return [403, 'Cannot tap: only root may ask for it, and the user that the agent runs as'];
  }
  return undefined;
}

interface Place {
  readonly pipeline: string;
  readonly signal: Signal;
  readonly point: string;
}

/** `logs/audit:redaction` → the edge behind that processor; without a point what comes out of the processors. */
function placeOf(at: string, pipelines: readonly PipelineFigures[]): Place | string {
  const colon = at.indexOf(':');
  const name = colon === -1 ? at : at.slice(0, colon);
  const point = colon === -1 ? END : at.slice(colon + 1);
  const pipeline = pipelines.find((one) => one.name === name);
  if (pipeline === undefined) {
    const known = pipelines.map((one) => one.name).join(', ');
    return `Cannot tap ${JSON.stringify(name)}: there is no such pipeline; there is ${known}`;
  }
  const points = pointsOf(pipeline);
  if (points.includes(point)) return { pipeline: name, signal: pipeline.signal, point };
  return `Cannot tap ${JSON.stringify(point)} of ${name}: there is no such point; there is ${points.join(', ')}`;
}

function numberOf(query: URLSearchParams, name: string, byDefault: number, most: number): number | string {
  const written = query.get(name);
  const value = written === null ? byDefault : Number(written);
  if (value > 0 && value <= most && Number.isFinite(value)) return value;
  return `Cannot use ${name}=${written}: a number up to ${most} is needed`;
}

/** Shows `rate` batches a second at most, and no more than its reader takes. */
function createSampler(response: ServerResponse, rate: number, items: number): Observe {
  const most = Math.max(rate, 1);
  let left = most;
  let filled_ms = performance.now();
  let skipped: Skipped = { batches: 0, items: 0 };
  return (batch: Batch) => {
    const now_ms = performance.now();
    left = Math.min(most, left + ((now_ms - filled_ms) / 1000) * rate);
    filled_ms = now_ms;
    const isReady = response.headersSent && !response.closed && response.writableLength <= MOST_WAITING_BYTES;
    if (left < 1 || !isReady) {
      skipped.batches++;
      skipped.items += batch.count;
      return;
    }
    left--;
    response.write(tapLine(batch, BigInt(Date.now()) * 1_000_000n, Math.ceil(items), skipped));
    skipped = { batches: 0, items: 0 };
  };
}

function list(response: ServerResponse, pipelines: readonly PipelineFigures[]): void {
  const answer: TapList = {
    pipelines: pipelines.map((one) => ({ name: one.name, signal: one.signal, points: pointsOf(one) })),
  };
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(`${JSON.stringify(answer)}\n`);
}

function text(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    ...(status === 405 ? { Allow: 'GET' } : {}),
  });
  response.end(`${message}\n`);
}
