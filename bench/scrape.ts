/**
 * CPU time of a scrape, and of each series in it, against node_exporter: both run at once, and are scraped in turn in
 * the same minutes.
 * Usage: node bench/scrape.ts [milliseconds between two scrapes of the same program] [scrapes a turn] [turns] [encoding]
 */
import { join } from 'node:path';
import {
  DEFAULT_RECEIVERS,
  overlayOf,
  QUICK_RECEIVERS,
  startBareServer,
  startNodeExporter,
  startSonde,
  temporaryFolder,
  type Scraped,
} from './agents.ts';
import { median, mib, ms, table, target, us } from './measure.ts';
import { cpuTime_us, memory, sleep } from './process.ts';
import { countSeries, scrape, textOf, type Encoding } from './scraper.ts';
import { writeTree } from './trees.ts';

const [gap_ms = 50, perTurn = 20, turns = 9] = process.argv.slice(2, 5).map(Number);
const encodings: readonly Encoding[] = process.argv[5] === 'gzip' ? ['gzip'] : ['identity', 'gzip'];
const WARM_UP = 200;

/** Opt-in metrics that are to be had from files which both read. */
const SAME_METRICS = {
  cpu: ['system.cpu.linux.guest.time'],
  disk: [
    'system.disk.linux.discard.io',
    'system.disk.linux.discard.operations',
    'system.disk.linux.discard.operation_time',
    'system.disk.linux.flush.operations',
    'system.disk.linux.flush.operation_time',
  ],
  filesystem: ['system.filesystem.limit'],
  memory: [
    'system.memory.limit',
    'system.memory.linux.slab.usage',
    'system.memory.linux.shared',
    'system.linux.memory.dirty',
    'system.memory.linux.committed',
    'system.memory.linux.commit_limit',
    'system.memory.linux.hugepages.limit',
    'system.memory.linux.hugepages.reserved',
    'system.memory.linux.hugepages.surplus',
    'system.memory.linux.hugepages.usage',
    'system.memory.linux.hugepages.page_size',
  ],
  system: ['system.boot_time'],
};
const SAME_COLLECTORS = ['cpu', 'loadavg', 'meminfo', 'vmstat', 'diskstats', 'filesystem', 'netdev', 'stat', 'filefd'];
/** As many as a large server has. */
const SERVER = { cpus: 64, interfaces: 8, mounts: 20, disks: 24, processes: 1200 };

/** Both with what is to be had from the same files, the states of all processes included or not. */
function sameSources(hasProcesses: boolean, root = '/'): (() => Promise<Scraped>)[] {
  const [receivers, collectors] = hasProcesses
    ? [DEFAULT_RECEIVERS, [...SAME_COLLECTORS, 'processes']]
    : [QUICK_RECEIVERS, SAME_COLLECTORS];
  const paths = [
    `--path.procfs=${join(root, 'proc')}`,
    `--path.sysfs=${join(root, 'sys')}`,
    `--path.rootfs=${root}`,
    // It would ask the kernel for this machine's interfaces, whatever the paths.
    '--no-collector.netdev.netlink',
  ];
  return [
    () => startSonde('Sonde', { overlay: overlayOf(SAME_METRICS, receivers), rootPath: root }),
    () =>
      startNodeExporter('node_exporter', [
        '--collector.disable-defaults',
        '--web.disable-exporter-metrics',
        '--collector.stat.softirq',
        ...collectors.map((name) => `--collector.${name}`),
        ...(root === '/' ? [] : paths),
      ]),
  ];
}

const counts = Object.entries(SERVER).map(([what, count]) => `${count} ${what}`);
console.log(
  `Each program is scraped every ${gap_ms} ms, ${turns} turns of ${perTurn} scrapes; medians. The server has ${counts.join(', ')}.`,
);
await compare('This machine, default configurations', [
  () => startSonde('Sonde'),
  () => startNodeExporter('node_exporter'),
]);
await compare('This machine, the same sources', sameSources(true));
await compare('This machine, the same sources without processes', sameSources(false));
const folder = temporaryFolder();
try {
  const { root, advance } = writeTree(folder.path, SERVER);
  await compare('A server, the same sources', sameSources(true, root), advance);
  await compare('A server, the same sources without processes', sameSources(false, root), advance);
} finally {
  folder.remove();
}

/** The first one is Sonde, and the last what the others are compared with. */
async function compare(title: string, starts: readonly (() => Promise<Scraped>)[], advance?: () => void) {
  const running: Scraped[] = [];
  try {
    for (const begin of starts) running.push(await begin());
    running.unshift(await startBareServer('Node.js’s HTTP server alone', running[0]));
    console.log(`\n### ${title}\n`);
    const rows: (string | number)[][] = [];
    const ratios: [Encoding, number][] = [];
    for (const encoding of encodings) {
      const results = await measureInTurn(running, encoding, advance);
      const reference = results.at(-1)!;
      for (const { name, series, bytes, cpu, rss_kib, pss_kib } of results) {
        const ratio = (per: (of: number) => number, perReference: (of: number) => number): number =>
          median(cpu.map((one, turn) => per(one) / perReference(reference.cpu[turn])));
        const perScrape = ratio(
          (one) => one,
          (one) => one,
        );
        const perSeries = (perScrape * reference.series) / series;
        if (name === 'Sonde') ratios.push([encoding, perSeries]);
        const [cost, memoryCells] = [median(cpu), [mib(rss_kib), mib(pss_kib)]];
        const numbers = [series, bytes, ms(cost), perScrape.toFixed(2), us(cost / series), perSeries.toFixed(2)];
        rows.push([name, encoding, ...numbers, ...memoryCells]);
      }
    }
    const head = ['', '', 'series', 'bytes', 'CPU a scrape', 'ratio', 'CPU a series', 'ratio', 'RSS', 'PSS'];
    console.log(table([head, ...rows]));
    console.log();
    for (const [encoding, ratio] of ratios) target(`CPU a series of node_exporter’s, ${encoding}`, 0.15, ratio);
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}

interface Result {
  readonly name: string;
  readonly series: number;
  readonly bytes: number;
  /** Microseconds a scrape, turn by turn. */
  readonly cpu: readonly number[];
  readonly rss_kib: number;
  readonly pss_kib: number;
}

async function measureInTurn(
  running: readonly Scraped[],
  encoding: Encoding,
  advance?: () => void,
): Promise<readonly Result[]> {
  for (let i = 0; i < WARM_UP; i++) for (const { url } of running) await scrape(url, encoding);
  const bodies: Buffer[] = [];
  const cpu = running.map((): number[] => []);
  for (let turn = 0; turn < turns; turn++) {
    const before = running.map(({ pid }) => cpuTime_us(pid));
    for (let i = 0; i < perTurn; i++) {
      advance?.();
      for (const [at, { url }] of running.entries()) {
        bodies[at] = await scrape(url, encoding);
        await sleep(gap_ms / running.length);
      }
    }
    for (const [at, { pid }] of running.entries()) cpu[at].push((cpuTime_us(pid) - before[at]) / perTurn);
  }
  return running.map(({ name, pid }, at) => {
    const series = countSeries(textOf(bodies[at]));
    return { name, series, bytes: bodies[at].length, cpu: cpu[at], ...memory(pid) };
  });
}
