/** Goes through all processes and counts them. */
import type { Systeminformation } from 'systeminformation';
import type { ComponentLog, Host } from '../../src/component.ts';
import { Cursor } from '../../src/procfs/bytes.ts';
import { attempt, isAbsent } from '../../src/procfs/source.ts';

/** The states of semantic conventions. */
export const STATES = ['running', 'sleeping', 'stopped', 'defunct'] as const;
const [RUNNING, SLEEPING, STOPPED, DEFUNCT] = [0, 1, 2, 3];

export interface Census {
  /** Processes by place in {@link STATES}. */
  readonly states: readonly number[];
  readonly orphans: number;
  readonly threads: number;
}

/** What one process tells of itself. */
export interface ProcessStat {
  readonly pid: number;
  /** One letter. */
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  /** Flag PF_KTHREAD of include/linux/sched.h. */
  readonly isKernelThread: boolean;
  readonly threads: number;
}

const SOURCE = '/proc/[pid]/stat';
const CLOSING = 41;
const PF_KTHREAD = 0x00200000;

/** Undefined, and said once, if processes cannot be listed. */
export function takeCensus(host: Host, log: ComponentLog): Census | undefined {
  const names = attempt(log, '/proc', () => host.list('/proc'));
  if (names === undefined) return undefined;
  const processes: ProcessStat[] = [];
  let failure: unknown;
  for (const name of names) {
    const first = name.charCodeAt(0);
    if (first < 49 || first > 57) continue;
    try {
      processes.push(parseProcessStat(host.readOnce(`/proc/${name}/stat`)));
    } catch (error) {
      // A process that ended since it was listed is no error.
      if (!isAbsent(error)) failure ??= error;
    }
  }
  attempt(log, SOURCE, () => {
    if (failure !== undefined) throw failure;
  });
  return countProcesses(processes);
}

/**
 * A process inherits the session of its creator, or makes its own (setsid(2)). So one whose session is neither its own
 * nor its parent's was made by another process, which has ended: its parent now, init or a subreaper, took it over.
 * A daemon that made its own session on purpose is no orphan, whoever its parent is.
 */
export function countProcesses(processes: readonly ProcessStat[]): Census {
  const states = [0, 0, 0, 0];
  const sessions = new Map<number, number>();
  let threads = 0;
  for (const { pid, state, session, threads: own } of processes) {
    sessions.set(pid, session);
    states[placeOf(state)]++;
    threads += own;
  }
  let orphans = 0;
  for (const { pid, parent, session, isKernelThread } of processes) {
    if (isKernelThread || session === pid) continue;
    const parentSession = sessions.get(parent);
    // 0: a session outside of the PID namespace that is looked at.
    if (parentSession !== undefined && session !== parentSession && session !== 0) orphans++;
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
 * `1051 (bash) S 1050 1051 1051 0 -1 4194560 14369 1410865 0 479 5 8 3139 1513 20 0 1 0 2871 …`: pid, name, state,
 * parent, process group, session, …, flags (9th), …, threads (20th) (proc_pid_stat(5)). The name may hold anything,
 * `) ` too, so the last parenthesis ends it.
 * @throws {SyntaxError} a field is missing
 */
export function parseProcessStat(file: Uint8Array): ProcessStat {
  const cursor = new Cursor(file);
  const pid = cursor.number();
  cursor.position = file.lastIndexOf(CLOSING) + 1;
  const state = cursor.field();
  const parent = cursor.number();
  cursor.skipFields(1);
  const session = cursor.number();
  cursor.skipFields(2);
  const flags = cursor.number();
  cursor.skipFields(10);
  const threads = cursor.number();
  if (Number.isNaN(pid + parent + session + flags + threads) || state.length !== 1) {
    throw new SyntaxError(`Cannot parse ${SOURCE}: found ${cursor.quoteLine()}`);
  }
  // Flags are 32 bits without a sign.
  return { pid, state, parent, session, isKernelThread: (flags & PF_KTHREAD) !== 0, threads };
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
