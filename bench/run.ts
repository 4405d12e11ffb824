/**
 * `npm run bench`: runs all benchmarks, or those that are named, and prints what they found. With `--write` their tables
 * take the place of those in docs/performance.md. `soak`, half an hour, runs only if it is named or with `--soak`.
 * Usage: npm run bench -- [NAME…] [--soak] [--write]
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpus, release, type } from 'node:os';
import { table } from './measure.ts';

interface Benchmark {
  readonly name: string;
  readonly file: string;
  readonly args?: readonly string[];
}

const BENCHMARKS: readonly Benchmark[] = [
  { name: 'scrape', file: 'scrape.ts' },
  { name: 'scrape_every_second', file: 'scrape.ts', args: ['1000', '10', '3', 'gzip'] },
  { name: 'breakdown', file: 'breakdown.ts' },
  { name: 'breakdown_every_second', file: 'breakdown.ts', args: ['1000', '10', '3'] },
  { name: 'sdk_path', file: 'sdk_path.ts' },
  { name: 'reads', file: 'reads.ts' },
  { name: 'reads_every_20_ms', file: 'reads.ts', args: ['20', '20000'] },
  { name: 'scaling', file: 'scaling.ts' },
  { name: 'processes', file: 'processes.ts' },
  { name: 'process_events', file: 'process_events.ts' },
  { name: 'connections', file: 'connections.ts' },
  { name: 'logs', file: 'logs.ts' },
  { name: 'log_formats', file: 'log_formats.ts' },
  { name: 'peers', file: 'peers.ts' },
  { name: 'otlp', file: 'otlp.ts', args: ['250', '8', '11'] },
  { name: 'remote_write', file: 'remote_write.ts' },
  { name: 'disk_queue', file: 'disk_queue.ts' },
  { name: 'store', file: 'store.ts' },
  { name: 'rules', file: 'rules.ts' },
  { name: 'anomaly', file: 'anomaly.ts' },
  { name: 'adaptive', file: 'adaptive.ts' },
  { name: 'stream', file: 'stream.ts' },
  { name: 'startup', file: 'startup.ts' },
  { name: 'soak', file: 'soak.ts' },
];
/** A line of `target`. */
const TARGET = /^- Target: (.*): at most ([\d.]+); measured ([\d.]+): (.*)$/;
const PAGE = join(import.meta.dirname, '../docs/performance.md');

const given = process.argv.slice(2);
const names = given.filter((word) => !word.startsWith('--'));
const unknown = names.filter((name) => !BENCHMARKS.some((one) => one.name === name));
if (unknown.length > 0) {
  const known = BENCHMARKS.map(({ name }) => name).join(', ');
  throw new RangeError(`Cannot run ${unknown.join(', ')}: there is ${known}`);
}
const chosen =
  names.length > 0
    ? BENCHMARKS.filter(({ name }) => names.includes(name))
    : BENCHMARKS.filter(({ name }) => name !== 'soak' || given.includes('--soak'));

console.log(`# ${machine()}\n`);
for (const benchmark of chosen) {
  console.log(`## ${benchmark.name}\n`);
  const output = await run(benchmark);
  if (given.includes('--write')) write(benchmark, output);
}

function machine(): string {
  const all = cpus();
  return `${all.length} × ${all[0]?.model ?? 'CPU'}, ${type()} ${release()}, Node.js ${process.version}`;
}

function commandOf({ file, args = [] }: Benchmark): string {
  return ['node', `bench/${file}`, ...args].join(' ');
}

/** Shows what a benchmark prints while it runs, and returns it. */
async function run(benchmark: Benchmark): Promise<string> {
  const script = join(import.meta.dirname, benchmark.file);
  const child = spawn(process.execPath, [script, ...(benchmark.args ?? [])], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    process.stdout.write(chunk);
    output += chunk;
  }
  if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== 0) throw new Error(`Cannot measure ${benchmark.name}: it ended with ${child.exitCode}`);
  console.log();
  return output.trim();
}

/** Puts what was measured between the comments that bear the benchmark's name, and its targets into the overview. */
function write(benchmark: Benchmark, output: string): void {
  const date = new Date().toISOString().slice(0, 10);
  const head = `\`${commandOf(benchmark)}\`, ${date}, ${machine()}`;
  const page = replace(readFileSync(PAGE, 'utf8'), benchmark.name, `${head}\n\n${output}`);
  writeFileSync(PAGE, replace(page, 'targets', targetsOf(page)));
}

function replace(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`Cannot write ${name}: docs/performance.md has no ${begin}`);
  return `${page.slice(0, from)}${begin}\n${content}\n${page.slice(to)}`;
}

/** All lines that `target` printed, with the headings above each, as a table. */
function targetsOf(page: string): string {
  const rows: string[][] = [['what', 'at most', 'measured', '', 'where']];
  let [section, part] = ['', ''];
  for (const line of page.split('\n')) {
    if (line.startsWith('## ')) [section, part] = [line.slice(3), ''];
    else if (line.startsWith('### ')) part = `: ${line.slice(4)}`;
    const [, what, most, measured, verdict] = TARGET.exec(line) ?? [];
    if (verdict !== undefined) rows.push([what, most, measured, verdict, `${section}${part}`]);
  }
  return table(rows);
}
