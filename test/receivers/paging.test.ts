import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import paging, { parseSwaps, parseVmstat } from '../../receivers/paging.ts';
import { key } from '../../src/procfs/bytes.ts';
import { collectReceiver, renderBatches, runReceiver, valuesOf } from '../support/collect.ts';
import { testGoldens, testGoldensElsewhere } from '../support/golden.ts';
import { createMachine, readFixture, rootOf } from '../support/machines.ts';

testGoldens(paging);
testGoldensElsewhere(paging);

const HEAD = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';

test.each([
  ['no swap', HEAD, []],
  [
    'devices and files',
    `${HEAD}/dev/dm-1  partition\t2048\t1024\t-2\n/a\\040b\\134c\\040(deleted) file\t4\t0\t5\n`,
    [
      { device: '/dev/dm-1', size: 2_097_152, used: 1_048_576 },
      { device: '/a b\\c (deleted)', size: 4096, used: 0 },
    ],
  ],
  ['columns of a newer kernel', `${HEAD}/s file 4 1 5 7 x\n`, [{ device: '/s', size: 4096, used: 1024 }]],
])('parseSwaps reads %s', (_, file, expected) => {
  expect(parseSwaps(key(file))).toEqual(expected);
});

test.each([
  ['a line without sizes', `${HEAD}/dev/dm-1 partition\n`],
  ['sizes that are no numbers', `${HEAD}/dev/dm-1 partition big small -2\n`],
  ['an empty line', `${HEAD}\n`],
])('parseSwaps refuses %s', (_, file) => {
  expect(() => parseSwaps(key(file))).toThrow(SyntaxError);
});

test('parseVmstat reads lines wherever they stand', () => {
  expect(parseVmstat(key('oom_kill 5\npswpin 1\nx 9\npswpout 2\npgfault 30\npgmajfault 4\n'))).toEqual({
    swappedIn: 1,
    swappedOut: 2,
    faults: 30,
    majorFaults: 4,
    oomKills: 5,
  });
});

test('parseVmstat gives NaN for what an old kernel does not tell', () => {
  expect(parseVmstat(readFixture('linux-3.10', 'proc/vmstat')).oomKills).toBeNaN();
});

test('parseVmstat refuses a file without page faults', () => {
  expect(() => parseVmstat(key('nr_free_pages 1\n'))).toThrow(
    'Cannot parse /proc/vmstat: no line "pgfault" in 16 bytes',
  );
});

test('the parsers of paging read or refuse any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (file) => {
      for (const parse of [parseSwaps, parseVmstat]) {
        try {
          parse(file);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }
    }),
  );
});

test('paging counts minor faults apart from major ones, and pages swapped rather than block I/O', async () => {
  const values = valuesOf(await collectReceiver(paging, { rootPath: rootOf('server-64cpu') }));
  expect(values['system.paging.faults{"system.paging.fault.type"="major"}']).toBe(12_345_678);
  expect(values['system.paging.faults{"system.paging.fault.type"="minor"}']).toBe(998_877_665_544 - 12_345_678);
  expect(Object.keys(values).filter((series) => series.startsWith('system.paging.operations'))).toEqual([
    'system.paging.operations{"system.paging.direction"="in","system.paging.fault.type"="major"}',
    'system.paging.operations{"system.paging.direction"="out","system.paging.fault.type"="major"}',
  ]);
});

test('paging ends the series of a swap that was switched off', async () => {
  const machine = createMachine({ 'proc/swaps': `${HEAD}/swap file 4 1 -2\n`, 'proc/vmstat': 'pgfault 1\n' });
  const run = await runReceiver(paging, { rootPath: machine.root });
  await run.collect();
  machine.write('proc/swaps', HEAD);
  expect(renderBatches((await run.collect()).slice(1))).toBe(
    'system.paging.usage{"system.device"="/swap","system.paging.state"="free"} ended By updowncounter int\n' +
      'system.paging.usage{"system.device"="/swap","system.paging.state"="used"} ended By updowncounter int\n',
  );
  await run.stop();
});

test('paging measures swap where /proc/vmstat is garbage, and says so once', async () => {
  const machine = createMachine({ 'proc/swaps': `${HEAD}/swap file 4 1 -2\n`, 'proc/vmstat': 'garbage\n' });
  const run = await runReceiver(paging, { rootPath: machine.root });
  await run.collect();
  expect(Object.keys(valuesOf(await run.collect()))).toHaveLength(2);
  expect(run.said).toEqual(['once /proc/vmstat: Cannot parse /proc/vmstat: no line "pgfault" in 8 bytes']);
  await run.stop();
});
