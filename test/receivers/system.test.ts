import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import system, { parseFileNr, parseNumber, parseUptime } from '../../receivers/system.ts';
import { key } from '../../src/procfs/bytes.ts';
import { parseKernelTotals } from '../../src/procfs/stat.ts';
import { collectReceiver, runReceiver, valuesOf } from '../support/collect.ts';
import { testGoldens, testGoldensElsewhere } from '../support/golden.ts';
import { createMachine, readFixture, rootOf } from '../support/machines.ts';

testGoldens(system);
testGoldensElsewhere(system);

test('parseUptime reads the first number and refuses anything else', () => {
  expect(parseUptime(key('1312.08 2354.68\n'))).toBe(1312.08);
  expect(parseUptime(key('7\n'))).toBe(7);
  for (const file of ['', 'up 3 days\n', '-1.0 2\n']) expect(() => parseUptime(key(file))).toThrow(SyntaxError);
});

test('parseFileNr reads open files and their limit', () => {
  expect(parseFileNr(key('541\t0\t2466170\n'))).toEqual({ open: 541, limit: 2_466_170 });
  expect(parseFileNr(key('541\t41\t2466170 9\n'))).toEqual({ open: 500, limit: 2_466_170 });
  expect(() => parseFileNr(key('541\t0\n'))).toThrow(
    'Cannot parse /proc/sys/fs/file-nr: "541\\t0" is not three numbers',
  );
});

test('parseNumber refuses what is no number', () => {
  expect(parseNumber('/proc/sys/kernel/pid_max', key('32768\n'))).toBe(32768);
  expect(() => parseNumber('/proc/sys/kernel/pid_max', key('many\n'))).toThrow(
    'Cannot parse /proc/sys/kernel/pid_max: found "many"',
  );
});

test('parseKernelTotals reads the totals of a large machine', () => {
  const totals = parseKernelTotals(readFixture('server-64cpu', 'proc/stat'));
  expect(totals).toMatchObject({ contextSwitches: 182_736_455_463, forks: 48_271_934, runnable: 7, blocked: 2 });
  expect(totals.softirqs).toHaveLength(10);
  expect(totals.softirqs[1]).toBe(1_900_000_000);
});

test('parseKernelTotals gives NaN for lines that are missing, and knows no more softirqs than it can name', () => {
  expect(parseKernelTotals(key('ctxt 5\n'))).toMatchObject({ contextSwitches: 5, interrupts: NaN, softirqs: [] });
  expect(parseKernelTotals(key('softirq 99 1 2 3 4 5 6 7 8 9 10 11 12\n')).softirqs).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ]);
});

test('parseKernelTotals refuses a file with none of its lines', () => {
  expect(() => parseKernelTotals(key('cpu  1 2 3 4\n'))).toThrow(SyntaxError);
  expect(() => parseKernelTotals(key(''))).toThrow(SyntaxError);
});

test('the parsers of system read or refuse any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (file) => {
      for (const parse of [parseUptime, parseFileNr, parseKernelTotals, parseNumber.bind(undefined, '/proc/x')]) {
        try {
          parse(file);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }
    }),
  );
});

test('system takes the lower of two limits of processes, and no limit of files for absent', async () => {
  const values = valuesOf(await collectReceiver(system, { rootPath: rootOf('server-64cpu') }));
  expect(values['system.process.limit{}']).toBe(4_126_345);
  expect(values['system.linux.file_handle.count{}']).toBe(28_672);
  expect(values['system.linux.file_handle.limit{}']).toBeUndefined();
});

test('system measures what it can where files are missing or garbage, and says each once', async () => {
  const machine = createMachine({
    'proc/uptime': '5.00 1.00\n',
    'proc/stat': 'garbage\n',
    'proc/sys/kernel/threads-max': '100\n',
    'proc/sys/fs/file-nr': '7\n',
  });
  const run = await runReceiver(system, { rootPath: machine.root, everything: true });
  await run.collect();
  expect(valuesOf(await run.collect())).toEqual({ 'system.uptime{}': 5 });
  expect(run.said).toEqual([
    'once btime of /proc/stat: Cannot read the boot time: no line "btime" in /proc/stat',
    'once /proc/stat: Cannot parse /proc/stat: no line "ctxt" after "garbage"',
    'once /proc/sys/kernel/pid_max: Cannot read /proc/sys/kernel/pid_max: it does not exist (ENOENT)',
    'once /proc/sys/fs/file-nr: Cannot parse /proc/sys/fs/file-nr: "7" is not three numbers',
    'once /proc/sys/kernel/random/entropy_avail: ' +
      'Cannot read /proc/sys/kernel/random/entropy_avail: it does not exist (ENOENT)',
  ]);
  await run.stop();
});

test('system reads no file of a metric that is off', async () => {
  const metrics = Object.fromEntries(Object.values(system.metrics).map(({ name }) => [name, { enabled: false }]));
  const run = await runReceiver(system, { rootPath: createMachine({}).root, config: { metrics } });
  await run.collect();
  expect(run.said).toEqual([]);
  await run.stop();
});
