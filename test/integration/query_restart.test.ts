/** An agent that is killed and started again answers for the time before: its history is on disk. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MAGIC } from '../../src/store/disk_format.ts';
import { freePort } from '../support/free_port.ts';
import { AGENT_RUNS, sondeCommand, startServer, until, type Server } from './servers.ts';

interface Row {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [time_s: number, value: string])[];
}

async function startAgent(port: number, directory: string): Promise<Server> {
  const [command, ...args] = sondeCommand();
  return startServer({
    command,
    args: (folder) => [...args, 'run', '--config', join(folder, 'sonde.yaml')],
    files: {
      'sonde.yaml': `
agent: { collection_interval: 250ms }
receivers: { memory: , load: }
exporters: { store: { endpoint: '127.0.0.1:${port}', directory: '${directory}' } }
service: { pipelines: { metrics: { receivers: [memory, load], exporters: [store] } } }
`,
    },
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}/api/v1/status/buildinfo`,
    says: AGENT_RUNS,
  });
}

/** The samples themselves, of the last ten minutes. */
async function samples({ url }: Server): Promise<ReadonlyMap<string, Row['values']>> {
  const query = '{__name__=~"system_memory_usage_bytes|system_cpu_load_average_1m"}[10m]';
  const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query }) });
  const { data } = (await response.json()) as { readonly data: { readonly result: readonly Row[] } };
  return new Map(data.result.map(({ metric, values }) => [JSON.stringify(metric), values]));
}

const countOf = (rows: ReadonlyMap<string, Row['values']>): number =>
  [...rows.values()].reduce((sum, values) => sum + values.length, 0);

function makeDirectory(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'store');
}

test('query range after a restart returns the points from before, all of them', { timeout: 180_000 }, async () => {
  const directory = makeDirectory();
  const port = await freePort();
  const first = await startAgent(port, directory);
  await until('it has some history', async () => countOf(await samples(first)) > 60, 60_000);
  const before = await samples(first);
  expect(await first.stop()).toBe(0);
  const second = await startAgent(port, directory);
  onTestFinished(async () => void (await second.stop()));
  const after = await samples(second);
  for (const [series, values] of before) expect(after.get(series)?.slice(0, values.length)).toEqual(values);
  await until('it goes on', async () => countOf(await samples(second)) > countOf(before) + 30, 60_000);
  const end_s = Date.now() / 1000;
  const parameters = {
    query: 'system_cpu_load_average_1m',
    start: String(end_s - 600),
    end: String(end_s),
    step: '0.25',
  };
  const response = await fetch(`${second.url}/api/v1/query_range?${new URLSearchParams(parameters)}`);
  const { data } = (await response.json()) as { readonly data: { readonly result: readonly Row[] } };
  expect(data.result[0]!.values.length).toBeGreaterThan(10);
  expect(data.result[0]!.values[0]![0]).toBeLessThan([...before.values()][0]!.at(-1)![0]);
});

/** Bytes of the history on disk; the beginning of a file, which is written before the rest, is none. */
function written(directory: string): number {
  const files = readdirSync(directory).filter((name) => name.endsWith('.history'));
  return files.reduce((sum, name) => sum + Math.max(statSync(join(directory, name)).size - MAGIC.length, 0), 0);
}

const FLUSH_LIMIT_MS = 180_000;

test('after kill -9 it has what was on disk, unharmed, and goes on', { timeout: 400_000 }, async () => {
  const directory = makeDirectory();
  const port = await freePort();
  const first = await startAgent(port, directory);
  // It writes once a minute, nearly.
  await until('it has written', async () => written(directory) > 0, FLUSH_LIMIT_MS);
  const last = await samples(first);
  await first.stop('SIGKILL');
  const second = await startAgent(port, directory);
  onTestFinished(async () => void (await second.stop()));
  const after = await samples(second);
  expect([...after.keys()].toSorted()).toEqual([...last.keys()].toSorted());
  for (const [series, values] of last) {
    const kept = after.get(series)!.filter(([time_s]) => time_s <= values.at(-1)![0]);
    // What it has is the beginning of what there was: nothing is missing in the middle, and nothing is changed.
    expect(kept.length).toBeGreaterThan(values.length / 2);
    expect(kept).toEqual(values.slice(0, kept.length));
  }
  await until('it goes on', async () => countOf(await samples(second)) > countOf(after) + 10);
  expect(second.output()).not.toContain('level=error');
});
