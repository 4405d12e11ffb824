/**
 * From the start of the process to the first line it prints and the first scrape it serves, with V8's compiled code on
 * disk from the start before, and without it as after an installation; beside Node.js's HTTP server alone.
 * Usage: node bench/startup.ts [starts of each]
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launchFlags, temporaryFolder } from './agents.ts';
import { copyBundle } from './copied_bundle.ts';
import { median, mib, table, target } from './measure.ts';
import { cpuTime_us, memory, sleep, type Memory } from './process.ts';
import { scrape } from './scraper.ts';

interface Start extends Memory {
  readonly printed_ms: number;
  readonly served_ms: number;
  readonly cpu_us: number;
}

const [starts = 10] = process.argv.slice(2).map(Number);
const POLL_EVERY_MS = 2;
const GIVE_UP_AFTER_MS = 20_000;
/** Until memory is read. */
const SETTLE_MS = 2000;

const bundle = await copyBundle();
const folder = temporaryFolder();
const script = join(folder.path, 'server.cjs');
const { port } = new URL(bundle.url);
writeFileSync(
  script,
  `require('node:http').createServer((_, response) => response.end()).listen(${port}, '127.0.0.1', () => console.log());`,
);

const found = new Map<string, Start[]>();
const note = (name: string, one: Start): void => void found.set(name, [...(found.get(name) ?? []), one]);
try {
  for (let turn = 0; turn < starts; turn++) {
    bundle.forgetCompiled();
    note('Sonde, the first time', await startOnce(bundle.args));
    note('Sonde, again', await startOnce(bundle.args));
    note('Node.js’s HTTP server', await startOnce([...launchFlags(), script]));
  }
} finally {
  bundle.remove();
  folder.remove();
}

const middle = (all: readonly Start[], of: keyof Start): number => median(all.map((one) => one[of]));
console.log(`Medians of ${starts} starts.\n`);
console.log(
  table([
    ['', 'first line', 'first scrape', 'CPU until then', `RSS after ${SETTLE_MS / 1000} s`, 'PSS', 'anonymous'],
    ...[...found].map(([name, all]) => [
      name,
      `${middle(all, 'printed_ms').toFixed(0)} ms`,
      `${middle(all, 'served_ms').toFixed(0)} ms`,
      `${(middle(all, 'cpu_us') / 1000).toFixed(0)} ms`,
      mib(middle(all, 'rss_kib')),
      mib(middle(all, 'pss_kib')),
      mib(middle(all, 'anonymous_kib')),
    ]),
  ]),
);
console.log();
for (const [name, all] of [...found].slice(0, 2)) {
  target(`Milliseconds to the first line, ${name}`, 2000, middle(all, 'printed_ms'));
  target(`Milliseconds to the first scrape, ${name}`, 400, middle(all, 'served_ms'));
}

async function startOnce(args: readonly string[]): Promise<Start> {
  const began_ms = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const printed = new Promise<number>((resolve) => {
    child.stdout.once('data', () => resolve(performance.now() - began_ms));
    child.stdout.resume();
  });
  try {
    await untilServed(began_ms);
    const served_ms = performance.now() - began_ms;
    const cpu_us = cpuTime_us(child.pid!);
    await sleep(SETTLE_MS);
    return { printed_ms: await printed, served_ms, cpu_us, ...memory(child.pid!) };
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

async function untilServed(began_ms: number): Promise<void> {
  for (;;) {
    try {
      await scrape(bundle.url, 'identity');
      return;
    } catch (error) {
      // Not listening yet.
      if (performance.now() - began_ms > GIVE_UP_AFTER_MS) throw error;
    }
    await sleep(POLL_EVERY_MS);
  }
}
