import { createBoard } from '../../src/rules/board.ts';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  DataPointType,
  AggregationTemporality,
  InstrumentType,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { resourceFromAttributes } from '@opentelemetry/resources';
import fc from 'fast-check';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import * as v from 'valibot';
import { afterEach, describe, expect, test, vi } from 'vitest';
import prometheus from '../../exporters/prometheus.ts';
import { createServe } from '../../src/api/http_server.ts';
import type { Listener, PullExporter, ServeOptions } from '../../src/component.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import {
  NO_RECORDED_VALUE,
  Series,
  type DistributionPoint,
  type Exemplar,
  type Metric,
  type MetricBatch,
  type Resource,
  type Scope,
} from '../../src/model/batch.ts';
import { parseExposition, type ParsedFamily } from './prometheus/grammar.ts';

const OWN: Resource = { attributes: { 'service.name': 'sonde', 'host.name': 'web-1' }, schemaUrl: '' };
const SCOPE: Scope = { name: 'sonde/cpu', version: '1.2', attributes: {}, schemaUrl: '' };
const OPENMETRICS = 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8';

const GAUGE: Metric = {
  name: 'system.memory.usage',
  description: 'Bytes in use.',
  unit: 'By',
  kind: 'gauge',
  isMonotonic: false,
  temporality: 'unspecified',
  valueType: 'int',
};
const COUNTER: Metric = {
  ...GAUGE,
  name: 'system.cpu.time',
  description: 'Time.',
  unit: 's',
  kind: 'sum',
  isMonotonic: true,
  temporality: 'cumulative',
};
const HISTOGRAM: Metric = {
  ...COUNTER,
  name: 'http.server.request.duration',
  kind: 'histogram',
  isMonotonic: false,
};

function series(metric: Metric, attributes: Attributes = {}, resource = OWN, scope = SCOPE, startTime = 0n): Series {
  return new Series(resource, scope, metric, attributes, startTime);
}

function batch(rows: readonly Series[], values: readonly number[], over: Partial<MetricBatch> = {}): MetricBatch {
  return { signal: 'metrics', count: rows.length, series: rows, values: Float64Array.from(values), time: 1n, ...over };
}

function collection(
  receiver: string,
  rows: readonly Series[],
  values: readonly number[],
  over: Partial<MetricBatch> = {},
) {
  return batch(rows, values, { collection: { receiver, onDemand: true }, ...over });
}

interface Running {
  readonly exporter: PullExporter;
  readonly url: string;
  readonly drops: Map<string, number>;
  readonly said: string[];
  /** Points in each answer, as the exporter counts them. */
  readonly answers: readonly number[];
  readonly collect: ReturnType<typeof vi.fn>;
  text(accept?: string, headers?: Record<string, string>): Promise<string>;
  families(accept?: string): Promise<Map<string, ParsedFamily>>;
}

const running: PullExporter[] = [];
afterEach(async () => {
  for (const exporter of running.splice(0)) await exporter.stop?.();
});

async function start(
  config: Record<string, unknown> = {},
  collect: () => Promise<void> = async () => {},
): Promise<Running> {
  const drops = new Map<string, number>();
  const said: string[] = [];
  const answers: number[] = [];
  const keys = new Set<string>();
  const serve = createServe({
    page: (_, response) => void response.end('page'),
    log: { info() {}, warn() {}, error() {} },
  });
  let listener: Listener | undefined;
  const collecting = vi.fn(collect);
  const exporter = prometheus.create({
    id: 'prometheus',
    config: v.parse(prometheus.config, { endpoint: '127.0.0.1:0', ...config }),
    log: {
      info() {},
      warn() {},
      error() {},
      once(key, message) {
        if (!keys.has(key)) said.push(message);
        keys.add(key);
      },
      over: (key) => void keys.delete(key),
    },
    drop: (reason, count) => void drops.set(reason, (drops.get(reason) ?? 0) + count),
    serve: async (options: ServeOptions) => (listener = await serve(options)),
    signals: ['metrics'],
    http: () => expect.unreachable('a pull exporter sends nothing'),
    resource: OWN,
    collect: collecting,
    board: createBoard(),
    answered: (count) => void answers.push(count),
    watched: () => {},
  }) as PullExporter;
  await exporter.start!();
  running.push(exporter);
  const url = `${listener!.url}/metrics`;
  const text = async (accept = 'text/plain', headers = {}): Promise<string> => {
    const response = await fetch(url, { headers: { accept, ...headers } });
    expect(response.status).toBe(200);
    return response.text();
  };
  return {
    exporter,
    url,
    drops,
    said,
    answers,
    collect: collecting,
    text,
    families: async (accept = 'text/plain') =>
      parseExposition(await text(accept), accept.includes('openmetrics') ? 'openmetrics' : 'text'),
  };
}

describe('a scrape', () => {
  test('is text 0.0.4 with HELP and TYPE, sorted by name', async () => {
    const { exporter, text } = await start({ target_info: false });
    const rows = [
      series(GAUGE, { 'system.memory.state': 'used' }),
      series(COUNTER, { cpu: 0, mode: 'user' }),
      series(GAUGE, { 'system.memory.state': 'free' }),
    ];
    await exporter.consume(collection('cpu', rows, [4096, 12.25, 1e12]));
    expect(await text()).toBe(
      `# HELP system_cpu_time_seconds_total Time.
# TYPE system_cpu_time_seconds_total counter
system_cpu_time_seconds_total{cpu="0",mode="user"} 12.25
# HELP system_memory_usage_bytes Bytes in use.
# TYPE system_memory_usage_bytes gauge
system_memory_usage_bytes{system_memory_state="used"} 4096
system_memory_usage_bytes{system_memory_state="free"} 1000000000000
`,
    );
  });

  test('is OpenMetrics for who prefers it', async () => {
    const { exporter, text } = await start();
    await exporter.consume(collection('cpu', [series(COUNTER, { cpu: 0 })], [12.25]));
    expect(await text(OPENMETRICS)).toBe(
      `# TYPE system_cpu_time_seconds counter
# UNIT system_cpu_time_seconds seconds
# HELP system_cpu_time_seconds Time.
system_cpu_time_seconds_total{cpu="0"} 12.25
# TYPE target info
# HELP target Target metadata
target_info{host_name="web-1",service_name="sonde"} 1
# EOF
`,
    );
  });

  test('has quoted names where they are not translated and the scraper takes UTF-8', async () => {
    const { exporter, text } = await start({ translation_strategy: 'NoTranslation', target_info: false });
    await exporter.consume(collection('cpu', [series(COUNTER, { 'cpu.mode': 'a"b', n: 1 })], [2]));
    expect(await text('text/plain;version=1.0.0;escaping=allow-utf-8')).toBe(
      `# HELP "system.cpu.time" Time.
# TYPE "system.cpu.time" counter
{"system.cpu.time","cpu.mode"="a\\"b",n="1"} 2
`,
    );
    expect(await text('text/plain;version=1.0.0;escaping=dots')).toContain(
      'system_dot_cpu_dot_time{cpu_dot_mode="a\\"b",n="1"} 2',
    );
    expect(await text()).toContain('system_cpu_time{cpu_mode="a\\"b",n="1"} 2');
    // Without _total it cannot be a counter of OpenMetrics.
    expect(await text(OPENMETRICS)).toContain('# TYPE "system.cpu.time" unknown\n');
  });

  test('counts its answers, with the points in each', async () => {
    const { exporter, text, answers } = await start();
    await exporter.consume(collection('cpu', [series(GAUGE), series(COUNTER)], [1, 2]));
    await text();
    await text();
    expect(answers).toEqual([2, 2]);
  });

  test('has the series of one receiver that comes through two pipelines', async () => {
    const { exporter, text } = await start({ target_info: false });
    for (const [pipeline, way] of [
      ['metrics/a', 'a'],
      ['metrics/b', 'b'],
    ] as const) {
      const batch = collection('cpu', [series(GAUGE, { way })], [1]);
      await exporter.consume({ ...batch, collection: { ...batch.collection!, pipeline } });
    }
    expect((await text()).match(/way="."/g)).toEqual(['way="a"', 'way="b"']);
  });

  test('says what it is in Content-Type, and answers HEAD without a body', async () => {
    const { exporter, url } = await start();
    await exporter.consume(collection('cpu', [series(GAUGE)], [1]));
    const response = await fetch(url, { method: 'HEAD', headers: { accept: OPENMETRICS } });
    expect(response.headers.get('content-type')).toBe(
      'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8',
    );
    expect(response.headers.get('vary')).toBe('Accept, Accept-Encoding');
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(0);
    expect(await response.text()).toBe('');
  });

  test('refuses other methods', async () => {
    const { url } = await start();
    const response = await fetch(url, { method: 'POST', body: 'x' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });

  test('is compressed for who asks, and left alone on this machine if so configured', async () => {
    const { exporter, url, text } = await start();
    await exporter.consume(collection('cpu', [series(GAUGE)], [1]));
    const expected = await text('text/plain', { 'accept-encoding': 'identity' });
    for (const [encoding, decode] of [
      ['gzip', gunzipSync],
      ['zstd', zstdDecompressSync],
    ] as const) {
      const response = await rawGet(url, { 'accept-encoding': encoding });
      expect(response.headers['content-encoding']).toBe(encoding);
      expect(decode(response.body).toString()).toBe(expected);
    }
    const local = await start({ compression: 'remote' });
    expect((await rawGet(local.url, { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
  });

  test('asks for values of max_age, and answers with what is there when time is nearly up', async () => {
    const { exporter, text, collect, said } = await start({ max_age: '3s' }, () => new Promise(() => {}));
    await exporter.consume(collection('cpu', [series(GAUGE)], [5]));
    const answer = await text('text/plain', { 'x-prometheus-scrape-timeout-seconds': '0.05' });
    expect(answer).toContain('system_memory_usage_bytes 5');
    expect(collect).toHaveBeenCalledWith(3000);
    expect(said).toHaveLength(1);
  });

  test('is answered with 500 and the reason when the collection fails', async () => {
    const { url, said } = await start({}, () => Promise.reject(new Error('no collector')));
    const response = await fetch(url);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe('Cannot answer the scrape: no collector\n');
    expect(said).toEqual(['Cannot answer a scrape: no collector']);
  });

  test('is refused with 503 when as many as allowed are under way', async () => {
    const gate = Promise.withResolvers<void>();
    const { url } = await start({ max_concurrent_scrapes: 1 }, () => gate.promise);
    const first = fetch(url);
    const patient = { timeout: 20_000 };
    const second = await vi.waitUntil(async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(200) }).catch(() => undefined);
      return response?.status === 503 ? response : undefined;
    }, patient);
    expect(second.headers.get('retry-after')).toBe('1');
    gate.resolve();
    expect((await first).status).toBe(200);
    await vi.waitUntil(async () => (await fetch(url)).status === 200, patient);
  });

  test('shows current values however often it is repeated, in every format at once', async () => {
    const { exporter, families } = await start();
    const rows = Array.from({ length: 50 }, (_, i) => series(GAUGE, { i, name: i % 7 === 0 ? `é${i}` : `n${i}` }));
    const numbers = fc.array(fc.oneof(fc.integer(), fc.double(), fc.constant(NaN), fc.constant(-Infinity)), {
      minLength: 50,
      maxLength: 50,
    });
    await fc.assert(
      fc.asyncProperty(numbers, fc.constantFrom('text/plain', OPENMETRICS), async (values, accept) => {
        await exporter.consume(collection('memory', rows, values));
        const { samples } = (await families(accept)).get('system_memory_usage_bytes')!;
        expect(samples.map(({ value }) => value)).toEqual(values.map((value) => (value === 0 ? 0 : value)));
      }),
      { numRuns: 60 },
    );
  });
});

describe('what is served', () => {
  test('loses the series that a receiver no longer collects, and those that ended', async () => {
    const { exporter, families } = await start();
    const [one, two, three] = [1, 2, 3].map((pid) => series(GAUGE, { 'process.pid': pid })) as [Series, Series, Series];
    await exporter.consume(collection('process', [one, two, three], [1, 2, 3]));
    await exporter.consume(
      collection('process', [one, three], [4, NaN], { flags: Uint32Array.of(0, NO_RECORDED_VALUE) }),
    );
    const { samples } = (await families()).get('system_memory_usage_bytes')!;
    expect(samples.map(({ labels, value }) => [labels.get('process_pid'), value])).toEqual([['1', 4]]);
  });

  test('keeps pushed series until they end or expire', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const { exporter, families } = await start({ metric_expiration: '1m' });
      const pids = async (): Promise<(string | undefined)[]> =>
        ((await families()).get('system_memory_usage_bytes')?.samples ?? []).map(({ labels }) => labels.get('pid'));
      await exporter.consume(batch([series(GAUGE, { pid: 1 }), series(GAUGE, { pid: 2 })], [1, 2]));
      vi.advanceTimersByTime(40_000);
      await exporter.consume(batch([series(GAUGE, { pid: 3 }), series(GAUGE, { pid: 2 })], [3, 4]));
      expect(await pids()).toEqual(['1', '2', '3']);
      await exporter.consume(batch([series(GAUGE, { pid: 3 })], [NaN], { flags: Uint32Array.of(NO_RECORDED_VALUE) }));
      expect(await pids()).toEqual(['1', '2']);
      vi.advanceTimersByTime(30_000);
      expect(await pids()).toEqual(['2']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('takes no more pushed series than allowed, and counts the others', async () => {
    const { exporter, families, drops } = await start({ max_pushed_series: 2 });
    const rows = [1, 2, 3].map((pid) => series(GAUGE, { pid }));
    await exporter.consume(batch(rows, [1, 2, 3]));
    expect((await families()).get('system_memory_usage_bytes')!.samples).toHaveLength(2);
    expect(drops.get('series_limit')).toBe(1);
  });

  test('leaves out deltas, and counts them', async () => {
    const { exporter, families, drops, said } = await start({ target_info: false });
    const delta: Metric = { ...COUNTER, temporality: 'delta' };
    await exporter.consume(batch([series(delta)], [1]));
    await exporter.consume(collection('x', [series(delta)], [1]));
    expect((await families()).size).toBe(0);
    expect(drops.get('delta_temporality')).toBe(2);
    expect(said).toHaveLength(1);
  });

  test('keeps one of the series that come to the same name and labels', async () => {
    const { exporter, families, drops, said } = await start();
    await exporter.consume(collection('a', [series(GAUGE, { 'a.b': 'x' }), series(GAUGE, { a_b: 'x' })], [1, 2]));
    await exporter.consume(collection('b', [series(GAUGE, { 'a-b': 'x' }), series(GAUGE, { 'a-b': 'y' })], [3, 4]));
    const { samples } = (await families()).get('system_memory_usage_bytes')!;
    expect(samples.map(({ value }) => value)).toEqual([1, 4]);
    expect(drops.get('duplicate_series')).toBe(2);
    expect(said[0]).toContain('system_memory_usage_bytes{a_b="x"}');
    // The receiver that held the place goes away: the other's series is served again.
    await exporter.consume(collection('a', [], []));
    expect((await families()).get('system_memory_usage_bytes')!.samples.map(({ value }) => value)).toEqual([3, 4]);
  });

  test('counts what it leaves out once for each batch, however many scrape', async () => {
    const { exporter, families, drops } = await start();
    const rows = [series(GAUGE, { 'a.b': 'x' }), series(GAUGE, { a_b: 'x' })];
    await exporter.consume(collection('a', rows, [1, 2]));
    await families();
    await families(OPENMETRICS);
    await families();
    expect(drops.get('duplicate_series')).toBe(1);
    await exporter.consume(collection('a', rows, [3, 4]));
    await families();
    expect(drops.get('duplicate_series')).toBe(2);
  });

  test('is the first of two metrics that need one name for two types', async () => {
    const { exporter, families, drops } = await start();
    await exporter.consume(collection('a', [series(GAUGE)], [1]));
    const updown: Metric = { ...GAUGE, kind: 'sum', temporality: 'cumulative' };
    const counter: Metric = {
      ...GAUGE,
      name: 'system.memory.usage.bytes.total',
      kind: 'histogram',
      temporality: 'cumulative',
    };
    await exporter.consume(collection('b', [series(updown, { same: 'type' })], [2]));
    await exporter.consume(
      collection('c', [series({ ...counter, name: 'system.memory.usage' })], [NaN], {
        points: [{ type: 'histogram', count: 1n, explicitBounds: [], bucketCounts: [] }],
      }),
    );
    const family = (await families()).get('system_memory_usage_bytes')!;
    expect(family.type).toBe('gauge');
    expect(family.samples.map(({ value }) => value)).toEqual([1, 2]);
    expect(drops.get('type_conflict')).toBe(1);
  });

  test('has no metric whose name is a sample of another', async () => {
    const { exporter, families, drops } = await start();
    const points: DistributionPoint[] = [
      { type: 'histogram', count: 1n, sum: 1, explicitBounds: [], bucketCounts: [] },
    ];
    await exporter.consume(collection('a', [series(HISTOGRAM)], [NaN], { points }));
    const count = { ...GAUGE, name: 'http.server.request.duration.seconds.count', unit: '' };
    await exporter.consume(collection('b', [series(count)], [1]));
    expect([...(await families()).keys()]).toEqual(['http_server_request_duration_seconds', 'target_info']);
    expect(drops.get('name_conflict')).toBe(1);
  });

  test('joins attributes that become one label, and moves those aside that a line needs itself', async () => {
    const { exporter, families } = await start({
      constant_labels: { env: 'prod' },
      resource_attributes: ['host.name'],
    });
    const points: DistributionPoint[] = [
      { type: 'histogram', count: 1n, sum: 1, explicitBounds: [], bucketCounts: [] },
    ];
    const attributes = { 'a.b': '1', 'a-b': '2', le: 'x', env: 'mine', empty: '' };
    await exporter.consume(collection('a', [series(HISTOGRAM, attributes)], [NaN], { points }));
    const [bucket] = (await families()).get('http_server_request_duration_seconds')!.samples;
    expect(Object.fromEntries(bucket!.labels)).toEqual({
      a_b: '2;1',
      env: 'prod',
      exported_env: 'mine',
      exported_le: 'x',
      host_name: 'web-1',
      le: '+Inf',
    });
  });

  test('has cumulative buckets, sum and count, and follows bounds that change', async () => {
    const { exporter, text } = await start({ target_info: false });
    const rows = [series(HISTOGRAM, { route: '/' })];
    const point = {
      type: 'histogram',
      count: 6n,
      sum: 20.5,
      explicitBounds: [0.005, 5],
      bucketCounts: [1n, 2n, 3n],
    } as const;
    await exporter.consume(collection('a', rows, [NaN], { points: [point] }));
    expect(await text()).toBe(
      `# HELP http_server_request_duration_seconds Time.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{route="/",le="0.005"} 1
http_server_request_duration_seconds_bucket{route="/",le="5"} 3
http_server_request_duration_seconds_bucket{route="/",le="+Inf"} 6
http_server_request_duration_seconds_sum{route="/"} 20.5
http_server_request_duration_seconds_count{route="/"} 6
`,
    );
    const changed = { ...point, explicitBounds: [7], bucketCounts: [5n, 1n] };
    await exporter.consume(collection('a', rows, [NaN], { points: [changed] }));
    expect(await text()).toContain('_bucket{route="/",le="7"} 5\n');
  });

  test('has quantiles of a summary', async () => {
    const { exporter, text } = await start();
    const metric: Metric = { ...HISTOGRAM, kind: 'summary', temporality: 'unspecified' };
    const quantiles = [{ quantile: 0.99, value: 7 }];
    await exporter.consume(
      collection('a', [series(metric)], [NaN], { points: [{ type: 'summary', count: 2n, sum: 9, quantiles }] }),
    );
    expect(await text()).toContain(`duration_seconds{quantile="0.99"} 7
http_server_request_duration_seconds_sum 9
http_server_request_duration_seconds_count 2
`);
  });

  test('has exemplars and creation times in OpenMetrics alone', async () => {
    const { exporter, text } = await start({ created_samples: true });
    const exemplar: Exemplar = {
      time: 1_732_200_000_500_000_000n,
      value: 3,
      filteredAttributes: { 'user.id': 'u1', long: 'x'.repeat(120) },
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
    };
    const points = [
      undefined,
      { type: 'histogram', count: 6n, sum: 20, explicitBounds: [5], bucketCounts: [1n, 5n] } as const,
    ];
    const rows = [COUNTER, HISTOGRAM].map((metric) => series(metric, {}, OWN, SCOPE, 1_700_000_000_000_000_000n));
    await exporter.consume(collection('a', rows, [4, NaN], { points, exemplars: [[exemplar], [exemplar]] }));
    const tail =
      ' # {trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331",user_id="u1"} 3 1732200000.5\n';
    const openmetrics = await text(OPENMETRICS);
    parseExposition(openmetrics, 'openmetrics');
    expect(openmetrics).toContain(`system_cpu_time_seconds_total 4${tail}system_cpu_time_seconds_created 1700000000\n`);
    expect(openmetrics).toContain(`http_server_request_duration_seconds_bucket{le="5.0"} 1${tail}`);
    const plain = await text();
    expect(plain).not.toMatch(/trace_id|_created/);
    parseExposition(plain, 'text');
  });
});

describe('resources and scopes', () => {
  test('become job and instance, target_info and identifying labels, unless they are the agent’s own', async () => {
    const { exporter, families } = await start();
    const app = (id: string): Resource => ({
      attributes: {
        'service.namespace': 'shop',
        'service.name': 'cart',
        'service.instance.id': id,
        'process.pid': 7,
        'os.type': 'linux',
      },
      schemaUrl: '',
    });
    await exporter.consume(batch([series(GAUGE, {}, app('a')), series(GAUGE, { job: 'mine' }, app('b'))], [1, 2]));
    await exporter.consume(collection('memory', [series(GAUGE)], [3]));
    const parsed = await families();
    const labels = (name: string) => parsed.get(name)!.samples.map((sample) => Object.fromEntries(sample.labels));
    expect(labels('system_memory_usage_bytes')).toEqual([
      {},
      { job: 'shop/cart', instance: 'a', process_pid: '7' },
      { job: 'shop/cart', instance: 'b', process_pid: '7', exported_job: 'mine' },
    ]);
    expect(labels('target_info')).toEqual([
      { service_name: 'sonde', host_name: 'web-1' },
      { job: 'shop/cart', instance: 'a', process_pid: '7', os_type: 'linux' },
      { job: 'shop/cart', instance: 'b', process_pid: '7', os_type: 'linux' },
    ]);
  });

  test('tell scopes apart where that is configured', async () => {
    const other: Scope = { name: 'other', version: '', attributes: { team: 'x' }, schemaUrl: '' };
    const rows = [series(GAUGE), series(GAUGE, {}, OWN, other)];
    const without = await start();
    await without.exporter.consume(collection('a', rows, [1, 2]));
    expect((await without.families()).get('system_memory_usage_bytes')!.samples).toHaveLength(1);
    const { exporter, families } = await start({ scope_labels: true });
    await exporter.consume(collection('a', rows, [1, 2]));
    const { samples } = (await families()).get('system_memory_usage_bytes')!;
    expect(samples.map((sample) => Object.fromEntries(sample.labels))).toEqual([
      { otel_scope_name: 'sonde/cpu', otel_scope_version: '1.2' },
      { otel_scope_name: 'other', otel_scope_team: 'x' },
    ]);
  });
});

test('every output follows the grammar of its format, whatever names, labels and values come', async () => {
  const anyCharacter = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));
  const nasty = fc.oneof(
    fc.string({ unit: anyCharacter, maxLength: 12 }),
    fc.constantFrom(
      '',
      'a.b',
      'a_b',
      'a b',
      'total',
      'x_total',
      'x_info',
      '__name__',
      'le',
      'quantile',
      'job',
      '\n"\\',
      '\ud800',
      '😀',
      '0',
    ),
  );
  const metric = fc.record({
    name: nasty,
    description: nasty,
    unit: fc.oneof(nasty, fc.constantFrom('s', 'By', '1', '{x}', 'By/s')),
    kind: fc.constantFrom<Metric['kind']>('gauge', 'sum', 'histogram', 'summary', 'exponential_histogram'),
    isMonotonic: fc.boolean(),
    temporality: fc.constantFrom<Metric['temporality']>('cumulative', 'delta', 'unspecified'),
    valueType: fc.constant<'int' | 'double'>('double'),
    metadata: fc.constantFrom<Attributes>({}, { 'prometheus.type': 'info' }, { 'prometheus.type': 'unknown' }),
  });
  const row = fc.record({
    metric,
    attributes: fc.dictionary(nasty, fc.oneof(nasty, fc.double(), fc.boolean(), fc.array(nasty, { maxLength: 2 })), {
      maxKeys: 4,
    }),
    resource: fc.constantFrom<Resource>(OWN, { attributes: { 'service.name': 'x"y' }, schemaUrl: '' }),
    value: fc.double(),
    bounds: fc.uniqueArray(fc.double({ noNaN: true }), { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 12 }),
      fc.constantFrom(
        'UnderscoreEscapingWithSuffixes',
        'UnderscoreEscapingWithoutSuffixes',
        'NoUTF8EscapingWithSuffixes',
        'NoTranslation',
      ),
      fc.boolean(),
      async (rows, translation_strategy, scope_labels) => {
        const { exporter, text } = await start({ translation_strategy, scope_labels, created_samples: scope_labels });
        const given = rows.map(({ metric: one, attributes, resource }) => series(one, attributes, resource, SCOPE, 5n));
        const values = rows.map(({ value }) => value);
        const points = rows.map(({ metric: { kind }, bounds }) => pointOf(kind, bounds));
        await exporter.consume(collection('a', given.slice(0, 6), values.slice(0, 6), { points: points.slice(0, 6) }));
        await exporter.consume(batch(given.slice(6), values.slice(6), { points: points.slice(6) }));
        for (const escaping of ['allow-utf-8', 'underscores', 'dots', 'values']) {
          parseExposition(await text(`text/plain;version=1.0.0;escaping=${escaping}`), 'text');
          parseExposition(await text(`application/openmetrics-text;version=1.0.0;escaping=${escaping}`), 'openmetrics');
        }
        await exporter.stop!();
      },
    ),
    { numRuns: 25 },
  );
}, 30_000);

function pointOf(kind: Metric['kind'], numbers: readonly number[]): DistributionPoint | undefined {
  const buckets = numbers.map(() => 1n);
  const count = BigInt(numbers.length + 1);
  switch (kind) {
    case 'histogram':
      return {
        type: kind,
        count,
        sum: 1.5,
        explicitBounds: numbers.toSorted((a, b) => a - b),
        bucketCounts: [...buckets, 1n],
      };
    case 'exponential_histogram': {
      const positive = { offset: -3, bucketCounts: buckets };
      const negative = { offset: 0, bucketCounts: [] };
      return { type: kind, count, scale: 2, zeroCount: 1n, zeroThreshold: 0, positive, negative };
    }
    case 'summary':
      return { type: kind, count, sum: 1, quantiles: numbers.map((quantile) => ({ quantile, value: 1 })) };
    default:
      return undefined;
  }
}

test('gives what PrometheusSerializer gives, where both follow the same rules', async () => {
  const attributes = { 'cpu.mode': 'us"er', path: 'C:\\\n' };
  const counter: Metric = { ...COUNTER, unit: '' };
  const gauge: Metric = { ...GAUGE, unit: '' };
  const histogram: Metric = { ...HISTOGRAM, unit: '' };
  const { exporter, families } = await start({
    scope_labels: true,
    translation_strategy: 'UnderscoreEscapingWithSuffixes',
  });
  const rows = [series(counter, attributes), series(gauge, attributes), series(histogram, attributes)];
  const points = [
    undefined,
    undefined,
    { type: 'histogram', count: 6n, sum: 9, explicitBounds: [1, 5], bucketCounts: [1n, 2n, 3n] } as const,
  ];
  await exporter.consume(collection('a', rows, [12.5, -Infinity, NaN], { points }));

  const at = { startTime: [0, 0] as [number, number], endTime: [0, 0] as [number, number], attributes };
  const descriptor = ({ name, description, unit }: Metric) => ({
    name,
    description,
    unit,
    valueType: 1,
    type: InstrumentType.GAUGE,
    advice: {},
  });
  const temporality = { aggregationTemporality: AggregationTemporality.CUMULATIVE };
  const value = { buckets: { boundaries: [1, 5], counts: [1, 2, 3] }, sum: 9, count: 6 };
  const sdk: ResourceMetrics = {
    resource: resourceFromAttributes(OWN.attributes as Record<string, string>),
    scopeMetrics: [
      {
        scope: { name: SCOPE.name, version: SCOPE.version },
        metrics: [
          {
            ...temporality,
            descriptor: descriptor(counter),
            dataPointType: DataPointType.SUM,
            isMonotonic: true,
            dataPoints: [{ ...at, value: 12.5 }],
          },
          {
            ...temporality,
            descriptor: descriptor(gauge),
            dataPointType: DataPointType.GAUGE,
            dataPoints: [{ ...at, value: -Infinity }],
          },
          {
            ...temporality,
            descriptor: descriptor(histogram),
            dataPointType: DataPointType.HISTOGRAM,
            dataPoints: [{ ...at, value }],
          },
        ],
      },
    ],
  };
  const oracle = parseExposition(new PrometheusSerializer().serialize(sdk), 'text');
  const sorted = (parsed: Map<string, ParsedFamily>) =>
    [...parsed.values()]
      .map(({ name, type, help, samples }) => ({
        name,
        type,
        help,
        samples: samples.map((sample) => [sample.name, [...sample.labels].sort(), sample.value]).sort(),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  expect(sorted(await families())).toEqual(sorted(oracle));
});

/** `fetch` decompresses by itself. */
async function rawGet(url: string, headers: Record<string, string>) {
  const { get } = await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<{
    headers: import('node:http').IncomingHttpHeaders;
    body: Buffer;
  }>();
  get(url, { headers, agent: false }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(chunks) }));
  }).on('error', reject);
  return promise;
}
