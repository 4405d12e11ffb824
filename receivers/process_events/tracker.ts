/**
 * From what sources tell to what is reported: knows which process a pid is at any time, looks at it while it lives, and
 * keeps what its exit needs. Events may come late, twice, in another order, or not at all.
 */
import type { Process } from '../../src/procfs/process/process.ts';
import { type Program, type Stat, UNKNOWN_PROGRAM } from './program.ts';
import type { Cause, End } from './report.ts';
import type { KernelEvent } from './source.ts';
import type { Ended } from './taskstats.ts';
import type { LeaderEnd, Reconciled, Tracker, TrackerOptions } from './tracking.ts';
import { createTrackedTable, type Tracked } from './tracked.ts';

const TICKS_PER_S = 100;
/** The kernel takes the start of a process a little before it tells of it, and rounds it down. */
const TOLERANCE_TICKS = 2;
/** The kernel tells the start of an ended task in whole seconds. */
const BEGAN_TOLERANCE_S = 2.5;

const UNKNOWN_END = { user_s: NaN, system_s: NaN, peak_bytes: NaN };

export function createTracker(options: TrackerOptions): Tracker {
  const { reader, clock, report } = options;
  const table = createTrackedTable(options.limit);
  /** Those whose main thread has ended and others have not, by what was told of its end. */
  const leaders = new Map<Tracked, LeaderEnd>();

  // ------------------------------------------------------------------------------------------- what is told

  function onFork(event: KernelEvent, cause: Cause): void {
    const { pid, time_ns } = event;
    // A trace tells the thread that forked, which is a process only if it is known as one.
    const parent = cause.source === 'tracefs' && table.get(event.parent) === undefined ? 0 : event.parent;
    const parentName = table.get(parent)?.program.name || 'process';
    const late = table.ended(pid, time_ns);
    if (late !== undefined) return report.fork(late, parentName, cause);
    const known = table.get(pid);
    if (known !== undefined && isStartedAt(known, time_ns)) {
      // Someone saw it before its fork was told.
      if (parent > 0) known.parent = parent;
      return report.fork(known, parentName, cause);
    }
    // The kernel gives a pid again when its process is gone, so an exit was not told.
    if (known !== undefined) end(known, NaN, { ...UNKNOWN_END, status: -1 }, { time: 0n, source: 'scan' });
    const process = adopt(pid, time_ns, parent, time_ns);
    report.fork(process, parentName, cause);
  }

  function onExec(event: KernelEvent, cause: Cause): void {
    const late = table.ended(event.pid, event.time_ns);
    if (late !== undefined) return report.start(named(late, event.name), cause);
    const process = table.get(event.pid) ?? adopt(event.pid, NaN, 0, event.time_ns);
    // Another thread of it has become the main one, and the only one.
    leaders.delete(process);
    readProgram(process, event.time_ns, event.name);
    report.start(process, cause);
  }

  function onExit(event: KernelEvent, cause: Cause): void {
    const { pid, time_ns, status } = event;
    if (table.ended(pid, time_ns) !== undefined) return;
    // A trace tells of threads, too.
    if (cause.source === 'tracefs' && table.get(pid) === undefined) return;
    const process = table.get(pid) ?? create(pid, NaN, event.parent, time_ns);
    // Its own parent may have ended before it: then it is another's now.
    if (event.parent > 0) process.parent = event.parent;
    const over = endedOf(process, true);
    if (over?.isWhole === true) return finishTold(process, status, over, time_ns, cause);
    const stat = statOf(process, time_ns);
    if (stat !== undefined && stat.threads > 1) {
      leaders.set(process, { status, time_ns, cause, isFresh: true });
      return;
    }
    finish(process, status, stat, time_ns, cause);
  }

  function onOwner(kind: 'uid' | 'gid', event: KernelEvent, cause: Cause): void {
    const { pid, realId, effectiveId, time_ns } = event;
    const process = table.ended(pid, time_ns) ?? table.get(pid) ?? adopt(pid, NaN, 0, time_ns);
    if (kind === 'uid') process.owner = effectiveId;
    report.owner(kind === 'uid' ? 'setuid' : 'setgid', process, realId, effectiveId, cause);
  }

  function onOomKill({ pid, time_ns, name, resident_kib, owner }: KernelEvent, cause: Cause): void {
    // It may have ended before anyone read of it.
    const known = table.get(pid) ?? table.ended(pid, -Infinity);
    const process = known ?? named({ ...create(pid, NaN, 0, time_ns), owner }, name);
    report.oomKill(process, resident_kib * 1024, cause);
  }

  // ------------------------------------------------------------------------------------- what is known of whom

  function create(pid: number, forked_ns: number, parent: number, seen_ns: number): Tracked {
    return {
      pid,
      startTicks: NaN,
      forked_ns,
      parent,
      program: UNKNOWN_PROGRAM,
      owner: -1,
      nameHash: NaN,
      seen_ns,
    };
  }

  /** Takes up a process that was just told of: what it is it has from its parent, until it becomes another program. */
  function adopt(pid: number, forked_ns: number, parentPid: number, time_ns: number): Tracked {
    const process = create(pid, forked_ns, parentPid, time_ns);
    const stat = endedOf(process, false) === undefined ? statOf(process, time_ns) : undefined;
    if (stat !== undefined && process.parent === 0) process.parent = stat.parent;
    // Without a parent that was told the file says it; its fork may have been told to another thread.
    const parent = table.get(process.parent);
    if (parent !== undefined) {
      process.program = parent.program;
      process.owner = parent.owner;
    }
    if (stat !== undefined) process.nameHash = stat.nameHash;
    if (Number.isNaN(process.startTicks) && !Number.isNaN(forked_ns)) process.startTicks = clock.ticks(forked_ns);
    if (!table.add(process)) options.onFull();
    return process;
  }

  /** What was told of its own end: the pid may have been another's a while ago. */
  function endedOf(process: Tracked, isOver: boolean): Ended | undefined {
    const task = options.ended(process.pid, isOver);
    if (task === undefined) return undefined;
    const began_ns = Number.isNaN(process.forked_ns) ? clock.monotonic(process.startTicks) : process.forked_ns;
    // Of one whose start nobody knows, nothing can be told apart.
    if (Number.isNaN(began_ns)) return undefined;
    const began_s = clock.unix_s(began_ns);
    return Math.abs(task.began_s - began_s) <= BEGAN_TOLERANCE_S ? task : undefined;
  }

  /** Its stat, unless by now the pid is another's. Notes the start of one whose start was not known. */
  function statOf(process: Tracked, time_ns: number): Stat | undefined {
    const stat = reader.stat(process.pid);
    if (stat === undefined) return undefined;
    if (!Number.isNaN(process.startTicks)) {
      const difference = stat.startTicks - process.startTicks;
      // A start that was taken from the time of the fork may be beside the true one.
      const isTold = !Number.isNaN(process.forked_ns) && Math.abs(difference) <= TOLERANCE_TICKS;
      return difference === 0 || isTold ? stat : undefined;
    }
    if (!isPlausible(process, stat, time_ns)) return undefined;
    process.startTicks = stat.startTicks;
    return stat;
  }

  /** Whether who started then can be whom the kernel told of: one that started after that is another. */
  function isPlausible({ forked_ns }: Tracked, { startTicks }: Stat, time_ns: number): boolean {
    if (!Number.isNaN(forked_ns)) return Math.abs(startTicks - clock.ticks(forked_ns)) <= TOLERANCE_TICKS;
    return Number.isNaN(time_ns) || startTicks <= clock.ticks(time_ns) + TOLERANCE_TICKS;
  }

  function isStartedAt(process: Tracked, time_ns: number): boolean {
    if (process.forked_ns === time_ns) return true;
    if (Number.isNaN(process.startTicks)) return process.seen_ns >= time_ns;
    return Math.abs(process.startTicks - clock.ticks(time_ns)) <= TOLERANCE_TICKS;
  }

  /** Reads what it runs now. What was read is its own only if it is still there afterwards. */
  function readProgram(process: Tracked, time_ns: number, path: string): void {
    const over = endedOf(process, false);
    if (over !== undefined) {
      // There are no files any more; the name is that of the program at its end.
      process.program = { ...UNKNOWN_PROGRAM, name: over.name };
      process.nameHash = NaN;
      return void named(process, path);
    }
    const program = reader.program(process.pid);
    const owner = options.readsOwner() || process.owner === -1 ? reader.owner(process.pid) : process.owner;
    const stat = statOf(process, time_ns);
    process.nameHash = stat?.nameHash ?? NaN;
    // Whoever ended already has no files but its stat, which has its name.
    const known = stat === undefined ? UNKNOWN_PROGRAM : program;
    process.program = stat !== undefined && known.name === '' ? { ...known, name: stat.name } : known;
    if (stat !== undefined && owner !== -1) process.owner = owner;
    if (process.parent === 0 && stat !== undefined) process.parent = stat.parent;
    named(process, path);
  }

  /** With the name that a source told, where nothing better is known. */
  function named(process: Tracked, path: string): Tracked {
    if (path === '' || process.program.path !== undefined) return process;
    const name = process.program.name || path.slice(path.lastIndexOf('/') + 1);
    process.program = { ...process.program, name, path: path.startsWith('/') ? path : undefined };
    return process;
  }

  // ------------------------------------------------------------------------------------------------- the end

  function finish(process: Tracked, status: number, stat: Stat | undefined, time_ns: number, cause: Cause): void {
    const hasTold = status !== -1;
    const found = stat !== undefined && (stat.state === 'Z' || stat.state === 'X') ? stat.status : -1;
    if (process.program.name === '' && stat !== undefined) process.program = { ...process.program, name: stat.name };
    end(
      process,
      time_ns,
      {
        status: hasTold ? status : found,
        user_s: stat === undefined ? NaN : stat.userTicks / TICKS_PER_S,
        system_s: stat === undefined ? NaN : stat.systemTicks / TICKS_PER_S,
        // All threads share it.
        peak_bytes: endedOf(process, true)?.peak_bytes ?? NaN,
      },
      cause,
    );
  }

  /** Of a process of one thread everything was told. */
  function finishTold(process: Tracked, status: number, over: Ended, time_ns: number, cause: Cause): void {
    if (process.program.name === '') process.program = { ...process.program, name: over.name };
    const { user_s, system_s, peak_bytes } = over;
    end(process, time_ns, { status, user_s, system_s, peak_bytes }, cause);
  }

  function end(process: Tracked, time_ns: number, how: Omit<End, 'lifetime_s'>, cause: Cause): void {
    leaders.delete(process);
    options.forget(process.pid);
    table.remove(process, Number.isNaN(time_ns) ? -Infinity : time_ns);
    const { forked_ns, startTicks } = process;
    const began_ns = Number.isNaN(forked_ns) ? clock.monotonic(startTicks) : forked_ns;
    report.exit(process, { ...how, lifetime_s: Math.max(0, Math.round((time_ns - began_ns) / 1e3) / 1e6) }, cause);
  }

  // ------------------------------------------------------------------------------------------------- by looking

  function takeUp(process: Process, seen_ns: number): Tracked {
    const tracked: Tracked = {
      ...create(process.pid, NaN, process.parent, seen_ns),
      startTicks: process.startTicks,
      nameHash: process.nameHash,
    };
    tracked.program = reader.program(process.pid);
    tracked.owner = reader.owner(process.pid);
    if (statOf(tracked, NaN) === undefined) tracked.program = UNKNOWN_PROGRAM;
    if (!table.add(tracked)) options.onFull();
    return tracked;
  }

  const hasEnded = (process: Process): boolean => process.state === 'Z' || process.state === 'X';

  function reconcile(processes: readonly Process[], time_ns: number): Reconciled {
    const cause: Cause = { time: 0n, source: 'scan' };
    let starts = 0;
    let exits = 0;
    const there = new Map(processes.map((process) => [process.pid, process]));
    for (const process of table.all()) {
      const found = there.get(process.pid);
      const isSame = found !== undefined && isSameProcess(process, found);
      if (isSame && !hasEnded(found)) continue;
      // Who was told of after the scan cannot be in it.
      if (!isSame && process.seen_ns > time_ns) continue;
      exits++;
      finish(
        process,
        leaders.get(process)?.status ?? -1,
        isSame ? reader.stat(process.pid) : undefined,
        time_ns,
        cause,
      );
    }
    for (const found of processes) {
      if (hasEnded(found)) continue;
      const known = table.get(found.pid);
      if (known === undefined) {
        if (table.ended(found.pid, time_ns) !== undefined) continue;
        starts++;
        report.start(takeUp(found, time_ns), { ...cause, time: clock.unix(clock.monotonic(found.startTicks)) });
      } else if (isAnotherProgram(known, found)) {
        starts++;
        report.start(known, cause);
      }
    }
    return { starts, exits };
  }

  function isSameProcess(process: Tracked, { startTicks }: Process): boolean {
    if (Number.isNaN(process.startTicks)) return true;
    const difference = Math.abs(process.startTicks - startTicks);
    return difference === 0 || (!Number.isNaN(process.forked_ns) && difference <= TOLERANCE_TICKS);
  }

  /** Any process may give itself another name; another program is another file or has other arguments. */
  function isAnotherProgram(known: Tracked, found: Process): boolean {
    if (known.nameHash === found.nameHash || found.isKernelThread) return false;
    const before: Program = known.program;
    readProgram(known, NaN, '');
    const { program } = known;
    if (program.name === '') known.program = before;
    return (
      program.path !== before.path || program.command !== before.command || program.args_count !== before.args_count
    );
  }

  return {
    get count() {
      return table.count;
    },
    get hasLeaders() {
      return leaders.size > 0;
    },
    takeUp(process) {
      if (table.get(process.pid) === undefined && !hasEnded(process)) takeUp(process, clock.now_ns());
    },
    reconcile,
    event(event, source) {
      const cause: Cause = { time: clock.unix(event.time_ns), source };
      if (event.kind === 'fork') onFork(event, cause);
      else if (event.kind === 'exec') onExec(event, cause);
      else if (event.kind === 'exit') onExit(event, cause);
      else if (event.kind === 'oom_kill') onOomKill(event, cause);
      else onOwner(event.kind, event, cause);
    },
    checkLeaders() {
      for (const [process, leader] of leaders) {
        const stat = statOf(process, NaN);
        if (stat !== undefined && stat.threads > 1) {
          leader.isFresh = false;
          continue;
        }
        const { status, isFresh } = leader;
        const now_ns = isFresh ? leader.time_ns : clock.now_ns();
        finish(process, status, stat, now_ns, isFresh ? leader.cause : { time: clock.unix(now_ns), source: 'scan' });
      }
    },
  };
}
