/** `sonde tap`: shows samples of what passes an edge of a pipeline of a running agent. */
import type { LoadedConfig } from '../config/load.ts';
import { parseExact } from './exact_json.ts';
import { EXIT_CODES } from './exit_codes.ts';
import { listeningExporters } from './live_address.ts';
import type { TapSelection } from './live_commands.ts';
import { askLive, LiveError } from './live_request.ts';
import { withSession, type LiveSession, type Surroundings, type Target } from './live_session.ts';
import { count } from './selection.ts';
import { renderTable } from './table.ts';
import { tapText, type TapBatch } from './tap_text.ts';

const PATH = '/-/tap';

/** What to add to a configuration whose agent cannot be asked. */
const HINT =
  'an exporter that listens is needed, as "prometheus" or "stream"; or say with --url where the agent answers';

/** Resolves with the exit code: at Ctrl+C, behind the last batch that is wanted, or when there is nothing to show. */
export function tap(edge: string | undefined, options: TapSelection, surroundings: Surroundings): Promise<number> {
  return withSession('tap', options, surroundings, tapsOf, async (targets, session) => {
    const limit = limitOf(options.limit);
    if (targets.length === 0) {
      throw new LiveError('Cannot reach the agent: by the configuration it listens nowhere', { hint: HINT });
    }
    const target = await firstThatAnswers(targets, session);
    if (edge === undefined) return list(target, options, session, surroundings);
    return show(target, edge, limit, options, session, surroundings);
  });
}

function tapsOf(loaded: LoadedConfig): readonly Target[] {
  const byOrigin = new Map(listeningExporters(loaded).map(({ origin, tls }) => [origin, tls]));
  return [...byOrigin].map(([origin, tls]) => ({ url: origin, tls }));
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new LiveError(`Cannot end after ${JSON.stringify(text)} batches: a number is needed`, { isUsage: true });
}

/** Not each listener of an agent answers for the whole of it. */
async function firstThatAnswers(targets: readonly Target[], { abort }: LiveSession): Promise<Target> {
  let first: unknown;
  for (const { url, tls } of targets) {
    const asked = new URL(PATH, url).href;
    try {
      const response = await askLive({ url: asked, tls, abort });
      response.destroy();
      return { url: asked, tls };
    } catch (error) {
      if (!(error instanceof LiveError)) throw error;
      if (![0, 404].includes(error.status)) throw error;
      first ??= error;
    }
  }
  if (first instanceof LiveError && first.status === 0) throw first;
  throw new LiveError(`Cannot tap the agent at ${targets[0]!.url}: it does not answer for that`, { hint: HINT });
}

interface TapList {
  readonly pipelines: readonly { readonly name: string; readonly signal: string; readonly points: readonly string[] }[];
}

async function list(
  { url, tls }: Target,
  { json }: TapSelection,
  { abort }: LiveSession,
  { terminal }: Surroundings,
): Promise<number> {
  const response = await askLive({ url, tls, abort });
  response.setEncoding('utf8');
  let text = '';
  for await (const piece of response) text += String(piece);
  const { pipelines } = JSON.parse(text) as TapList;
  if (json === true) terminal.print(text);
  else {
    const rows = pipelines.map(({ name, points }) => [name, points.map((point) => `${name}:${point}`).join(' ')]);
    terminal.print(renderTable([['PIPELINE', 'EDGES'], ...rows], { columns: terminal.columns }));
  }
  return EXIT_CODES.ok;
}

async function show(
  { url, tls }: Target,
  edge: string,
  limit: number,
  { rate, items, json }: TapSelection,
  session: LiveSession,
  { terminal }: Surroundings,
): Promise<number> {
  const asked = new URL(url);
  asked.searchParams.set('at', edge);
  if (rate !== undefined) asked.searchParams.set('rate', rate);
  if (items !== undefined) asked.searchParams.set('items', items);
  let shown = 0;
  let rest = '';
  return session.keepReading(
    () => {
      rest = '';
      return askLive({ url: asked.href, tls, abort: session.abort });
    },
    (piece) => {
      const lines = (rest + piece).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === '' || shown >= limit) continue;
        const batch = parseExact(line) as
          | TapBatch
          | { readonly tap: { readonly pipeline: string; readonly point: string } };
        if ('tap' in batch) {
          session.notice(`${batch.tap.pipeline}:${batch.tap.point}`);
          continue;
        }
        shown++;
        terminal.print(json === true ? `${line}\n` : tapText(batch, terminal));
        const { skipped } = batch;
        if (skipped !== undefined && json !== true) {
          session.notice(
            `skipped ${count(skipped.batches, 'batch').replace(/batchs$/, 'batches')}, ${count(skipped.items, 'item')}`,
          );
        }
      }
    },
    () => shown >= limit,
  );
}
