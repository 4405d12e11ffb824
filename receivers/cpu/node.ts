/** CPUs on macOS, Windows and BSD: times from Node.js, cores from systeminformation. */
import type { CpuInfo } from 'node:os';
import type { ComponentLog, Host } from '../../src/component.ts';
import type { CpuSource } from './source.ts';
import { type CpuTimes, MODES } from './times.ts';

export function nodeCpus({ host, log }: { readonly host: Host; readonly log: ComponentLog }): CpuSource {
  let physicalCores: number | undefined;
  return {
    isLinux: false,
    modes: modesOf(host.platform).map((mode) => MODES.indexOf(mode)),
    async start() {
      try {
        ({ physicalCores } = await (await host.systeminformation()).cpu());
      } catch (error) {
        log.warn(`Cannot count cores: ${String(error)}`);
      }
    },
    readTimes(times) {
      takeNodeTimes(host.os.cpus(), host.platform, times);
      return times.numbers.length > 0;
    },
    online: () => host.os.cpus().map((_, cpu) => cpu),
    countCores: () => physicalCores,
    // MHz; 0 where the system does not tell.
    readClocks: () => host.os.cpus().map(({ speed }) => (speed > 0 ? speed * 1e6 : NaN)),
  };
}

/** What libuv reads on each system: on the others there is no value for a mode, which is not the same as 0. */
function modesOf(platform: NodeJS.Platform): readonly (typeof MODES)[number][] {
  if (platform === 'win32') return ['user', 'system', 'idle', 'interrupt'];
  if (platform === 'darwin') return ['user', 'nice', 'system', 'idle'];
  return ['user', 'nice', 'system', 'idle', 'interrupt'];
}

/** Pure: what `os.cpus()` answered, in milliseconds since boot. */
function takeNodeTimes(cpus: readonly CpuInfo[], platform: NodeJS.Platform, into: CpuTimes): void {
  into.clear();
  cpus.forEach(({ times }, cpu) => {
    const seconds = into.add(cpu);
    seconds[0] = times.user / 1000;
    seconds[1] = times.nice / 1000;
    // On Windows the kernel's time includes that of interrupts.
    seconds[2] = (platform === 'win32' ? Math.max(0, times.sys - times.irq) : times.sys) / 1000;
    seconds[3] = times.idle / 1000;
    seconds[5] = times.irq / 1000;
  });
}
