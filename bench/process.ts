/** Starts programs to measure from outside, and reads what the kernel says they cost. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Measured {
  readonly name: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** @throws if it ends, or does not answer within 10 s, with the last of what it printed */
export async function start(
  name: string,
  command: string,
  args: readonly string[],
  readyUrl?: string,
  { env, cwd }: StartOptions = {},
): Promise<Measured> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env }, cwd });
  let printed = '';
  child.stderr.on('data', (chunk: Buffer) => (printed = (printed + String(chunk)).slice(-2000)));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  if (readyUrl !== undefined && !(await isReady(readyUrl, () => child.exitCode !== null))) {
    await stop();
    throw new Error(`Cannot measure ${name}: nothing answers at ${readyUrl}\n${printed}`);
  }
  return { name, pid: child.pid!, stop };
}

async function isReady(url: string, hasEnded: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 200 && !hasEnded(); attempt++) {
    try {
      if ((await fetch(url)).ok) return true;
    } catch {
      // Not listening yet.
    }
    await sleep(50);
  }
  return false;
}

/**
 * CPU time of all threads so far, in microseconds: the first number of `schedstat` is nanoseconds on a CPU, a thousand
 * times finer than the ticks of `/proc/PID/stat`. Threads that have ended are not in it.
 */
export function cpuTime_us(pid: number): number {
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return total / 1000;
}

const US_PER_TICK = 10_000;

/**
 * CPU time of a process and everything it started, ended threads and children that were waited for included, in
 * microseconds, to 10 ms.
 */
export function treeCpuTime_us(root: number): number {
  let ticks = 0;
  for (const pid of tree(root)) {
    // utime, stime, cutime and cstime: fields 14 to 17 of proc_pid_stat(5).
    for (const field of statFields(pid).slice(11, 15)) ticks += Number(field);
  }
  return ticks * US_PER_TICK;
}

/** A process and its living descendants. */
export function tree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d/.test(name)) continue;
    const parent = Number(statFields(Number(name))[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** The fields of `/proc/PID/stat` from the third, the state, on; none if the process has ended. */
function statFields(pid: number): string[] {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ');
  } catch {
    // It ended since it was listed.
    return [];
  }
}

export interface Memory {
  readonly rss_kib: number;
  readonly pss_kib: number;
  readonly anonymous_kib: number;
}

/** Of the process alone; `smaps_rollup` has all three. */
export function memory(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? NaN);
  return { rss_kib: field('Rss'), pss_kib: field('Pss'), anonymous_kib: field('Anonymous') };
}

/** Of a process and everything it started. */
export function treeMemory(root: number): Memory {
  const total = { rss_kib: 0, pss_kib: 0, anonymous_kib: 0 };
  for (const pid of tree(root)) {
    const { rss_kib, pss_kib, anonymous_kib } = memory(pid);
    total.rss_kib += rss_kib;
    total.pss_kib += pss_kib;
    total.anonymous_kib += anonymous_kib;
  }
  return total;
}

export function sleep(time_ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, time_ms));
}
