/** Reads `/proc/PID/stat` into a {@link Process}, without an object for each reading. */
import { Cursor } from '../bytes.ts';
import { MAJOR_FAULTS, MINOR_FAULTS, type Process, RESIDENT, SYSTEM, THREADS, USER, VIRTUAL } from './process.ts';

const OPENING = 40;
const CLOSING = 41;
const SPACE = 32;
const PF_KTHREAD = 0x00200000;
/**
 * Behind the pid: ` (`, a name of 15 bytes, each of which may be written as `\ooo`, or one of 63 of the kernel's own,
 * and `)` (proc_task_name in fs/proc/array.c).
 */
const MOST_NAME_BYTES = 3 + 63;

/** The letters of states, so that no text is made for each reading. */
const LETTERS = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));

/** The numbers behind the state, from the parent (4th field of proc_pid_stat(5)) to the resident pages (24th). */
const FIRST = 4;
const LAST = 24;
const PARENT = 4 - FIRST;
const SESSION = 6 - FIRST;
const FLAGS = 9 - FIRST;
const MINFLT = 10 - FIRST;
const MAJFLT = 12 - FIRST;
const UTIME = 14 - FIRST;
const STIME = 15 - FIRST;
const NUM_THREADS = 20 - FIRST;
const STARTTIME = 22 - FIRST;
const VSIZE = 23 - FIRST;
const RSS = 24 - FIRST;

/**
 * One line of stat, taken apart: `1051 (bash) S 1050 1051 1051 0 -1 4194560 14369 1410865 0 479 5 8 3139 1513 20 0 1 0
 * 2871 8101888 1310 …`. The name may hold anything, `) ` too, so the last parenthesis ends it.
 */
export class StatLine {
  readonly #fields = new Float64Array(LAST - FIRST + 1);
  #pid = 0;
  #state = '';
  #nameHash = 0;

  get pid(): number {
    return this.#pid;
  }
  /** Hundredths of a second since boot. */
  get startTicks(): number {
    return this.#fields[STARTTIME];
  }
  get parent(): number {
    return this.#fields[PARENT];
  }
  /** One letter: `Z` has ended and was not waited for. */
  get state(): string {
    return this.#state;
  }
  get threads(): number {
    return this.#fields[NUM_THREADS];
  }
  /** CPU time in hundredths of a second. */
  get userTicks(): number {
    return this.#fields[UTIME];
  }
  get systemTicks(): number {
    return this.#fields[STIME];
  }
  /** Of the bytes of its name. */
  get nameHash(): number {
    return this.#nameHash;
  }

  /** Of the first `length` bytes of `file`. @throws {SyntaxError} a field is missing */
  parse(file: Uint8Array, length = file.length): void {
    const fields = this.#fields;
    let position = 0;
    let pid = 0;
    for (; position < length; position++) {
      const digit = file[position] - 48;
      if (digit < 0 || digit > 9) break;
      pid = pid * 10 + digit;
    }
    // Nothing behind the name has a parenthesis.
    let closing = Math.min(length, position + MOST_NAME_BYTES) - 1;
    while (closing > position && file[closing] !== CLOSING) closing--;
    const hasName = position > 0 && file[position] === SPACE && file[position + 1] === OPENING && closing > position;
    if (!hasName || file[closing + 1] !== SPACE || closing + 3 >= length) throw malformed(file, length);
    let hash = 0;
    for (let i = position + 2; i < closing; i++) hash = (hash * 31 + file[i]) | 0;
    this.#pid = pid;
    this.#nameHash = hash;
    this.#state = LETTERS[file[closing + 2] & 127];
    position = closing + 3;
    for (let field = 0; field < fields.length; field++) {
      if (file[position] !== SPACE) throw malformed(file, length);
      position++;
      const isNegative = file[position] === 45;
      if (isNegative) position++;
      const start = position;
      let value = 0;
      for (; position < length; position++) {
        const digit = file[position] - 48;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
      }
      if (position === start) throw malformed(file, length);
      fields[field] = isNegative ? -value : value;
    }
    // A line that was cut off may end within a number.
    if (position < length && file[position] !== SPACE && file[position] !== 10) throw malformed(file, length);
  }

  /** Writes what was parsed into the process; true if it did anything, or changed, since the line before. */
  store(process: Process, pageSize: number): boolean {
    const fields = this.#fields;
    const { counters, levels } = process;
    const hasChanged =
      counters[USER] !== fields[UTIME] ||
      counters[SYSTEM] !== fields[STIME] ||
      counters[MINOR_FAULTS] !== fields[MINFLT] ||
      counters[MAJOR_FAULTS] !== fields[MAJFLT] ||
      process.residentPages !== fields[RSS] ||
      process.threads !== fields[NUM_THREADS] ||
      process.state !== this.#state ||
      process.nameHash !== this.#nameHash;
    process.state = this.#state;
    // Another program may be another user's, so what was denied is asked for again.
    if (process.nameHash !== this.#nameHash) process.denied = 0;
    process.nameHash = this.#nameHash;
    process.parent = fields[PARENT];
    process.session = fields[SESSION];
    // Flags are 32 bits without a sign.
    process.isKernelThread = (fields[FLAGS] & PF_KTHREAD) !== 0;
    process.threads = fields[NUM_THREADS];
    process.residentPages = fields[RSS];
    // Times are scaled to the precise run time, and may give back a tick of one mode to the other (cputime_adjust).
    counters[USER] = rise(counters[USER], fields[UTIME]);
    counters[SYSTEM] = rise(counters[SYSTEM], fields[STIME]);
    counters[MINOR_FAULTS] = rise(counters[MINOR_FAULTS], fields[MINFLT]);
    counters[MAJOR_FAULTS] = rise(counters[MAJOR_FAULTS], fields[MAJFLT]);
    levels[RESIDENT] = fields[RSS] * pageSize;
    levels[VIRTUAL] = fields[VSIZE];
    levels[THREADS] = fields[NUM_THREADS];
    return hasChanged;
  }
}

/** The name in a line of stat: at most 15 bytes, whatever they are. */
export function statName(file: Uint8Array): string {
  const start = file.indexOf(OPENING) + 1;
  return new Cursor(file).text(start, Math.max(start, file.lastIndexOf(CLOSING)));
}

/** Of a process that has ended, how, as wait(2) gives it: the last field, 0 where the reader may not know. */
export function statExitStatus(file: Uint8Array): number {
  let end = file.length;
  while (end > 0 && file[end - 1] <= SPACE) end--;
  const start = file.lastIndexOf(SPACE, end) + 1;
  return Number(new Cursor(file).text(start, end));
}

/** The later reading, unless it fell. */
export function rise(before: number, now: number): number {
  return now < before ? before : now;
}

function malformed(file: Uint8Array, length: number): SyntaxError {
  return new SyntaxError(`Cannot parse /proc/[pid]/stat: found ${new Cursor(file.subarray(0, length)).quoteLine()}`);
}
