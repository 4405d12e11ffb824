import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import memory, { divideMemory, parseMeminfo } from '../../receivers/memory.ts';
import { key } from '../../src/procfs/bytes.ts';
import { collectReceiver, runReceiver, valuesOf } from '../support/collect.ts';
import { testGoldens, testGoldensElsewhere } from '../support/golden.ts';
import { createMachine, ELSEWHERE, MACHINES, readFixture, recordedHost, rootOf } from '../support/machines.ts';

testGoldens(memory);
testGoldensElsewhere(memory);

const SHORT = 'MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\n';

test('parseMeminfo takes what free(1) calls cache for cached', () => {
  const meminfo = parseMeminfo(readFixture('server-64cpu', 'proc/meminfo'));
  expect(meminfo.cached).toBe((245_123_456 + 18_765_432) * 1024);
  expect(meminfo.total).toBe(528_280_664 * 1024);
  expect(meminfo.hugepages).toEqual({ total: 65536, free: 12345, reserved: 345, surplus: 16, size: 2 ** 21 });
});

test('parseMeminfo gives NaN for what a kernel does not tell', () => {
  const meminfo = parseMeminfo(key(SHORT));
  expect(meminfo).toMatchObject({ total: 102_400, free: 10_240, buffers: 5120, cached: 20_480, available: NaN });
  expect(meminfo.hugepages.total).toBeNaN();
});

test('parseMeminfo leaves lines of a newer kernel alone', () => {
  expect(parseMeminfo(key(`Balloon: 7 kB\n${SHORT}SwapCached: 9 kB\nUnaccepted: x\n`)).cached).toBe(20_480);
});

test.each([
  ['a truncated file', 'MemTotal: 100 kB\nMemFree: 10 kB\nBuff'],
  ['a total that is no number', SHORT.replace('100', '1OO')],
  ['an empty file', ''],
])('parseMeminfo refuses %s', (_, file) => {
  expect(() => parseMeminfo(key(file))).toThrow(SyntaxError);
});

test('divideMemory gives parts that sum to the total, none below zero', () => {
  const amount = fc.nat(2 ** 40);
  fc.assert(
    fc.property(amount, amount, amount, amount, (total, free, buffers, cached) => {
      const parts = divideMemory(total, { free, buffers, cached });
      expect(parts.used + parts.free + parts.buffers + parts.cached).toBe(total);
      expect(Math.min(...Object.values(parts))).toBeGreaterThanOrEqual(0);
      if (free + buffers + cached <= total) expect(parts).toMatchObject({ free, buffers, cached });
    }),
  );
});

test.each(MACHINES)('memory has states that sum to the limit on %s', async (machine) => {
  expectStatesToSum(valuesOf(await collectReceiver(memory, { rootPath: rootOf(machine), everything: true })));
});

test.each(ELSEWHERE)('memory has states that sum to the limit on %s', async (platform) => {
  const run = { platform, host: recordedHost(platform), everything: true };
  expectStatesToSum(valuesOf(await collectReceiver(memory, run)));
});

function expectStatesToSum(values: Readonly<Record<string, number>>): void {
  let sum = 0;
  for (const [series, value] of Object.entries(values)) if (series.startsWith('system.memory.usage{')) sum += value;
  expect(sum).toBeGreaterThan(0);
  expect(sum).toBe(values['system.memory.limit{}']);
}

test('memory has no opt-in metric unless asked for', async () => {
  const values = valuesOf(await collectReceiver(memory, { rootPath: rootOf('server-64cpu') }));
  expect(Object.keys(values).sort()).toEqual([
    'system.memory.linux.available{}',
    'system.memory.usage{"system.memory.state"="buffers"}',
    'system.memory.usage{"system.memory.state"="cached"}',
    'system.memory.usage{"system.memory.state"="free"}',
    'system.memory.usage{"system.memory.state"="used"}',
  ]);
});

test('memory says once that /proc/meminfo is missing', async () => {
  const run = await runReceiver(memory, { rootPath: createMachine({}).root });
  expect(valuesOf(await run.collect())).toEqual({});
  await run.collect();
  expect(run.said).toEqual(['once /proc/meminfo: Cannot read /proc/meminfo: it does not exist (ENOENT)']);
  await run.stop();
});
