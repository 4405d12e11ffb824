/**
 * How the cost of a collection and of a scrape grows with the machine: one dimension at a time, on written files whose
 * counters all change between two collections, and on no machine at all with more and more series.
 * Usage: node bench/scaling.ts [collections a turn] [turns]
 */
import { catalog } from '../src/cli/catalog.ts';
import { loadRegistry } from '../src/config/registry.ts';
import { ObservableMeter } from '../src/otel/meter.ts';
import { createTimeLimit } from '../src/time_limit.ts';
import type { MetricBatch } from '../src/model/batch.ts';
import { runReceiver, type ReceiverRun } from '../test/support/collect.ts';
import { temporaryFolder } from './agents.ts';
import { median, table, us } from './measure.ts';
import { runPrometheus, type PullRun } from './pull.ts';
import { countSeries } from './scraper.ts';
import { writeTree, type MachineSize } from './trees.ts';

const [perTurn = 20, turns = 9] = process.argv.slice(2).map(Number);

const SMALL: MachineSize = { cpus: 2, interfaces: 2, mounts: 2, disks: 2, processes: 10 };
/** Turns before the first that counts, until the code is compiled. */
const WARM_UP_TURNS = 5;
const PARTS = ['collection', 'text', 'gzip'] as const;
const DIMENSIONS: readonly (readonly [keyof MachineSize, readonly number[]])[] = [
  ['cpus', [1, 4, 16, 64, 128, 256]],
  ['interfaces', [1, 10, 100, 300, 1000]],
  ['mounts', [1, 10, 50, 200, 500]],
  ['disks', [1, 10, 50, 200]],
  ['processes', [100, 500, 1000, 2500, 5000]],
];
const SERIES = [100, 1000, 10_000, 50_000];
const resource = { attributes: { 'service.name': 'bench' }, schemaUrl: '' };

/** Something of a certain size that can be collected. */
interface Subject {
  readonly count: number;
  readonly exporter: PullRun;
  collect(): Promise<readonly MetricBatch[]>;
  /** Has all values change; what that costs is not counted. */
  advance(): void;
  stop(): Promise<void>;
}

console.log(
  `In one process, the sizes of a table in turn: ${turns} turns of ${perTurn} collections; medians. A collection reads, parses and observes; text and gzip are what a scrape adds. The last column is what each unit beyond the first row costs, of collection and text.`,
);
for (const [dimension, counts] of DIMENSIONS) {
  await report(dimension, counts, (count) => createMachine(count, { ...SMALL, [dimension]: count }));
}
await report('series', SERIES, createSeries);

async function report(unit: string, counts: readonly number[], create: (count: number) => Promise<Subject>) {
  const subjects: Subject[] = [];
  try {
    for (const count of counts) subjects.push(await create(count));
    const rows: (string | number)[][] = [];
    let first: { readonly count: number; readonly total_us: number } | undefined;
    for (const { count, series, bytes, costs } of await measureInTurn(subjects)) {
      const total_us = costs.collection + costs.text;
      const further = first === undefined ? '' : us((total_us - first.total_us) / (count - first.count));
      first ??= { count, total_us };
      rows.push([count, series, bytes, us(costs.collection), us(costs.text), us(costs.gzip), further]);
    }
    console.log(`\n### By ${unit}\n`);
    console.log(table([[unit, 'series', 'bytes', ...PARTS, 'each further one'], ...rows]));
  } finally {
    for (const subject of subjects) await subject.stop();
  }
}

/** Microseconds of CPU time that each part of one collection and scrape takes. */
type Costs = Record<(typeof PARTS)[number], number>;

async function measureInTurn(subjects: readonly Subject[]) {
  const samples = subjects.map((): Costs[] => []);
  const texts: Buffer[] = [];
  for (let turn = -WARM_UP_TURNS; turn < turns; turn++) {
    for (const [at, subject] of subjects.entries()) {
      const spent = { collection: 0, text: 0, gzip: 0 };
      for (let i = 0; i < perTurn; i++) texts[at] = await runOnce(subject, spent);
      if (turn >= 0) samples[at].push(spent);
    }
  }
  return subjects.map(({ count }, at) => {
    const middle = (part: keyof Costs): number => median(samples[at].map((spent) => spent[part] / perTurn));
    const costs = { collection: middle('collection'), text: middle('text'), gzip: middle('gzip') };
    return { count, series: countSeries(texts[at].toString()), bytes: texts[at].length, costs };
  });
}

async function runOnce({ advance, collect, exporter }: Subject, spent: Costs): Promise<Buffer> {
  let batches: readonly MetricBatch[] = [];
  let text: Buffer = Buffer.alloc(0);
  advance();
  spent.collection += await cpu_us(async () => (batches = await collect()));
  for (const batch of batches) exporter.consume(batch);
  spent.text += await cpu_us(async () => (text = await exporter.scrape('identity')));
  spent.gzip += await cpu_us(() => exporter.scrape('gzip'));
  return text;
}

async function cpu_us(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

async function createMachine(count: number, size: MachineSize): Promise<Subject> {
  const folder = temporaryFolder();
  const machine = writeTree(folder.path, size);
  const runs: ReceiverRun[] = [];
  const { receivers } = await loadRegistry(catalog);
  for (const definition of receivers) {
    if (definition.type === 'self' || definition.type === 'otlp') continue;
    runs.push(await runReceiver(definition, { rootPath: machine.root }));
  }
  return {
    count,
    exporter: await runPrometheus(resource),
    advance: machine.advance,
    async collect() {
      const batches: MetricBatch[] = [];
      for (const run of runs) batches.push(...(await run.collect()));
      return batches;
    },
    async stop() {
      for (const run of runs) await run.stop();
      folder.remove();
    },
  };
}

/** Series of one observable counter, every value new every time. */
async function createSeries(count: number): Promise<Subject> {
  const scope = { name: 'bench', version: '1', attributes: {}, schemaUrl: '' };
  const meter = new ObservableMeter({ resource, scope, bootTime: 1n, agentStartTime: 1n, cardinalityLimit: count });
  const counter = meter.createObservableCounter('bench.io', { unit: 'By' });
  const attributes = Array.from({ length: count }, (_, i) => ({ 'system.device': `sd${i}` }));
  let tick = 0;
  meter.addBatchObservableCallback((observer) => {
    for (let i = 0; i < count; i++) observer.observe(counter, tick * (1000 + i), attributes[i]);
  });
  const limit = createTimeLimit();
  return {
    count,
    exporter: await runPrometheus(resource),
    advance: () => void tick++,
    collect: async () => (await meter.collect({ time: 1n, receiver: 'bench', onDemand: false, limit })).batches,
    stop: () => Promise.resolve(),
  };
}
