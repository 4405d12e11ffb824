/** The processes that are known, each by its pid and its start. */
import type { Program } from './program.ts';

/** A process from its start to its exit: another one of the same pid is another object. */
export interface Tracked {
  readonly pid: number;
  /** Hundredths of a second since boot; NaN as long as it is not known. */
  startTicks: number;
  /** Nanoseconds of CLOCK_MONOTONIC of its fork; NaN where nobody told. */
  readonly forked_ns: number;
  /** 0 where it is not known. */
  parent: number;
  program: Program;
  /** Effective user; -1 where it is not known. */
  owner: number;
  /** Of the name in its stat, NaN where it was not read: another one may be another program. */
  nameHash: number;
  /** Nanoseconds of CLOCK_MONOTONIC of when it was first told of. */
  readonly seen_ns: number;
}

/** How many that ended are remembered, for events that come after. */
const MOST_ENDED = 1024;

export interface TrackedTable {
  readonly count: number;
  get(pid: number): Tracked | undefined;
  /** False where there is no room. */
  add(process: Tracked): boolean;
  /** Forgets a process; for a while it is told by {@link ended}. */
  remove(process: Tracked, time_ns: number): void;
  /** The last one of this pid that ended, if that was at that time or later. */
  ended(pid: number, time_ns: number): Tracked | undefined;
  all(): IterableIterator<Tracked>;
}

export function createTrackedTable(limit: number): TrackedTable {
  const byPid = new Map<number, Tracked>();
  /** In the order of their ends. */
  const ended = new Map<number, { readonly process: Tracked; readonly time_ns: number }>();
  return {
    get count() {
      return byPid.size;
    },
    get: (pid) => byPid.get(pid),
    add(process) {
      if (byPid.size >= limit) return false;
      byPid.set(process.pid, process);
      return true;
    },
    remove(process, time_ns) {
      if (byPid.get(process.pid) === process) byPid.delete(process.pid);
      ended.delete(process.pid);
      ended.set(process.pid, { process, time_ns });
      if (ended.size > MOST_ENDED) for (const pid of ended.keys()) return void ended.delete(pid);
    },
    ended(pid, time_ns) {
      const last = ended.get(pid);
      return last !== undefined && last.time_ns >= time_ns ? last.process : undefined;
    },
    all: () => byPid.values(),
  };
}
