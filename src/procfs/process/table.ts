/**
 * All processes of a machine, read once for everyone who wants them: who opens the table of the same host shares its
 * scans and the descriptors that it keeps. Reading a kept stat again costs half of opening it anew, and it stays the
 * file of that process: when the process has ended it answers ESRCH, even if its pid is another's by now.
 */
import { readFileSync, statfsSync } from 'node:fs';
import type { Host } from '../host.ts';
import { isAbsent } from '../source.ts';
import { createNumbers, Process } from './process.ts';
import { StatLine } from './stat_line.ts';

/** A look at all processes. The list is the table's own: valid until the next scan. */
export interface Scan {
  /** Rises by one with each scan of the table. */
  readonly number: number;
  readonly processes: readonly Process[];
  /** Those that the scan before still saw. */
  readonly ended: readonly Process[];
  /** Why a process could not be read, unless it just ended: the first such error. */
  readonly failure: unknown;
}

/** One consumer's access to the table. */
export interface ProcessTable {
  /**
   * Every process now. A scan that another consumer just made is not made again, but nobody is given the same one twice.
   * @throws the system's error, if processes cannot be listed
   */
  scan(): Scan;
  /** The process that has this pid in the last scan. */
  find(pid: number): Process | undefined;
  /** Reads the stat again: false if the process has ended, or another has its pid. */
  refresh(process: Process): boolean;
  /** Bytes of a page of memory. */
  readonly pageSize: number;
  /** Closes what is kept open, when all who opened the table have done so. */
  close(): void;
}

export interface ProcessTableOptions {
  /**
   * Stats that are kept open at most, and never more than half of what this process may open (RLIMIT_NOFILE). Each
   * costs the kernel 4 KiB, for the page that it writes the text into.
   */
  readonly mostKept?: number;
}

export const DEFAULT_MOST_KEPT = 4096;

const tables = new WeakMap<Host, SharedTable>();

/** Opens the table of a host; reads nothing yet. */
export function openProcessTable(host: Host, { mostKept = DEFAULT_MOST_KEPT }: ProcessTableOptions = {}): ProcessTable {
  let table = tables.get(host);
  if (table === undefined) tables.set(host, (table = new SharedTable(host)));
  const shared = table;
  const consumer = { mostKept };
  shared.consumers.add(consumer);
  let lastScan = -1;
  return {
    scan() {
      const scan = shared.scanAfter(lastScan);
      lastScan = scan.number;
      return scan;
    },
    find: (pid) => shared.find(pid),
    refresh: (process) => shared.refresh(process),
    get pageSize() {
      return shared.pageSize();
    },
    close: () => shared.leave(consumer),
  };
}

class SharedTable {
  readonly consumers = new Set<{ readonly mostKept: number }>();
  readonly #host: Host;
  readonly #byPid = new Map<number, Process>();
  readonly #line = new StatLine();
  #processes: Process[] = [];
  #scan: Scan | undefined;
  /** Until the event loop turns: the receivers of one tick run one after the other. */
  #isFresh = false;
  #number = 0;
  #kept = 0;
  #mostKept: number | undefined;
  #pageSize: number | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  leave(consumer: { readonly mostKept: number }): void {
    this.consumers.delete(consumer);
    if (this.consumers.size > 0) {
      this.#mostKept = undefined;
      return;
    }
    for (const process of this.#byPid.values()) this.#end(process);
    this.#byPid.clear();
    this.#processes = [];
    this.#scan = undefined;
    tables.delete(this.#host);
  }

  find(pid: number): Process | undefined {
    return this.#byPid.get(pid);
  }

  scanAfter(seen: number): Scan {
    if (this.#scan !== undefined && this.#number > seen && this.#isFresh) return this.#scan;
    return this.#scanNow();
  }

  refresh(process: Process): boolean {
    try {
      if (this.#read(process)) return true;
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    return false;
  }

  pageSize(): number {
    return (this.#pageSize ??= readPageSize(this.#host));
  }

  #scanNow(): Scan {
    const names = this.#host.list('/proc');
    const number = ++this.#number;
    const processes: Process[] = [];
    let failure: unknown;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      const first = name.charCodeAt(0);
      if (first < 49 || first > 57) continue;
      try {
        const process = this.#look(Number(name), number);
        process.lastScan = number;
        processes.push(process);
      } catch (error) {
        // A process that ended since it was listed is no error; one that took over its pid is seen the next time.
        if (!isAbsent(error)) failure ??= error;
      }
    }
    // Whoever is in the list before and was not seen has ended, or its pid is another's.
    const ended = this.#processes.filter(({ lastScan }) => lastScan !== number);
    // Children first: they start later than their parents.
    ended.sort((a, b) => b.startTicks - a.startTicks);
    for (const process of ended) this.#bury(process);
    this.#processes = processes;
    if (this.consumers.size > 1) {
      this.#isFresh = true;
      setImmediate(() => (this.#isFresh = false)).unref();
    }
    return (this.#scan = { number, processes, ended, failure });
  }

  /** The process of this pid, read anew. @throws the system's error, or SyntaxError */
  #look(pid: number, number: number): Process {
    const known = this.#byPid.get(pid);
    if (known === undefined) return this.#adopt(pid, number);
    let isSame: boolean;
    try {
      isSame = this.#read(known, number);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      isSame = false;
    }
    if (isSame) return known;
    this.#closeFile(known);
    return this.#adopt(pid, number);
  }

  /** False if another process has the pid. */
  #read(process: Process, number = this.#number): boolean {
    const { file } = process;
    this.#line.parse(file === undefined ? this.#host.readOnce(`/proc/${process.pid}/stat`) : file.read());
    if (this.#line.startTicks !== process.startTicks) return false;
    if (this.#line.store(process, this.pageSize())) process.changedScan = number;
    return true;
  }

  #adopt(pid: number, number: number): Process {
    const path = `/proc/${pid}/stat`;
    const file = this.#kept < this.#budget() ? this.#open(path) : undefined;
    try {
      this.#line.parse(file === undefined ? this.#host.readOnce(path) : file.read());
    } catch (error) {
      file?.close();
      throw error;
    }
    const process = new Process(pid, this.#line.startTicks, number);
    this.#line.store(process, this.pageSize());
    process.file = file;
    if (file !== undefined) this.#kept++;
    this.#byPid.set(pid, process);
    return process;
  }

  #open(path: string) {
    try {
      return this.#host.open(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EMFILE' && code !== 'ENFILE') throw error;
      // Others need descriptors too: half of ours will do from now on.
      this.#mostKept = this.#kept >> 1;
      for (const process of this.#byPid.values()) if (this.#kept > this.#mostKept) this.#closeFile(process);
      return undefined;
    }
  }

  #bury(process: Process): void {
    // Its pid may be another's by now, which must not be forgotten with it.
    if (this.#byPid.get(process.pid) === process) this.#byPid.delete(process.pid);
    this.#bequeath(process);
    this.#end(process);
  }

  #end(process: Process): void {
    process.hasEnded = true;
    this.#closeFile(process);
  }

  #closeFile(process: Process): void {
    if (process.file === undefined) return;
    process.file.close();
    process.file = undefined;
    this.#kept--;
  }

  /**
   * The kernel adds the I/O of a child that was waited for to its parent's (wait_task_zombie in kernel/exit.c). What of
   * it was counted for the child already must not be counted again.
   */
  #bequeath({ rawIo, inheritedIo, parent }: Process): void {
    if (rawIo === undefined) return;
    const heir = this.#byPid.get(parent);
    if (heir === undefined || heir.rawIo === undefined) return;
    heir.inheritedIo ??= createNumbers(rawIo.length, 0);
    for (let i = 0; i < rawIo.length; i++) heir.inheritedIo[i] += rawIo[i] + (inheritedIo?.[i] ?? 0);
  }

  #budget(): number {
    if (this.#mostKept !== undefined) return this.#mostKept;
    let most = 0;
    for (const { mostKept } of this.consumers) most = Math.max(most, mostKept);
    return (this.#mostKept = Math.min(most, readOpenFilesLimit() >> 1));
  }
}

/** How many files this process may have open, from its own `/proc`, whatever machine is measured. */
function readOpenFilesLimit(): number {
  try {
    // Max open files            1024                 524288               files
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return match === null ? 2 ** 30 : Math.min(Number(match[1]), 2 ** 30);
  } catch {
    // No /proc of its own: what POSIX systems allow at least in practice.
    return 1024;
  }
}

const PROC_SUPER_MAGIC = 0x9fa0;

/** The block size of procfs is the size of a page (simple_statfs in fs/libfs.c). */
function readPageSize(host: Host): number {
  const { type, bsize } = statfsSync(host.resolve('/proc'));
  return type === PROC_SUPER_MAGIC ? bsize : 4096;
}
