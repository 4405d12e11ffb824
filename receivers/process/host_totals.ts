/** What the kernel says that all processes of the host did, the ended ones included. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { Cursor, key, readKeyed } from '../../src/procfs/bytes.ts';
import { COUNTERS, createNumbers, MAJOR_FAULTS, MINOR_FAULTS, SYSTEM, USER } from '../../src/procfs/process/process.ts';
import { createSource } from '../../src/procfs/source.ts';

/** A function that reads the totals by counter; NaN where the kernel has none. */
export function createHostTotals(
  options: { readonly host: Host; readonly log: ComponentLog },
  wanted: { readonly cpu: boolean; readonly faults: boolean },
): () => readonly number[] {
  const readCpu = createSource(options, '/proc/stat', parseCpuTotals);
  const readFaults = createSource(options, '/proc/vmstat', parseFaults);
  const totals = createNumbers(COUNTERS);
  return () => {
    const cpu = wanted.cpu ? readCpu() : undefined;
    totals[USER] = cpu?.user ?? NaN;
    totals[SYSTEM] = cpu?.system ?? NaN;
    const faults = wanted.faults ? readFaults() : undefined;
    totals[MINOR_FAULTS] = faults === undefined ? NaN : faults.all - faults.major;
    totals[MAJOR_FAULTS] = faults?.major ?? NaN;
    return totals;
  };
}

const CPU = key('cpu ');

/**
 * Of the line `cpu  7135 0 3341 1067583 642 0 124 1019 0 0`: user, nice, system, idle, iowait, irq, softirq, … in
 * hundredths of a second. A process is charged for the interrupts that came while it ran (account_system_time in
 * kernel/sched/cputime.c), so they are part of the whole; guests are part of user already.
 * @throws {SyntaxError} there is no such line
 */
export function parseCpuTotals(file: Uint8Array): { readonly user: number; readonly system: number } {
  const cursor = new Cursor(file);
  const isThere = cursor.take(CPU);
  const user = cursor.number() + cursor.number();
  let system = cursor.number();
  cursor.skipFields(2);
  system += cursor.number() + cursor.number();
  if (!isThere || Number.isNaN(user + system)) {
    throw new SyntaxError(`Cannot parse /proc/stat: no line "cpu" with seven numbers, but ${cursor.quoteLine()}`);
  }
  return { user, system };
}

const FAULTS = ['pgfault ', 'pgmajfault '].map(key);

function parseFaults(file: Uint8Array): { readonly all: number; readonly major: number } {
  const values = new Float64Array(FAULTS.length);
  readKeyed(file, FAULTS, values);
  const [all, major] = values as unknown as [number, number];
  if (Number.isNaN(all + major)) throw new SyntaxError('Cannot parse /proc/vmstat: no line "pgfault" or "pgmajfault"');
  return { all, major };
}
