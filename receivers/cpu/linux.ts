/** CPUs as Linux tells of them: `/proc/stat` and `/sys/devices/system/cpu`. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { Cursor } from '../../src/procfs/bytes.ts';
import { readOnlineCpus } from '../../src/procfs/cpus.ts';
import { attempt } from '../../src/procfs/source.ts';
import { createStatSource } from '../../src/procfs/stat.ts';
import type { CpuSource } from './source.ts';
import { type CpuTimes, MODES, parseCpuTimes } from './times.ts';

const FOLDER = '/sys/devices/system/cpu';

/** With `isTotal` the times are those of all CPUs together. */
export function linuxCpus(context: { readonly host: Host; readonly log: ComponentLog }, isTotal: boolean): CpuSource {
  const { host, log } = context;
  let times: CpuTimes | undefined;
  const readStat = createStatSource(context, (file) => {
    parseCpuTimes(file, times!, isTotal);
    return true;
  });
  let counted: { readonly cpus: readonly number[]; readonly cores: number } | undefined;

  return {
    isLinux: true,
    modes: MODES.map((_, mode) => mode),
    readTimes(into) {
      times = into;
      return readStat() ?? false;
    },
    online: () => attempt(log, `${FOLDER}/online`, () => readOnlineCpus(host)),
    countCores(cpus) {
      if (counted === undefined || !isSame(counted.cpus, cpus)) {
        const cores = attempt(log, `${FOLDER}/cpu*/topology`, () => countDistinctCores(host, cpus));
        counted = cores === undefined ? undefined : { cpus: [...cpus], cores };
      }
      return counted?.cores;
    },
    readClocks(cpus) {
      let failure: unknown;
      const clocks_Hz = cpus.map((cpu) => {
        try {
          // kHz, Documentation/admin-guide/pm/cpufreq.rst
          return new Cursor(host.read(`${FOLDER}/cpu${cpu}/cpufreq/scaling_cur_freq`)).number() * 1000;
        } catch (error) {
          failure ??= error;
          return NaN;
        }
      });
      attempt(log, `${FOLDER}/cpu*/cpufreq/scaling_cur_freq`, () => {
        if (failure !== undefined) throw failure;
      });
      return clocks_Hz;
    },
  };
}

/** A core has one logical CPU for each of its threads (Documentation/admin-guide/cputopology.rst). */
function countDistinctCores(host: Host, cpus: readonly number[]): number {
  const cores = new Set<string>();
  for (const cpu of cpus) {
    const read = (name: string) => host.readText(`${FOLDER}/cpu${cpu}/topology/${name}`).trim();
    cores.add(`${read('physical_package_id')}:${read('core_id')}`);
  }
  return cores.size;
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((cpu, index) => cpu === b[index]);
}
