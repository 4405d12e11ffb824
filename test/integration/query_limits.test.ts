/** Hostile queries against a real agent: each is ended within its limit and named in the answer, and the agent goes on. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeRequests } from '../../src/model/otlp/encode_requests.ts';
import { metric, metricBatch, series } from '../support/processor.ts';
import { freePort } from '../support/free_port.ts';
import { AGENT_RUNS, sondeCommand, startServer, until, type Server } from './servers.ts';

const LIMIT_MS = 500;
const SERIES = 3000;

let agent: Server;
/** A store of the same agent with the same samples, whose queries may take as long as they like: the other limits decide. */
let patient: string;
let push: string;
beforeAll(async () => {
  const [command, ...args] = sondeCommand();
  const [port, other, http] = [await freePort(), await freePort(), await freePort()];
  agent = await startServer({
    command,
    args: (folder) => [...args, 'run', '--config', `${folder}/sonde.yaml`],
    files: {
      'sonde.yaml': `
agent: { collection_interval: 1s }
receivers:
  self:
  cpu:
  otlp: { protocols: { http: { endpoint: '127.0.0.1:${http}' } } }
exporters:
  store:
    endpoint: 127.0.0.1:${port}
    limits: { time: ${LIMIT_MS}ms, response_bytes: 1MiB }
  store/patient:
    endpoint: 127.0.0.1:${other}
    limits: { time: 1h, response_bytes: 1MiB }
service:
  pipelines:
    metrics: { receivers: [self, cpu, otlp], exporters: [store, store/patient] }
`,
    },
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}/api/v1/status/buildinfo`,
    says: AGENT_RUNS,
  });
  patient = `http://127.0.0.1:${other}`;
  push = `http://127.0.0.1:${http}/v1/metrics`;
  await pushSeries();
});
afterAll(() => agent?.stop());

/** Values with many digits, so that each is another label of count_values; labels that begin alike, as patterns like them. */
async function pushSeries(): Promise<void> {
  const gauge = metric('many', { kind: 'gauge', unit: '', valueType: 'double' });
  const layout = Array.from({ length: SERIES }, (_, n) =>
    series(gauge, { n: String(n), text: `${'a'.repeat(60)}${n}` }),
  );
  const begin = BigInt(Date.now() - 600_000) * 1_000_000n;
  for (let step = 0; step < 20; step++) {
    const values = layout.map((_, n) => Math.sin(n + step / 7));
    const batch = metricBatch(layout, values, { time: begin + BigInt(step) * 30_000_000_000n });
    for (const { body } of encodeRequests(batch, 2 ** 22).parts) {
      const response = await fetch(push, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body: Buffer.from(body),
      });
      expect(response.status).toBe(200);
    }
  }
  await until('the store has them', async () =>
    (await ask('query', { query: 'count(many)' })).text.includes(`"${SERIES}"`),
  );
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly took_ms: number;
}

async function ask(endpoint: string, parameters: Readonly<Record<string, string>>, url = agent.url): Promise<Answer> {
  const began_ms = performance.now();
  const response = await fetch(`${url}/api/v1/${endpoint}`, {
    method: 'POST',
    body: new URLSearchParams(parameters),
  });
  const text = await response.text();
  return { status: response.status, text, took_ms: performance.now() - began_ms };
}

/** Of the agent itself: how often it has collected. */
async function collections(): Promise<number> {
  const query = 'sum(sonde_component_operations_total{sonde_component_id="cpu"})';
  const { text } = await ask('query', { query });
  return Number(/"(\d+)"\]/.exec(text)?.[1] ?? 0);
}

const now_s = (): number => Math.floor(Date.now() / 1000);
const DEEP = 100_000;

interface Hostile {
  readonly what: string;
  readonly query: string;
  readonly status: readonly number[];
  readonly named: RegExp;
  /** Seconds up to now, at a step of one second. */
  readonly range?: number;
  /** Asked where time is no limit, as a slow machine would come to that first. */
  readonly isPatient?: boolean;
}

const HOSTILE: readonly Hostile[] = [
  {
    what: 'a subquery of 10^9 samples',
    query: 'count_over_time(many[1000000s:1ms])',
    status: [422, 503],
    named: /limit \\"(samples|time)\\"\), at .*many/,
  },
  {
    what: 'subqueries in subqueries',
    query: 'sum_over_time(sum_over_time(sum_over_time(vector(1)[1d:1s])[1d:1s])[1d:1s])',
    status: [422, 503],
    named: /limit \\"(samples|time)\\"\), at .*1d:1s/,
  },
  {
    what: 'an exponential pattern',
    query: 'count(many{text=~"(((a+)+)+)+b"})',
    status: [200, 400, 422, 503],
    named: /success|limit|regexp/,
  },
  {
    what: 'hundreds of patterns over all series',
    query: `count(many{${Array.from({ length: 490 }, (_, n) => `text=~"(a|[0-9]|x${n})+"`).join(',')}})`,
    status: [503],
    named: /limit \\"time\\"\), at count\(many/,
  },
  {
    what: 'a pattern of a huge automaton',
    query: 'count(many{text=~"((a{1,1000}){1,1000}){1,1000}"})',
    status: [400, 422],
    named: /regexp|repeat|pattern|invalid/,
  },
  { what: 'a cross product', query: 'count(many * on() group_left() many)', status: [422, 503], named: /many/ },
  {
    what: 'joins of all with all',
    query: 'count((many * on(n) many) + on(n) (many * on(n) many))[10m:100ms]',
    status: [422, 503],
    named: /limit \\"(samples|time)\\"\), at /,
  },
  {
    what: 'a huge topk',
    query: 'topk(1e9, rate(many[5m]))[10m:10ms]',
    status: [422, 503],
    named: /limit \\"(samples|time)\\"\), at /,
  },
  {
    what: 'count_values over everything',
    query: 'count_values("v", many)[600s:100ms]',
    status: [422, 503],
    named: /limit \\"(samples|time)\\"\), at /,
  },
  {
    what: 'labels made longer and longer',
    query: `${'label_replace('.repeat(30)}many${', "text", "$1$1", "text", "(.*)")'.repeat(30)}`,
    status: [422, 503],
    named: /limit|label|bytes|characters/,
  },
  {
    what: `${DEEP} nested parentheses`,
    query: `${'('.repeat(DEEP)}1${')'.repeat(DEEP)}`,
    status: [400],
    named: /expression is longer than 65536 characters/,
  },
  {
    what: 'parentheses as deep as length allows',
    query: `${'('.repeat(32_000)}1${')'.repeat(32_000)}`,
    status: [400],
    named: /nested|deep|bracket|parenthes/,
  },
  {
    what: 'operators as many as length allows',
    query: Array.from({ length: 16_000 }, () => '1').join('+'),
    status: [200, 400],
    named: /parse error|success/,
  },
  {
    what: 'signs as many as length allows',
    query: `${'-'.repeat(65_000)}1`,
    status: [200, 400],
    named: /parse error|success/,
  },
  {
    what: 'an answer that is too large',
    query: 'many',
    status: [422],
    named: /limit \\"response_bytes\\"\), of many/,
    range: 60,
    isPatient: true,
  },
  {
    what: 'much at many steps',
    query: 'quantile(0.5, many) + stddev(sort(many))',
    status: [422, 503],
    named: /limit \\"(samples|time)\\"\), at /,
    range: 5000,
  },
  {
    what: 'sorts of everything at each step',
    query: 'quantile_over_time(0.5, many[10m])[10m:50ms]',
    status: [422, 503],
    named: /limit \\"(samples|time)\\"\), at /,
  },
];

describe('an agent', () => {
  test.each(HOSTILE.map((hostile) => [hostile.what, hostile] as const))('ends %s', async (_, hostile) => {
    const { query, status: statuses, named, range, isPatient = false } = hostile;
    const end = now_s();
    const url = isPatient ? patient : agent.url;
    const answer =
      range === undefined
        ? await ask('query', { query }, url)
        : await ask('query_range', { query, start: String(end - range), end: String(end), step: '1' }, url);
    expect(answer.text.slice(0, 600)).toMatch(named);
    expect(statuses).toContain(answer.status);
    expect(answer.text.length).toBeLessThan(2 ** 20 + 1000);
  });

  test('goes on collecting, and counts what limits ended', async () => {
    const before = await collections();
    await until('it has collected again', async () => (await collections()) > before);
    const many = await ask('query', { query: 'count_over_time(many[1000000s:1ms])' }, patient);
    expect([many.status, many.text]).toEqual([422, expect.stringContaining('limit \\"samples\\"')]);
    await until('it says which limits ended queries', async () => {
      const { text } = await ask('query', { query: 'sum by (sonde_query_limit) (sonde_query_limited_total) > 0' });
      return ['samples', 'time', 'response_bytes'].every((limit) => text.includes(`"${limit}"`));
    });
    expect(agent.output()).not.toContain('level=error');
  });

  test('is never held much longer than a query may take', async () => {
    const slow = ask('query', { query: 'count_values("v", many)[600s:100ms]' });
    let longest_ms = 0;
    let last_ms = performance.now();
    const isOver = slow.then(() => true);
    while (!(await Promise.race([isOver, fetch(`${agent.url}/api/v1/status/buildinfo`).then(() => false)]))) {
      longest_ms = Math.max(longest_ms, performance.now() - last_ms);
      last_ms = performance.now();
    }
    // Twenty times the limit would be a limit that is not looked at; a busy machine is slow, too.
    expect(longest_ms).toBeLessThan(20 * LIMIT_MS);
  });

  test('answers many at once one after the other, and refuses what is too many', async () => {
    const query = 'quantile_over_time(0.5, many[10m])[10m:50ms]';
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask('query', { query })));
    const refused = answers.filter(({ text }) => text.includes('limit \\"waiting\\"'));
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, text } of answers) {
      expect(status).toBeGreaterThanOrEqual(422);
      expect(text).toMatch(/limit \\"(samples|time|waiting)\\"/);
    }
    expect((await ask('query', { query: '1' })).status).toBe(200);
  }, 240_000);
});
