/** What the table's scan does not read of a process: I/O, context switches, swapped memory, owner, descriptors. */
import { statfsSync, statSync } from 'node:fs';
import { key, readKeyed } from '../bytes.ts';
import type { Host } from '../host.ts';
import { isAbsent } from '../source.ts';
import {
  createNumbers,
  DESCRIPTORS,
  INVOLUNTARY,
  type Process,
  READ,
  READS,
  SWAP,
  VOLUNTARY,
  WRITES,
  WRITTEN,
} from './process.ts';
import { rise } from './stat_line.ts';
import type { ProcessTable } from './table.ts';

/** Files to read. */
export interface Details {
  readonly io: boolean;
  readonly status: boolean;
  readonly descriptors: boolean;
}

/** Bits of {@link Process.denied}. */
const IO = 1;
const STATUS = 2;
const FD = 4;
const FILES = [
  [IO, 'io'],
  [STATUS, 'status'],
  [FD, 'fd'],
] as const;

/** Told of a file that cannot be read, as `/proc/[pid]/io`; `undefined` when one could be read again. */
export type OnFailure = (source: string, error: unknown) => void;

export interface DetailReader {
  /**
   * Reads what is asked for into the process, and its stat again, which tells whether all of it was the same process: if
   * not, nothing is taken and the answer is false. A file that is denied is not tried again for this process, unless it
   * becomes another program; one that was read after this scan already is not read again.
   */
  read(process: Process, scan: number): boolean;
}

export function createDetailReader(
  { host, table, onFailure }: { readonly host: Host; readonly table: ProcessTable; readonly onFailure: OnFailure },
  wanted: Details,
): DetailReader {
  const io = new Float64Array(IO_KEYS.length);
  const status = new Float64Array(STATUS_KEYS.length);
  let descriptors = NaN;
  let readDescriptors: ((pid: number) => number) | undefined;
  const files = (wanted.io ? IO : 0) | (wanted.status ? STATUS : 0) | (wanted.descriptors ? FD : 0);

  /** True if the file was read. */
  function attempt(process: Process, file: number, read: () => void): boolean {
    if ((process.denied & file) !== 0) return false;
    try {
      read();
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') process.denied |= file;
      onFailure(`/proc/[pid]/${FILES.find(([bit]) => bit === file)![1]}`, error);
      return false;
    }
  }

  return {
    read(process, scan) {
      const { pid } = process;
      if (process.detailScan !== scan) process.details = 0;
      if ((files & ~process.details) === 0) return true;
      const hasIo =
        wanted.io && attempt(process, IO, () => readKeyed(readInOnePiece(host, `/proc/${pid}/io`), IO_KEYS, io));
      const hasStatus =
        wanted.status &&
        attempt(process, STATUS, () => readKeyed(readInOnePiece(host, `/proc/${pid}/status`), STATUS_KEYS, status));
      readDescriptors ??= createDescriptorCounter(host);
      const hasDescriptors =
        wanted.descriptors &&
        !process.isKernelThread &&
        attempt(process, FD, () => (descriptors = readDescriptors!(pid)));
      if (!table.refresh(process)) return false;
      process.detailScan = scan;
      process.details |= files;
      if (hasIo) storeIo(process, io);
      if (hasStatus) storeStatus(process, status);
      if (hasDescriptors) process.levels[DESCRIPTORS] = descriptors;
      return true;
    },
  };
}

/**
 * `rchar: 1 … syscr: 1 … read_bytes: 4096` (Documentation/filesystems/proc.rst, 3.3): bytes that went to or came from
 * the storage, and system calls.
 */
const IO_KEYS = ['syscr: ', 'syscw: ', 'read_bytes: ', 'write_bytes: '].map(key);
const IO_COUNTERS = [READS, WRITES, READ, WRITTEN];

/** What was read, less what children brought in that had been counted as theirs. */
function storeIo(process: Process, values: Float64Array): void {
  const { counters, inheritedIo } = process;
  const isFirst = process.rawIo === undefined;
  const raw = (process.rawIo ??= createNumbers(values.length));
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (Number.isNaN(value)) continue;
    const counter = IO_COUNTERS[i];
    if (isFirst || Number.isNaN(raw[i])) counters[counter] = value;
    else counters[counter] += Math.max(0, value - raw[i] - (inheritedIo?.[i] ?? 0));
    raw[i] = value;
  }
  process.inheritedIo = undefined;
}

const KIB = 1024;
const STATUS_KEYS = ['Uid:', 'VmSwap:', 'voluntary_ctxt_switches:', 'nonvoluntary_ctxt_switches:'].map(key);

/** `Uid:	1000	1000	1000	1000` (real, effective, …), `VmSwap:	       0 kB` (not of kernel threads). */
function storeStatus(process: Process, values: Float64Array): void {
  const [owner, swap, voluntary, involuntary] = values;
  if (!Number.isNaN(owner)) process.owner = owner;
  process.levels[SWAP] = process.isKernelThread || process.state === 'Z' ? 0 : swap * KIB;
  process.counters[VOLUNTARY] = rise(process.counters[VOLUNTARY], voluntary);
  process.counters[INVOLUNTARY] = rise(process.counters[INVOLUNTARY], involuntary);
}

/**
 * Files of a process come in one read (`single_open` in fs/proc/base.c, and its arguments); the one that would say that
 * it is all is spared. The bytes are valid until the host's next read.
 * @throws the system's error (ENOENT, ESRCH, EACCES, …)
 */
export function readInOnePiece(host: Host, path: string): Uint8Array {
  const file = host.open(path);
  try {
    return file.read();
  } finally {
    file.close();
  }
}

const PROC_SUPER_MAGIC = 0x9fa0;

/** Since Linux 6.2 the size of the folder is the number of descriptors, which spares listing them. */
function createDescriptorCounter(host: Host): (pid: number) => number {
  const isCounted =
    statfsSync(host.resolve('/proc')).type === PROC_SUPER_MAGIC && (statSync('/proc/self/fd').size ?? 0) > 0;
  return isCounted
    ? (pid) => statSync(host.resolve(`/proc/${pid}/fd`)).size
    : (pid) => host.list(`/proc/${pid}/fd`).length;
}

const PSS = 8;
const PSS_KEY = [key('Pss:')];

/**
 * Bytes of physical memory, what is shared by its share; NaN where it is denied or there is none. Takes the kernel a
 * walk through all of the address space, so it is read of few processes.
 */
export function readPss(host: Host, process: Process, onFailure: OnFailure): number {
  if (process.isKernelThread || (process.denied & PSS) !== 0) return NaN;
  const values = new Float64Array(1);
  try {
    readKeyed(host.readOnce(`/proc/${process.pid}/smaps_rollup`), PSS_KEY, values);
    return values[0] * KIB;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') process.denied |= PSS;
    if (!isAbsent(error)) onFailure('/proc/[pid]/smaps_rollup', error);
    return NaN;
  }
}
