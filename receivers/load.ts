import * as v from 'valibot';
import { defineReceiver } from '../src/component.ts';
import { option } from '../src/config/options.ts';
import { Cursor } from '../src/procfs/bytes.ts';
import { readOnlineCpus } from '../src/procfs/cpus.ts';
import { attempt, createSource } from '../src/procfs/source.ts';

export default defineReceiver({
  type: 'load',
  about: 'Reads how many threads run or wait to run, or wait for a disk, averaged over 1, 5 and 15 minutes.',
  config: v.strictObject({
    cpu_average: option(v.boolean(), 'Divides by the number of logical CPUs, so that 1 means fully busy.', false),
  }),
  metrics: {
    one: loadAverage('1m', '1 minute'),
    five: loadAverage('5m', '5 minutes'),
    fifteen: loadAverage('15m', '15 minutes'),
  },
  sources: ['/proc/loadavg', '/sys/devices/system/cpu/online'],
  create({ config, host, log, metrics, isEnabled }) {
    const isWanted = isEnabled('one') || isEnabled('five') || isEnabled('fifteen');
    const readLoad =
      host.platform === 'linux' ? createSource({ host, log }, '/proc/loadavg', parseLoadavg) : systemLoad;
    const readCpuCount = () =>
      host.platform === 'linux'
        ? attempt(log, '/sys/devices/system/cpu/online', () => readOnlineCpus(host).length)
        : host.os.cpus().length;

    function systemLoad(): Loadavg | undefined {
      if (host.platform === 'win32') {
        // Node.js answers three zeros there, which would be a lie.
        log.once('load', 'Cannot read the load average: Windows has none');
        return undefined;
      }
      const [one, five, fifteen] = host.os.loadavg();
      return { one, five, fifteen };
    }

    return {
      collect(observer) {
        const load = isWanted ? readLoad() : undefined;
        if (load === undefined) return;
        const divisor = config.cpu_average ? readCpuCount() : 1;
        if (divisor === undefined) return;
        observer.observe(metrics.one, load.one / divisor);
        observer.observe(metrics.five, load.five / divisor);
        observer.observe(metrics.fifteen, load.fifteen / divisor);
      },
    };
  },
});

function loadAverage(period: '1m' | '5m' | '15m', words: string) {
  return {
    name: `system.cpu.load_average.${period}`,
    instrument: 'gauge',
    unit: '{thread}',
    about: `Threads that run, wait to run or wait for a disk: average over ${words}.`,
    attributes: [],
    value: 'double',
    source: 'collector',
  } as const;
}

export interface Loadavg {
  readonly one: number;
  readonly five: number;
  readonly fifteen: number;
}

/**
 * `0.02 0.07 0.13 2/95 13455`: three averages, runnable/all threads, the last pid
 * (Documentation/filesystems/proc.rst, 1.2).
 * @throws {SyntaxError} there are no three numbers
 */
export function parseLoadavg(file: Uint8Array): Loadavg {
  const cursor = new Cursor(file);
  const load = { one: cursor.decimal(), five: cursor.decimal(), fifteen: cursor.decimal() };
  if (Number.isNaN(load.one + load.five + load.fifteen)) {
    throw new SyntaxError(`Cannot parse /proc/loadavg: ${cursor.quoteLine()} does not begin with three numbers`);
  }
  return load;
}
