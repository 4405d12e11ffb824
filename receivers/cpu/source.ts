/** What the receiver needs to know of CPUs, whatever the system. */
import type { CpuTimes } from './times.ts';

export interface CpuSource {
  readonly isLinux: boolean;
  /** The modes that the system tells apart, as places in `MODES`. */
  readonly modes: readonly number[];
  /** Asks what takes long, once. */
  start?(): Promise<void>;
  /** Fills `times`; false if nothing could be read. */
  readTimes(times: CpuTimes): boolean;
  /** Logical numbers of the CPUs that are online. */
  online(): readonly number[] | undefined;
  countCores(cpus: readonly number[]): number | undefined;
  /** Hz of each of these CPUs, NaN where unknown. */
  readClocks(cpus: readonly number[]): readonly number[];
}
