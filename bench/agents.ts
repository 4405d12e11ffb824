/** Starts Sonde as users run it, and the peers it is measured beside. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from '../test/integration/servers.ts';
import { freePort } from '../test/support/free_port.ts';
import { start, type Measured } from './process.ts';
import { scrape } from './scraper.ts';

export interface Scraped extends Measured {
  readonly url: string;
}

const root = join(import.meta.dirname, '..');
const bundle = join(root, 'dist/sonde.cjs');
let isBundled = false;

/** What the default configuration measures with, but for `self` and the one that looks at every process. */
export const QUICK_RECEIVERS = ['cpu', 'load', 'memory', 'paging', 'disk', 'filesystem', 'network', 'system'];
export const DEFAULT_RECEIVERS = [...QUICK_RECEIVERS, 'processes'];

export interface SondeOptions {
  /** YAML over the default configuration; `PORT` in it becomes the port that answers scrapes. */
  readonly overlay?: string;
  /** Where the measured machine's root is. */
  readonly rootPath?: string;
  /** Whether it answers scrapes; it does unless this is false. */
  readonly isPulled?: boolean;
}

/** Values of every scrape are new, as node_exporter's are. */
const SCRAPED_ANEW = `
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT, max_age: 0s }
`;

/** The bundle, with the default configuration and `overlay`. */
export async function startSonde(name: string, options: SondeOptions = {}): Promise<Scraped> {
  const { overlay = SCRAPED_ANEW, rootPath = '/', isPulled = true } = options;
  if (!isBundled) execFileSync(process.execPath, [join(root, 'scripts/bundle.ts')], { stdio: 'ignore' });
  isBundled = true;
  const port = await freePort();
  const folder = temporaryFolder();
  const file = join(folder.path, 'bench.yaml');
  writeFileSync(file, overlay.replaceAll('PORT', String(port)));
  const url = `http://127.0.0.1:${port}/metrics`;
  // Several run at a time, and perhaps that of the machine itself.
  const ownPort = ['--set', `exporters.store.endpoint=127.0.0.1:${port}`];
  const args = [...launchFlags(), bundle, 'run', join(root, 'configs/sonde.yaml'), file, ...ownPort];
  const env = { SONDE_ROOT_PATH: rootPath };
  const process_ = await start(name, process.execPath, args, isPulled ? url : undefined, { env });
  return { ...process_, url, stop: () => process_.stop().finally(folder.remove) };
}

/** What the first line of the bundle has Node.js started with. */
export function launchFlags(): string[] {
  const [first = ''] = readFileSync(bundle, 'utf8').split('\n', 1);
  return first.split(' ').filter((word) => word.startsWith('--'));
}

/** YAML that switches these opt-in metrics on, and leaves receivers out. */
export function overlayOf(metrics: Readonly<Record<string, readonly string[]>>, receivers?: readonly string[]): string {
  const blocks = Object.entries(metrics).map(
    ([receiver, names]) =>
      `  ${receiver}:\n    metrics:\n${names.map((name) => `      ${name}: { enabled: true }\n`).join('')}`,
  );
  const pipeline =
    receivers === undefined
      ? ''
      : `service:\n  pipelines:\n    metrics:\n      receivers: !replace [${receivers.join(', ')}]\n`;
  return `${SCRAPED_ANEW}${blocks.length === 0 ? '' : `receivers:\n${blocks.join('')}`}${pipeline}`;
}

/** As upstream ships it: without the systemd collector that Debian switches on, and which fails without systemd. */
export async function startNodeExporter(name: string, args: readonly string[] = []): Promise<Scraped> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/metrics`;
  const textfiles = temporaryFolder();
  const all = [
    `--web.listen-address=127.0.0.1:${port}`,
    `--collector.textfile.directory=${textfiles.path}`,
    '--no-collector.systemd',
    '--log.level=error',
    ...args,
  ];
  const process_ = await start(name, await program('node_exporter'), all, url);
  return { ...process_, url, stop: () => process_.stop().finally(textfiles.remove) };
}

/** Node.js's HTTP server alone, answering with what `model` answers: the least that any agent on Node.js costs. */
export async function startBareServer(name: string, model: Scraped): Promise<Scraped> {
  const folder = temporaryFolder();
  const file = join(folder.path, 'body');
  writeFileSync(file, await scrape(model.url, 'identity'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/metrics`;
  const script = join(import.meta.dirname, 'floor/http.cjs');
  const process_ = await start(name, process.execPath, [...launchFlags(), script, String(port), file], url);
  return { ...process_, url, stop: () => process_.stop().finally(folder.remove) };
}

/**
 * A C program that makes the system calls of one collection for every request, and answers with what `model` answers:
 * the least that any agent costs that measures the same.
 */
export async function startFloor(name: string, model: Scraped, operations: readonly string[]): Promise<Scraped> {
  const folder = temporaryFolder();
  const [program_, body, list] = ['scrape', 'body', 'operations'].map((file) => join(folder.path, file));
  execFileSync('cc', ['-O2', '-o', program_, join(import.meta.dirname, 'floor/scrape.c')]);
  writeFileSync(body, await scrape(model.url, 'identity'));
  writeFileSync(list, operations.map((line) => `${line}\n`).join(''));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/metrics`;
  const process_ = await start(name, program_, [String(port), body, list], url);
  return { ...process_, url, stop: () => process_.stop().finally(folder.remove) };
}

export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'sonde-bench-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
