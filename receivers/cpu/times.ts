/** The lines of CPUs in `/proc/stat`. */
import { Cursor, key } from '../../src/procfs/bytes.ts';

/** Seconds of each mode that semantic conventions know, in the order in which {@link CpuTimes} holds them. */
export const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'interrupt', 'steal'] as const;

/** Where in a CPU's values each mode stands; the last two are parts of others and not in any sum. */
export const SOFTIRQ = 7;
export const GUEST = 8;
/** Values kept for each CPU. */
export const WIDTH = 9;

/**
 * `sysconf(_SC_CLK_TCK)`: the kernel tells user space hundredths of a second on every architecture that Node.js runs
 * on, whatever its own tick (USER_HZ, include/asm-generic/param.h).
 */
const USER_HZ = 100;

/** How far idle and iowait may fall before it is a CPU that was taken out and came back, and counts anew. */
const RESET_s = 3;

const CPU = key('cpu');

/** Seconds that CPUs spent in each mode, kept from reading to reading. */
export class CpuTimes {
  /** Logical number of each CPU, -1 for their sum. */
  readonly numbers: number[] = [];
  /** {@link WIDTH} values for each CPU. */
  seconds: Float64Array = new Float64Array(0);
  /** The reading before, by logical number. */
  readonly #before = new Map<number, Float64Array>();

  /** The values of CPU `index` of {@link numbers}. */
  of(index: number): Float64Array {
    return this.seconds.subarray(index * WIDTH, (index + 1) * WIDTH);
  }

  /** What the reading before held of this CPU; undefined if it did not. */
  before(cpu: number): Float64Array | undefined {
    return this.#before.get(cpu);
  }

  /** Makes room for `count` CPUs. */
  reserve(count: number): void {
    if (this.seconds.length >= count * WIDTH) return;
    const larger = new Float64Array(Math.max(4, count * 2) * WIDTH);
    larger.set(this.seconds);
    this.seconds = larger;
  }

  /** Makes what is held the reading before. Kept for CPUs that are away: they may come back. */
  keep(): void {
    this.numbers.forEach((cpu, index) => {
      const known = this.#before.get(cpu);
      if (known === undefined) this.#before.set(cpu, this.of(index).slice());
      else known.set(this.of(index));
    });
  }

  /**
   * Takes over the reading before where a value fell a little: idle and iowait are estimates that may go back by some
   * hundredths (Documentation/filesystems/proc.rst, 1.7), which is no new beginning of the counter.
   */
  steady(): void {
    this.numbers.forEach((cpu, index) => {
      const before = this.#before.get(cpu);
      if (before === undefined) return;
      const now = this.of(index);
      for (let i = 0; i < WIDTH; i++) if (now[i] < before[i] && before[i] - now[i] < RESET_s) now[i] = before[i];
    });
  }
}

/**
 * Reads `cpu0 8118 0 3719 118721 57 0 13 17 0 0`: hundredths of seconds of user, nice, system, idle, iowait, irq,
 * softirq, steal, guest, guest_nice (Documentation/filesystems/proc.rst, 1.7). Old kernels have fewer columns, newer
 * ones may have more. Time as a guest is part of user and nice already (kernel/sched/cputime.c). Either the line of
 * each CPU, or, for `isTotal`, the line `cpu` that sums those of all that ever were.
 * @throws {SyntaxError} there is no such line, or one with fewer than four numbers
 */
export function parseCpuTimes(file: Uint8Array, times: CpuTimes, isTotal: boolean): void {
  const cursor = new Cursor(file);
  times.numbers.length = 0;
  do {
    if (!cursor.take(CPU)) break;
    const cpu = cursor.digits();
    if (Number.isNaN(cpu) !== isTotal) continue;
    const row = times.numbers.length;
    times.reserve(row + 1);
    parseColumns(cursor, times.seconds, row * WIDTH);
    times.numbers.push(isTotal ? -1 : cpu);
  } while (cursor.nextLine() && !(isTotal && times.numbers.length === 1));
  if (times.numbers.length === 0) {
    throw new SyntaxError(`Cannot parse /proc/stat: no line of a CPU before ${cursor.quoteLine()}`);
  }
}

function parseColumns(cursor: Cursor, into: Float64Array, at: number): void {
  const user = cursor.number();
  const nice = cursor.number();
  const system = cursor.number();
  const idle = cursor.number();
  const iowait = cursor.isAtLineEnd ? 0 : cursor.number();
  const irq = cursor.isAtLineEnd ? 0 : cursor.number();
  const softirq = cursor.isAtLineEnd ? 0 : cursor.number();
  const steal = cursor.isAtLineEnd ? 0 : cursor.number();
  const guest = cursor.isAtLineEnd ? 0 : cursor.number();
  const guestNice = cursor.isAtLineEnd ? 0 : cursor.number();
  const sum = user + nice + system + idle + iowait + irq + softirq + steal + guest + guestNice;
  if (Number.isNaN(sum)) {
    throw new SyntaxError(`Cannot parse /proc/stat: ${cursor.quoteLine()} is no line of a CPU`);
  }
  if (!cursor.isAtLineEnd) cursor.skipFields(1);
  if (cursor.isAtEnd) throw new SyntaxError(`Cannot parse /proc/stat: it ends within ${cursor.quoteLine()}`);
  into[at] = user / USER_HZ;
  into[at + 1] = nice / USER_HZ;
  into[at + 2] = system / USER_HZ;
  into[at + 3] = idle / USER_HZ;
  into[at + 4] = iowait / USER_HZ;
  into[at + 5] = (irq + softirq) / USER_HZ;
  into[at + 6] = steal / USER_HZ;
  into[at + SOFTIRQ] = softirq / USER_HZ;
  into[at + GUEST] = (guest + guestNice) / USER_HZ;
}
