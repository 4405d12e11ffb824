/**
 * `/proc/stat`, read once for all receivers that collect in the same turn, and its totals, which `system` and
 * `processes` tell; the lines of CPUs are read by `cpu`.
 */
import type { ComponentLog } from '../component.ts';
import { Cursor, key } from './bytes.ts';
import type { Host } from './host.ts';
import { attempt } from './source.ts';

/** NaN where the kernel does not tell. */
export interface KernelTotals {
  /** Context switches since boot. */
  readonly contextSwitches: number;
  /** Interrupts serviced since boot, those without a number included. */
  readonly interrupts: number;
  /** Processes and threads created since boot. */
  readonly forks: number;
  /** Threads that run or wait for a CPU. */
  readonly runnable: number;
  /** Threads that wait for block I/O. */
  readonly blocked: number;
  /** By the order of {@link SOFTIRQS}; empty where the kernel does not tell. */
  readonly softirqs: readonly number[];
}

/** In the order of `enum` in include/linux/interrupt.h, names as in `/proc/softirqs`. */
export const SOFTIRQS = [
  'hi',
  'timer',
  'net_tx',
  'net_rx',
  'block',
  'irq_poll',
  'tasklet',
  'sched',
  'hrtimer',
  'rcu',
] as const;

const INTR = key('intr ');
const CTXT = key('ctxt ');
const PROCESSES = key('processes ');
const PROCS_RUNNING = key('procs_running ');
const PROCS_BLOCKED = key('procs_blocked ');
const SOFTIRQ = key('softirq ');

const PATH = '/proc/stat';

interface Context {
  readonly host: Host;
  readonly log: ComponentLog;
}

/** As `createSource`, for `/proc/stat`. */
export function createStatSource<T>({ host, log }: Context, parse: (file: Uint8Array) => T): () => T | undefined {
  const read = (): T => parse(readingOf(host).bytes());
  return () => attempt(log, PATH, read);
}

/** The totals, parsed once for all who ask in the same turn. */
export function createTotalsSource({ host, log }: Context): () => KernelTotals | undefined {
  const read = (): KernelTotals => readingOf(host).totals();
  return () => attempt(log, PATH, read);
}

const readings = new WeakMap<Host, StatReading>();

function readingOf(host: Host): StatReading {
  let reading = readings.get(host);
  if (reading === undefined) readings.set(host, (reading = new StatReading(host)));
  return reading;
}

/** The kernel sums up the interrupts of all CPUs for each reading, so on a large machine it is the dearest of all files. */
class StatReading {
  readonly #host: Host;
  #buffer = new Uint8Array(0);
  /** Undefined when it is to be read anew: receivers of one tick or scrape collect without a pause. */
  #bytes: Uint8Array | undefined;
  #totals: KernelTotals | undefined;
  readonly #expire = (): void => {
    this.#bytes = this.#totals = undefined;
  };

  constructor(host: Host) {
    this.#host = host;
  }

  /** @throws the system's error */
  bytes(): Uint8Array {
    if (this.#bytes !== undefined) return this.#bytes;
    const read = this.#host.read(PATH);
    if (this.#buffer.length < read.length) this.#buffer = new Uint8Array(read.length * 2);
    this.#buffer.set(read);
    this.#bytes = this.#buffer.subarray(0, read.length);
    queueMicrotask(this.#expire);
    return this.#bytes;
  }

  /** @throws the system's error, or SyntaxError */
  totals(): KernelTotals {
    return (this.#totals ??= parseKernelTotals(this.bytes()));
  }
}

/**
 * Reads the lines that follow those of the CPUs (Documentation/filesystems/proc.rst, 1.8):
 * ```
 * intr 756659 0 13 …            total, then each interrupt number
 * ctxt 1905004
 * processes 13458
 * procs_running 2
 * procs_blocked 0
 * softirq 171409 0 26854 …      total, then each type
 * ```
 * @throws {SyntaxError} there is none of these lines
 */
export function parseKernelTotals(file: Uint8Array): KernelTotals {
  const cursor = new Cursor(file);
  const totals = {
    contextSwitches: NaN,
    interrupts: NaN,
    forks: NaN,
    runnable: NaN,
    blocked: NaN,
    softirqs: [] as number[],
  };
  let found = 0;
  do {
    if (cursor.take(CTXT)) totals.contextSwitches = cursor.number();
    else if (cursor.take(INTR)) totals.interrupts = cursor.number();
    else if (cursor.take(PROCESSES)) totals.forks = cursor.number();
    else if (cursor.take(PROCS_RUNNING)) totals.runnable = cursor.number();
    else if (cursor.take(PROCS_BLOCKED)) totals.blocked = cursor.number();
    else if (cursor.take(SOFTIRQ)) totals.softirqs = parseSoftirqs(cursor);
    else continue;
    found++;
  } while (cursor.nextLine());
  if (found === 0) {
    throw new SyntaxError(`Cannot parse /proc/stat: no line "ctxt" after ${new Cursor(file).quoteLine()}`);
  }
  return totals;
}

/** Types that a newer kernel may add at the end have no name here and are left out. */
function parseSoftirqs(cursor: Cursor): number[] {
  const counts: number[] = [];
  cursor.number();
  for (let type = 0; type < SOFTIRQS.length && !cursor.isAtLineEnd; type++) counts.push(cursor.number());
  return counts;
}
