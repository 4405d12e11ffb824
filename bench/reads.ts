/**
 * All reads of one collection, with parsing and observing, against a C program that makes the same system calls and
 * throws the bytes away. What a receiver asks of the kernel is recorded once and replayed in C, in turn with it.
 * Usage: node bench/reads.ts [rounds a turn] [microseconds between two rounds]
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_RECEIVERS, temporaryFolder } from './agents.ts';
import { median, table, target, us } from './measure.ts';
import { recordReceivers } from './recording.ts';

const [rounds = 200, pause_us = 0] = process.argv.slice(2).map(Number);
const TURNS = 9;
const folder = temporaryFolder();
const floor = join(folder.path, 'reads');
execFileSync('cc', ['-O2', '-o', floor, join(import.meta.dirname, 'floor/reads.c')]);

type Collect = () => Promise<unknown>;

const prepared = await recordReceivers(DEFAULT_RECEIVERS);

console.log(`${TURNS} turns of ${rounds} rounds, ${pause_us / 1000} ms between two; medians.\n`);
const compared = [];
for (const { type, collect, operations } of prepared) compared.push(await compare(type, operations, collect));
const all = await compare('all', prepared.map(({ operations }) => operations).flat(), async () => {
  for (const { collect } of prepared) await collect();
});
const rows = [...compared, all].map(({ name, calls, ours, floors, ratio }) => [
  name,
  calls,
  us(ours),
  us(floors),
  ratio.toFixed(2),
]);
console.log(table([['receiver', 'sources', 'Sonde', 'C', 'ratio'], ...rows]));
console.log();
const waking = pause_us > 0 ? ', each after a pause' : '';
target(`CPU of all reads of one collection${waking}, of the C program’s`, 2, all.ratio);
folder.remove();

async function compare(name: string, operations: readonly string[], collect: Collect) {
  const file = join(folder.path, 'operations');
  writeFileSync(file, `${operations.join('\n')}\n`);
  await cpu_us(collect);
  const samples: [ours: number, floor: number][] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const ours = await cpu_us(collect);
    samples.push([ours, Number(execFileSync(floor, [file, String(rounds), String(pause_us)], { encoding: 'utf8' }))]);
  }
  return {
    name,
    calls: operations.length,
    ours: median(samples.map(([ours]) => ours)),
    floors: median(samples.map(([, floors]) => floors)),
    ratio: median(samples.map(([ours, floors]) => ours / floors)),
  };
}

/** CPU time of one round; the time between two is not spent. */
async function cpu_us(collect: Collect): Promise<number> {
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round++) {
    await collect();
    if (pause_us > 0) await new Promise((resolve) => setTimeout(resolve, pause_us / 1000));
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / rounds;
}
