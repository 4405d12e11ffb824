import * as v from 'valibot';
import { defineReceiver, type BatchObservableResult } from '../src/component.ts';
import { Cursor } from '../src/procfs/bytes.ts';
import { attempt, createSource } from '../src/procfs/source.ts';
import { createTotalsSource, SOFTIRQS } from '../src/procfs/stat.ts';

const SOFTIRQ_TYPE = 'system.linux.softirq.type';

export default defineReceiver({
  type: 'system',
  about: 'Reads uptime, context switches, interrupts, open files and the limits of the whole system.',
  config: v.strictObject({}),
  metrics: {
    uptime: {
      name: 'system.uptime',
      instrument: 'gauge',
      unit: 's',
      about: 'Time since the system was booted.',
      attributes: [],
      value: 'double',
    },
    bootTime: {
      name: 'system.boot_time',
      instrument: 'gauge',
      unit: 's',
      about: 'When the system was booted, in seconds since 1970; also the start time of every counter of the kernel.',
      attributes: [],
      optIn: true,
      source: 'sonde',
    },
    contextSwitches: {
      ...counter('system.linux.context_switches', '{context_switch}'),
      about: 'Times that a CPU went from one thread to another.',
    },
    interrupts: {
      ...counter('system.linux.interrupts', '{interrupt}'),
      about: 'Interrupts that were serviced.',
    },
    softirqs: {
      ...counter('system.linux.softirqs', '{interrupt}'),
      about: 'Soft interrupts that were serviced, by what for.',
      attributes: [SOFTIRQ_TYPE],
    },
    processLimit: {
      ...level('system.process.limit', '{thread}'),
      about: 'Processes and threads that may exist at once: the lower of threads-max and pid_max.',
    },
    files: {
      ...level('system.linux.file_handle.count', '{file_handle}'),
      about: 'Open files of all processes.',
      source: 'sonde',
    },
    fileLimit: {
      ...level('system.linux.file_handle.limit', '{file_handle}'),
      about: 'Files that may be open at once; absent where there is no limit.',
      source: 'sonde',
    },
    entropy: {
      name: 'system.linux.entropy.available',
      instrument: 'gauge',
      unit: 'bit',
      about: 'Entropy in the pool of the random number generator; always 256 since Linux 5.18.',
      attributes: [],
      optIn: true,
      source: 'sonde',
    },
  },
  sources: [
    '/proc/uptime',
    '/proc/stat',
    '/proc/sys/kernel/threads-max',
    '/proc/sys/kernel/pid_max',
    '/proc/sys/fs/file-nr',
    '/proc/sys/kernel/random/entropy_avail',
  ],
  create({ host, log, metrics, isEnabled }) {
    const readUptime = createSource({ host, log }, '/proc/uptime', parseUptime);
    const readTotals = createTotalsSource({ host, log });
    const readFiles = createSource({ host, log }, '/proc/sys/fs/file-nr', parseFileNr);
    const [readThreadsMax, readPidMax, readEntropy] = ['threads-max', 'pid_max', 'random/entropy_avail'].map((name) => {
      const path = `/proc/sys/kernel/${name}`;
      return createSource({ host, log }, path, (file) => parseNumber(path, file));
    });
    const softirqAttributes = SOFTIRQS.map((type) => ({ [SOFTIRQ_TYPE]: type }));

    function observeTotals(observer: BatchObservableResult): void {
      const totals = readTotals();
      if (totals === undefined) return;
      observer.observe(metrics.contextSwitches, totals.contextSwitches);
      observer.observe(metrics.interrupts, totals.interrupts);
      totals.softirqs.forEach((count, type) => observer.observe(metrics.softirqs, count, softirqAttributes[type]));
    }

    function observeFiles(observer: BatchObservableResult): void {
      const files = readFiles();
      if (files === undefined) return;
      observer.observe(metrics.files, files.open);
      // 2^63 - 1, as systemd sets it, is no limit, and no number that a double holds.
      if (files.limit <= Number.MAX_SAFE_INTEGER) observer.observe(metrics.fileLimit, files.limit);
    }

    function observeProcessLimit(observer: BatchObservableResult): void {
      const threads = readThreadsMax();
      const pids = readPidMax();
      if (threads === undefined || pids === undefined) return;
      observer.observe(metrics.processLimit, Math.min(threads, pids));
    }

    return {
      collect(observer) {
        const isLinux = host.platform === 'linux';
        const uptime_s = isLinux ? (isEnabled('uptime') ? readUptime() : undefined) : host.os.uptime();
        if (uptime_s !== undefined) observer.observe(metrics.uptime, uptime_s);
        const boot = isEnabled('bootTime') ? attempt(log, 'btime of /proc/stat', () => host.bootTime()) : undefined;
        if (boot !== undefined) observer.observe(metrics.bootTime, Number(boot / 1_000_000_000n));
        if (!isLinux) return;
        if (isEnabled('contextSwitches') || isEnabled('interrupts') || isEnabled('softirqs')) observeTotals(observer);
        if (isEnabled('processLimit')) observeProcessLimit(observer);
        if (isEnabled('files') || isEnabled('fileLimit')) observeFiles(observer);
        const entropy = isEnabled('entropy') ? readEntropy() : undefined;
        if (entropy !== undefined) observer.observe(metrics.entropy, entropy);
      },
    };
  },
});

function counter(name: string, unit: string) {
  return { name, instrument: 'counter', unit, attributes: [] as readonly string[], source: 'sonde' } as const;
}

function level(name: string, unit: string) {
  return { name, instrument: 'updowncounter', unit, attributes: [] } as const;
}

/**
 * `1312.08 2354.68`: seconds since boot, seconds that all CPUs together were idle
 * (Documentation/filesystems/proc.rst, 1.2).
 * @throws {SyntaxError} it does not begin with a number
 */
export function parseUptime(file: Uint8Array): number {
  const cursor = new Cursor(file);
  const uptime_s = cursor.decimal();
  if (Number.isNaN(uptime_s)) throw new SyntaxError(`Cannot parse /proc/uptime: found ${cursor.quoteLine()}`);
  return uptime_s;
}

export interface FileNr {
  readonly open: number;
  readonly limit: number;
}

/**
 * `541	0	2466170`: allocated handles, free ones among them (0 since Linux 2.6), limit
 * (Documentation/admin-guide/sysctl/fs.rst, file-nr).
 * @throws {SyntaxError} there are no three numbers
 */
export function parseFileNr(file: Uint8Array): FileNr {
  const cursor = new Cursor(file);
  const open = cursor.number() - cursor.number();
  const limit = cursor.number();
  if (Number.isNaN(open + limit)) {
    throw new SyntaxError(`Cannot parse /proc/sys/fs/file-nr: ${cursor.quoteLine()} is not three numbers`);
  }
  return { open, limit };
}

/** The one number of a file below `/proc/sys`. @throws {SyntaxError} there is none */
export function parseNumber(path: string, file: Uint8Array): number {
  const cursor = new Cursor(file);
  const value = cursor.number();
  if (Number.isNaN(value)) throw new SyntaxError(`Cannot parse ${path}: found ${cursor.quoteLine()}`);
  return value;
}
