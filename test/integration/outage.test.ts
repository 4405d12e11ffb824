/** What is collected while the back end is away arrives when it is back: a real Collector that comes and goes. */
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../support/free_port.ts';
import { documentsIn, pointsIn } from './otlp_documents.ts';
import { startCollector, startSonde, until, type CollectorPlace, type Server } from './servers.ts';

interface Site {
  readonly place: CollectorPlace;
  /** All that was collected, as the exporter `file` wrote it. */
  readonly truth: string;
}

async function createSite(): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-outage-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const place = { grpc: await freePort(), http: await freePort(), file: join(folder, 'received.jsonl') };
  return { place, truth: join(folder, 'sent.jsonl') };
}

async function startAgent(
  { place, truth }: Site,
  protocol: string,
  retry: string,
  shutdown_timeout = '10s',
): Promise<Server> {
  const endpoint = protocol === 'grpc' ? `http://127.0.0.1:${place.grpc}` : `http://127.0.0.1:${place.http}`;
  const sonde = await startSonde(`
agent: { collection_interval: 200ms, shutdown_timeout: ${shutdown_timeout} }
receivers: { load: {}, memory: {} }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  otlp: { endpoint: '${endpoint}', protocol: ${protocol}, retry: { ${retry} } }
  file: { path: '${truth}' }
service:
  pipelines:
    metrics: { receivers: [load, memory], exporters: [otlp, file] }
    metrics/page: { receivers: [load], exporters: [prometheus] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  return sonde;
}

async function startCollectorAt({ place }: Site): ReturnType<typeof startCollector> {
  const collector = await startCollector(place);
  onTestFinished(async () => void (await collector.stop('SIGKILL')));
  return collector;
}

/** What a Collector was writing when it was killed has had no answer; the next one would write on in the same line. */
function removeCutLine({ place: { file } }: Site): void {
  truncateSync(file, readFileSync(file).lastIndexOf('\n') + 1);
}

interface Counts {
  readonly id: string;
  readonly sent: number;
  readonly queued: number;
  readonly dropped: Readonly<Record<string, number>>;
}

async function countsOf(sonde: Server, id: string): Promise<Counts> {
  const page = (await (await fetch(sonde.url, { headers: { accept: 'application/json' } })).json()) as {
    pipelines: { exporters: Counts[] }[];
  };
  return page.pipelines.flatMap(({ exporters }) => exporters).find((one) => one.id === id)!;
}

const waitForQueue = (sonde: Server, items: number): Promise<void> =>
  until(`${items} items wait`, async () => (await countsOf(sonde, 'otlp')).queued >= items);

/** How often each collected point arrived: `{ 1: 500 }` is all of them, once. */
function arrivals({ place, truth }: Site): Record<number, number> {
  const counts = new Map(pointsIn(documentsIn(truth)).map(({ key }) => [key, 0]));
  for (const { key } of pointsIn(documentsIn(place.file))) counts.set(key, (counts.get(key) ?? 0) + 1);
  return Object.fromEntries(
    Object.entries(Object.groupBy(counts.values(), String)).map(([times, all]) => [times, all!.length]),
  );
}

test.each(['http/protobuf', 'grpc'])(
  'By %s: data of an outage at the start and of one later arrive once, when the Collector is there',
  async (protocol) => {
    const site = await createSite();
    const sonde = await startAgent(site, protocol, 'initial: 100ms, max: 200ms');
    await waitForQueue(sonde, 30);
    const first = await startCollectorAt(site);
    const isCaughtUp = async (): Promise<boolean> => (await countsOf(sonde, 'otlp')).queued === 0;
    await until('all has arrived', isCaughtUp);
    expect(await first.stop()).toBe(0);
    await waitForQueue(sonde, 30);
    await startCollectorAt(site);
    await until('all has arrived again', isCaughtUp);
    expect(await sonde.stop()).toBe(0);
    const found = arrivals(site);
    expect(Object.keys(found)).toEqual(['1']);
    expect(found[1]).toBeGreaterThanOrEqual(60);
  },
  120_000,
);

test('A Collector that is killed costs nothing; what it had taken without an answer may arrive twice', async () => {
  const site = await createSite();
  const sonde = await startAgent(site, 'http/protobuf', 'initial: 100ms, max: 200ms');
  for (let i = 0; i < 3; i++) {
    const collector = await startCollectorAt(site);
    const { sent } = await countsOf(sonde, 'otlp');
    await until('some have arrived', async () => (await countsOf(sonde, 'otlp')).sent > sent + 20);
    await collector.stop('SIGKILL');
    removeCutLine(site);
    await waitForQueue(sonde, 10);
  }
  await startCollectorAt(site);
  await until('all has arrived', async () => (await countsOf(sonde, 'otlp')).queued === 0);
  expect((await countsOf(sonde, 'otlp')).dropped).toEqual({});
  expect(await sonde.stop()).toBe(0);
  const found = arrivals(site);
  expect(found[0]).toBeUndefined();
  // Only a request that was under way at a kill can have come twice: a collection of one of the receivers.
  expect(Object.keys(found).every((times) => times === '1' || times === '2')).toBe(true);
  expect(found[2] ?? 0).toBeLessThanOrEqual(3 * 10);
}, 240_000);

test('SIGTERM sends what waits before the agent ends with 0, though the next repetition was far off', async () => {
  const site = await createSite();
  const sonde = await startAgent(site, 'http/protobuf', 'initial: 10m, max: 10m, max_elapsed: 1h');
  await waitForQueue(sonde, 30);
  await startCollectorAt(site);
  expect(await sonde.stop()).toBe(0);
  expect(sonde.output()).not.toContain('Cannot send all');
  expect(Object.keys(arrivals(site))).toEqual(['1']);
}, 120_000);

test('SIGTERM with no back end ends within shutdown_timeout, with 0, and says what is lost', async () => {
  const site = await createSite();
  const sonde = await startAgent(site, 'http/protobuf', 'initial: 100ms, max: 200ms', '1s');
  await waitForQueue(sonde, 30);
  expect(await sonde.stop()).toBe(0);
  expect(sonde.output()).toMatch(/Cannot send all metrics that waited before the stop.*items=\d\d/);
  expect(documentsIn(site.place.file)).toEqual([]);
}, 120_000);
