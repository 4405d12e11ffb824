import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import cpu from '../../receivers/cpu/index.ts';
import { createShares } from '../../receivers/cpu/shares.ts';
import { CpuTimes, MODES, parseCpuTimes, SOFTIRQ } from '../../receivers/cpu/times.ts';
import { key } from '../../src/procfs/bytes.ts';
import { parseCpuList } from '../../src/procfs/cpus.ts';
import { collectReceiver, runReceiver, valuesOf } from '../support/collect.ts';
import { testGoldens, testGoldensElsewhere } from '../support/golden.ts';
import { createMachine, readFixture, recordedHost, rootOf } from '../support/machines.ts';

testGoldens(cpu);
testGoldensElsewhere(cpu);

const STAT = 'cpu  30 0 0 300 0 0 0 0 0 0\ncpu0 10 0 0 100 0 0 0 0 0 0\ncpu1 20 0 0 200 0 0 0 0 0 0\nintr 1\n';
const time = (number: number, mode: string) =>
  `system.cpu.time{"cpu.logical_number"=${number},"cpu.mode"="${mode}"}` as const;
const share = (number: number, mode: string) => time(number, mode).replace('time', 'utilization');

function parse(file: string | Uint8Array, isTotal = false): CpuTimes {
  const times = new CpuTimes();
  parseCpuTimes(typeof file === 'string' ? key(file) : file, times, isTotal);
  return times;
}

test('parseCpuTimes reads each CPU in seconds, softirq within interrupt, guests within user and nice', () => {
  const times = parse('cpu  9 9 9 9\ncpu3 101 7 29 1000 5 3 4 11 50 6\nintr 5\n');
  expect(times.numbers).toEqual([3]);
  expect([...times.seconds[0]]).toEqual([1.01, 0.07, 0.29, 10, 0.05, 0.07, 0.11, 0.04, 0.56]);
  expect(MODES[5]).toBe('interrupt');
});

test.each([
  ['four columns of Linux 2.4', 'cpu0 1 2 3 4\n', [0.01, 0.02, 0.03, 0.04, 0, 0, 0, 0, 0]],
  ['more columns than ours', 'cpu0 1 2 3 4 0 0 0 0 0 0 77 x\n', [0.01, 0.02, 0.03, 0.04, 0, 0, 0, 0, 0]],
])('parseCpuTimes reads %s', (_, file, expected) => {
  expect([...parse(file).seconds[0]]).toEqual(expected);
});

test('parseCpuTimes reads the sum of all CPUs', () => {
  const times = parse(STAT, true);
  expect(times.numbers).toEqual([-1]);
  expect(times.seconds[0][0]).toBe(0.3);
});

test.each([
  ['three columns', 'cpu0 1 2 3\n'],
  ['a word', 'cpu0 1 2 3 four\n'],
  ['a file without CPUs', 'intr 1\nctxt 2\n'],
  ['a file that ends within a line', 'cpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 1 2 3 4 5 6'],
  ['an empty file', ''],
])('parseCpuTimes refuses %s', (_, file) => {
  expect(() => parse(file)).toThrow(SyntaxError);
});

test('parseCpuTimes reads or refuses any bytes', () => {
  const line = fc.string({ unit: fc.constantFrom('c', 'p', 'u', '0', '7', ' ', '\n', '-'), maxLength: 60 });
  fc.assert(
    fc.property(line, fc.boolean(), (file, isTotal) => {
      try {
        parse(file, isTotal);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }),
  );
});

test('parseCpuTimes gives the modes of a CPU that sum to all its columns but the guests', () => {
  const file = readFixture('server-64cpu', 'proc/stat');
  const lines = Buffer.from(file).toString().split('\n').slice(1, 65);
  const times = parse(file);
  expect(times.numbers).toHaveLength(64);
  lines.forEach((line, index) => {
    const columns = line.split(' ').slice(1, 9).map(Number);
    const sum = times.seconds[index].subarray(0, SOFTIRQ).reduce((a, b) => a + b);
    expect(sum * 100).toBeCloseTo(
      columns.reduce((a, b) => a + b),
      3,
    );
  });
});

test('parseCpuList reads ranges and refuses anything else', () => {
  expect(parseCpuList('0-3,5')).toEqual([0, 1, 2, 3, 5]);
  expect(parseCpuList('0')).toEqual([0]);
  for (const text of ['', '3-1', 'a', '0-', '0-99999999']) expect(() => parseCpuList(text)).toThrow(SyntaxError);
});

test('cpu tells the share of each mode since the collection before, summing to 1', async () => {
  const machine = createMachine({ 'proc/stat': STAT });
  const run = await runReceiver(cpu, { rootPath: machine.root, everything: true });
  expect(valuesOf(await run.collect())[share(0, 'user')]).toBeUndefined();
  machine.write('proc/stat', STAT.replace('cpu0 10 0 0 100 0', 'cpu0 40 0 0 160 10'));
  const values = valuesOf(await run.collect());
  expect(values[share(0, 'user')]).toBeCloseTo(0.3, 12);
  expect(values[share(0, 'idle')]).toBeCloseTo(0.6, 12);
  expect(values[share(0, 'iowait')]).toBeCloseTo(0.1, 12);
  expect(values[share(0, 'nice')]).toBe(0);
  expect(values[share(1, 'user')]).toBeUndefined();
  await run.stop();
});

test('createShares answers as before when asked again too soon', () => {
  const sharesOf = createShares([0, 3]);
  expect(sharesOf(0, Float64Array.of(10, 0, 0, 20))).toBeUndefined();
  expect(sharesOf(0, Float64Array.of(10, 0, 0, 20.2))).toBeUndefined();
  const shares = sharesOf(0, Float64Array.of(11, 0, 0, 23));
  expect([shares?.[0], shares?.[3]]).toEqual([0.25, 0.75]);
  expect([...sharesOf(0, Float64Array.of(11.1, 0, 0, 23))!]).toEqual([0.25, 0, 0, 0.75, 0, 0, 0]);
  expect(sharesOf(0, Float64Array.of(12, 0, 0, 22))?.[0]).toBe(1);
});

test('cpu does not let idle and iowait go back by the hundredths that the kernel estimates', async () => {
  const machine = createMachine({ 'proc/stat': 'cpu0 10 0 0 1000 500\nx 1\n' });
  const run = await runReceiver(cpu, { rootPath: machine.root });
  const [first] = await run.collect();
  machine.write('proc/stat', 'cpu0 10 0 0 999 480\nx 1\n');
  const [second] = await run.collect();
  expect(valuesOf([second])).toEqual(valuesOf([first]));
  expect(second.series).toBe(first.series);
  machine.write('proc/stat', 'cpu0 10 0 0 20 0\nx 1\n');
  const [third] = await run.collect();
  expect(valuesOf([third])).toMatchObject({ [time(0, 'idle')]: 0.2, [time(0, 'iowait')]: 0 });
  await run.stop();
});

test('cpu ends the series of a CPU that is taken out and goes on when it is back', async () => {
  const machine = createMachine({ 'proc/stat': STAT });
  const run = await runReceiver(cpu, { rootPath: machine.root });
  await run.collect();
  machine.write('proc/stat', STAT.replace(/cpu1.*\n/, ''));
  const [without, ended] = await run.collect();
  expect(valuesOf([without])).toMatchObject({ [time(0, 'user')]: 0.1, 'system.cpu.logical.count{}': 1 });
  expect(Object.keys(valuesOf([ended])).sort()).toEqual(MODES.map((mode) => time(1, mode)).sort());
  machine.write('proc/stat', STAT);
  const back = valuesOf(await run.collect());
  expect(back).toMatchObject({ [time(1, 'user')]: 0.2, 'system.cpu.logical.count{}': 2 });
  await run.stop();
});

test('cpu is given the sum by the kernel where CPUs are not told apart', async () => {
  const machine = createMachine({ 'proc/stat': STAT, 'sys/devices/system/cpu/online': '0-1\n' });
  const config = { metrics: { 'system.cpu.time': { attributes: ['cpu.mode'] } } };
  const run = await runReceiver(cpu, { rootPath: machine.root, config });
  await run.collect();
  // The line of the sum holds what the CPU that was taken out did before.
  machine.write('proc/stat', STAT.replace(/cpu1.*\n/, ''));
  const values = valuesOf(await run.collect());
  expect(values).toMatchObject({ 'system.cpu.time{"cpu.mode"="user"}': 0.3, 'system.cpu.logical.count{}': 2 });
  expect(Object.keys(values).filter((series) => series.startsWith('system.cpu.time'))).toHaveLength(7);
  await run.stop();
});

test('cpu combines CPUs as the configuration says', async () => {
  const config = { metrics: { 'system.cpu.time': { attributes: ['cpu.mode'], aggregation: 'max' } } };
  const machine = createMachine({ 'proc/stat': STAT });
  const values = valuesOf(await collectReceiver(cpu, { rootPath: machine.root, config }));
  expect(values['system.cpu.time{"cpu.mode"="user"}']).toBe(0.2);
});

test('cpu counts cores: threads of one core once, the same number in two sockets twice', async () => {
  const values = valuesOf(await collectReceiver(cpu, { rootPath: rootOf('server-64cpu') }));
  expect(values).toMatchObject({ 'system.cpu.logical.count{}': 64, 'system.cpu.physical.count{}': 32 });
});

test('cpu says once for each source what is missing, and measures the rest', async () => {
  const machine = createMachine({ 'proc/stat': STAT });
  const run = await runReceiver(cpu, { rootPath: machine.root, everything: true });
  await run.collect();
  expect(valuesOf(await run.collect())).toMatchObject({ [time(1, 'user')]: 0.2 });
  expect(run.said).toEqual([
    'once /sys/devices/system/cpu/cpu*/topology: ' +
      'Cannot read /sys/devices/system/cpu/cpu*/topology: it does not exist (ENOENT)',
    'once /sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq: ' +
      'Cannot read /sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq: it does not exist (ENOENT)',
  ]);
  machine.write('proc/stat', 'cpu0 garbage\n');
  await run.collect();
  expect(run.said.slice(2)).toEqual([
    'once /proc/stat: Cannot parse /proc/stat: "cpu0 garbage" is no line of a CPU',
    'once /sys/devices/system/cpu/online: Cannot read /sys/devices/system/cpu/online: it does not exist (ENOENT)',
  ]);
  await run.stop();
});

test('cpu takes interrupts out of the kernel time that Windows tells', async () => {
  const values = valuesOf(await collectReceiver(cpu, { platform: 'win32', host: recordedHost('win32') }));
  expect(values[time(0, 'system')]).toBe((3_000_000 - 250_000) / 1000);
  expect(values[time(0, 'nice')]).toBeUndefined();
});
