/** One process's line of numbers, `/proc/PID/stat`. */
import { Cursor } from './bytes.ts';

export interface ProcessStat {
  readonly pid: number;
  /** One letter of `task_state_array` in fs/proc/array.c. */
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  /** Flag PF_KTHREAD of include/linux/sched.h. */
  readonly isKernelThread: boolean;
  readonly threads: number;
  /** Physical memory, in pages. */
  readonly residentPages: number;
}

const CLOSING = 41;
const PF_KTHREAD = 0x00200000;

/**
 * `1051 (bash) S 1050 1051 1051 0 -1 4194560 14369 1410865 0 479 5 8 3139 1513 20 0 1 0 2871 8101888 1310 …`: pid,
 * name, state, parent, process group, session, …, flags (9th), …, threads (20th), …, resident pages (24th)
 * (proc_pid_stat(5)). The name may hold anything, `) ` too, so the last parenthesis ends it.
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
  cursor.skipFields(3);
  const residentPages = cursor.number();
  if (Number.isNaN(pid + parent + session + flags + threads + residentPages) || state.length !== 1) {
    throw new SyntaxError(`Cannot parse /proc/[pid]/stat: found ${cursor.quoteLine()}`);
  }
  // Flags are 32 bits without a sign.
  return { pid, state, parent, session, isKernelThread: (flags & PF_KTHREAD) !== 0, threads, residentPages };
}
