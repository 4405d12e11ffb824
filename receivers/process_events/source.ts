/** What sources of process events tell, and to whom. */

import type { Ended } from './taskstats.ts';

/** Kinds of events that a kernel tells of a process; a thread is none. */
export type KernelEventKind = 'fork' | 'exec' | 'exit' | 'uid' | 'gid' | 'oom_kill';

/**
 * One event. Sources reuse the object: valid until the call ends. Fields that the kind does not have keep what an earlier
 * event left there.
 */
export interface KernelEvent {
  kind: KernelEventKind;
  /** Of the process, as `tgid` in the kernel. */
  pid: number;
  /** Nanoseconds of CLOCK_MONOTONIC; NaN where the source has no time of its own. */
  time_ns: number;
  /** Of `fork` and `exit`; 0 where the source does not know. */
  parent: number;
  /** Of `exit`: as wait(2) gives it; -1 where the source does not tell. */
  status: number;
  /** Of `uid` and `gid`. */
  realId: number;
  effectiveId: number;
  /** Of `exec` the path that was given, of `oom_kill` the name; '' where the source does not tell. */
  name: string;
  /** Of `oom_kill`: KiB of memory that was resident, NaN where unknown; effective user, -1 where unknown. */
  resident_kib: number;
  owner: number;
}

export function createKernelEvent(): KernelEvent {
  return {
    kind: 'fork',
    pid: 0,
    time_ns: NaN,
    parent: 0,
    status: -1,
    realId: -1,
    effectiveId: -1,
    name: '',
    resident_kib: NaN,
    owner: -1,
  };
}

/** Names of sources, as records and metrics carry them. */
export type SourceName = 'netlink' | 'tracefs' | 'scan' | 'kmsg';

/** Who is told. */
export interface Sink {
  event(event: KernelEvent): void;
  /** The source lost that many events; NaN where it cannot tell how many. */
  lost(count: number): void;
  /** Whether it takes no more now; a source then leaves what there is where it is. */
  readonly isFull: boolean;
  /** Resolves when it takes more. */
  room(): Promise<void>;
}

/** A source in the kernel. */
export interface KernelSource {
  readonly name: 'netlink' | 'tracefs';
  /**
   * What a process used and was called, where the kernel told of its end.
   * @param isOver the process has ended, so it may be told by now
   */
  ended?(pid: number, isOver: boolean): Ended | undefined;
  forget?(pid: number): void;
  /** Tells all that the kernel holds, whether the sink is full or not, as before a stop. */
  drain(): void;
  close(): void;
}
