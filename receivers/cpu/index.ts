import * as v from 'valibot';
import { defineReceiver, type BatchObservableResult } from '../../src/component.ts';
import { linuxCpus } from './linux.ts';
import { nodeCpus } from './node.ts';
import { createShares } from './shares.ts';
import { CpuTimes, GUEST, MODES, SOFTIRQ } from './times.ts';

const NUMBER = 'cpu.logical_number';

export default defineReceiver({
  type: 'cpu',
  about: 'Reads what each CPU spends its time on, how many there are, and how fast they are clocked.',
  config: v.strictObject({}),
  metrics: {
    time: {
      name: 'system.cpu.time',
      instrument: 'counter',
      unit: 's',
      about: 'Time that each CPU spent in each mode; interrupt includes softirq, user and nice include running guests.',
      attributes: ['cpu.mode', NUMBER],
      value: 'double',
    },
    utilization: {
      name: 'system.cpu.utilization',
      instrument: 'gauge',
      unit: '1',
      about: 'Share of the time since the collection before that each CPU spent in each mode.',
      attributes: ['cpu.mode', NUMBER],
      value: 'double',
      optIn: true,
    },
    softirq: {
      name: 'system.cpu.linux.softirq.time',
      instrument: 'counter',
      unit: 's',
      about: 'The part of the mode interrupt that went to soft interrupts.',
      attributes: [NUMBER],
      value: 'double',
      optIn: true,
      source: 'sonde',
    },
    guest: {
      name: 'system.cpu.linux.guest.time',
      instrument: 'counter',
      unit: 's',
      about: 'The part of the modes user and nice that went to running virtual machines.',
      attributes: [NUMBER],
      value: 'double',
      optIn: true,
      source: 'sonde',
    },
    logical: {
      name: 'system.cpu.logical.count',
      instrument: 'updowncounter',
      unit: '{cpu}',
      about: 'Logical CPUs that are online.',
      attributes: [],
    },
    physical: {
      name: 'system.cpu.physical.count',
      instrument: 'updowncounter',
      unit: '{cpu}',
      about: 'Cores of the CPUs that are online.',
      attributes: [],
    },
    frequency: {
      name: 'system.cpu.frequency',
      instrument: 'gauge',
      unit: 'Hz',
      about: 'Clock of each CPU now. Off by default: on some machines the kernel takes 10 ms to measure it.',
      attributes: [NUMBER],
      optIn: true,
    },
  },
  sources: [
    '/proc/stat',
    '/sys/devices/system/cpu/cpu*/topology',
    '/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq',
  ],
  create({ config, host, log, metrics, isEnabled }) {
    // Who sums the CPUs away is given the kernel's own sum, which does not fall when a CPU is taken out.
    const isTotal =
      isSummed(isEnabled('time'), config.metrics['system.cpu.time'], 'sum') &&
      isSummed(isEnabled('utilization'), config.metrics['system.cpu.utilization'], 'avg') &&
      isSummed(isEnabled('softirq'), config.metrics['system.cpu.linux.softirq.time'], 'sum') &&
      isSummed(isEnabled('guest'), config.metrics['system.cpu.linux.guest.time'], 'sum');
    const source = host.platform === 'linux' ? linuxCpus({ host, log }, isTotal) : nodeCpus({ host, log });
    const hasTimes = isEnabled('time') || isEnabled('utilization') || isEnabled('softirq') || isEnabled('guest');
    const times = new CpuTimes();
    const sharesOf = createShares(source.modes);
    const attributesByCpu = new Map<number, CpuAttributes>();

    function attributesOf(cpu: number): CpuAttributes {
      let attributes = attributesByCpu.get(cpu);
      if (attributes === undefined) attributesByCpu.set(cpu, (attributes = createAttributes(cpu)));
      return attributes;
    }

    function observeTimes(observer: BatchObservableResult, index: number): void {
      const cpu = times.numbers[index];
      const seconds = times.seconds[index];
      const { modes, cpu: whole } = attributesOf(cpu);
      if (isEnabled('time')) {
        for (const mode of source.modes) observer.observe(metrics.time, seconds[mode], modes[mode]);
      }
      const shares = isEnabled('utilization') ? sharesOf(cpu, seconds) : undefined;
      if (shares !== undefined) {
        for (const mode of source.modes) observer.observe(metrics.utilization, shares[mode], modes[mode]);
      }
      if (isEnabled('softirq') && source.isLinux) observer.observe(metrics.softirq, seconds[SOFTIRQ], whole);
      if (isEnabled('guest') && source.isLinux) observer.observe(metrics.guest, seconds[GUEST], whole);
    }

    return {
      ...(isEnabled('physical') && source.start !== undefined ? { start: source.start } : {}),
      collect(observer) {
        const isRead = hasTimes && source.readTimes(times);
        if (isRead) {
          times.steady();
          for (let index = 0; index < times.numbers.length; index++) observeTimes(observer, index);
        }
        if (!isEnabled('logical') && !isEnabled('physical') && !isEnabled('frequency')) return;
        const cpus = isRead && !isTotal ? times.numbers : source.online();
        if (cpus === undefined) return;
        if (isEnabled('logical')) observer.observe(metrics.logical, cpus.length);
        const cores = isEnabled('physical') ? source.countCores(cpus) : undefined;
        if (cores !== undefined) observer.observe(metrics.physical, cores);
        if (!isEnabled('frequency')) return;
        const clocks_Hz = source.readClocks(cpus);
        cpus.forEach((cpu, index) => observer.observe(metrics.frequency, clocks_Hz[index], attributesOf(cpu).cpu));
      },
    };
  },
});

interface CpuAttributes {
  /** By place of the mode in {@link MODES}. */
  readonly modes: readonly Readonly<Record<string, string | number>>[];
  readonly cpu: Readonly<Record<string, number>>;
}

/** Of their sum (-1) without the number. */
function createAttributes(cpu: number): CpuAttributes {
  const number: Readonly<Record<string, number>> = cpu < 0 ? {} : { [NUMBER]: cpu };
  return { modes: MODES.map((mode) => ({ 'cpu.mode': mode, ...number })), cpu: number };
}

interface View {
  readonly attributes?: readonly string[] | undefined;
  readonly aggregation?: string | undefined;
}

/** Whether a metric does not tell CPUs apart, and combines them as the kernel's sum does. */
function isSummed(isEnabled: boolean, { attributes, aggregation }: View = {}, combination: 'sum' | 'avg'): boolean {
  if (!isEnabled) return true;
  if (attributes === undefined || attributes.includes(NUMBER)) return false;
  return aggregation === undefined || aggregation === combination;
}
