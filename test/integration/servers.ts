/** Starts the real servers that the integration tests talk to; `servers/get.sh` brings them from Debian's packages. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../support/free_port.ts';
import { documentsIn, type OtlpDocument } from './otlp_documents.ts';

const run = promisify(execFile);
const cache =
  process.env['SONDE_TEST_SERVERS'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sonde-test-servers');

/**
 * Path of a server's program; unpacks it first where it is missing, which for the Collector takes minutes.
 * @throws if it cannot be had: an integration test without its server has shown nothing
 */
export async function program(name: string): Promise<string> {
  return (await unpackServers([name])).get(name)!;
}

/** Paths of the programs of these servers, each unpacked where it is missing. */
export async function unpackServers(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const script = join(import.meta.dirname, 'servers/get.sh');
  try {
    const { stdout } = await run('bash', [script, cache, ...names], { maxBuffer: 2 ** 26 });
    const lines = stdout.split('\n').filter((line) => line !== '');
    return new Map(lines.map((line) => line.split('\t') as [string, string]));
  } catch (error) {
    throw new Error(`Cannot get the server ${names.join(', ')}: ${(error as Error).message}`, { cause: error });
  }
}

export interface Server {
  readonly url: string;
  /** A folder of its own, removed at the end. */
  readonly folder: string;
  readonly pid: number;
  /** What it has printed so far. */
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface ServerOptions {
  readonly command: string;
  readonly args: (folder: string) => readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: NodeJS.ProcessEnv;
  readonly url: string;
  /** Asked until it answers 200. */
  readonly ready: string;
  /** What it prints when it is up, if its answer is not enough. */
  readonly says?: RegExp;
}

/**
 * What the agent prints when all of it runs. The page of its metrics answers before: exporters start first, and receivers
 * do not listen then.
 */
export const AGENT_RUNS = /^sonde \S+ (listening on|runs;)/m;

export async function startServer({
  command,
  args,
  files = {},
  env,
  url,
  ready,
  says,
}: ServerOptions): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const child = spawn(command, args(folder), { cwd: folder, env: { ...process.env, ...env }, stdio: 'pipe' });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const server: Server = {
    url,
    folder,
    pid: child.pid!,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      const code = await end(child, signal);
      // What the program has started may write a moment longer.
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
      return code;
    },
  };
  try {
    const isUp = async (): Promise<boolean> => (await fetch(ready)).ok && (says === undefined || says.test(output));
    await until(`${command} answers at ${ready}`, async () => child.exitCode !== null || (await isUp()), 60_000);
    if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}`);
  } catch (error) {
    await server.stop('SIGKILL');
    throw new Error(`${(error as Error).message}\n${output}`, { cause: error });
  }
  return server;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  // What it printed last is read after that; what it has started may hold its output open for longer.
  const isRead = new Promise((resolve) => child.once('close', resolve));
  child.kill(signal);
  const giveUp = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const code = await ended;
  clearTimeout(giveUp);
  await Promise.race([isRead, new Promise((resolve) => setTimeout(resolve, 2000).unref())]);
  return code;
}

/** Resolves when `check` returns true; a check that throws counts as not yet. */
export async function until(what: string, check: () => Promise<boolean>, limit_ms = 20_000): Promise<void> {
  const end_ms = performance.now() + limit_ms;
  let last: unknown;
  for (let isLast = false; ;) {
    try {
      if (await check()) return;
    } catch (error) {
      last = error;
    }
    if (isLast) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
    // Whoever was held up for longer than that looks once more, at what happened meanwhile.
    isLast = performance.now() >= end_ms;
  }
  throw new Error(`Waited ${limit_ms} ms in vain until ${what}`, { cause: last });
}

const root = join(import.meta.dirname, '../..');

export async function bundleSonde(): Promise<void> {
  await run(process.execPath, [join(root, 'scripts/bundle.ts')]);
}

/** Command and arguments of the agent as users run it: the bundle, which `setup.ts` made of the sources. */
export function sondeCommand(): readonly [command: string, ...args: string[]] {
  return [process.execPath, '--max-semi-space-size=1', join(root, 'dist/sonde.cjs')];
}

/**
 * The agent, which runs as users run it. `config` may hold `PORT`, which becomes a free port; it overlays the default
 * configuration where `isOverlay` says so.
 */
export async function startSonde(config: string, { isOverlay = false } = {}): Promise<Server> {
  const port = await freePort();
  const [command, ...args] = sondeCommand();
  return startServer({
    command,
    args: (folder) => [
      ...args,
      'run',
      ...(isOverlay ? ['--config', join(root, 'configs/sonde.yaml')] : []),
      '--config',
      join(folder, 'sonde.yaml'),
    ],
    files: { 'sonde.yaml': config.replaceAll('PORT', String(port)) },
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}/metrics`,
    says: AGENT_RUNS,
  });
}

export interface CollectorServer extends Server {
  readonly httpEndpoint: string;
  readonly grpcEndpoint: string;
  /** Every OTLP/JSON document that it received, in order; with a place, those of its predecessors there too. */
  received(): OtlpDocument[];
}

/** Where a Collector listens and what it writes to, for one that is to be started again. */
export interface CollectorPlace {
  readonly grpc: number;
  readonly http: number;
  readonly file: string;
}

/** A real OpenTelemetry Collector that takes OTLP by gRPC and HTTP and writes what it got to a file. */
export async function startCollector(place?: CollectorPlace): Promise<CollectorServer> {
  const command = await program('otelcol');
  const { grpc, http } = place ?? { grpc: await freePort(), http: await freePort() };
  const zpages = await freePort();
  const config = `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: 127.0.0.1:${grpc} }
      http: { endpoint: 127.0.0.1:${http} }
exporters:
  jsonfile: { path: ${place?.file ?? 'received.jsonl'} }
extensions:
  zpages: { endpoint: 127.0.0.1:${zpages} }
service:
  extensions: [zpages]
  telemetry: { metrics: { level: none } }
  pipelines:
    metrics: { receivers: [otlp], exporters: [jsonfile] }
    logs: { receivers: [otlp], exporters: [jsonfile] }
    traces: { receivers: [otlp], exporters: [jsonfile] }
`;
  const server = await startServer({
    command,
    args: () => ['--config', 'otelcol.yaml'],
    files: { 'otelcol.yaml': config },
    url: `http://127.0.0.1:${http}`,
    ready: `http://127.0.0.1:${zpages}/debug/servicez`,
    // Its pages are there before its receivers.
    says: /Everything is ready/,
  });
  return {
    ...server,
    httpEndpoint: `http://127.0.0.1:${http}`,
    grpcEndpoint: `http://127.0.0.1:${grpc}`,
    received: () => documentsIn(place?.file ?? join(server.folder, 'received.jsonl')),
  };
}

/** @param interval_s a scrape has no longer than that; one that fails ends all series until the next */
export async function startPrometheus(scrapeTarget: string, interval_s = 1): Promise<Server> {
  const command = await program('prometheus');
  const port = await freePort();
  const config = `
global: { scrape_interval: ${interval_s}s, scrape_timeout: ${interval_s}s }
scrape_configs:
  - job_name: sonde
    static_configs: [{ targets: ['${scrapeTarget}'] }]
`;
  return startServer({
    command,
    args: (folder) => [
      '--config.file=prometheus.yml',
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    files: { 'prometheus.yml': config },
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}/-/ready`,
  });
}

export async function startVictoriaMetrics(): Promise<Server> {
  const command = await program('victoriametrics');
  const port = await freePort();
  return startServer({
    command,
    args: (folder) => [
      `-storageDataPath=${join(folder, 'data')}`,
      `-httpListenAddr=127.0.0.1:${port}`,
      '-search.latencyOffset=0s',
    ],
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}/health`,
  });
}

/** `promtool check metrics` over an exposition; exit code 0 is clean, 3 lint findings, 1 a parse error. */
export async function checkMetrics(
  exposition: string,
): Promise<{ readonly code: number; readonly findings: string[] }> {
  const command = await program('promtool');
  const child = spawn(command, ['check', 'metrics'], { stdio: 'pipe' });
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stdin.end(exposition);
  const code = await new Promise<number>((resolve) => child.once('close', resolve));
  return { code, findings: output.split('\n').filter((line) => line !== '') };
}
