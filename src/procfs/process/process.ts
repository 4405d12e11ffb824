/** One process of the table: what its files said when they were last read. */
import type { OpenFile } from '../host.ts';
import type { ProcessStat } from '../process_stat.ts';

/**
 * Places in {@link Process.counters}. They only rise: CPU time in hundredths of a second, page faults, bytes and system
 * calls of I/O, context switches of the main thread.
 */
export const USER = 0;
export const SYSTEM = 1;
export const MINOR_FAULTS = 2;
export const MAJOR_FAULTS = 3;
export const READ = 4;
export const WRITTEN = 5;
export const READS = 6;
export const WRITES = 7;
export const VOLUNTARY = 8;
export const INVOLUNTARY = 9;
export const COUNTERS = 10;

/** Places in {@link Process.levels}: bytes of memory resident, virtual and swapped out; threads; open descriptors. */
export const RESIDENT = 0;
export const VIRTUAL = 1;
export const SWAP = 2;
export const THREADS = 3;
export const DESCRIPTORS = 4;
export const LEVELS = 5;

/** A pid and a start: pid reuse makes another object. */
export class Process implements ProcessStat {
  readonly pid: number;
  /** Hundredths of a second from boot to the start of the process. */
  readonly startTicks: number;
  state = '';
  parent = 0;
  session = 0;
  isKernelThread = false;
  threads = 0;
  residentPages = 0;
  /** Of the bytes of its name, so that another program in the same process is noticed. */
  nameHash = 0;
  /** NaN where it is not known, for want of a right or because nobody asked. */
  readonly counters = createNumbers(COUNTERS);
  readonly levels = createNumbers(LEVELS);
  /** Number of the scan that saw it last, and of the one that saw it first. */
  lastScan: number;
  readonly firstScan: number;
  /** Number of the last scan that found it to have done something. */
  changedScan: number;
  /** Number of the scan after which its further files were read, -1 before; and which of them, as bits. */
  detailScan = -1;
  details = 0;
  /** Further files that it denies, as bits. */
  denied = 0;
  /** Effective user; -1 before it was read. */
  owner = -1;
  hasEnded = false;
  /** Its stat, while it is kept open. */
  file: OpenFile | undefined;
  /** What `/proc/PID/io` said, with the I/O of children that were waited for. */
  rawIo: number[] | undefined;
  /** I/O of ended children that is counted already and will come up in its own. */
  inheritedIo: number[] | undefined;

  constructor(pid: number, startTicks: number, scan: number) {
    this.pid = pid;
    this.startTicks = startTicks;
    this.firstScan = scan;
    this.lastScan = scan;
    this.changedScan = scan;
  }
}

/** An array that V8 stores as plain doubles, without an object for each number. */
export function createNumbers(length: number, value = NaN): number[] {
  const numbers: number[] = [];
  for (let i = 0; i < length; i++) numbers.push(NaN);
  return Number.isNaN(value) ? numbers : numbers.fill(value);
}
