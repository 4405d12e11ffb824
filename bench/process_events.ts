/**
 * The receiver `process_events` while processes start and end: how many it sees, and what the agent spends, by source.
 * Usage: node bench/process_events.ts [a second] [seconds]
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startSonde, temporaryFolder } from './agents.ts';
import { table, target } from './measure.ts';
import { sleep } from './process.ts';

const [rate = 200, seconds = 10] = process.argv.slice(2).map(Number);
const WARM_UP_S = 5;
const US_PER_TICK = 10_000;

/** Each process of the burst ends at once with the code it is told. */
const BURST = `
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
extern char **environ;
int main(int argc, char **argv) {
  if (argc == 2) return atoi(argv[1]);
  int rate = atoi(argv[1]), count = rate * atoi(argv[2]);
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (int i = 0; i < count; i++) {
    char code[16];
    snprintf(code, sizeof code, "%d", i % 256);
    char *args[] = { "burst", code, 0 };
    pid_t pid;
    int status;
    posix_spawn(&pid, argv[0], 0, 0, args, environ);
    waitpid(pid, &status, 0);
    printf("%d %d\\n", pid, WEXITSTATUS(status));
    next.tv_nsec += 1000000000L / rate;
    if (next.tv_nsec >= 1000000000L) { next.tv_nsec -= 1000000000L; next.tv_sec++; }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, 0);
  }
}`;

const folder = temporaryFolder();
try {
  const burst = join(folder.path, 'burst');
  writeFileSync(`${burst}.c`, BURST);
  execFileSync('cc', ['-O2', '-o', burst, `${burst}.c`]);
  const rows: (string | number)[][] = [['source', 'processes', 'starts', 'exits', 'right codes', 'CPU of a core']];
  for (const source of ['netlink', 'tracefs', 'scan']) {
    try {
      rows.push(await measure(source, burst));
    } catch (error) {
      console.log(`- Not measured by ${source}: ${String(error).split('\n')[0]}`);
    }
  }
  console.log(`\n${rate} processes a second that end at once, for ${seconds} s.\n`);
  console.log(table(rows));
  console.log();
  const [, , starts, exits, codes, cpu] = rows[1]!;
  console.log(`- By ${rows[1]![0]}: ${starts} starts, ${exits} exits, ${codes} codes`);
  target('share of a core by the first source, %', 3, Number.parseFloat(String(cpu)));
} finally {
  folder.remove();
}

/** utime and stime, fields 14 and 15 of proc_pid_stat(5). */
function cpuTime_us(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * US_PER_TICK;
}

async function measure(source: string, burst: string): Promise<(string | number)[]> {
  const out = join(folder.path, `${source}.jsonl`);
  const overlay = `
receivers:
  process_events: { source: ${source} }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  file: { path: ${out} }
service:
  pipelines:
    metrics: { receivers: !replace [load] }
    logs: { receivers: [process_events], exporters: [file] }
`;
  const sonde = await startSonde(source, { overlay });
  let printed: string;
  let cpu_us: number;
  try {
    execFileSync(burst, [String(rate), String(WARM_UP_S)]);
    const before_us = cpuTime_us(sonde.pid);
    printed = execFileSync(burst, [String(rate), String(seconds)], { encoding: 'utf8' });
    cpu_us = cpuTime_us(sonde.pid) - before_us;
    await sleep(2000);
  } finally {
    await sonde.stop();
  }
  const text = readFileSync(out, 'utf8');
  const lines = printed.trim().split('\n');
  const seen = eventsOf(text);
  const count = (name: string): number => lines.filter((line) => seen.has(`${name} ${line.split(' ')[0]}`)).length;
  const codes = lines.filter((line) => seen.has(`code ${line}`)).length;
  return [
    source,
    lines.length,
    count('process.start'),
    count('process.exit'),
    codes,
    `${((cpu_us / 1e6 / seconds) * 100).toFixed(1)} %`,
  ];
}

interface WrittenValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
}

interface WrittenRecord {
  readonly eventName?: string;
  readonly attributes: readonly { readonly key: string; readonly value: WrittenValue }[];
}

/** `process.start 12`, `process.exit 12`, `code 12 0` of each record of OTLP in JSON, a line a request. */
function eventsOf(text: string): Set<string> {
  const seen = new Set<string>();
  for (const line of text.trim().split('\n')) {
    const { resourceLogs = [] } = JSON.parse(line) as {
      resourceLogs?: { scopeLogs: { logRecords: WrittenRecord[] }[] }[];
    };
    for (const { eventName = '', attributes } of resourceLogs.flatMap(({ scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }) => logRecords),
    )) {
      const of = (name: string): string => String(attributes.find(({ key }) => key === name)?.value.intValue);
      seen.add(`${eventName} ${of('process.pid')}`);
      if (eventName === 'process.exit') seen.add(`code ${of('process.pid')} ${of('process.exit.code')}`);
    }
  }
  return seen;
}
