import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import self from '../../../receivers/self/index.ts';
import store from '../../../exporters/store.ts';
import { createStage, makeAgent, type WrittenConfig } from '../../support/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free_port.ts';
import { metric, metricBatch, series } from '../../support/processor.ts';
import { startStore } from './run.ts';

const gauge = series(metric('room', { kind: 'gauge', unit: '', valueType: 'double' }));
const batchAt = (ago_s: number, value = 1) =>
  metricBatch([gauge], [value], { time: BigInt(Date.now() - ago_s * 1000) * 1_000_000n });

const freeEndpoint = async (): Promise<string> => `127.0.0.1:${await freePort()}`;

/** On a connection of its own: one that is kept may be of the listener before. */
async function textOf(endpoint: string, query: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get(`http://${endpoint}/api/v1/query?query=${encodeURIComponent(query)}`, { agent: false }, resolve).on(
    'error',
    reject,
  );
  let text = '';
  for await (const piece of (await promise).setEncoding('utf8')) text += String(piece);
  return text;
}

async function samplesAt(endpoint: string): Promise<number> {
  const { data } = JSON.parse(await textOf(endpoint, 'room[1h]')) as { data: { result: { values: unknown[] }[] } };
  return data.result[0]?.values.length ?? 0;
}

test('a reload keeps what is in memory, unless other things are to be kept', async () => {
  const stage = createStage();
  const endpoint = await freeEndpoint();
  const written = (config: Record<string, unknown>): WrittenConfig => ({
    receivers: { pushed: {} },
    exporters: { store: { endpoint, ...config } },
    pipelines: { metrics: { receivers: ['pushed'], exporters: ['store'] } },
  });
  const run = makeAgent(written({}), { ...stage, exporters: [store] });
  await run.agent.start();
  const push = async (ago_s: number) => stage.pushed.get('pushed')!.next.metrics!.consume(batchAt(ago_s));
  await push(30);
  await push(20);
  expect(await samplesAt(endpoint)).toBe(2);
  await run.reload(written({ limits: { time: '2s' } }));
  expect(await samplesAt(endpoint)).toBe(2);
  await push(10);
  expect(await samplesAt(endpoint)).toBe(3);
  await run.reload(written({ retention: '2h' }));
  expect(await samplesAt(endpoint)).toBe(0);
  await push(5);
  expect(await samplesAt(endpoint)).toBe(1);
  expect(run.figures('store')).toMatchObject({ accepted: 1, dropped: new Map() });
});

test('a start that fails for a taken port succeeds when it is free, with queries and what came meanwhile', async () => {
  const stage = createStage();
  const endpoint = await freeEndpoint();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(Number(endpoint.split(':')[1]), '127.0.0.1', resolve));
  const run = makeAgent(
    {
      receivers: { pushed: {} },
      exporters: { store: { endpoint, startup_error: 'retry' } },
      pipelines: { metrics: { receivers: ['pushed'], exporters: ['store'] } },
    },
    { ...stage, exporters: [store] },
  );
  await run.agent.start();
  await new Promise((resolve) => other.close(resolve));
  await eventually(() => expect(run.figures('store').state).toBe('running'));
  await stage.pushed.get('pushed')!.next.metrics!.consume(batchAt(1));
  expect(await samplesAt(endpoint)).toBe(1);
});

test('what is on disk is there for the next one, and a folder is of one exporter', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const directory = join(folder, 'history');
  const first = await startStore({ directory });
  await first.consume(batchAt(20));
  await first.consume(batchAt(10));
  await first.stop();
  // Nobody keeps it then.
  await first.consume(batchAt(5));
  expect(first.dropped.get('not_open')).toBe(1);
  const second = await startStore({ directory });
  const { body } = await second.ask('query', { query: 'room[1h]' });
  expect(body.data).toMatchObject({ result: [{ values: [expect.anything(), expect.anything()] }] });
});

test('silences of the agent are changed by this machine, and by no page of another site', async () => {
  const { url } = await startStore();
  const silence = {
    matchers: [{ name: 'alertname', value: 'Full', isRegex: false }],
    startsAt: new Date().toISOString(),
    endsAt: new Date(Date.now() + 60_000).toISOString(),
    createdBy: 'me',
    comment: '',
  };
  const post = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${url}/api/v2/silences`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(silence),
    });
  expect((await post({ origin: 'https://evil.example' })).status).toBe(403);
  expect((await post({})).status).toBe(200);
  expect(await (await fetch(`${url}/api/v2/silences`)).json()).toHaveLength(1);
});

test('the agent tells of the store and its queries', async () => {
  const endpoint = await freeEndpoint();
  const stage = createStage();
  const run = makeAgent(
    {
      agent: { collection_interval: 100 },
      receivers: { self: {}, pushed: {} },
      exporters: { store: { endpoint, limits: { samples: 2000 } } },
      pipelines: { metrics: { receivers: ['self', 'pushed'], exporters: ['store'] } },
    },
    { ...stage, receivers: [...stage.receivers, self], exporters: [store] },
  );
  await run.agent.start();
  await textOf(endpoint, 'sum_over_time(vector(1)[1h:1s])');
  await eventually(async () => {
    const text = await textOf(endpoint, '{__name__=~"sonde_(store|query)_.*", __name__!~".*_bucket"}');
    for (const part of [
      '"__name__":"sonde_store_series"',
      '"__name__":"sonde_store_samples"',
      '"__name__":"sonde_store_usage_bytes"',
      '"__name__":"sonde_store_evicted_total"',
      '"__name__":"sonde_query_waiting"',
      '"__name__":"sonde_query_duration_seconds_count"',
      '"sonde_query_outcome":"execution"',
      '"sonde_query_limit":"samples"',
    ]) {
      expect(text).toContain(part);
    }
  });
});
