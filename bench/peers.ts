/**
 * Sonde beside other agents that measure the same kinds of data once a second. All run at the same time, and their CPU
 * time is read at the same moments, so what disturbs one disturbs all.
 * Usage: node bench/peers.ts [seconds a window] [windows]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../test/integration/servers.ts';
import { freePort } from '../test/support/free_port.ts';
import { overlayOf, startNodeExporter, startSonde, temporaryFolder, type Scraped } from './agents.ts';
import { median, mib, ms, table } from './measure.ts';
import { startCollectd, startNetdata, type Peer } from './peer_agents.ts';
import { cpuTime_us, sleep, start, tree, treeCpuTime_us, treeMemory, type Measured } from './process.ts';
import { countSeries, scrape, textOf } from './scraper.ts';

const [window_s = 60, windows = 3] = process.argv.slice(2).map(Number);
const SETTLE_S = 15;

const KINDS = ['cpu', 'load', 'memory', 'paging', 'disk', 'filesystem', 'network', 'system', 'processes'];
const COLLECTORS = ['cpu', 'loadavg', 'meminfo', 'vmstat', 'diskstats', 'filesystem', 'netdev', 'stat', 'filefd'];
const EVERY_SECOND = 'agent: { collection_interval: 1s }\n';

interface Contestant {
  readonly program: Measured;
  countValues(): Promise<number>;
}

/** Asks every program for its metrics once a second, as Prometheus would. */
const scraped: Scraped[] = [];
function scrapedEverySecond(one: Scraped): Contestant {
  scraped.push(one);
  return { program: one, countValues: async () => countSeries(textOf(await scrape(one.url, 'gzip'))) };
}
const asPeer = (peer: Peer): Contestant => ({ program: peer, countValues: () => peer.countValues() });

const folder = temporaryFolder();
const contestants: Contestant[] = [];
let isOver = false;
try {
  const collector = await startCollector();
  contestants.push(
    scrapedEverySecond(
      await startSonde('Sonde, scraped', {
        overlay: `${EVERY_SECOND}${overlayOf({}, KINDS).replace('max_age: 0s', 'max_age: 1s')}`,
      }),
    ),
    { program: await startPushing(collector.endpoint), countValues: () => Promise.resolve(NaN) },
    scrapedEverySecond(
      await startNodeExporter('node_exporter, scraped', [
        '--collector.disable-defaults',
        '--web.disable-exporter-metrics',
        ...[...COLLECTORS, 'processes'].map((name) => `--collector.${name}`),
      ]),
    ),
    scrapedEverySecond(await startNodeExporter('node_exporter, its default collectors, scraped')),
    asPeer(await startCollectd('collectd, nine plugins, no writer')),
    asPeer(await startCollectd('collectd, nine plugins, to csv', 'csv')),
    asPeer(await startNetdata('Netdata, the same kinds of data', true)),
    asPeer(await startNetdata('Netdata, default configuration, with its plugins', false)),
    { program: collector.program, countValues: () => Promise.resolve(NaN) },
  );
  const scraping = scrapeEverySecond();
  await sleep(SETTLE_S * 1000);
  const costs = contestants.map((): number[] => []);
  for (let window = 0; window < windows; window++) {
    const before = contestants.map(({ program: { pid } }) => spent_us(pid));
    await sleep(window_s * 1000);
    for (const [at, { program: one }] of contestants.entries()) {
      costs[at].push((spent_us(one.pid) - before[at]) / window_s);
    }
  }
  const rows: (string | number)[][] = [];
  for (const [at, { program: one, countValues }] of contestants.entries()) {
    const { rss_kib, pss_kib, anonymous_kib } = treeMemory(one.pid);
    const cells = [(await countValues()) || '', tree(one.pid).length, ms(median(costs[at]))];
    rows.push([one.name, ...cells, mib(rss_kib), mib(pss_kib), mib(anonymous_kib)]);
  }
  isOver = true;
  await scraping;
  console.log(
    `Once a second, all at the same time, children counted; median of ${windows} windows of ${window_s} s, memory at their end.\n`,
  );
  console.log(table([['', 'values', 'processes', 'CPU a second', 'RSS', 'PSS', 'anonymous'], ...rows]));
} finally {
  isOver = true;
  await Promise.all(contestants.map(({ program: one }) => one.stop()));
  folder.remove();
}

/** The finer clock where no process or thread comes and goes. */
function spent_us(pid: number): number {
  return tree(pid).length === 1 ? cpuTime_us(pid) : treeCpuTime_us(pid);
}

async function scrapeEverySecond(): Promise<void> {
  while (!isOver) {
    const next = Date.now() + 1000;
    for (const { url } of scraped) {
      await scrape(url, 'gzip');
      // Not all in the same millisecond.
      await sleep(50);
    }
    await sleep(next - Date.now());
  }
}

/** Sonde that pushes by OTLP what it collects, every second, and answers nobody. */
async function startPushing(endpoint: string): Promise<Measured> {
  const overlay = `${EVERY_SECOND}exporters:
  otlp: { endpoint: '${endpoint}' }
processors: { batch: { timeout: 100ms } }
service:
  pipelines:
    metrics: { receivers: !replace [${KINDS.join(', ')}], processors: [batch], exporters: !replace [otlp] }
`;
  return startSonde('Sonde, pushes OTLP to the Collector', { overlay, isPulled: false });
}

/** A Collector that throws away what it takes. */
async function startCollector(): Promise<{ readonly program: Measured; readonly endpoint: string }> {
  const [port, zpages] = [await freePort(), await freePort()];
  const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:${port} } } } }
exporters: { nop: {} }
extensions: { zpages: { endpoint: 127.0.0.1:${zpages} } }
service:
  extensions: [zpages]
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [otlp], exporters: [nop] } }
`;
  const file = join(folder.path, 'otelcol.yaml');
  writeFileSync(file, config);
  const ready = `http://127.0.0.1:${zpages}/debug/servicez`;
  const name = 'the Collector that takes it, for comparison';
  return {
    program: await start(name, await program('otelcol'), ['--config', file], ready),
    endpoint: `http://127.0.0.1:${port}`,
  };
}
