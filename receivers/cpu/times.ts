/** The lines of CPUs in `/proc/stat`. */
import { Cursor, key } from '../../src/procfs/bytes.ts';

/** Seconds of each mode that semantic conventions know, in the order in which {@link CpuTimes} holds them. */
export const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'interrupt', 'steal'] as const;

/** Where in a CPU's values each mode stands; the last two are parts of others and not in any sum. */
export const SOFTIRQ = 7;
export const GUEST = 8;
/** Values kept for each CPU. */
const WIDTH = 9;

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
  /** {@link WIDTH} values for each CPU of {@link numbers}, at the same place. */
  readonly seconds: Float64Array[] = [];
  /** The reading before, by logical number. CPUs that were taken out stay: they may come back. */
  readonly #before = new Map<number, Float64Array>();

  clear(): void {
    this.numbers.length = 0;
  }

  /** Adds a CPU and returns where its values go. */
  add(cpu: number): Float64Array {
    const row = this.numbers.push(cpu) - 1;
    return (this.seconds[row] ??= new Float64Array(WIDTH));
  }

  /**
   * Takes over the reading before where a value fell a little: idle and iowait are estimates that may go back by some
   * hundredths (Documentation/filesystems/proc.rst, 1.7), which is no new beginning of the counter.
   */
  steady(): void {
    for (let row = 0; row < this.numbers.length; row++) {
      const now = this.seconds[row];
      const before = this.#before.get(this.numbers[row]);
      if (before === undefined) {
        this.#before.set(this.numbers[row], now.slice());
        continue;
      }
      for (let i = 0; i < WIDTH; i++) {
        if (now[i] < before[i] && before[i] - now[i] < RESET_s) now[i] = before[i];
        else before[i] = now[i];
      }
    }
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
  times.clear();
  do {
    if (!cursor.take(CPU)) break;
    const cpu = cursor.digits();
    if (Number.isNaN(cpu) !== isTotal) continue;
    parseColumns(cursor, times.add(isTotal ? -1 : cpu));
  } while (cursor.nextLine() && !(isTotal && times.numbers.length === 1));
  if (times.numbers.length === 0) {
    throw new SyntaxError(`Cannot parse /proc/stat: no line of a CPU before ${cursor.quoteLine()}`);
  }
}

function parseColumns(cursor: Cursor, into: Float64Array): void {
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
  into[0] = user / USER_HZ;
  into[1] = nice / USER_HZ;
  into[2] = system / USER_HZ;
  into[3] = idle / USER_HZ;
  into[4] = iowait / USER_HZ;
  into[5] = (irq + softirq) / USER_HZ;
  into[6] = steal / USER_HZ;
  into[SOFTIRQ] = softirq / USER_HZ;
  into[GUEST] = (guest + guestNice) / USER_HZ;
}
