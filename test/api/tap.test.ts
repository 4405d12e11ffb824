import { get, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import stream from '../../exporters/stream.ts';
import { ownersOf } from '../../src/api/peer_user.ts';
import { createTapHandler } from '../../src/api/tap.ts';
import { tapLine } from '../../src/api/tap_lines.ts';
import { createServe } from '../../src/api/http_server.ts';
import type { Listener } from '../../src/component.ts';
import { NO_RECORDED_VALUE } from '../../src/model/batch.ts';
import { createStage, makeAgent, records, type AgentRun, type Stage, type WrittenConfig } from '../support/agent.ts';
import { logBatch, logRecord, metric, metricBatch, series } from '../support/processor.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { createSpans } from '../support/telemetry.ts';

type Line = Readonly<Record<string, unknown>>;
type Skipped = Readonly<Record<'batches' | 'items', number>>;

interface Tap {
  readonly status: number;
  readonly lines: Line[];
  readonly text: () => string;
  readonly ended: Promise<void>;
  close(): void;
}

const taps: Tap[] = [];
afterEach(() => {
  for (const tap of taps.splice(0)) tap.close();
});

async function openTap(url: string, headers: Record<string, string> = {}): Promise<Tap> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asked = get(url, { headers, agent: false }, resolve).on('error', reject);
  const response = await promise;
  const ended = Promise.withResolvers<void>();
  const lines: Line[] = [];
  let text = '';
  let rest = '';
  response.setEncoding('utf8');
  response.on('error', () => {});
  response.on('data', (chunk: string) => {
    text += chunk;
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    if (response.statusCode !== 200) return;
    for (const line of parts) if (line !== '') lines.push(JSON.parse(line) as Line);
  });
  response.once('close', ended.resolve);
  const tap = {
    status: response.statusCode!,
    lines,
    text: () => text,
    ended: ended.promise,
    close: () => asked.destroy(),
  };
  taps.push(tap);
  return tap;
}

const config: WrittenConfig = {
  receivers: { pushed: {}, counter: {} },
  processors: { passing: {}, bundling: {} },
  exporters: { sink: {}, 'sink/metrics': {}, stream: { endpoint: '127.0.0.1:0' } },
  pipelines: {
    logs: { receivers: ['pushed'], processors: ['passing', 'bundling'], exporters: ['sink', 'stream'] },
    metrics: { receivers: ['counter', 'pushed'], exporters: ['sink/metrics'] },
  },
};

async function startAgent(): Promise<{ run: AgentRun; stage: Stage; url: string }> {
  const stage = createStage();
  const run = makeAgent(config, { ...stage, exporters: [...stage.exporters, stream] });
  await run.agent.start();
  return { run, stage, url: `${run.agent.listening()[0]!}/-/tap` };
}

describe('/-/tap', () => {
  test('lists the edges of the pipelines', async () => {
    const { url } = await startAgent();
    expect(await (await fetch(url)).json()).toEqual({
      pipelines: [
        {
          name: 'logs',
          signal: 'logs',
          points: ['receivers', 'passing', 'bundling', 'exporters', 'sink', 'stream'],
        },
        { name: 'metrics', signal: 'metrics', points: ['receivers', 'exporters', 'sink/metrics'] },
      ],
    });
  });

  test('shows what passes each edge, once, and what passes is the same as without it', async () => {
    const { run, stage, url } = await startAgent();
    const points = ['receivers', 'passing', 'bundling', 'exporters', 'sink', 'stream'];
    const open = await Promise.all(points.map((point) => openTap(`${url}?at=logs:${point}`)));
    const byDefault = await openTap(`${url}?at=logs`);
    await stage.pushed.get('pushed')!.next.logs!.consume(records('one', 'two'));
    for (const [index, tap] of open.entries()) {
      await expect.poll(() => tap.lines.length).toBe(2);
      expect(tap.lines[0]).toEqual({
        tap: { pipeline: 'logs', signal: 'logs', point: points[index], rate: 10, items: 20 },
      });
      expect(tap.lines[1]).toMatchObject({ signal: 'logs', count: 2, records: [{ body: 'one' }, { body: 'two' }] });
    }
    expect(byDefault.lines[0]).toMatchObject({ tap: { point: 'exporters' } });
    await expect.poll(() => stage.arrived.get('sink')).toEqual(['one', 'two']);
    const { accepted, sent } = run.agent.figures().pipelines[0]!.books;
    expect([accepted, sent]).toEqual([2, 2]);
  });

  test('goes on through a reload, and ends with the listener', async () => {
    const { run, stage, url } = await startAgent();
    const tap = await openTap(`${url}?at=logs:passing`);
    await run.reload({ ...config, processors: { passing: { note: 'changed' }, bundling: {} } });
    await stage.pushed.get('pushed')!.next.logs!.consume(records('after'));
    await expect.poll(() => tap.lines.at(-1)).toMatchObject({ records: [{ body: 'after' }] });
    await run.agent.stop();
    await tap.ended;
  });

  test('leaves the pipeline as it was when it ends', async () => {
    const { run, stage, url } = await startAgent();
    const tap = await openTap(`${url}?at=logs:receivers`);
    await expect.poll(() => tap.lines.length).toBe(1);
    tap.close();
    await tap.ended;
    // In turn behind what joins the pipelines anew.
    await run.reload(config);
    await stage.pushed.get('pushed')!.next.logs!.consume(records('one'));
    expect(tap.lines).toHaveLength(1);
    await expect.poll(() => stage.arrived.get('sink')).toEqual(['one']);
  });

  test('shows as many batches a second as were asked for, and counts the others', async () => {
    const { stage, url } = await startAgent();
    const tap = await openTap(`${url}?at=logs:receivers&rate=2&items=1`);
    const { logs } = stage.pushed.get('pushed')!.next;
    const begin_ms = performance.now();
    let given = 0;
    const give = async (...bodies: string[]): Promise<void> => {
      given++;
      await logs!.consume(records(...bodies));
    };
    for (let batch = 0; batch < 50; batch++) await give('a', 'b', 'c');
    const shown = (): Line[] => tap.lines.slice(1);
    await expect
      .poll(async () => {
        await give('x');
        return shown().findLast(({ count }) => count === 1);
      })
      .toHaveProperty('skipped');
    // Two at once, and two more for each second since.
    expect(shown().length).toBeLessThanOrEqual(2 + (2 * (performance.now() - begin_ms)) / 1000);
    const skipped = shown().map((line) => (line['skipped'] ?? { batches: 0, items: 0 }) as Skipped);
    const batches = skipped.reduce((sum, one) => sum + one.batches, shown().length);
    expect(batches).toBeGreaterThan(50);
    expect(batches).toBeLessThanOrEqual(given);
    const items = skipped.reduce((sum, one) => sum + one.items, 0);
    expect(items + shown().reduce((sum, { count }) => sum + Number(count), 0)).toBe(3 * 50 + batches - 50);
    expect(shown()[0]).toMatchObject({ count: 3, records: [{ body: 'a' }] });
  });

  test.each([
    ['at=audit', /no such pipeline; there is logs, metrics/],
    ['at=logs:no', /no such point; there is receivers, passing, bundling, exporters, sink, stream/],
    ['at=logs&rate=0', /rate=0/],
    ['at=logs&rate=x', /rate=x/],
    ['at=logs&items=1e9', /items=1e9/],
  ])('refuses %s and says what there is', async (query, reason) => {
    const { url } = await startAgent();
    const tap = await openTap(`${url}?${query}`);
    await tap.ended;
    expect([tap.status, tap.text()]).toEqual([400, expect.stringMatching(reason)]);
  });

  test('refuses pages of other sites, proxies, other methods, and more than eight at a time', async () => {
    const { url } = await startAgent();
    const at = `${url}?at=logs`;
    const status = async (headers: Record<string, string>): Promise<number> => (await openTap(at, headers)).status;
    expect(await status({ origin: 'https://evil.example' })).toBe(403);
    expect(await status({ 'x-forwarded-for': '10.0.0.1' })).toBe(403);
    expect(await status({ host: 'rebound.example' })).toBe(421);
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    for (let count = 0; count < 8; count++) expect(await status({})).toBe(200);
    expect(await status({})).toBe(503);
  });
});

test('createTapHandler refuses other users of this machine', async () => {
  const answers: (boolean | undefined)[] = [false, true, undefined];
  const tap = createTapHandler({
    pipelines: () => [],
    open: () => Promise.reject(new Error('opened')),
    isOwnUser: () => Promise.resolve(answers.shift()),
  });
  const serve = createServe({ page: (_, response) => void response.end(), tap, log: createRecordedLog() });
  const listener: Listener = await serve({ endpoint: '127.0.0.1:0', routes: {}, hasPage: true });
  const statuses: number[] = [];
  for (let count = 0; count < 3; count++) statuses.push((await fetch(`${listener.url}/-/tap`)).status);
  await listener.close();
  expect(statuses).toEqual([403, 200, 200]);
});

test('ownersOf finds the user of the socket that is connected from one port to another', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:24F8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 28120 1 0000000000000000 100 0 0 10 0
   1: 0100007F:D431 0100007F:24F8 01 00000000:00000000 00:00000000 00000000  1000        0 28123 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:24F8 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 28124 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:D431 0100007F:24F8 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0000000000000000
`;
  expect(ownersOf(table, 0xd431, 0x24f8)).toEqual([1000]);
  expect(ownersOf(table, 0x24f8, 0xd431)).toEqual([0]);
  expect(ownersOf(table, 1, 2)).toEqual([]);
});

describe('tapLine', () => {
  const none = { batches: 0, items: 0 };
  const parse = (line: string): Line => JSON.parse(line) as Line;

  test('shows values of every kind, and what has no number in JSON as text', () => {
    const gauge = metric('g', { kind: 'gauge', valueType: 'double' });
    const layout = [series(gauge), series(gauge, { a: 'b' }), series('int'), series('ended'), series('exact')];
    const line = tapLine(
      metricBatch(layout, [NaN, 0.5, 7, NaN, 0], {
        flags: Uint32Array.of(0, 0, 0, NO_RECORDED_VALUE, 0),
        exactValues: new Map([[4, 2n ** 53n + 1n]]),
        collection: { receiver: 'cpu', onDemand: true },
      }),
      1_000_000_000n,
      10,
      { batches: 2, items: 9 },
    );
    expect(line).toContain('"value":9007199254740993');
    expect(parse(line)).toMatchObject({
      time: '1970-01-01T00:00:01.000000000Z',
      count: 5,
      skipped: { batches: 2, items: 9 },
      receiver: 'cpu',
      on_demand: true,
      resources: [{ 'host.name': 'test' }],
      points: [
        { metric: 'g', kind: 'gauge', value: 'NaN', resource: 0 },
        { attributes: { a: 'b' }, value: 0.5 },
        { metric: 'int', value: 7 },
        { ended: true },
        {},
      ],
    });
  });

  test('shows a long batch in part, evenly spread, and of spans their number', () => {
    const line = parse(tapLine(logBatch(Array.from({ length: 100 }, (_, n) => logRecord(n))), 0n, 4, none));
    expect((line['records'] as { body: number }[]).map(({ body }) => body)).toEqual([0, 25, 50, 75]);
    expect(line['count']).toBe(100);
    expect(parse(tapLine(createSpans('a', 'b'), 0n, 4, none))).toEqual({
      time: '1970-01-01T00:00:00.000000000Z',
      signal: 'traces',
      count: 2,
    });
  });

  test('sums up distributions', () => {
    const layout = [series(metric('h', { kind: 'histogram' })), series(metric('s', { kind: 'summary' }))];
    const line = tapLine(
      metricBatch(layout, [NaN, NaN], {
        points: [
          { type: 'histogram', count: 3n, sum: 6, min: 1, max: 3, explicitBounds: [], bucketCounts: [] },
          { type: 'summary', count: 4n, sum: 0.5, quantiles: [] },
        ],
      }),
      0n,
      10,
      none,
    );
    expect(parse(line)['points']).toMatchObject([
      { count: 3, sum: 6, min: 1, max: 3 },
      { count: 4, sum: 0.5 },
    ]);
  });
});
