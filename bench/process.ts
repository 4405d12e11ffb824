/** Starts programs to measure from outside, and reads what the kernel says they cost. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Measured {
  readonly name: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function start(
  name: string,
  command: string,
  args: readonly string[],
  readyUrl?: string,
): Promise<Measured> {
  const child: ChildProcess = spawn(command, args, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (readyUrl !== undefined) await untilReady(readyUrl);
  return {
    name,
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // Not listening yet.
    }
    await sleep(50);
  }
  throw new Error(`Cannot measure: nothing answers at ${url}`);
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

export function sleep(time_ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, time_ms));
}
