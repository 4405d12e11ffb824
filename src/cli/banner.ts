/** What `sonde run` says when it has started: the address first, then what it measures, skips and sends. */
import { userInfo } from 'node:os';
import type { Agent } from '../agent.ts';
import type { ComponentFigures } from '../component.ts';
import type { LoadedConfig } from '../config/load.ts';
import { withoutUserinfo } from '../config/words.ts';
import { VERSION } from '../model/version.ts';
import { renderTable } from './table.ts';
import { painter, type Terminal } from './terminal.ts';

/** One line with the address, for whoever reads only that. */
export function announce(addresses: readonly string[], { exporters }: Pick<LoadedConfig, 'exporters'>): string {
  // Exporters start first, so that a scrape endpoint is the first to listen.
  const [first, ...others] = addresses;
  if (first === undefined) return `sonde ${VERSION} runs; nothing in its configuration listens\n`;
  const scraped = [...exporters.values()].find(({ type }) => type === 'prometheus');
  const { path = '/metrics' } = (scraped?.config ?? {}) as { path?: string };
  const metrics = scraped === undefined ? '' : ` (metrics: ${first}${path})`;
  const more = others.length === 0 ? '' : `, and on ${others.join(', ')}`;
  return `sonde ${VERSION} listening on ${first}${metrics}${more}\n`;
}

export interface StartFacts {
  readonly agent: Pick<Agent, 'figures'>;
  readonly loaded: LoadedConfig;
  /** Last warning of each component. */
  readonly warnings: ReadonlyMap<string, string>;
  /** When it began to start, by the monotonic clock. */
  readonly started_ms: number;
  /** Told to stop, it waits for no sample. */
  readonly stop: Promise<unknown>;
}

/** Waits for the first values, then describes what there is in at most eleven lines. */
export async function describeStart(facts: StartFacts, terminal: Terminal): Promise<string> {
  await firstSample(facts);
  const sample_s = (performance.now() - facts.started_ms) / 1000;
  return renderBanner(
    {
      ...describeComponents(facts),
      files: facts.loaded.files,
      interval: formatDuration(facts.loaded.agent.collection_interval),
      runtime: `node ${process.versions.node}  ${process.platform}/${process.arch}  ${describeUser()}`,
      sample_s,
      cpu_s: process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
      memory: process.memoryUsage.rss(),
    },
    terminal,
  );
}

export interface BannerFacts {
  readonly measuring: readonly string[];
  readonly receiving: readonly string[];
  /** What gives nothing, and why. */
  readonly skipped: readonly (readonly [id: string, reason: string])[];
  readonly sending: readonly string[];
  readonly files: readonly string[];
  readonly interval: string;
  readonly runtime: string;
  readonly sample_s: number;
  readonly cpu_s: number;
  /** Bytes. */
  readonly memory: number;
}

const MOST_SKIPPED = 4;

export function renderBanner(facts: BannerFacts, terminal: Terminal): string {
  const paint = painter(terminal);
  const rows: [string, string][] = [];
  const add = (title: string, text: string): void => void rows.push([paint('cyan', title), text]);
  add('with', `${facts.files.join(', ')}  ${paint('dim', facts.runtime)}`);
  if (facts.measuring.length > 0) add('measuring', `${facts.measuring.join(' ')}  every ${facts.interval}`);
  if (facts.receiving.length > 0) add('receiving', facts.receiving.join(' '));
  const isCut = facts.skipped.length > MOST_SKIPPED;
  const shown = isCut ? facts.skipped.slice(0, MOST_SKIPPED - 1) : facts.skipped;
  shown.forEach(([id, reason], at) => add(at === 0 ? 'skipped' : '', `${id}: ${reason}`));
  if (isCut) add('', `and ${facts.skipped.length - shown.length} more: see "sonde check"`);
  const nowhere = 'nowhere yet: set OTEL_EXPORTER_OTLP_ENDPOINT, or add an exporter to a pipeline';
  add('sending', facts.sending.length === 0 ? nowhere : facts.sending.join(', '));
  add('first sample', `in ${facts.sample_s.toFixed(2)} s; so far ${describeCost(facts)}`);
  return renderTable(rows, { indent: 2 });
}

function describeCost({ cpu_s, memory }: BannerFacts): string {
  return `${cpu_s.toFixed(2)} s of CPU, ${(memory / 2 ** 20).toFixed(0)} MiB of memory`;
}

/** Longest wait for the first values: a slow source must not keep the rest of the banner. */
const LONGEST_WAIT_MS = 2000;

async function firstSample({ agent, loaded, stop }: StartFacts): Promise<void> {
  const isCollected = ({ id, kind, state, operations }: ComponentFigures): boolean =>
    kind !== 'receiver' || !isCollecting(loaded, id) || state !== 'running' || operations > 0;
  let isStopped = false;
  void stop.then(() => {
    isStopped = true;
  });
  const end_ms = performance.now() + LONGEST_WAIT_MS;
  while (!isStopped && performance.now() < end_ms && !agent.figures().components.every(isCollected)) {
    await pause();
  }
  // A collection that is done may still be on its way through its pipeline.
  await pause();
}

function pause(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, 10));
}

/** Receivers without metrics of their own are sent theirs. */
function isCollecting(loaded: LoadedConfig, id: string): boolean {
  return Object.keys(loaded.receivers.get(id)?.definition.metrics ?? {}).length > 0;
}

function describeComponents({
  agent,
  loaded,
  warnings,
}: StartFacts): Pick<BannerFacts, 'measuring' | 'receiving' | 'skipped' | 'sending'> {
  const measuring: string[] = [];
  const receiving: string[] = [];
  const sending: string[] = [];
  const skipped = new Map<string, string>();
  for (const { id, kind, state, reason, accepted } of agent.figures().components) {
    if (state === 'failed') skipped.set(id, reason);
    else if (kind === 'exporter' && loaded.exporters.get(id)?.definition.isPull === false) sending.push(id);
    else if (kind !== 'receiver') continue;
    else if (!isCollecting(loaded, id)) receiving.push(id);
    else if (accepted > 0) measuring.push(id);
    else skipped.set(id, warnings.get(id) ?? 'no values yet');
  }
  // An exporter or receiver of several signals has figures for each.
  const once = (ids: readonly string[]): string[] => [...new Set(ids)];
  return {
    measuring: once(measuring),
    receiving: once(receiving),
    skipped: [...skipped],
    sending: once(sending).map((id) => `${id}${describeTarget(loaded, id)}`),
  };
}

function describeTarget(loaded: LoadedConfig, id: string): string {
  const { endpoint } = (loaded.exporters.get(id)?.config ?? {}) as { endpoint?: unknown };
  return typeof endpoint === 'string' ? ` to ${withoutUserinfo(endpoint)}` : '';
}

/** `15000` → `15s`. */
export function formatDuration(time_ms: number): string {
  if (time_ms >= 60_000 && time_ms % 60_000 === 0) return `${time_ms / 60_000}m`;
  return time_ms >= 1000 ? `${time_ms / 1000}s` : `${time_ms}ms`;
}

function describeUser(): string {
  return process.platform === 'win32' ? `user ${userInfo().username}` : `uid ${process.getuid!()}`;
}
