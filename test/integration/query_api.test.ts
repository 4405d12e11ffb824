/**
 * What Grafana's data source for Prometheus asks, answered by a real Prometheus 3.5 and by an agent that hold the same samples:
 * compared field by field. Every difference that is allowed is listed, with its reason.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createStore } from '../../src/store/series_store.ts';
import { corpusSeries, END_MS, START_MS } from '../promql/corpus/data.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import type { LoadedSeries } from '../support/queryable.ts';
import { freePort } from '../support/free_port.ts';
import { loadSeries } from './oracle/remote_write.ts';
import { AGENT_RUNS, program, sondeCommand, startServer, until, type Server } from './servers.ts';

interface GrafanaRequest {
  readonly about: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly parameters: Readonly<Record<string, string | readonly string[]>>;
  /** `history` holds the samples of the corpus; `live` has an agent's metrics and rules. */
  readonly server: 'history' | 'live';
  readonly compare?: 'unordered' | 'metadata' | 'rules';
  /** The order of an instant vector matters. */
  readonly ordered?: boolean;
}

const { requests } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/grafana_requests.json'), 'utf8'),
) as { readonly requests: readonly GrafanaRequest[] };

/** Times that the corpus is moved to: its last two hours. */
const end_s = Math.floor(Date.now() / 60_000) * 60 - 60;
const shift_ms = end_s * 1000 - END_MS;
const start_s = (START_MS + shift_ms) / 1000;

const RULES = `
groups:
  - name: made
    interval: 1s
    rules:
      - { record: 'made:forty_two', expr: 'vector(42)', labels: { from: rules } }
      - { alert: Fires, expr: 'vector(1)   > 0', labels: { severity: page }, annotations: { summary: 'is {{ $value }}' } }
      - { alert: Pends, expr: 'vector(1.5) > 0', for: 1h }
      - { alert: Never, expr: 'vector(0) > 1', keep_firing_for: 5m }
  - name: other
    interval: 1s
    limit: 5
    rules:
      - { alert: Other, expr: 'vector(NaN)' }
`;

let folder: string;
let agent: Server;
let urls: Readonly<Record<GrafanaRequest['server'], { readonly agent: string; readonly prometheus: string }>>;
const servers: Server[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sonde-query-'));
  const series = corpusSeries().map(moved);
  await writeHistory(series);
  const [history, live] = [await freePort(), await freePort()];
  agent = await startAgent(history, live);
  const [holding, scraping] = [await startPrometheus(''), await startPrometheus(scrapeOf(live))];
  await loadSeries(holding.url, series);
  urls = {
    history: { agent: `http://127.0.0.1:${history}`, prometheus: holding.url },
    live: { agent: `http://127.0.0.1:${live}`, prometheus: scraping.url },
  };
  await until(
    'both have evaluated all rules, and scraped',
    async () => {
      const rules = await Promise.all(Object.values(urls.live).map((url) => textOf(`${url}/api/v1/rules`)));
      const metadata = await textOf(`${scraping.url}/api/v1/metadata?metric=system_memory_usage_bytes`);
      return rules.every((text) => (text.match(/"health":"ok"/g) ?? []).length === 5) && metadata.includes('gauge');
    },
    60_000,
  );
});

afterAll(async () => {
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function moved(series: LoadedSeries): LoadedSeries {
  return { ...series, times: series.times.map((time) => time + shift_ms) };
}

/** What an agent finds in its folder when it starts. */
async function writeHistory(all: readonly LoadedSeries[]): Promise<void> {
  const store = createStore({
    retention_ms: 4 * 3_600_000,
    max_bytes: 2 ** 27,
    max_series: 10_000,
    directory: join(folder, 'history'),
    log: createRecordedLog(),
  });
  await store.open();
  for (const { labels, times, values, stale, histograms } of all) {
    times.forEach((time, row) => {
      const refusal = store.append(labels, time, stale[row] === true ? 'stale' : (histograms[row] ?? values[row]!));
      expect(refusal).toBeUndefined();
    });
  }
  await store.close();
}

async function startAgent(history: number, live: number): Promise<Server> {
  const [command, ...args] = sondeCommand();
  const otlp = [await freePort(), await freePort()];
  const server = await startServer({
    command,
    args: (of) => [...args, 'run', '--config', join(of, 'sonde.yaml')],
    files: {
      'rules.yaml': RULES,
      'sonde.yaml': `
agent: { collection_interval: 1s }
receivers:
  memory:
  # Nobody sends anything: the history is what its folder holds.
  otlp: { protocols: { grpc: { endpoint: '127.0.0.1:${otlp[0]}' }, http: { endpoint: '127.0.0.1:${otlp[1]}' } } }
processors:
  alert_rules: { rule_files: [rules.yaml], state_file: alerts.json }
exporters:
  prometheus: { endpoint: '127.0.0.1:${live}' }
  store: { endpoint: '127.0.0.1:${live}' }
  store/history: { endpoint: '127.0.0.1:${history}', directory: '${join(folder, 'history')}', retention: 4h, max_bytes: 128MiB }
service:
  pipelines:
    metrics: { receivers: [memory], processors: [alert_rules], exporters: [prometheus, store] }
    metrics/history: { receivers: [otlp], exporters: [store/history] }
`,
    },
    url: `http://127.0.0.1:${live}`,
    ready: `http://127.0.0.1:${live}/api/v1/status/buildinfo`,
    says: AGENT_RUNS,
  });
  servers.push(server);
  return server;
}

const scrapeOf = (port: number): string => `
global: { scrape_interval: 1s, scrape_timeout: 1s }
rule_files: [rules.yaml]
scrape_configs:
  - job_name: sonde
    # OpenMetrics names families of counters without _total, and no sample has that name.
    scrape_protocols: [PrometheusText0.0.4]
    static_configs: [{ targets: ['127.0.0.1:${port}'] }]
`;

async function startPrometheus(config: string): Promise<Server> {
  const command = await program('prometheus');
  const port = await freePort();
  const server = await startServer({
    command,
    args: (of) => [
      '--config.file=prometheus.yml',
      `--storage.tsdb.path=${join(of, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      '--enable-feature=native-histograms',
    ],
    files: { 'prometheus.yml': config, 'rules.yaml': RULES },
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}/-/ready`,
  });
  servers.push(server);
  return server;
}

const textOf = async (url: string): Promise<string> => (await fetch(url)).text();

interface Answer {
  readonly status: number;
  readonly contentType: string | null;
  /** JSON, or a text where it is none. */
  readonly body: unknown;
}

/** As Grafana's server sends it, which reads gzip. */
async function ask(url: string, { method, path, parameters }: GrafanaRequest): Promise<Answer> {
  const form = new URLSearchParams();
  for (const [name, values] of Object.entries(parameters)) {
    for (const value of typeof values === 'string' ? [values] : values) form.append(name, filled(value));
  }
  const isPost = method === 'POST';
  const response = await fetch(`${url}${path}${isPost || form.size === 0 ? '' : `?${form}`}`, {
    method,
    headers: { 'accept-encoding': 'gzip', 'user-agent': 'Grafana/12.1.0' },
    ...(isPost && { body: form }),
  });
  const contentType = response.headers.get('content-type');
  const text = await response.text();
  const isJson = contentType === 'application/json';
  return { status: response.status, contentType, body: isJson ? (JSON.parse(text) as unknown) : text };
}

function filled(text: string): string {
  return text
    .replace('$start', String(start_s))
    .replace('$end', String(end_s))
    .replace('$rfc3339', new Date(end_s * 1000).toISOString());
}

/** Why some answers may differ, and in what. */
const ALLOWED: readonly {
  readonly reason: string;
  readonly applies: (request: GrafanaRequest) => boolean;
  readonly forget: (answer: unknown) => unknown;
}[] = [
  {
    reason: 'builds differ by nature; that the version begins with the API’s is checked apart',
    applies: ({ path }) => path.endsWith('/buildinfo'),
    forget: (answer) => replaced(answer, (_, value) => (typeof value === 'string' ? '…' : value), 'data'),
  },
  {
    reason:
      'the order of an instant vector, and of series of one selector, is that in which a server stores them; of alerts it has none',
    applies: ({ path, compare, ordered }) =>
      compare === 'unordered' ||
      path.endsWith('/alerts') ||
      (path.endsWith('/query') && ordered !== true && compare === undefined),
    forget: unordered,
  },
  {
    reason: 'when rules were evaluated, how long that took, since when alerts are active, and where the file lies',
    applies: ({ compare }) => compare === 'rules',
    forget: (answer) =>
      replaced(answer, (key, value) =>
        ['evaluationTime', 'lastEvaluation', 'activeAt', 'file'].includes(key) ? typeof value : value,
      ),
  },
  {
    reason: 'Prometheus knows the units of OpenMetrics alone, and has metadata of its own scrapes and rules beside',
    applies: ({ compare }) => compare === 'metadata',
    forget: (answer) => {
      const { data, ...rest } = answer as { data: Record<string, object> };
      const own = Object.entries(data).filter(([name]) => name.startsWith('system_memory_'));
      return { ...rest, data: replaced(Object.fromEntries(own), (key, value) => (key === 'unit' ? '' : value)) };
    },
  },
  {
    reason: 'words of the parser behind the place of a mistake; of a selector, the place as well',
    applies: ({ about }) => about.startsWith('typing: ') || about.includes('unreadable') || about.includes('broken'),
    forget: (answer) =>
      replaced(answer, (key, value) =>
        key === 'error'
          ? String(value).replace(/^(invalid parameter "[^"]+": )?[^]*parse error: [^]*$/, '$1parse error')
          : value,
      ),
  },
  {
    reason: 'which few of many labels are left by a limit, is a matter of the order in which a server stores them',
    applies: ({ about }) => about === 'few of many',
    forget: (answer) => replaced(answer, (_, value) => (typeof value === 'string' ? '…' : value), 'data'),
  },
  {
    reason: 'which two of the series a server names that are not unique, is a matter of their order',
    applies: ({ about }) => about === 'a join that is not unique',
    forget: (answer) =>
      replaced(answer, (key, value) => (key === 'error' ? String(value).replace(/\[.*\]/, '[…]') : value)),
  },
];

/** A copy in which `change` has been asked of every member; only below the member `within`, if it is given. */
function replaced(value: unknown, change: (key: string, value: unknown) => unknown, within?: string): unknown {
  if (Array.isArray(value)) {
    return value.map((one, index) =>
      typeof one === 'string' ? change(String(index), one) : replaced(one, change, within),
    );
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (within !== undefined) return [key, key === within ? replaced(member, change) : member];
      const changed = change(key, member);
      return [key, changed === member ? replaced(member, change) : changed];
    }),
  );
}

function unordered(answer: unknown): unknown {
  const keyOf = (one: unknown): string => {
    const { metric, labels } = one as { metric?: object; labels?: object };
    const identity = labels ?? metric ?? (one as object);
    return JSON.stringify(Object.entries(identity).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  };
  const sorted = (list: readonly unknown[]): unknown[] => list.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const body = answer as { data?: unknown };
  if (Array.isArray(body.data)) return { ...body, data: sorted(body.data) };
  const data = body.data as { resultType?: string; result?: unknown; alerts?: readonly unknown[] } | undefined;
  if (data?.alerts !== undefined) return { ...body, data: { alerts: sorted(data.alerts) } };
  if (data?.resultType !== 'vector' && data?.resultType !== 'matrix') return answer;
  return { ...body, data: { ...data, result: sorted(data.result as unknown[]) } };
}

const MOST_ERROR = 1e-12;

/** Places in which two JSON values differ; texts that are numbers may, by 1 part in 10^12. */
function differences(ours: unknown, theirs: unknown, path = '$'): string[] {
  if (Array.isArray(ours) && Array.isArray(theirs) && ours.length === theirs.length) {
    return ours.flatMap((one, index) => differences(one, theirs[index], `${path}[${index}]`));
  }
  const areObjects = [ours, theirs].every((one) => typeof one === 'object' && one !== null && !Array.isArray(one));
  if (areObjects) {
    const [a, b] = [ours as Record<string, unknown>, theirs as Record<string, unknown>];
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
      differences(a[key], b[key], `${path}.${key}`),
    );
  }
  if (Object.is(ours, theirs) || (typeof ours === 'string' && isNear(ours, String(theirs)))) return [];
  return [`${path}: ${JSON.stringify(ours)?.slice(0, 300)} instead of ${JSON.stringify(theirs)?.slice(0, 300)}`];
}

function isNear(ours: string, theirs: string): boolean {
  const number = /^-?\d[\d.]*(e[+-]\d{2,3})?$/;
  if (!number.test(ours) || !number.test(theirs)) return false;
  const [a, b] = [Number(ours), Number(theirs)];
  // The same number is written the same.
  return a !== b && Math.abs(a - b) <= MOST_ERROR * Math.max(Math.abs(a), Math.abs(b));
}

test.each(requests.map((request) => [`${request.about}: ${request.method} ${request.path}`, request] as const))(
  '%s',
  async (_, request) => {
    const { agent: ours, prometheus: theirs } = urls[request.server];
    const answers = [await ask(ours, request), await ask(theirs, request)] as const;
    const [own, other] = answers.map(({ body, ...rest }) => ({
      ...rest,
      body: ALLOWED.filter(({ applies }) => applies(request)).reduce((kept, { forget }) => forget(kept), body),
    }));
    expect(differences(own, other)).toEqual([]);
  },
);

test('the comparison finds what differs, and nothing else', () => {
  const answer = {
    data: {
      result: [
        {
          metric: { a: 'b' },
          values: [
            [1.5, '0.3'],
            [2, 'NaN'],
          ],
        },
      ],
    },
  };
  const changed = (from: string, to: string): unknown => JSON.parse(JSON.stringify(answer).replace(from, to));
  expect(differences(answer, changed('"0.3"', '"0.30000000000000004"'))).toEqual([]);
  for (const [from, to] of [
    ['"0.3"', '"0.30000000001"'],
    ['"0.3"', '"0.30"'],
    ['1.5', '1.501'],
    ['"NaN"', '"+Inf"'],
    ['"a":"b"', '"a":"c"'],
    ['"a":"b"', '"a":"b","c":"d"'],
    [',[2,"NaN"]', ''],
  ] as const) {
    expect(differences(answer, changed(from, to))).toHaveLength(1);
    expect(differences(changed(from, to), answer)).toHaveLength(1);
  }
});

test('the corpus finds data: most answers have some', async () => {
  const asked = requests.filter(({ path, server }) => path.includes('query') && server === 'history');
  let filledAnswers = 0;
  for (const request of asked) {
    const { body } = await ask(urls.history.agent, request);
    const result = (body as { data?: { result?: readonly unknown[] } }).data?.result;
    if ((result?.length ?? 0) > 0) filledAnswers++;
  }
  expect(filledAnswers).toBeGreaterThan(asked.length / 2);
});

test('the version is one for which Grafana asks as it asks Prometheus 3.5', async () => {
  const { data } = JSON.parse(await textOf(`${urls.live.agent}/api/v1/status/buildinfo`)) as {
    data: { version: string };
  };
  expect(data.version).toMatch(/^3\.5\.0\+sonde\./);
  expect(agent.output()).not.toContain('level=error');
});
