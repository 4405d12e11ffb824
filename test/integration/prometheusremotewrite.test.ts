/** What the exporter prometheusremotewrite sends, as a real Prometheus and a real VictoriaMetrics have it. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import prometheusremotewrite from '../../exporters/prometheusremotewrite.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import { NO_RECORDED_VALUE, type MetricBatch, type Series } from '../../src/model/batch.ts';
import { parseExposition } from '../exporters/prometheus/grammar.ts';
import { createStage, makeAgent, type AgentRun } from '../support/agent.ts';
import { metric, metricBatch, series } from '../support/processor.ts';
import { freePort } from '../support/free_port.ts';
import { program, startServer, startSonde, startVictoriaMetrics, until, type Server } from './servers.ts';

/** Names are of this test alone, so the order of tests does not matter. */
const gauge = (name: string, more: Parameters<typeof metric>[1] = {}) =>
  metric(name, { kind: 'gauge', unit: '', valueType: 'double', ...more });
const NOW_MS = Date.now() - 60_000;
const NOW = BigInt(NOW_MS) * 1_000_000n;
const S = 1_000_000_000n;

let known: Server;
let old: Server;
let victoria: Server;
beforeAll(async () => {
  known = await startReceiver();
  old = await startReceiver('--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest');
  victoria = await startVictoriaMetrics();
});
afterAll(async () => {
  await known?.stop();
  await old?.stop();
  await victoria?.stop();
});

async function startReceiver(flag?: string, features = 'native-histograms,exemplar-storage'): Promise<Server> {
  const command = await program('prometheus');
  const port = await freePort();
  return startServer({
    command,
    args: (folder) => [
      '--config.file=prometheus.yml',
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      `--enable-feature=${features}`,
      ...(flag === undefined ? [] : [flag]),
    ],
    files: { 'prometheus.yml': 'storage: { exemplars: { max_exemplars: 1000 } }\n' },
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}/-/ready`,
  });
}

/** Sends batches through a whole agent, one after the other, and waits until they are settled. */
async function send(
  server: Server,
  batches: readonly MetricBatch[],
  options: Readonly<Record<string, unknown>> = {},
): Promise<AgentRun> {
  const stage = createStage();
  const run = makeAgent(
    {
      receivers: { pushed: {} },
      exporters: {
        prometheusremotewrite: {
          endpoint: `${server.url}/api/v1/write`,
          retry: { initial: '100ms', max: '100ms' },
          ...options,
        },
      },
      pipelines: { metrics: { receivers: ['pushed'], exporters: ['prometheusremotewrite'] } },
    },
    { ...stage, exporters: [prometheusremotewrite] },
  );
  await run.agent.start();
  const { next } = stage.pushed.get('pushed')!;
  for (const batch of batches) await next.metrics!.consume(batch);
  await until('all is settled', async () => {
    const { accepted, queued, queued_bytes } = run.figures('prometheusremotewrite');
    return accepted === batches.reduce((sum, { count }) => sum + count, 0) && queued === 0 && queued_bytes === 0;
  });
  return run;
}

const ledger = (run: AgentRun) => {
  const { accepted, sent, dropped } = run.figures('prometheusremotewrite');
  expect(sent + [...dropped.values()].reduce((sum, count) => sum + count, 0)).toBe(accepted);
  return { accepted, sent, dropped: Object.fromEntries(dropped) };
};

interface Found {
  readonly metric: Record<string, string>;
  readonly value?: [number, string];
  readonly histogram?: [number, { count: string; sum: string; buckets?: [number, string, string, string][] }];
}

async function ask<T>(server: Server, path: string, parameters: Record<string, string>): Promise<T> {
  const response = await fetch(`${server.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = (await response.json()) as { status: string; data: T; error?: string };
  expect(answer.error).toBeUndefined();
  return answer.data;
}

async function query(server: Server, expression: string, time = NOW): Promise<readonly Found[]> {
  const at = { query: expression, time: String(Number(time / 1_000_000n) / 1000) };
  return (await ask<{ result: Found[] }>(server, 'query', at)).result;
}

/** Values of a metric by one of its labels. */
async function values(server: Server, name: string, label: string, time = NOW): Promise<Record<string, number>> {
  const found = await query(server, `{__name__=${JSON.stringify(name)}}`, time);
  return Object.fromEntries(
    found.map(({ metric: labels, value }) => [labels[label], Number(value![1].replace('Inf', 'Infinity'))]),
  );
}

const layoutOf = (of: Parameters<typeof series>[0], ...all: Attributes[]): Series[] =>
  all.map((each) => series(of, each));

const DOUBLES = [0.1, -0, 5e-324, 1.7976931348623157e308, 1e21, -1e-7, 2 ** 53, NaN, Infinity, -Infinity];
const INTEGERS = [0n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
const HARD = ['a b', 'a"b', "a'b", 'a\\b', 'two\nlines', '\t\r', 'grüße 東京 🎉', '{{x}},=:;#|', '\u0000', '-'];

describe.each([
  ['2.0', '2.0', () => known],
  ['1.0', '1.0', () => known],
  ['auto, which finds 2.0', 'auto', () => known],
  ['auto, which falls back to 1.0', 'auto', () => old],
])('Prometheus, by %s,', (what, protocol, serverOf) => {
  const name = (word: string): string => `${word}.${what.replace(/\W+/g, '.')}`;
  const key = (word: string): string => name(word).replaceAll('.', '_');

  test('has every value, as a double', async () => {
    const server = serverOf();
    const doubles = metricBatch(layoutOf(gauge(name('doubles')), ...DOUBLES.map((_, i) => ({ i }))), DOUBLES, {
      time: NOW,
    });
    const integers = metricBatch(
      layoutOf(gauge(name('ints'), { valueType: 'int' }), ...INTEGERS.map((_, i) => ({ i }))),
      INTEGERS.map(Number),
      { time: NOW, exactValues: new Map(INTEGERS.map((value, i) => [i, value])) },
    );
    const run = await send(server, [doubles, integers], { protocol });
    expect(ledger(run)).toEqual({ accepted: 15, sent: 15, dropped: {} });
    expect(await values(server, key('doubles'), 'i')).toEqual(Object.fromEntries(DOUBLES.entries()));
    // 2^53+1 and 2^63-1 are between two doubles.
    expect(await values(server, key('ints'), 'i')).toEqual({ 0: 0, 1: -1, 2: 2 ** 53, 3: 2 ** 63, 4: -(2 ** 63) });
  });

  test('has names and labels with every character, where it is to keep them', async () => {
    const server = serverOf();
    const hard = HARD.map((text) => gauge(`${text} ${name('hard')}`));
    const run = await send(
      server,
      [
        metricBatch(
          hard.map((of, i) => series(of, { [`key ${HARD[i]}`]: HARD[i]!, i })),
          HARD.map((_, i) => i),
          { time: NOW },
        ),
      ],
      { protocol, translation_strategy: 'NoTranslation', target_info: false },
    );
    expect(ledger(run)).toEqual({ accepted: HARD.length, sent: HARD.length, dropped: {} });
    const found = await query(server, `{__name__=~"(?s).*${name('hard')}"}`);
    // A NUL in a name is none of Prometheus' names; in a value it is.
    const readable = (text: string): string => text.replace('\0', '\ufffd');
    const expected = HARD.map((text, i) => ({
      __name__: `${readable(text)} ${name('hard')}`,
      [`key ${readable(text)}`]: text,
      i: String(i),
      instance: 'test',
    }));
    expect(found.map(({ metric: labels }) => labels).toSorted((a, b) => Number(a['i']) - Number(b['i']))).toEqual(
      expected,
    );
  });

  test('knows that a series ended', async () => {
    const server = serverOf();
    const layout = layoutOf(gauge(name('ended')), { room: 'a' }, { room: 'b' });
    const ended = [series(gauge(name('ended')), { room: 'a' })];
    const run = await send(
      server,
      [
        metricBatch(layout, [1, 2], { time: NOW }),
        metricBatch(ended, [NaN], { time: NOW + 10n * S, flags: Uint32Array.of(NO_RECORDED_VALUE) }),
      ],
      { protocol },
    );
    expect(ledger(run)).toEqual({ accepted: 3, sent: 3, dropped: {} });
    expect(await values(server, key('ended'), 'room', NOW + 9n * S)).toEqual({ a: 1, b: 2 });
    expect(await values(server, key('ended'), 'room', NOW + 11n * S)).toEqual({ b: 2 });
  });

  test('knows that a series vanished from the collections of its receiver', async () => {
    const server = serverOf();
    const [a, b] = layoutOf(gauge(name('vanished')), { room: 'a' }, { room: 'b' }) as [Series, Series];
    const collection = { receiver: 'r', onDemand: false };
    const at = (layout: readonly Series[], seconds: bigint) =>
      metricBatch(
        layout,
        layout.map(() => 1),
        { time: NOW + seconds * S, collection },
      );
    const run = await send(server, [at([a, b], 0n), at([a], 10n), at([a], 20n)], { protocol });
    expect(ledger(run)).toEqual({ accepted: 4, sent: 4, dropped: {} });
    expect(await values(server, key('vanished'), 'room', NOW + 9n * S)).toEqual({ a: 1, b: 1 });
    // The marker comes in a request of its own, which no figure counts.
    const now = () => values(server, key('vanished'), 'room', NOW + 11n * S);
    await until('b has ended', async () => !('b' in (await now())));
    expect(await values(server, key('vanished'), 'room', NOW + 11n * S)).toEqual({ a: 1 });
  });

  test('has histograms and summaries, classic and native, and their exemplars', async () => {
    const server = serverOf();
    const layout = [
      series(metric(name('classic'), { kind: 'histogram', unit: 's' })),
      series(metric(name('native'), { kind: 'exponential_histogram', unit: 's' })),
      series(metric(name('summary'), { kind: 'summary', unit: 's' })),
    ];
    const histogram = {
      type: 'histogram',
      count: 6n,
      sum: 7.5,
      explicitBounds: [0.5, 5],
      bucketCounts: [1n, 2n, 3n],
    } as const;
    const exemplar = {
      time: NOW,
      value: 0.4,
      filteredAttributes: { user: 'a b' },
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      spanId: '',
    };
    const measured: Partial<MetricBatch> = {
      time: NOW,
      points: [
        histogram,
        {
          type: 'exponential_histogram',
          count: 10n,
          sum: 21,
          scale: 0,
          zeroCount: 1n,
          zeroThreshold: 0.001,
          positive: { offset: -1, bucketCounts: [2n, 1n, 0n, 0n, 0n, 5n] },
          negative: { offset: 0, bucketCounts: [1n] },
        },
        { type: 'summary', count: 9n, sum: 45, quantiles: [{ quantile: 0.99, value: 8.5 }] },
      ],
      exemplars: [[exemplar], [{ ...exemplar, value: 1.5 }], undefined],
    };
    // By 1.0 a Prometheus takes exemplars of native histograms only for series that it knows already.
    const before = { ...measured, time: NOW - S, exemplars: [] };
    const all = [metricBatch(layout, [NaN, NaN, NaN], before), metricBatch(layout, [NaN, NaN, NaN], measured)];
    const run = await send(server, all, { protocol });
    expect(ledger(run)).toEqual({ accepted: 6, sent: 6, dropped: {} });
    expect(await values(server, `${key('classic')}_seconds_bucket`, 'le')).toEqual({ '0.5': 1, '5': 3, '+Inf': 6 });
    expect(await values(server, `${key('classic')}_seconds_sum`, 'instance')).toEqual({ test: 7.5 });
    expect(await values(server, `${key('summary')}_seconds`, 'quantile')).toEqual({ '0.99': 8.5 });
    expect(await values(server, `${key('summary')}_seconds_count`, 'instance')).toEqual({ test: 9 });
    const [native] = await query(server, `${key('native')}_seconds`);
    expect(native!.histogram![1]).toEqual({
      count: '10',
      sum: '21',
      buckets: [
        [1, '-2', '-1', '1'],
        [3, '-0.001', '0.001', '1'],
        [0, '0.5', '1', '2'],
        [0, '1', '2', '1'],
        [0, '16', '32', '5'],
      ],
    });
    const around = { start: String(NOW_MS / 1000 - 1), end: String(NOW_MS / 1000 + 1) };
    for (const [selector, value, le] of [
      [`${key('classic')}_seconds_bucket`, '0.4', '0.5'],
      [`${key('native')}_seconds`, '1.5'],
    ] as const) {
      const exemplars = await ask<unknown>(server, 'query_exemplars', { query: selector, ...around });
      expect(exemplars).toEqual([
        {
          seriesLabels: { __name__: selector, instance: 'test', ...(le && { le }) },
          exemplars: [
            { labels: { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', user: 'a b' }, value, timestamp: NOW_MS / 1000 },
          ],
        },
      ]);
    }
  });

  test('has the stale markers of histograms', async () => {
    const server = serverOf();
    const layout = [
      series(metric(name('gone.classic'), { kind: 'histogram', unit: '' })),
      series(metric(name('gone.native'), { kind: 'exponential_histogram', unit: '' })),
    ];
    const none = { offset: 0, bucketCounts: [] };
    await send(
      server,
      [
        metricBatch(layout, [NaN, NaN], {
          time: NOW,
          points: [
            { type: 'histogram', count: 1n, sum: 1, explicitBounds: [1], bucketCounts: [1n, 0n] },
            {
              type: 'exponential_histogram',
              count: 1n,
              sum: 0,
              scale: 0,
              zeroCount: 1n,
              zeroThreshold: 0,
              positive: none,
              negative: none,
            },
          ],
        }),
        metricBatch(layout, [NaN, NaN], {
          time: NOW + 10n * S,
          flags: Uint32Array.of(NO_RECORDED_VALUE, NO_RECORDED_VALUE),
        }),
      ],
      { protocol },
    );
    const selector = `{__name__=~"(${key('gone.classic')}|${key('gone.native')}).*"}`;
    expect(await query(server, selector, NOW + 9n * S)).toHaveLength(5);
    expect(await query(server, selector, NOW + 11n * S)).toEqual([]);
  });

  test('has target_info, which joins', async () => {
    const server = serverOf();
    const resource = {
      attributes: { 'service.name': what, 'service.instance.id': 'i-1', 'cloud.region': 'eu "west"' },
      schemaUrl: '',
    };
    await send(server, [metricBatch([series(gauge(name('joined')), {}, { resource })], [5], { time: NOW })], {
      protocol,
    });
    const joined = `${key('joined')} * on (job, instance) group_left (cloud_region) target_info`;
    let found: Found | undefined;
    // It comes in a request of its own behind the points, which no figure counts.
    await until('it joins', async () => ([found] = await query(server, joined)).length > 0);
    expect(found).toMatchObject({
      metric: { cloud_region: 'eu "west"', job: what, instance: 'i-1' },
      value: [NOW_MS / 1000, '5'],
    });
  });

  test('has all parts of what is split', async () => {
    const server = serverOf();
    const layout = layoutOf(gauge(name('split')), ...Array.from({ length: 500 }, (_, i) => ({ i })));
    const given = layout.map((_, i) => i);
    const run = await send(server, [metricBatch(layout, given, { time: NOW })], {
      protocol,
      max_request_bytes: '2KiB',
    });
    expect(ledger(run)).toEqual({ accepted: 500, sent: 500, dropped: {} });
    expect(await values(server, key('split'), 'i')).toEqual(Object.fromEntries(given.entries()));
  });
});

test('Prometheus that refuses some samples of a request as out of order has the others, and those count (2.0)', async () => {
  const layout = layoutOf(gauge('order'), { n: 0 }, { n: 1 }, { n: 2 });
  const one = [layout[1]!];
  const run = await send(known, [
    metricBatch(one, [1], { time: NOW + S }),
    metricBatch(layout, [5, 6, 7], { time: NOW }),
  ]);
  expect(ledger(run)).toEqual({ accepted: 4, sent: 3, dropped: { rejected_by_backend: 1 } });
  expect(run.lines.join('')).toContain('out of order sample');
  expect(await values(known, 'order', 'n', NOW + S)).toEqual({ 0: 5, 1: 1, 2: 7 });
});

test('Prometheus that refuses a request of 1.0 says why, and all of it counts as refused', async () => {
  const of = layoutOf(gauge('order.old'), { n: 0 });
  const run = await send(old, [metricBatch(of, [1], { time: NOW + S }), metricBatch(of, [2], { time: NOW })]);
  expect(ledger(run)).toEqual({ accepted: 2, sent: 1, dropped: { rejected: 1 } });
  expect(run.lines.join('')).toContain('out of order sample');
});

test('Prometheus that knows only 1.0 is sent no second 2.0, and nothing that waited is lost', async () => {
  const batches = Array.from({ length: 5 }, (_, i) =>
    metricBatch(layoutOf(gauge('fallback'), { n: 0 }), [i], { time: NOW + BigInt(i) * S }),
  );
  const run = await send(old, batches, { target_info: false });
  expect(ledger(run)).toEqual({ accepted: 5, sent: 5, dropped: {} });
  expect(run.lines.filter((line) => line.includes('Sends by remote write 1.0'))).toHaveLength(1);
  expect(run.figures('prometheusremotewrite').operations).toBe(5);
  const [counted] = await query(old, 'count_over_time(fallback[1m])', NOW + 5n * S);
  expect(counted!.value![1]).toBe('5');
});

test('Prometheus without native histograms has all else, and they count as refused', async () => {
  const plain = await startReceiver(undefined, 'exemplar-storage');
  try {
    const none = { offset: 0, bucketCounts: [] };
    const point = {
      type: 'exponential_histogram',
      count: 1n,
      sum: 0,
      scale: 0,
      zeroCount: 1n,
      zeroThreshold: 0,
    } as const;
    const layout = [series(metric('native', { kind: 'exponential_histogram' })), ...layoutOf(gauge('plain'), { n: 0 })];
    const points = [{ ...point, positive: none, negative: none }, undefined];
    const run = await send(plain, [metricBatch(layout, [NaN, 5], { time: NOW, points })]);
    expect(ledger(run)).toMatchObject({ accepted: 2, sent: 1 });
    expect(run.lines.join('')).toContain('native histograms are disabled');
    expect(await values(plain, 'plain', 'n')).toEqual({ 0: 5 });
  } finally {
    await plain.stop();
  }
});

describe('VictoriaMetrics', () => {
  interface Exported {
    readonly metric: Record<string, string>;
    readonly values: (number | null | string)[];
    readonly timestamps: number[];
  }

  async function exported(selector: string): Promise<Exported[]> {
    await fetch(`${victoria.url}/internal/force_flush`);
    const response = await fetch(`${victoria.url}/api/v1/export?${new URLSearchParams({ 'match[]': selector })}`);
    const lines = (await response.text()).split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as Exported);
  }

  test('is spoken to in 1.0, once it was found out, and has every value that it can keep', async () => {
    // It leaves NaN out, and keeps 15 digits or so.
    const kept = DOUBLES.filter((value) => ![NaN, 5e-324, Number.MAX_VALUE, 2 ** 53].includes(value));
    const batch = metricBatch(layoutOf(gauge('doubles'), ...kept.map((_, i) => ({ i }))), kept, { time: NOW });
    const run = await send(victoria, [batch]);
    expect(ledger(run)).toEqual({ accepted: kept.length, sent: kept.length, dropped: {} });
    expect(run.lines.join('')).toContain('Sends by remote write 1.0');
    const found = (await exported('doubles')).map(({ metric: { i }, values: all }) => [i, Number(all[0])]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(kept.map((value, i) => [i, value + 0])));
  });

  test('has names and labels with every character', async () => {
    const run = await send(
      victoria,
      [
        metricBatch(
          HARD.map((text, i) => series(gauge(`${text} hard`), { [`key ${text}`]: text, i })),
          HARD.map((_, i) => i),
          { time: NOW },
        ),
      ],
      { translation_strategy: 'NoTranslation' },
    );
    expect(ledger(run)).toEqual({ accepted: HARD.length, sent: HARD.length, dropped: {} });
    const found = await exported('{__name__=~"(?s).* hard"}');
    const readable = (text: string): string => text.replace('\0', '\ufffd');
    expect(found.map(({ metric: labels }) => labels).toSorted((a, b) => Number(a['i']) - Number(b['i']))).toEqual(
      HARD.map((text, i) => ({
        __name__: `${readable(text)} hard`,
        [`key ${readable(text)}`]: text,
        i: String(i),
        instance: 'test',
      })),
    );
  });

  test('knows that a series ended', async () => {
    const layout = layoutOf(gauge('ended'), { room: 'a' }, { room: 'b' });
    const run = await send(victoria, [
      metricBatch(layout, [1, 2], { time: NOW }),
      metricBatch([layout[0]!], [NaN], { time: NOW + 10n * S, flags: Uint32Array.of(NO_RECORDED_VALUE) }),
    ]);
    expect(ledger(run)).toEqual({ accepted: 3, sent: 3, dropped: {} });
    await fetch(`${victoria.url}/internal/force_flush`);
    expect(await values(victoria, 'ended', 'room', NOW + 5n * S)).toEqual({ a: 1, b: 2 });
    expect(await values(victoria, 'ended', 'room', NOW + 11n * S)).toEqual({ b: 2 });
  });
});

test('The agent as users run it sends what its own /metrics shows', async () => {
  const sonde = await startSonde(`
agent: { collection_interval: 500ms }
receivers: { memory: {}, load: {} }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT, target_info: false }
  prometheusremotewrite: { endpoint: '${known.url}/api/v1/write', protocol: 2.0, external_labels: { cluster: c1 } }
service: { pipelines: { metrics: { receivers: [memory, load], exporters: [prometheus, prometheusremotewrite] } } }
`);
  try {
    let scraped: readonly { readonly name: string; readonly labels: ReadonlyMap<string, string> }[] = [];
    let stored: readonly Found[] = [];
    // Each receiver is sent by itself, so all are there only after a while.
    await until('as many series have arrived as are shown', async () => {
      const families = parseExposition(await (await fetch(`${sonde.url}/metrics`)).text(), 'text');
      scraped = [...families.values()].flatMap(({ samples: some }) => some);
      stored = await query(known, '{cluster="c1",__name__!="target_info"}', BigInt(Date.now()) * 1_000_000n);
      return stored.length > 5 && stored.length >= scraped.length;
    });
    const keyOf = (labels: Readonly<Record<string, string>>, own: string): string =>
      JSON.stringify([
        own,
        Object.entries(labels)
          .filter(([label]) => !['__name__', 'cluster', 'job', 'instance'].includes(label))
          .sort(),
      ]);
    expect(stored.map(({ metric: labels }) => keyOf(labels, labels['__name__']!)).sort()).toEqual(
      scraped.map(({ name, labels }) => keyOf(Object.fromEntries(labels), name)).sort(),
    );
    expect(new Set(stored.map(({ metric: { job, instance } }) => `${job} ${instance !== undefined}`))).toEqual(
      new Set(['sonde true']),
    );
    const [info] = await query(known, 'target_info{cluster="c1"}', BigInt(Date.now()) * 1_000_000n);
    expect(info!.metric).toMatchObject({ job: 'sonde', os_type: 'linux' });
  } finally {
    expect(await sonde.stop()).toBe(0);
  }
});

test('What adaptive_interval leaves out can be told from what arrived, within its bound, and is no gap', async () => {
  const adaptive = 'adaptive_interval: { max: 2s }';
  const sonde = await startSonde(`
agent: { collection_interval: 100ms }
receivers: { memory: { ${adaptive} }, load: { ${adaptive} }, cpu: { ${adaptive} } }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  store: { endpoint: 127.0.0.1:PORT }
  prometheusremotewrite: { endpoint: '${known.url}/api/v1/write' }
service: { pipelines: { metrics: { receivers: [memory, load, cpu], exporters: [prometheus, store, prometheusremotewrite] } } }
`);
  const outOfOrder = (): number => known.output().split('Out of order sample').length;
  const before = outOfOrder();
  try {
    await until('the first points have arrived', async () => (await samples(known, Date.now() / 1000)).size > 0);
    await new Promise((resolve) => setTimeout(resolve, 6500));
    const now_s = Date.now() / 1000;
    // Asked but once: while someone asks the agent, nothing is left out.
    const measured = await samples(sonde, now_s);
    expect(measured.size).toBeGreaterThan(15);
    let arrived = new Map() as Awaited<ReturnType<typeof samples>>;
    await until('of each series no point is more than 2 s older than the last measured', async () => {
      arrived = await samples(known, now_s);
      return measured.entries().every(([key, points]) => arrived.get(key)!.at(-1)![0] > points.at(-1)![0] - MAX_S);
    });
    let [all, sent, steady] = [0, 0, 0];
    for (const [key, points] of measured) {
      const own = arrived.get(key)!;
      all += points.length;
      sent += own.length;
      const [, first] = points[0]!;
      // A counter that stands still may have moved a moment before, and its line with it: unless it never has.
      const isSteady = points.every(([, value]) => value === first) && (first === 0 || !key.includes('_total'));
      if (isSteady) {
        steady++;
        // What does not move is sent when the next collection might be too late, and collections may be late themselves.
        const latest_s = Math.max(...points.slice(1).map(([time], index) => time - points[index]![0]));
        for (const [index, [time]] of own.slice(1).entries()) {
          expect(time - own[index]![0], key).toBeGreaterThan(MAX_S - 2 * latest_s);
        }
      }
      for (const [time, value] of points) {
        const next = own.findIndex(([of]) => of >= time);
        const [to, from] = [own[next], own[next - 1]];
        // However late a collection was: what was left out was within the time that something may be left out for.
        if (to?.[0] !== time && from !== undefined) expect(time - from[0], key).toBeLessThan(MAX_S);
        // Counters are exact wherever they arrived; of gauges the line between two points is within the bound.
        if (to?.[0] === time) expect(to[1]).toBe(value);
        if (to === undefined || from === undefined || key.includes('_total')) continue;
        const line = from[1] + ((to[1] - from[1]) * (time - from[0])) / (to[0] - from[0]);
        const floor = key.includes('bytes') ? 2 ** 20 : key.includes('ratio') ? 0.01 : 0.4;
        expect(Math.abs(value - line)).toBeLessThanOrEqual(Math.max(0.05 * Math.abs(from[1]), floor) * 1.000001);
      }
    }
    // How much else is left out depends on what the machine does.
    expect(steady).toBeGreaterThan(0);
    expect(sent).toBeLessThan(all);
    expect(outOfOrder()).toBe(before);
  } finally {
    await sonde.stop();
  }
});

/** The `max` of that test, and a millisecond for times that were rounded. */
const MAX_S = 2.001;

/** Points of the last five seconds, as [seconds, value], by name and labels. */
async function samples({ url }: Server, now_s: number): Promise<Map<string, readonly (readonly [number, number])[]>> {
  const query = '{__name__=~"system_(memory|cpu)_.+"}[5s]';
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query, time: String(now_s) })}`);
  const { data } = (await response.json()) as {
    data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
  };
  return new Map(
    data.result.map(({ metric: labels, values }) => [
      JSON.stringify(
        Object.entries(labels)
          .filter(([name]) => name !== 'job' && name !== 'instance')
          .sort(),
      ),
      values.map(([time, value]) => [time, Number(value)] as const),
    ]),
  );
}
