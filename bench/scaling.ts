/**
 * How the cost of a collection and of a scrape grows with the machine: one dimension at a time, on written files whose
 * counters all change between two collections, and on no machine at all with more and more series.
 * Usage: node bench/scaling.ts [collections a turn] [turns]
 */
import { ObservableMeter } from '../src/otel/meter.ts';
import { createTimeLimit } from '../src/time_limit.ts';
import type { MetricBatch } from '../src/model/batch.ts';
import { runReceiver, type ReceiverRun } from '../test/support/collect.ts';
import { receivers } from '../receivers/index.ts';
import { temporaryFolder } from './agents.ts';
import { median, table, us } from './measure.ts';
import { runPrometheus } from './pull.ts';
import { countSeries } from './scraper.ts';
import { writeTree, type MachineSize } from './trees.ts';

const [perTurn = 20, turns = 9] = process.argv.slice(2).map(Number);

const SMALL: MachineSize = { cpus: 2, interfaces: 2, mounts: 2, disks: 2, processes: 10 };
/** Collections before the first that counts, until the code is compiled. */
const WARM_UP = 400;
const DIMENSIONS: readonly (readonly [keyof MachineSize, readonly number[]])[] = [
  ['cpus', [1, 4, 16, 64, 128, 256]],
  ['interfaces', [1, 10, 100, 300, 1000]],
  ['mounts', [1, 10, 50, 200, 500]],
  ['disks', [1, 10, 50, 200]],
  ['processes', [100, 500, 1000, 2500, 5000]],
];
const SERIES = [100, 1000, 10_000, 50_000];
const resource = { attributes: { 'service.name': 'bench' }, schemaUrl: '' };

interface Cost {
  readonly series: number;
  readonly bytes: number;
  readonly collect_us: number;
  readonly write_us: number;
  readonly compress_us: number;
}

console.log(
  `In one process, one after the other: ${turns} turns of ${perTurn} collections; medians. A collection reads, parses and observes; text and gzip are what a scrape adds. The last column is what each further unit costs, of collection and text.`,
);
await ofMachine(SMALL, WARM_UP);
for (const [dimension, counts] of DIMENSIONS) {
  await report(dimension, counts, (count) => ofMachine({ ...SMALL, [dimension]: count }));
}
await report('series', SERIES, ofSeries);

async function report(unit: string, counts: readonly number[], measureAt: (count: number) => Promise<Cost>) {
  const rows: (string | number)[][] = [];
  let before: { readonly count: number; readonly total_us: number } | undefined;
  for (const count of counts) {
    const { series, bytes, collect_us, write_us, compress_us } = await measureAt(count);
    const total_us = collect_us + write_us;
    const further = before === undefined ? '' : us((total_us - before.total_us) / (count - before.count));
    rows.push([count, series, bytes, us(collect_us), us(write_us), us(compress_us), further]);
    before = { count, total_us };
  }
  console.log(`\n### By ${unit}\n`);
  console.log(table([[unit, 'series', 'bytes', 'collection', 'text', 'gzip', 'a further one'], ...rows]));
}

async function ofMachine(size: MachineSize, warmUp = WARM_UP / 10): Promise<Cost> {
  const folder = temporaryFolder();
  const machine = writeTree(folder.path, size);
  const runs: ReceiverRun[] = [];
  for (const definition of receivers) {
    if (definition.type === 'self' || definition.type === 'otlp') continue;
    runs.push(await runReceiver(definition, { rootPath: machine.root }));
  }
  const collect = async (): Promise<MetricBatch[]> => {
    const batches: MetricBatch[] = [];
    for (const run of runs) batches.push(...(await run.collect()));
    return batches;
  };
  try {
    return await cost(collect, machine.advance, warmUp);
  } finally {
    for (const run of runs) await run.stop();
    folder.remove();
  }
}

/** Series of one observable counter, every value new every time. */
async function ofSeries(count: number): Promise<Cost> {
  const scope = { name: 'bench', version: '1', attributes: {}, schemaUrl: '' };
  const meter = new ObservableMeter({ resource, scope, bootTime: 1n, agentStartTime: 1n, cardinalityLimit: count });
  const counter = meter.createObservableCounter('bench.io', { unit: 'By' });
  const attributes = Array.from({ length: count }, (_, i) => ({ 'system.device': `sd${i}` }));
  let tick = 0;
  meter.addBatchObservableCallback((observer) => {
    for (let i = 0; i < count; i++) observer.observe(counter, tick * (1000 + i), attributes[i]);
  });
  const limit = createTimeLimit();
  return cost(
    async () => [...(await meter.collect({ time: 1n, receiver: 'bench', onDemand: false, limit })).batches],
    () => tick++,
    WARM_UP / 10,
  );
}

/** @param advance has all values change; what that costs is not counted */
async function cost(collect: () => Promise<MetricBatch[]>, advance: () => void, warmUp: number): Promise<Cost> {
  const exporter = await runPrometheus(resource);
  const samples: { collect: number[]; write: number[]; compress: number[] } = { collect: [], write: [], compress: [] };
  let text: Buffer = Buffer.alloc(0);
  for (let turn = -Math.ceil(warmUp / perTurn); turn < turns; turn++) {
    const spent = { collect: 0, write: 0, compress: 0 };
    for (let i = 0; i < perTurn; i++) {
      advance();
      let batches: MetricBatch[] = [];
      spent.collect += await cpu_us(async () => (batches = await collect()));
      for (const batch of batches) exporter.consume(batch);
      spent.write += await cpu_us(async () => (text = await exporter.scrape('identity')));
      spent.compress += await cpu_us(() => exporter.scrape('gzip'));
    }
    if (turn < 0) continue;
    for (const part of ['collect', 'write', 'compress'] as const) samples[part].push(spent[part] / perTurn);
  }
  return {
    series: countSeries(text.toString()),
    bytes: text.length,
    collect_us: median(samples.collect),
    write_us: median(samples.write),
    compress_us: median(samples.compress),
  };
}

async function cpu_us(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
