/** What the exporter graphite writes, as a real carbon keeps it in whisper files, and as VictoriaMetrics has it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import graphite from '../../exporters/graphite.ts';
import type { MetricBatch } from '../../src/model/batch.ts';
import { createStage, makeAgent, type AgentRun } from '../support/agent.ts';
import { metric, metricBatch, series } from '../support/processor.ts';
import { freePort } from '../support/free_port.ts';
import { createCarbonPlace, readWhisper, startCarbon, type Carbon, type CarbonPlace } from './carbon_server.ts';
import { program, startServer, until, type Server } from './servers.ts';

let place: CarbonPlace;
let carbon: Carbon;
let victoria: Server;
let victoriaGraphite: number;
beforeAll(async () => {
  place = await createCarbonPlace();
  carbon = await startCarbon(place);
  victoriaGraphite = await freePort();
  victoria = await startVictoriaMetrics(victoriaGraphite);
});
afterAll(async () => {
  await carbon?.stop();
  await victoria?.stop();
  place?.remove();
});

async function startVictoriaMetrics(graphitePort: number, port?: number, data?: string): Promise<Server> {
  const command = await program('victoriametrics');
  const http = port ?? (await freePort());
  return startServer({
    command,
    args: (folder) => [
      `-storageDataPath=${data ?? join(folder, 'data')}`,
      `-httpListenAddr=127.0.0.1:${http}`,
      `-graphiteListenAddr=127.0.0.1:${graphitePort}`,
    ],
    url: `http://127.0.0.1:${http}`,
    ready: `http://127.0.0.1:${http}/health`,
  });
}

async function startAgent(options: Readonly<Record<string, unknown>>) {
  const stage = createStage();
  const run = makeAgent(
    {
      receivers: { pushed: {} },
      exporters: { graphite: { retry: { initial: '50ms', max: '100ms' }, ...options } },
      pipelines: { metrics: { receivers: ['pushed'], exporters: ['graphite'] } },
    },
    { ...stage, exporters: [graphite] },
  );
  await run.agent.start();
  const next = stage.pushed.get('pushed')!.next.metrics!;
  return { run, push: async (batch: MetricBatch) => next.consume(batch) };
}

/** Sends batches through a whole agent, and waits until they are settled. */
async function send(batches: readonly MetricBatch[], options: Readonly<Record<string, unknown>>): Promise<AgentRun> {
  const { run, push } = await startAgent(options);
  for (const batch of batches) await push(batch);
  await settled(
    run,
    batches.reduce((sum, { count }) => sum + count, 0),
  );
  return run;
}

async function settled(run: AgentRun, count: number): Promise<void> {
  await until('all is settled', async () => {
    const { accepted, queued } = run.figures('graphite');
    return accepted >= count && queued === 0;
  });
}

const ledger = (run: AgentRun) => {
  const { accepted, sent, dropped } = run.figures('graphite');
  return { accepted, sent, dropped: Object.fromEntries(dropped) };
};

const gauge = (name: string, valueType: 'int' | 'double' = 'double') => metric(name, { kind: 'gauge', valueType });
const now_s = () => Math.floor(Date.now() / 1000);
const at = (time_s: number) => BigInt(time_s) * 1_000_000_000n + 987_654_321n;

/** The value that carbon has of each path at a time. */
async function held(paths: readonly string[], time_s: number): Promise<(number | undefined)[]> {
  const read = () => paths.map((path) => readWhisper(place, path).get(time_s));
  await until('carbon has written all', async () => !read().includes(undefined), 40_000).catch(() => undefined);
  return read();
}

const DOUBLES = [0.1, -0, 5e-324, 1.7976931348623157e308, 1e21, -1e-7, 2 ** 53, 42, Infinity, -Infinity];
let runs = 0;

describe.each([
  ['plaintext', 'tcp', 'per_request'],
  ['plaintext', 'tcp', 'kept'],
  ['plaintext', 'udp', undefined],
  ['pickle', 'tcp', 'per_request'],
  ['pickle', 'tcp', 'kept'],
] as const)('carbon by %s over %s, connections %s', (protocol, transport, connection) => {
  const way = () => ({
    protocol,
    transport,
    ...(connection !== undefined && { connection }),
    endpoint: `127.0.0.1:${protocol === 'pickle' ? place.pickle : transport === 'udp' ? place.udp : place.plaintext}`,
    resource_attributes: [],
    prefix: `run${++runs}`,
  });

  test('has every value of tagged series, to the last digit', async () => {
    const options = way();
    const time_s = now_s();
    const values = [...DOUBLES, NaN];
    const ints = [2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
    const run = await send(
      [
        metricBatch(
          values.map((_, i) => series(gauge('values'), { i })),
          values,
          { time: at(time_s) },
        ),
        metricBatch(
          ints.map((_, i) => series(gauge('ints', 'int'), { i })),
          ints.map(Number),
          { time: at(time_s), exactValues: new Map(ints.map((value, i) => [i, value])) },
        ),
      ],
      options,
    );
    expect(ledger(run)).toEqual({ accepted: 14, sent: 13, dropped: { not_representable: 1 } });
    const paths = (name: string, count: number) =>
      Array.from({ length: count }, (_, i) => `${options.prefix}.${name};i=${i}`);
    expect(await held(paths('values', DOUBLES.length), time_s)).toEqual(DOUBLES);
    // It keeps doubles.
    expect(await held(paths('ints', 3), time_s)).toEqual(ints.map(Number));
    expect(readWhisper(place, `${options.prefix}.values;i=10`).size).toBe(0);
  });

  test('has hard names and tags, with what cannot stand in a path replaced', async () => {
    const options = way();
    const time_s = now_s();
    const texts = [
      ['a b', 'a_b'],
      ['a;b', 'a_b'],
      ['two\nlines', 'two_lines'],
      ['tab\t\u0085\u001c\u2028', 'tab____'],
      ['nb\u00a0sp\u2003', 'nb_sp_'],
      ['~tilde', '_tilde'],
      ['x=y!^', 'x=y!^'],
      ['/var/log', '/var/log'],
      ['C:\\Windows', 'C:\\Windows'],
      ['"quoted"', '"quoted"'],
      ["'", "'"],
      ['ü€😀', 'ü€😀'],
      ['{"a":"b"}', '{"a":"b"_'],
      ['-1', '-1'],
      ['10.0.0.1', '10.0.0.1'],
    ] as const;
    const run = await send(
      [
        metricBatch(
          texts.map(([text], i) => series(gauge(`hard.${text}`), { 'the tag': text, i, name: 'own', empty: '' })),
          texts.map((_, i) => i + 0.5),
          { time: at(time_s) },
        ),
      ],
      options,
    );
    expect(ledger(run)).toEqual({ accepted: texts.length, sent: texts.length, dropped: {} });
    const nodes = [
      'a_b',
      'a_b',
      'two_lines',
      'tab____',
      'nb_sp_',
      '_tilde',
      'x_y__',
      '_var_log',
      'C:_Windows',
      '_quoted_',
      '_',
      'ü€😀',
      '__a_:_b__',
      '-1',
      '10.0.0.1',
    ];
    const paths = texts.map(([, tag], i) => `${options.prefix}.hard.${nodes[i]};i=${i};name_=own;the_tag=${tag}`);
    expect(await held(paths, time_s)).toEqual(texts.map((_, i) => i + 0.5));
  });

  test('has paths by a template, and distributions below them', async () => {
    const { resource_attributes: _, ...options } = way();
    const time_s = now_s();
    const layout = [
      series(gauge('cpu.time'), { cpu: 0, mode: 'user' }),
      series(gauge('cpu.time'), { mode: 'user.nice', other: 'x y' }),
      series(metric('latency', { kind: 'histogram', valueType: 'double' }), {}),
      series(metric('rpc', { kind: 'summary', valueType: 'double' }), { cpu: 3 }),
      series(metric('gone')),
    ];
    const run = await send(
      [
        metricBatch(layout, [1.5, 2.5, NaN, NaN, NaN], {
          time: at(time_s),
          flags: Uint32Array.from([0, 0, 0, 0, 1]),
          points: [
            undefined,
            undefined,
            { type: 'histogram', count: 6n, sum: 7.5, min: 0.1, explicitBounds: [0.5, 5], bucketCounts: [1n, 2n, 3n] },
            { type: 'summary', count: 9n, sum: 45, quantiles: [{ quantile: 0.99, value: 8.5 }] },
            undefined,
          ],
        }),
      ],
      { ...options, format: 'template', template: '{host.name}.{metric}.cpu{cpu|_all}.{mode}.{attributes}' },
    );
    expect(ledger(run)).toEqual({ accepted: 5, sent: 4, dropped: { ended: 1 } });
    const expected = {
      'test.cpu.time.cpu0.user': 1.5,
      'test.cpu.time.cpu_all.user_nice.x_y': 2.5,
      'test.latency.cpu_all.count': 6,
      'test.latency.cpu_all.sum': 7.5,
      'test.latency.cpu_all.min': 0.1,
      'test.latency.cpu_all.bucket.le_0_5': 1,
      'test.latency.cpu_all.bucket.le_5': 3,
      'test.latency.cpu_all.bucket.le_+Inf': 6,
      'test.rpc.cpu3.count': 9,
      'test.rpc.cpu3.sum': 45,
      'test.rpc.cpu3.quantile.quantile_0_99': 8.5,
    };
    const paths = Object.keys(expected).map((path) => `${options.prefix}.${path}`);
    expect(await held(paths, time_s)).toEqual(Object.values(expected));
  });

  test('has many series in several requests', async () => {
    const options = way();
    const time_s = now_s();
    const count = 500;
    const layout = Array.from({ length: count }, (_, i) => series(gauge('many'), { i, filler: 'x'.repeat(40) }));
    const run = await send(
      [
        metricBatch(
          layout,
          layout.map((_, i) => i),
          { time: at(time_s) },
        ),
      ],
      { ...options, max_request_bytes: '5kB' },
    );
    expect(ledger(run)).toEqual({ accepted: count, sent: count, dropped: {} });
    const paths = layout.map((_, i) => `${options.prefix}.many;filler=${'x'.repeat(40)};i=${i}`);
    expect(await held(paths, time_s)).toEqual(layout.map((_, i) => i));
  });
});

test.each(['per_request', 'kept'] as const)(
  'A carbon that is ended and started again has what was measured meanwhile, with connections %s',
  async (connection) => {
    const site = await createCarbonPlace();
    onTestFinished(() => site.remove());
    let server = await startCarbon(site);
    onTestFinished(() => server.stop('SIGKILL'));
    const { run, push } = await startAgent({
      endpoint: `127.0.0.1:${site.plaintext}`,
      connection,
      resource_attributes: [],
    });
    const time_s = now_s();
    let pushed = 0;
    const pushSome = async (count: number): Promise<void> => {
      for (const end = pushed + count; pushed < end; pushed++) {
        await push(metricBatch([series(gauge('restart'), { i: pushed })], [pushed], { time: at(time_s) }));
      }
    };
    const missing = () =>
      Array.from({ length: pushed }, (_, i) => i).filter((i) => readWhisper(site, `restart;i=${i}`).get(time_s) !== i);
    for (let round = 0; round < 2; round++) {
      await pushSome(20);
      // What carbon has read but not written to its files it forgets when it ends.
      await until('carbon has written all', async () => missing().length === 0).catch(() => undefined);
      expect(missing()).toEqual([]);
      await server.stop();
      await pushSome(20);
      server = await startCarbon(site);
    }
    await settled(run, pushed);
    await until('carbon has written all', async () => missing().length === 0).catch(() => undefined);
    expect(missing()).toEqual([]);
    expect(ledger(run)).toEqual({ accepted: pushed, sent: pushed, dropped: {} });
  },
  300_000,
);

test.each(['per_request', 'kept'] as const)(
  'VictoriaMetrics that is ended and started again has what came all the time, but for what it had read itself, with connections %s',
  async (connection) => {
    const data = mkdtempSync(join(tmpdir(), 'sonde-victoria-'));
    onTestFinished(() => rmSync(data, { recursive: true, force: true }));
    const ports = [await freePort(), await freePort()] as const;
    let server = await startVictoriaMetrics(...ports, data);
    onTestFinished(async () => void (await server.stop('SIGKILL')));
    const { run, push } = await startAgent({ endpoint: `127.0.0.1:${ports[0]}`, connection, resource_attributes: [] });
    const time_s = now_s();
    let pushed = 0;
    let isPushing = true;
    let isHeld = false;
    const pushing = (async () => {
      while (isPushing) {
        if (!isHeld) {
          const i = pushed++;
          await push(metricBatch([series(gauge('restart'), { i })], [i], { time: at(time_s) }));
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    const sentAtLeast = (count: number) =>
      until(`${count} were sent`, async () => run.figures('graphite').sent >= count);
    const missing = async (): Promise<number[]> => {
      await fetch(`${server.url}/internal/force_flush`);
      const lines = await (await fetch(`${server.url}/api/v1/export?match[]=restart`)).text();
      const found = new Set(
        lines
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => (JSON.parse(line) as { values: number[] }).values[0]),
      );
      return Array.from({ length: pushed }, (_, i) => i).filter((i) => !found.has(i));
    };
    // The request that it was reading when it was told to end it forgets, and closes the connection as always.
    const forgotten = connection === 'kept' ? 0 : 3;
    const allIsThere = (): Promise<void> =>
      until('it has all', async () => (await missing()).length <= forgotten).catch(() => undefined);
    for (let round = 0; round < 3; round++) {
      await sentAtLeast(run.figures('graphite').sent + 100);
      if (connection === 'kept') {
        // What it has received and not read is lost with a connection that is kept: so it has read all when it ends.
        isHeld = true;
        await allIsThere();
        expect(await missing()).toEqual([]);
      }
      expect(await server.stop()).toBe(0);
      isHeld = false;
      server = await startVictoriaMetrics(...ports, data);
    }
    await sentAtLeast(run.figures('graphite').sent + 100);
    isPushing = false;
    await pushing;
    await settled(run, pushed);
    expect(ledger(run)).toEqual({ accepted: pushed, sent: pushed, dropped: {} });
    // It may not have read yet what was sent last.
    await allIsThere();
    expect((await missing()).length).toBeLessThanOrEqual(forgotten);
  },
  180_000,
);

test.each([
  ['tcp', 'per_request'],
  ['tcp', 'kept'],
  ['udp', undefined],
] as const)('VictoriaMetrics has by %s, connections %s, what was sent', async (transport, connection) => {
  const time_s = now_s() - 60;
  const name = `victoria.${transport}.${connection}`;
  const texts = ['a b', 'a=b', "a'b", 'C:\\Windows', 'ü€😀', '/var', '"x"'];
  const values = [0.1, -2.5, 1e21, 2 ** 53, 0, 1e-300, -Infinity];
  const run = await send(
    [
      metricBatch(
        texts.map((text, i) => series(gauge(name), { text, i })),
        values,
        { time: at(time_s) },
      ),
    ],
    {
      endpoint: `127.0.0.1:${victoriaGraphite}`,
      transport,
      ...(connection !== undefined && { connection }),
    },
  );
  expect(ledger(run)).toEqual({ accepted: 7, sent: 7, dropped: {} });
  const read = async () => {
    await fetch(`${victoria.url}/internal/force_flush`);
    const match = encodeURIComponent(`{__name__="${name}"}`);
    const lines = await (await fetch(`${victoria.url}/api/v1/export?match[]=${match}`)).text();
    return lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { metric: Record<string, string>; values: unknown[]; timestamps: number[] })
      .toSorted((a, b) => Number(a.metric['i']) - Number(b.metric['i']));
  };
  await until('all is there', async () => (await read()).length === texts.length);
  const found = await read();
  expect(found.map(({ metric: labels }) => labels)).toEqual(
    texts.map((text, i) => ({ __name__: name, 'host.name': 'test', i: String(i), text: text.replace(' ', '_') })),
  );
  expect(found.map((one) => [one.timestamps, one.values])).toEqual(
    values.map((value) => [[time_s * 1000], [value === -Infinity ? '-Infinity' : value]]),
  );
});
