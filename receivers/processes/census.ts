/** Goes through all processes and counts them. */
import type { Systeminformation } from 'systeminformation';
import type { ComponentLog, Host } from '../../src/component.ts';
import { openProcessTable, type ProcessTable } from '../../src/procfs/process/table.ts';
import type { ProcessStat } from '../../src/procfs/process_stat.ts';
import { attempt } from '../../src/procfs/source.ts';

/** The states of semantic conventions. */
export const STATES = ['running', 'sleeping', 'stopped', 'defunct'] as const;
const [RUNNING, SLEEPING, STOPPED, DEFUNCT] = [0, 1, 2, 3];

export interface Census {
  /** Processes by place in {@link STATES}. */
  readonly states: readonly number[];
  readonly orphans: number;
  readonly threads: number;
}

const SOURCE = '/proc/[pid]/stat';

export interface CensusTaker {
  /** Undefined, and said once, if processes cannot be listed. */
  take(): Census | undefined;
  close(): void;
}

/** Counts in the process table, which the receiver `process` shares where it runs. */
export function createCensusTaker(host: Host, log: ComponentLog, mostKept?: number): CensusTaker {
  let table: ProcessTable | undefined;
  return {
    take() {
      table ??= openProcessTable(host, mostKept === undefined ? {} : { mostKept });
      const { scan: read } = table;
      const scan = attempt(log, '/proc', read);
      if (scan === undefined) return undefined;
      attempt(log, SOURCE, () => {
        if (scan.failure !== undefined) throw scan.failure;
      });
      return countProcesses(scan.processes, table.find);
    },
    close() {
      table?.close();
      table = undefined;
    },
  };
}

/**
 * A process inherits the session of its creator, or makes its own (setsid(2)). So one whose session is neither its own
 * nor its parent's was made by another process, which has ended: its parent now, init or a subreaper, took it over.
 * A daemon that made its own session on purpose is no orphan, whoever its parent is.
 * @param find the process of a pid, among `processes`
 */
export function countProcesses(
  processes: readonly ProcessStat[],
  find: (pid: number) => ProcessStat | undefined,
): Census {
  const states = [0, 0, 0, 0];
  let threads = 0;
  let orphans = 0;
  for (let i = 0; i < processes.length; i++) {
    const { pid, state, parent, session, threads: own, isKernelThread } = processes[i]!;
    states[placeOf(state)]++;
    threads += own;
    // 0: a session outside of the PID namespace that is looked at.
    if (isKernelThread || session === pid || session === 0) continue;
    const parentSession = find(parent)?.session;
    if (parentSession !== undefined && session !== parentSession) orphans++;
  }
  return { states, orphans, threads };
}

/**
 * Letters of `task_state_array` in fs/proc/array.c. D (waits, most often for a disk), I (idle kernel thread), P
 * (parked), and K, W, w (Linux 2.6) sleep; T is stopped by a signal, t by a debugger; Z has ended and was not waited
 * for, X is being removed.
 */
function placeOf(state: string): number {
  if (state === 'R') return RUNNING;
  if (state === 'T' || state === 't') return STOPPED;
  return state === 'Z' || state === 'X' || state === 'x' ? DEFUNCT : SLEEPING;
}

/**
 * Of systems without `/proc`, where sessions and threads are not told: places in {@link STATES}, or, where no state is
 * told (Windows), only how many there are.
 */
export function countListed(list: readonly Systeminformation.ProcessesProcessData[]): readonly number[] | number {
  const states = [0, 0, 0, 0];
  let unknown = 0;
  for (const { state } of list) {
    if (state === 'running') states[RUNNING]++;
    else if (state === 'stopped') states[STOPPED]++;
    else if (state === 'zombie' || state === 'dead') states[DEFUNCT]++;
    else states[SLEEPING]++;
    // What ps on macOS calls idle (asleep for more than 20 s) is unknown to the library.
    if (state === 'unknown') unknown++;
  }
  return unknown === list.length ? unknown : states;
}
