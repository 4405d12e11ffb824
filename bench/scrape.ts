/**
 * CPU time per scrape and series against node_exporter, both as users run them, scraped in turn in the same minutes.
 * Usage: node bench/scrape.ts [scrapes per turn] [milliseconds between scrapes] [turns]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { freePort, program } from '../test/integration/servers.ts';
import { median, table } from './measure.ts';
import { cpuTime_us, memory, sleep, start, type Measured } from './process.ts';

const [perTurn = 20, gap_ms = 50, turns = 10] = process.argv.slice(2).map(Number);
const keepAlive = new Agent({ keepAlive: true });
const root = join(import.meta.dirname, '..');

interface Contestant extends Measured {
  readonly url: string;
}

const folder = mkdtempSync(join(tmpdir(), 'sonde-bench-'));
const [ourPort, theirPort, processesPort] = [await freePort(), await freePort(), await freePort()];
writeFileSync(
  join(folder, 'bench.yaml'),
  `exporters:\n  prometheus:\n    endpoint: 127.0.0.1:${ourPort}\n    max_age: 0s\n`,
);
const nodeExporter = await program('node_exporter');
const theirs = (port: number, ...more: string[]) => [
  `--web.listen-address=127.0.0.1:${port}`,
  '--no-collector.systemd',
  ...more,
];
execFileSync(process.execPath, [join(root, 'scripts/bundle.ts')], { stdio: 'ignore' });
const url = (port: number) => `http://127.0.0.1:${port}/metrics`;
const sonde: Contestant = {
  ...(await start(
    'Sonde, default configuration',
    process.execPath,
    [
      '--max-semi-space-size=1',
      join(root, 'dist/sonde.cjs'),
      'run',
      '--config',
      join(root, 'configs/sonde.yaml'),
      '--config',
      join(folder, 'bench.yaml'),
    ],
    url(ourPort),
  )),
  url: url(ourPort),
};
const peer: Contestant = {
  ...(await start('node_exporter, default collectors', nodeExporter, theirs(theirPort), url(theirPort))),
  url: url(theirPort),
};
const peerWithProcesses: Contestant = {
  ...(await start(
    'node_exporter with --collector.processes',
    nodeExporter,
    theirs(processesPort, '--collector.processes'),
    url(processesPort),
  )),
  url: url(processesPort),
};
const contestants = [sonde, peerWithProcesses, peer];

try {
  for (const encoding of ['identity', 'gzip']) {
    const samples = new Map(contestants.map((contestant) => [contestant, [] as number[]]));
    const sizes = new Map<Contestant, { bytes: number; series: number }>();
    for (const contestant of contestants) {
      for (let i = 0; i < 50; i++) await scrape(contestant.url, encoding);
    }
    for (let turn = 0; turn < turns; turn++) {
      for (const contestant of contestants) {
        const before = cpuTime_us(contestant.pid);
        for (let i = 0; i < perTurn; i++) {
          sizes.set(contestant, await scrape(contestant.url, encoding));
          await sleep(gap_ms);
        }
        samples.get(contestant)!.push((cpuTime_us(contestant.pid) - before) / perTurn);
      }
    }
    const perSeries = (contestant: Contestant, turn: number): number =>
      samples.get(contestant)![turn]! / sizes.get(contestant)!.series;
    console.log(`\n## Scrape, ${encoding}, every ${gap_ms} ms, ${turns} turns of ${perTurn}\n`);
    console.log(
      table([
        ['', 'series', 'bytes', 'CPU a scrape', 'CPU a series', 'a series, ratio to node_exporter', 'RSS', 'PSS'],
        ...contestants.map((contestant) => {
          const { series, bytes } = sizes.get(contestant)!;
          const cpu_us = median(samples.get(contestant)!);
          const ratio = median(
            samples.get(contestant)!.map((_, turn) => perSeries(contestant, turn) / perSeries(peer, turn)),
          );
          const { rss_kib, pss_kib } = memory(contestant.pid);
          const mib = (kib: number) => `${(kib / 1024).toFixed(1)} MiB`;
          return [
            contestant.name,
            series,
            bytes,
            `${(cpu_us / 1000).toFixed(2)} ms`,
            `${(cpu_us / series).toFixed(2)} µs`,
            ratio.toFixed(3),
            mib(rss_kib),
            mib(pss_kib),
          ];
        }),
      ]),
    );
  }
} finally {
  await Promise.all(contestants.map((contestant) => contestant.stop()));
  rmSync(folder, { recursive: true });
}

/** One scrape as Prometheus does it: over a new connection each time it would cost both more. */
function scrape(target: string, encoding: string): Promise<{ bytes: number; series: number }> {
  return new Promise((resolve, reject) => {
    const headers = { 'accept-encoding': encoding, accept: 'text/plain;version=0.0.4' };
    request(target, { headers, agent: keepAlive }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const body = Buffer.concat(chunks);
        const text = (encoding === 'gzip' ? gunzipSync(body) : body).toString();
        const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
        resolve({ bytes: body.length, series });
      });
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}
