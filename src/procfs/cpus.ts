/** Which CPUs a Linux machine has, as `/sys/devices/system/cpu` tells. */
import { Cursor } from './bytes.ts';
import type { Host } from './host.ts';

/** Logical numbers of the CPUs that are online. @throws the system's error, or SyntaxError */
export function readOnlineCpus(host: Host): number[] {
  return parseCpuList(new Cursor(host.read('/sys/devices/system/cpu/online')).field());
}

/**
 * `0-3,5` → 0, 1, 2, 3, 5 (Documentation/admin-guide/cputopology.rst).
 * @throws {SyntaxError} it is no list of numbers
 */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const range of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    // NR_CPUS is at most 8192: a list beyond is none.
    if (!(first <= last && last < 1 << 16)) {
      throw new SyntaxError(`Cannot parse a list of CPUs: found ${JSON.stringify(text.slice(0, 80))}`);
    }
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}
