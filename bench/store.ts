/**
 * The store of recent history on what the receivers of this machine measure: bytes a sample, CPU an append, and memory
 * of an hour of 2,000 series.
 * Usage: node bench/store.ts [INTERVAL_MS] [ROUNDS]
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { deserialize, serialize, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { catalog } from '../src/cli/catalog.ts';
import { loadRegistry } from '../src/config/registry.ts';
import { Series, type MetricBatch, type Resource } from '../src/model/batch.ts';
import { createStore, type SeriesStore } from '../src/store/series_store.ts';
import { runReceiver } from '../test/support/collect.ts';
import { median, table, target } from './measure.ts';

/** Those of the default configuration; and processes, of which many are short. */
const DEFAULT = ['cpu', 'load', 'memory', 'paging', 'disk', 'filesystem', 'network', 'system', 'processes', 'self'];
const RECEIVERS = [...DEFAULT, 'process'];
const SERIES = 2000;
const SAMPLES = 240;
const INTERVAL_MS = 15_000;
const WARM_UP_SAMPLES = 3_000_000;
const quiet = { info() {}, warn() {}, error() {}, once() {}, over() {} };

const ofProcesses = new Set<MetricBatch>();

/** What one round of collections gave: the batches of all receivers. */
type Round = readonly MetricBatch[];

async function record(interval_ms: number, rounds: number): Promise<Round[]> {
  const { receivers } = await loadRegistry(catalog);
  const runs = [];
  for (const type of RECEIVERS) {
    const run = await runReceiver(receivers.find((each) => each.type === type)!);
    runs.push({ type, run });
  }
  const recorded: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const begun_ms = Date.now();
    const batches: MetricBatch[] = [];
    for (const { type, run } of runs) {
      // As in the agent, where each receiver reads the clock when its turn comes.
      const time = BigInt(Date.now()) * 1_000_000n;
      for (const given of await run.collect()) {
        const batch = { ...given, time, values: given.values.slice() };
        batches.push(batch);
        if (type === 'process') ofProcesses.add(batch);
      }
    }
    recorded.push(batches);
    await wait(Math.max(0, interval_ms - (Date.now() - begun_ms)));
  }
  for (const { run } of runs) await run.stop();
  return recorded;
}

function storeFrom(first: Round, clock: { now: number }): SeriesStore {
  clock.now = Number(first[0].time / 1_000_000n);
  return createStore({
    retention_ms: 3_600_000,
    max_bytes: 64 * 2 ** 20,
    max_series: 10_000,
    log: quiet,
    now_ms: () => clock.now,
  });
}

function replay(store: SeriesStore, rounds: readonly Round[], clock: { now: number }): void {
  for (const round of rounds) {
    for (const batch of round) {
      clock.now = Math.max(clock.now, Number(batch.time / 1_000_000n));
      store.consume(batch);
    }
  }
}

/** What the compressed samples take, with the heads of their chunks. */
function measureSize(rounds: readonly Round[]): {
  readonly series: number;
  readonly samples: number;
  readonly bytes: number;
} {
  const clock = { now: 0 };
  const store = storeFrom(rounds[0], clock);
  replay(store, rounds, clock);
  const { series, samples, chunk_bytes, chunk_samples } = store.figures();
  return { series, samples, bytes: chunk_bytes / chunk_samples };
}

/** All rounds once more, so much later: the same layouts, so nothing is derived anew. */
function shifted(rounds: readonly Round[], by_ms: number): Round[] {
  const by = BigInt(by_ms) * 1_000_000n;
  return rounds.map((round) => round.map((batch) => ({ ...batch, time: batch.time + by })));
}

function measureAppends(rounds: readonly Round[]): number {
  const clock = { now: 0 };
  const store = storeFrom(rounds[0], clock);
  const span_ms = Number((rounds.at(-1)![0].time - rounds[0][0].time) / 1_000_000n) + 60_000;
  const perSample: number[] = [];
  const perTurn = rounds.reduce((sum, round) => sum + round.reduce((all, { count }) => all + count, 0), 0);
  // As fast as an agent that has run for a while.
  const warmUp = Math.ceil(WARM_UP_SAMPLES / perTurn);
  for (let turn = 0; turn < warmUp + 15; turn++) {
    const later = shifted(rounds, turn * span_ms);
    const before = store.figures().appended_samples;
    const { user, system } = process.cpuUsage();
    replay(store, later, clock);
    const after = process.cpuUsage();
    const count = store.figures().appended_samples - before;
    if (turn >= warmUp) perSample.push(((after.user + after.system - user - system) * 1000) / count);
  }
  return median(perSample);
}

function measureReading(rounds: readonly Round[]): number {
  const clock = { now: 0 };
  const store = storeFrom(rounds[0], clock);
  replay(store, rounds, clock);
  const perSample: number[] = [];
  for (let turn = 0; turn < 30; turn++) {
    const series = store.select([], -Infinity, Infinity);
    let count = 0;
    const { user, system } = process.cpuUsage();
    for (let run = 0; run < 5; run++) for (const each of series) count += each.samples(-Infinity, Infinity).count;
    const after = process.cpuUsage();
    if (turn >= 10) perSample.push(((after.user + after.system - user - system) * 1000) / count);
  }
  return median(perSample);
}

/** What a store of an hour takes, in a process of its own, whose heap holds nothing else that changes. */
function measureMemory(file: string): { readonly bytes: number; readonly counted: number; readonly samples: number } {
  const { columns, names } = deserialize(readFileSync(file)) as {
    columns: Float64Array[];
    names: [string, string, string][];
  };
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    for (let i = 0; i < 4; i++) collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const clock = { now: Date.now() };
  const layout = namedLayout(names);
  const batch = { signal: 'metrics', count: layout.length, series: layout } as const;
  // What V8 compiles, and what a layout takes with any exporter, is there before.
  const warm = createStore({
    retention_ms: 3_600_000,
    max_bytes: 4 * 2 ** 20,
    max_series: 10,
    log: quiet,
    now_ms: () => clock.now,
  });
  for (let i = 0; i < 4; i++) warm.consume({ ...batch, values: columns[i], time: BigInt(clock.now + i) * 1_000_000n });
  const before = used();
  const store = createStore({
    retention_ms: 3_600_000,
    max_bytes: 4 * 2 ** 20,
    max_series: 10_000,
    log: quiet,
    now_ms: () => clock.now,
  });
  for (let i = 0; i < SAMPLES; i++) {
    // As late as timers are.
    clock.now += INTERVAL_MS + (i % 7 === 0 ? 2 : 0) - (i % 7 === 1 ? 2 : 0);
    store.consume({ ...batch, values: columns[i], time: BigInt(clock.now) * 1_000_000n });
  }
  const bytes = used() - before;
  const { bytes: counted, samples } = store.figures();
  warm.figures();
  return { bytes, counted, samples };
}

function namedLayout(names: readonly (readonly [string, string, string])[]): Series[] {
  const resource: Resource = { attributes: { 'service.name': 'sonde' }, schemaUrl: '' };
  const scope = { name: 'bench', version: '0', attributes: {}, schemaUrl: '' };
  return names.map(
    ([metric, attributes]) => new Series(resource, scope, JSON.parse(metric), JSON.parse(attributes), 0n),
  );
}

/** The series that were there all the time, repeated as of other hosts until they are enough, for as long as an hour. */
function writeHour(rounds: readonly Round[], file: string): void {
  const values = new Map<Series, number[]>();
  for (const round of rounds) {
    for (const { series, values: row, flags, points } of round) {
      if (flags !== undefined || points !== undefined) continue;
      for (const [i, each] of series.entries()) (values.get(each) ?? values.set(each, []).get(each)!).push(row[i]);
    }
  }
  const lasting = [...values].filter(([, list]) => list.length === rounds.length);
  const chosen = Array.from({ length: SERIES }, (_, i) => ({
    host: Math.floor(i / lasting.length),
    of: lasting[i % lasting.length],
  }));
  const columns = Array.from({ length: SAMPLES }, (_, at) =>
    Float64Array.from(chosen, ({ of: [, list] }) => list[at % list.length]),
  );
  const names = chosen.map(({ host, of: [{ metric, attributes }] }) => [
    JSON.stringify(metric),
    JSON.stringify({ ...attributes, host: `host-${host}` }),
  ]);
  writeFileSync(file, serialize({ columns, names }));
}

if (process.argv[2] === 'memory') {
  console.log(JSON.stringify(measureMemory(process.argv[3])));
} else {
  const interval_ms = Number(process.argv[2] ?? 1000);
  const rounds = await record(interval_ms, Number(process.argv[3] ?? SAMPLES));
  const whole = measureSize(rounds);
  const lasting = measureSize(rounds.map((round) => round.filter((batch) => !ofProcesses.has(batch))));
  const appended_ns = measureAppends(rounds);
  const read_ns = measureReading(rounds);

  const folder = mkdtempSync(join(tmpdir(), 'sonde-bench-'));
  const file = join(folder, 'hour');
  writeHour(rounds, file);
  const child = spawnSync(process.execPath, [import.meta.filename, 'memory', file], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  if (child.status !== 0) throw new Error(`Cannot measure memory: ${child.stderr}`);
  const hour = JSON.parse(child.stdout) as ReturnType<typeof measureMemory>;

  console.log(
    `${rounds.length} collections of ${RECEIVERS.join(', ')} of this machine, ${interval_ms} ms apart: ${whole.series} series, ${whole.samples} samples.\n`,
  );
  console.log(
    table([
      ['', ''],
      ['bytes a sample with its time, without processes', lasting.bytes.toFixed(2)],
      ['bytes a sample with its time, with processes that come and go', whole.bytes.toFixed(2)],
      ['CPU an append, compression included', `${appended_ns.toFixed(0)} ns`],
      ['CPU a sample read', `${read_ns.toFixed(1)} ns`],
      [
        `memory of ${SERIES} series × ${SAMPLES} samples, labels and index included`,
        `${(hour.bytes / 2 ** 20).toFixed(2)} MiB`,
      ],
      ['the same as the store counts it', `${(hour.counted / 2 ** 20).toFixed(2)} MiB`],
    ]),
  );
  console.log();
  target('bytes a sample', 2, whole.bytes);
  target('ns to append a sample', 100, appended_ns);
  target('MiB for an hour of 2,000 series every 15 s', 4, hour.bytes / 2 ** 20);
}
