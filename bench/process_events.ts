/**
 * The receiver `process_events` while processes start and end: how many it sees, and what the agent spends, by source.
 * Two agents watch the same processes: one sends to a back end by OTLP, as most do, the other writes a file, in which is
 * looked up what was told.
 * Usage: node bench/process_events.ts [a second] [seconds]
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Scraped, startSonde, temporaryFolder } from './agents.ts';
import { median, table, target } from './measure.ts';
import { startSink } from './otlp_sink.ts';
import { cpuTime_us, sleep } from './process.ts';

const [rate = 200, seconds = 10] = process.argv.slice(2).map(Number);
/** A quarter of a minute after its start the agent collects, and forgets compiled code that is used no more. */
const WARM_UP_S = 20;
/** What a machine that others use takes from it differs: the median of so many turns counts. */
const TURNS = 5;

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
  const rows: (string | number)[][] = [
    ['source', 'processes', 'starts', 'exits', 'right codes', 'CPU of a core, otlp', 'CPU of a core, file'],
  ];
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
  const [, , starts, exits, codes, cpu, cpuOfFile] = rows[1]!;
  console.log(`- By ${rows[1]![0]}: ${starts} starts, ${exits} exits, ${codes} codes`);
  target('share of a core by the first source, sent by OTLP, %', 3, Number.parseFloat(String(cpu)));
  console.log(`- Written to a file as JSON: ${cpuOfFile}`);
} finally {
  folder.remove();
}

function overlayOf(source: string, exporter: string): string {
  return `
receivers:
  process_events: { source: ${source} }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  ${exporter}
service:
  pipelines:
    metrics: { receivers: !replace [load] }
    logs: { receivers: [process_events], exporters: [${exporter.split(':', 1)[0]}] }
`;
}

async function measure(source: string, burst: string): Promise<(string | number)[]> {
  const out = join(folder.path, `${source}.jsonl`);
  const sink = await startSink();
  const agents: Scraped[] = [];
  const shares = [[], []] as [number[], number[]];
  let printed = '';
  try {
    for (const exporter of [`otlp: { endpoint: '${sink.url}' }`, `file: { path: ${out} }`]) {
      agents.push(await startSonde(source, { overlay: overlayOf(source, exporter) }));
    }
    execFileSync(burst, [String(rate), String(WARM_UP_S)]);
    for (let turn = 0; turn < TURNS; turn++) {
      const before_us = agents.map(({ pid }) => cpuTime_us(pid));
      const began_ms = performance.now();
      printed += execFileSync(burst, [String(rate), String(seconds / TURNS)], { encoding: 'utf8' });
      const took_us = (performance.now() - began_ms) * 1000;
      for (const [index, { pid }] of agents.entries()) {
        shares[index]!.push((cpuTime_us(pid) - before_us[index]!) / took_us);
      }
    }
    await sleep(2000);
  } finally {
    for (const agent of agents) await agent.stop();
    sink.stop();
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
    ...shares.map((samples) => `${(median(samples) * 100).toFixed(1)} %`),
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
