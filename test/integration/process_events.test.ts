/**
 * The receiver `process_events` in a whole agent beside real processes: all of a burst of short-lived ones, by each
 * source. What this machine does not allow is said, and the scan, which every machine allows, is always tested.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import process_events from '../../receivers/process_events/index.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { runReceiver, type ReceiverRun } from '../support/collect.ts';
import { until } from './servers.ts';

/** What was seen, and what could not be tested, on the terminal. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** 200 a second for 10 s. */
const COUNT = 2000;
const RATE = 200;

/** Starts itself so many times at that rate; each ends with a code of its own. Prints `pid code` of each. */
const BURST = `
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
  if (argc == 2) { usleep(rand() % 3000); return atoi(argv[1]); }
  int count = atoi(argv[1]), rate = atoi(argv[2]);
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (int i = 0; i < count; i++) {
    char code[16];
    snprintf(code, sizeof code, "%d", i % 256);
    char *args[] = { "burst", code, 0 };
    pid_t pid;
    int status;
    if (posix_spawn(&pid, argv[0], 0, 0, args, environ) != 0) return 1;
    waitpid(pid, &status, 0);
    printf("%d %d\\n", pid, WEXITSTATUS(status));
    next.tv_nsec += 1000000000L / rate;
    if (next.tv_nsec >= 1000000000L) { next.tv_nsec -= 1000000000L; next.tv_sec++; }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, 0);
  }
}`;

let folder: string;
let burst: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sonde-process-events-'));
  burst = join(folder, 'burst');
  writeFileSync(`${burst}.c`, BURST);
  execFileSync('cc', ['-O1', '-o', burst, `${burst}.c`]);
  return () => rmSync(folder, { recursive: true, force: true });
});

interface Watched {
  readonly run: ReceiverRun;
  readonly records: LogRecord[];
}

async function watch(config: Readonly<Record<string, unknown>>): Promise<Watched> {
  const records: LogRecord[] = [];
  const logs = { consume: (batch: LogBatch) => void records.push(...batch.records) };
  const next = { metrics: undefined, traces: undefined, logs };
  const run = await runReceiver(process_events, { config, next });
  onTestFinished(() => run.stop());
  return { run, records };
}

/** Runs the burst while nothing else happens in this process. @returns the code of each pid, in order */
async function runBurst(): Promise<[pid: number, code: number][]> {
  const child = spawn(burst, [String(COUNT), String(RATE)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += String(chunk)));
  await new Promise((resolve) => void child.once('close', resolve));
  return printed
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number) as [number, number]);
}

const isOf = (record: LogRecord, name: string): boolean => record.eventName === `process.${name}`;
const pidOf = ({ attributes }: LogRecord): number => attributes['process.pid'] as number;

async function lostOf(run: ReceiverRun): Promise<number> {
  const metrics = await run.collect();
  let lost = 0;
  for (const { series, values } of metrics) {
    for (const [row, { metric }] of series.entries()) if (metric.name === 'process.event.lost') lost += values[row]!;
  }
  return lost;
}

/** Why a source of the kernel cannot be had here; undefined where it can. */
async function refusal(source: string): Promise<string | undefined> {
  try {
    const run = await runReceiver(process_events, {
      config: { source },
      next: { metrics: undefined, traces: undefined, logs: { consume() {} } },
    });
    await run.stop();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe.each(['netlink', 'tracefs'])('by %s', async (source) => {
  const reason = await refusal(source);

  test(reason === undefined ? `every process of ${COUNT} is seen` : `is refused here, with the reason`, async () => {
    if (reason !== undefined) {
      say(`Not tested with ${source}: ${reason}`);
      expect(reason).toMatch(/^Cannot (listen|trace|open|ask|bind)/);
      return;
    }
    const { run, records } = await watch({ source });
    const codes = await runBurst();
    const seen = (name: string): number => {
      const pids = new Set(records.filter((record) => isOf(record, name)).map(pidOf));
      return codes.filter(([pid]) => pids.has(pid)).length;
    };
    let lost = 0;
    await until('each start and each end is told, or counted as lost', async () => {
      lost = await lostOf(run);
      return seen('start') + seen('exit') + lost >= codes.length * 2;
    });
    await run.stop();
    const exits = new Map(
      records
        .filter((record) => isOf(record, 'exit'))
        .map((record) => [pidOf(record), record.attributes['process.exit.code']]),
    );
    const told = codes.filter(([pid, code]) => exits.get(pid) === code).length;
    say(
      `${source}: ${codes.length} processes; ${seen('start')} starts, ${seen('fork')} forks, ${seen('exit')} exits, ${told} with their code; ${lost} lost`,
    );
    expect(seen('start')).toBeGreaterThanOrEqual(codes.length * 0.999);
    expect(seen('exit')).toBeGreaterThanOrEqual(codes.length * 0.999);
    // A trace has no codes: they are those of processes that were still there to be looked at.
    if (source === 'netlink') expect(told).toBeGreaterThanOrEqual(codes.length * 0.999);
    for (const [pid, code] of codes) if (exits.get(pid) !== undefined) expect(exits.get(pid)).toBe(code);
    expect(new Set(records.filter(({ eventName }) => eventName === '').map(pidOf)).size).toBe(0);
  });
});

describe('by scans', () => {
  test('every process that lives longer than the interval is seen, with its start and its end', async () => {
    const { run, records } = await watch({ source: 'scan', scan_interval: '200ms' });
    // Five seconds are 25 intervals: a busy machine may let some of them pass.
    const children = Array.from({ length: 20 }, () => spawn('sleep', ['5'], { stdio: 'ignore' }));
    const pids = children.map(({ pid }) => pid!);
    const ofChildren = (name: string): LogRecord[] =>
      records.filter((record) => isOf(record, name) && pids.includes(pidOf(record)));
    await until('the end of each is told', async () => ofChildren('exit').length >= pids.length, 30_000);
    await run.stop();
    for (const name of ['start', 'exit']) {
      const found = ofChildren(name);
      expect(found.map(pidOf).toSorted()).toEqual(pids.toSorted());
      for (const { attributes } of found) {
        expect(attributes['process.executable.name']).toBe('sleep');
        expect(attributes['process.event.source']).toBe('scan');
      }
    }
    expect(run.said.join()).toContain('a process that lives shorter may be missed');
  });
});

describe('auto', () => {
  test('tells of signals, arguments and threads as they are', async () => {
    const { run, records } = await watch({ command_line: 'redacted' });
    const { pid } = spawnSync('sh', ['-c', 'sleep 0.2; kill -TERM $$', '--token', 'secret-of-mine']);
    const threads = spawnSync(process.execPath, ['-e', 'setTimeout(() => process.exit(3), 300)']);
    const of = (name: string, wanted: number): LogRecord[] =>
      records.filter((record) => isOf(record, name) && pidOf(record) === wanted);
    // No scan has seen them: this process waited for them.
    if (run.said.some((line) => line.includes('Reads the process table every'))) {
      say('Signals and codes are not tested: no source of the kernel works here');
      return;
    }
    await until('both have ended', async () => [pid, threads.pid].every((one) => of('exit', one).length > 0));
    // Nor is anything told twice.
    await sleep(1500);
    await run.stop();
    expect(of('exit', pid).map(({ attributes }) => attributes['process.exit.signal'])).toEqual(['SIGTERM']);
    const [start] = of('start', pid);
    expect(start!.attributes['process.parent_pid']).toBe(process.pid);
    expect(String(start!.attributes['process.command_line'])).not.toContain('secret-of-mine');
    // Node.js has a dozen threads: one fork, one start, one exit.
    expect(['fork', 'start', 'exit'].map((name) => of(name, threads.pid).length)).toEqual([1, 1, 1]);
    expect(of('exit', threads.pid)[0]!.attributes['process.exit.code']).toBe(3);
    // What a process is identified by is the same in all that is told of it.
    const created = records
      .filter((record) => [pid, threads.pid].includes(pidOf(record)))
      .map(({ attributes }) => `${String(attributes['process.pid'])} ${String(attributes['process.creation.time'])}`);
    expect(new Set(created).size).toBe(2);
  });

  test('tells of a kill for want of memory', async () => {
    const group = '/sys/fs/cgroup/memory/sonde-test-oom';
    try {
      mkdirSync(group);
      onTestFinished(() => rmdirSync(group));
      writeFileSync(join(group, 'memory.limit_in_bytes'), String(16 * 2 ** 20));
      // Where there is swap it would go there instead.
      writeFileSync(join(group, 'memory.swappiness'), '0');
      closeSync(openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK));
    } catch (error) {
      say(`Not tested: no control group of memory, or no log of the kernel (${(error as Error).message})`);
      return;
    }
    const { run, records } = await watch({});
    const script = `echo $$ > ${group}/cgroup.procs; exec ${process.execPath} -e "Buffer.alloc(2 ** 28, 1)"`;
    const { pid } = spawnSync('sh', ['-c', script], { timeout: 20_000 });
    const of = (name: string): LogRecord[] => records.filter((record) => isOf(record, name) && pidOf(record) === pid);
    if (run.said.some((line) => line.includes('Reads the process table every'))) {
      // In a container with its own pids, the log of the kernel has others than these.
      say('Not tested: no source of the kernel works here');
      return;
    }
    await until('it is told', async () => ['oom_kill', 'exit'].every((name) => of(name).length > 0));
    // Nor is anything told twice.
    await sleep(1500);
    await run.stop();
    const killed = of('oom_kill');
    expect(killed).toHaveLength(1);
    expect(killed[0]!.severityText).toBe('WARN');
    expect(of('exit')[0]!.attributes['process.exit.signal']).toBe('SIGKILL');
  });
});

test('a storm beyond the buffer is counted, told and made good by a scan', async () => {
  if ((await refusal('netlink')) !== undefined) {
    say('Not tested: the events connector cannot be had here');
    return;
  }
  const { run, records } = await watch({ source: 'netlink', buffer: 16_384 });
  // Nothing is read while this process waits for the other.
  const printed = execFileSync(burst, ['500', '5000'], { encoding: 'utf8' });
  await until('it has looked for what was lost', async () =>
    records.some(({ eventName }) => eventName === 'process.watch.rescan'),
  );
  const lost = await lostOf(run);
  await run.stop();
  const pids = new Set(
    printed
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[0])),
  );
  const told = records.filter((record) => pids.has(pidOf(record)) && record.eventName !== 'process.oom_kill');
  expect(lost).toBeGreaterThan(0);
  // Fork, exec and exit of each; what the scan found beside them is of processes that were there.
  const byKernel = told.filter(({ attributes }) => attributes['process.event.source'] === 'netlink');
  expect(byKernel.length + lost).toBeGreaterThanOrEqual(pids.size * 3);
  expect(records.map(({ eventName }) => eventName)).toEqual(
    expect.arrayContaining(['process.watch.lost', 'process.watch.rescan']),
  );
});
