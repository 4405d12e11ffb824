/**
 * The receiver `process` with many processes: against a C program that makes the same system calls, as their number
 * grows, in memory, and beside node_exporter's collector `processes`, which only counts states and threads.
 * Usage: node bench/processes.ts [processes] [turns]
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import processReceiver from '../receivers/process/index.ts';
import { runReceiver, type ReceiverRun } from '../test/support/collect.ts';
import { startNodeExporter, startSonde, temporaryFolder } from './agents.ts';
import { median, ms, table, target, us } from './measure.ts';
import { cpuTime_us, sleep } from './process.ts';
import { record } from './recording.ts';
import { scrape } from './scraper.ts';

const [wanted = 1000, turns = 9] = process.argv.slice(2).map(Number);
const ROUNDS = 10;
const folder = temporaryFolder();
const sleepers: ChildProcess[] = [];

try {
  await measureGrowth();
  await startSleepers();
  await measureFloor();
  await measureBesideNodeExporter();
} finally {
  for (const child of sleepers) child.kill('SIGKILL');
  folder.remove();
}

async function startSleepers(): Promise<void> {
  for (let i = countProcesses(); i < wanted; i++) sleepers.push(spawn('sleep', ['3600'], { stdio: 'ignore' }));
  await sleep(500);
}

function countProcesses(): number {
  return readdirSync('/proc').filter((name) => /^\d/.test(name)).length;
}

/** CPU time of one collection, in microseconds. */
async function cpuOf(run: ReceiverRun, rounds = ROUNDS): Promise<number> {
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round++) await run.collect();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / rounds;
}

async function measureFloor(): Promise<void> {
  const floor = join(folder.path, 'reads');
  execFileSync('cc', ['-O2', '-o', floor, join(import.meta.dirname, 'floor/reads.c')]);
  const rows: (string | number)[][] = [['', 'processes', 'system calls for files', 'Sonde', 'C', 'ratio']];
  const ratios: number[] = [];
  for (const [name, refresh_idle] of [
    ['everything of every process', 1],
    ['by default: of idle ones everything at every eighth collection', 8],
  ] as const) {
    const recording = record();
    const run = await runReceiver(processReceiver, { config: { refresh_idle } });
    for (let i = 0; i < 20; i++) await run.collect();
    const operations = await recording.during(() => run.collect());
    recording.stop();
    const file = join(folder.path, 'operations');
    writeFileSync(file, `${operations.join('\n')}\n`);
    const samples: [ours: number, floor: number][] = [];
    for (let turn = 0; turn < turns; turn++) {
      const ours = await cpuOf(run);
      samples.push([ours, Number(execFileSync(floor, [file, String(ROUNDS), '0'], { encoding: 'utf8' }))]);
    }
    const ratio = median(samples.map(([ours, floors]) => ours / floors));
    ratios.push(ratio);
    const [ours, floors] = [median(samples.map(([one]) => one)), median(samples.map(([, one]) => one))];
    rows.push([name, countProcesses(), operations.length, ms(ours), ms(floors), ratio.toFixed(2)]);
    await run.stop();
  }
  console.log('\n### Against the same system calls in C\n');
  console.log(`${turns} turns of ${ROUNDS} collections; medians.\n`);
  console.log(table(rows));
  console.log();
  target('CPU of a full collection of processes, of the C program’s', 2, ratios[0]);
}

/** On written files, of which reading is cheaper than of the kernel's. */
async function measureGrowth(): Promise<void> {
  const sizes = [100, 1000, 10_000];
  const runs: { readonly size: number; readonly run: ReceiverRun; readonly bytes: number }[] = [];
  for (const size of sizes) {
    const rootPath = join(folder.path, String(size));
    writeProcesses(rootPath, size);
    const before = usedBytes();
    const run = await runReceiver(processReceiver, { rootPath, config: { refresh_idle: 1, kept_descriptors: 16_384 } });
    await run.collect();
    await run.collect();
    runs.push({ size, run, bytes: usedBytes() - before });
  }
  const samples = runs.map((): number[] => []);
  for (let turn = -2; turn < turns; turn++) {
    for (const [at, { run, size }] of runs.entries()) {
      const cost = await cpuOf(run, Math.max(1, 2000 / size));
      if (turn >= 0) samples[at].push(cost);
    }
  }
  const rows = runs.map(({ size, bytes }, at) => [
    size,
    ms(median(samples[at])),
    us(median(samples[at]) / size),
    `${Math.round(bytes / size)} B`,
  ]);
  console.log('### As their number grows\n');
  console.log(
    'On written files; everything of every process is read. Memory is what is used after a collection of garbage.\n',
  );
  console.log(table([['processes', 'CPU of a collection', 'of each process', 'memory of each'], ...rows]));
  console.log();
  const [, thousand, many] = samples.map((all, at) => median(all) / sizes[at]);
  target('CPU of each of 10,000 processes, of that of each of 1,000', 1.25, many / thousand);
  target('KiB of memory a tracked process, of 10,000', 2, runs[2].bytes / sizes[2] / 1024);
  for (const { run } of runs) await run.stop();
}

function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  collectGarbage();
  collectGarbage();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

function writeProcesses(root: string, count: number): void {
  mkdirSync(join(root, 'proc'), { recursive: true });
  writeFileSync(join(root, 'proc/stat'), 'cpu  100000000 0 100000000 500000000 0 0 0 0 0 0\nbtime 1732200000\n');
  writeFileSync(join(root, 'proc/uptime'), '100000.00 90000.00\n');
  writeFileSync(join(root, 'proc/vmstat'), 'pgfault 1000000000\npgmajfault 1000\n');
  for (let pid = 1; pid <= count; pid++) {
    const path = join(root, `proc/${pid}`);
    mkdirSync(join(path, 'fd'), { recursive: true });
    for (const fd of [0, 1, 2]) writeFileSync(join(path, 'fd', String(fd)), '');
    writeFileSync(
      join(path, 'stat'),
      `${pid} (worker) S 1 ${pid} ${pid} 0 -1 4194560 9011 57 0 0 ${pid} 40 0 0 20 0 4 0 ${4242 + pid} 268435456 ${12_345 + pid} 18446744073709551615 1 1 0 0 0 0 0 4096 81920 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n`,
    );
    writeFileSync(join(path, 'io'), 'rchar: 1\nwchar: 1\nsyscr: 10\nsyscw: 20\nread_bytes: 4096\nwrite_bytes: 8192\n');
    writeFileSync(
      join(path, 'status'),
      'Name:\tworker\nUid:\t0\t0\t0\t0\nVmRSS:\t 400 kB\nVmSwap:\t 0 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t1\n',
    );
  }
}

async function measureBesideNodeExporter(): Promise<void> {
  const overlay = (receivers: string): string => `
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT, max_age: 0s }
receivers:
  process: {}
service:
  pipelines:
    metrics:
      receivers: !replace [${receivers}]
`;
  const none = ['--collector.disable-defaults', '--web.disable-exporter-metrics'];
  const running = [
    await startSonde('Sonde with the receiver load', { overlay: overlay('load') }),
    await startSonde('… and process', { overlay: overlay('load, process') }),
    await startNodeExporter('node_exporter with the collector loadavg', [...none, '--collector.loadavg']),
    await startNodeExporter('… and processes', [...none, '--collector.loadavg', '--collector.processes']),
  ];
  try {
    for (let i = 0; i < 30; i++) for (const { url } of running) await scrape(url, 'identity');
    const samples = running.map((): number[] => []);
    for (let turn = 0; turn < turns; turn++) {
      const before = running.map(({ pid }) => cpuTime_us(pid));
      for (let i = 0; i < ROUNDS; i++) {
        for (const { url } of running) {
          await scrape(url, 'identity');
          await sleep(20);
        }
      }
      for (const [at, { pid }] of running.entries()) samples[at].push((cpuTime_us(pid) - before[at]) / ROUNDS);
    }
    console.log('\n### Beside node_exporter\n');
    console.log(`${countProcesses()} processes; ${turns} turns of ${ROUNDS} scrapes; medians.\n`);
    const costs = samples.map(median);
    console.log(table([['', 'CPU a scrape'], ...running.map(({ name }, at) => [name, ms(costs[at])])]));
    console.log();
    const added = median(
      samples[1].map((_, turn) => (samples[1][turn] - samples[0][turn]) / (samples[3][turn] - samples[2][turn])),
    );
    target('CPU that process adds to a scrape, of what node_exporter’s processes adds', 0.5, added);
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}
