import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import load, { parseLoadavg } from '../../receivers/load.ts';
import { key } from '../../src/procfs/bytes.ts';
import { collectReceiver, runReceiver, valuesOf } from '../support/collect.ts';
import { testGoldens, testGoldensElsewhere } from '../support/golden.ts';
import { createMachine, recordedHost, rootOf } from '../support/machines.ts';

testGoldens(load);
testGoldensElsewhere(load);

test.each([
  ['one line of a kernel', '0.02 0.07 0.13 2/95 13455\n', { one: 0.02, five: 0.07, fifteen: 0.13 }],
  ['what a newer kernel may add', '12.34 0.00 9 2/95 13455 77 x\n', { one: 12.34, five: 0, fifteen: 9 }],
])('parseLoadavg reads %s', (_, line, expected) => {
  expect(parseLoadavg(key(line))).toEqual(expected);
});

test.each([
  ['a line with two numbers', '0.02 0.07\n'],
  ['words', 'load: high, very high\n'],
  ['an empty file', ''],
  ['a negative number', '-1.00 0.07 0.13 2/95 13455\n'],
])('parseLoadavg refuses %s', (_, line) => {
  expect(() => parseLoadavg(key(line))).toThrow(SyntaxError);
});

test('parseLoadavg says what it found', () => {
  expect(() => parseLoadavg(key('0.02 0.07\n'))).toThrow(
    'Cannot parse /proc/loadavg: "0.02 0.07" does not begin with three numbers',
  );
});

test('parseLoadavg reads every load that the kernel can write, or refuses', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10_000_000), { minLength: 3, maxLength: 3 }), (hundredths) => {
      const texts = hundredths.map((value) => (value / 100).toFixed(2));
      const { one, five, fifteen } = parseLoadavg(key(`${texts.join(' ')} 1/2 3\n`));
      expect([one, five, fifteen]).toEqual(texts.map(Number));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (file) => {
      try {
        parseLoadavg(file);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }),
  );
});

test('load divides by the CPUs that are online for cpu_average', async () => {
  const batches = await collectReceiver(load, { rootPath: rootOf('arm-board'), config: { cpu_average: true } });
  expect(valuesOf(batches)['system.cpu.load_average.1m{}']).toBeCloseTo(0.52 / 3, 12);
});

test('load says once what is wrong with its file, and when it works again', async () => {
  const machine = createMachine({ 'proc/loadavg': 'nothing\n' });
  const run = await runReceiver(load, { rootPath: machine.root });
  expect(valuesOf(await run.collect())).toEqual({});
  await run.collect();
  machine.write('proc/loadavg', '1.00 2.00 3.00 1/1 1\n');
  expect(valuesOf(await run.collect())).toMatchObject({ 'system.cpu.load_average.5m{}': 2 });
  expect(run.said).toEqual([
    'once /proc/loadavg: Cannot parse /proc/loadavg: "nothing" does not begin with three numbers',
    'over /proc/loadavg: Reading /proc/loadavg works again',
  ]);
  await run.stop();
});

test('load tells nothing on Windows rather than three zeros', async () => {
  const run = await runReceiver(load, { platform: 'win32', host: recordedHost('win32') });
  expect(valuesOf(await run.collect())).toEqual({});
  expect(run.said).toEqual(['once load: Cannot read the load average: Windows has none']);
  await run.stop();
});
