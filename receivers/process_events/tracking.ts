/** What the tracker is given, and what it does. */
import type { Process } from '../../src/procfs/process/process.ts';
import type { Clock } from './clock.ts';
import type { ProgramReader } from './program.ts';
import type { Cause, Report } from './report.ts';
import type { KernelEvent, SourceName } from './source.ts';
import type { Ended } from './taskstats.ts';

export interface Tracker {
  /** Takes an event of the kernel. */
  event(event: KernelEvent, source: SourceName): void;
  /** Takes up a process that was there before: nothing is told. */
  takeUp(process: Process): void;
  /** Compares what is known with all processes, as they were at that time, and tells what differs as found by a scan. */
  reconcile(processes: readonly Process[], time_ns: number): Reconciled;
  /** Looks at processes whose main thread has ended. */
  checkLeaders(): void;
  /** Whether {@link checkLeaders} has anything to do. */
  readonly hasLeaders: boolean;
  readonly count: number;
}

export interface Reconciled {
  readonly starts: number;
  readonly exits: number;
}

export interface TrackerOptions {
  readonly reader: ProgramReader;
  readonly clock: Clock;
  readonly report: Report;
  readonly limit: number;
  /** Sources that do not tell of changes of owner have it read. */
  readonly readsOwner: () => boolean;
  /** What a source told of the end of a task: see KernelSource. */
  readonly ended: (pid: number, isOver: boolean) => Ended | undefined;
  readonly forget: (pid: number) => void;
  /** There was no room to remember a process. */
  readonly onFull: () => void;
}

/** The end of a main thread. */
export interface LeaderEnd {
  readonly status: number;
  readonly time_ns: number;
  readonly cause: Cause;
  /** All threads were to end with it: they may take a moment. */
  isFresh: boolean;
}
