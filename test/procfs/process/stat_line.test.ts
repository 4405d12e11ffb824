import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { key } from '../../../src/procfs/bytes.ts';
import { Process, RESIDENT, SYSTEM, THREADS, USER, VIRTUAL } from '../../../src/procfs/process/process.ts';
import { StatLine } from '../../../src/procfs/process/stat_line.ts';
import { parseProcessStat } from '../../../src/procfs/process_stat.ts';

const REAL =
  '1051 (bash) S 1050 1052 1053 0 -1 4194560 14369 1410865 7 479 5 8 3139 1513 20 -5 3 0 2871 8101888 1310 18446744073709551615 1 1\n';

function parse(text: string | Uint8Array): Process {
  const line = new StatLine();
  line.parse(typeof text === 'string' ? key(text) : text);
  const process = new Process(line.pid, line.startTicks, 1);
  line.store(process, 4096);
  return process;
}

test('StatLine reads what a line says', () => {
  const process = parse(REAL);
  expect(process).toMatchObject({ pid: 1051, startTicks: 2871, state: 'S', parent: 1050, session: 1053, threads: 3 });
  expect(process.counters.slice(0, 4)).toEqual([5, 8, 14369, 7]);
  expect([process.levels[RESIDENT], process.levels[VIRTUAL], process.levels[THREADS]]).toEqual([
    1310 * 4096,
    8101888,
    3,
  ]);
});

test('StatLine tells whether a process did anything since', () => {
  const line = new StatLine();
  const process = parse(REAL);
  line.parse(key(REAL));
  expect(line.store(process, 4096)).toBe(false);
  for (const [from, to] of [
    [' 5 8 ', ' 6 8 '],
    ['14369', '14370'],
    ['(bash)', '(dash)'],
    [' S ', ' R '],
  ]) {
    line.parse(key(REAL.replace(from, to)));
    expect(line.store(process, 4096), to).toBe(true);
    line.parse(key(REAL));
    line.store(process, 4096);
  }
});

test('StatLine does not let CPU time fall that the kernel gave from one mode to the other', () => {
  const line = new StatLine();
  const process = parse(REAL);
  line.parse(key(REAL.replace(' 5 8 ', ' 4 9 ')));
  line.store(process, 4096);
  expect([process.counters[USER], process.counters[SYSTEM]]).toEqual([5, 9]);
});

test('StatLine refuses a line that is cut off anywhere', () => {
  for (let length = 0; length < REAL.indexOf(' 1310'); length++) {
    expect(() => parse(REAL.slice(0, length)), REAL.slice(0, length)).toThrow(SyntaxError);
  }
});

test('StatLine reads of every line what parseProcessStat reads, and refuses what it refuses', () => {
  const name = fc.string({ unit: fc.constantFrom(')', '(', ' ', 'R', '1', '\n', 'é'), maxLength: 15 });
  const number = fc.integer({ min: -1, max: 2 ** 40 });
  fc.assert(
    fc.property(
      fc.nat(4_194_304),
      name,
      fc.array(number.map(Math.abs), { minLength: 21, maxLength: 21 }),
      (pid, comm, fields) => {
        const file = key(`${pid} (${comm}) R ${fields.join(' ')}\n`);
        const { state, parent, session, isKernelThread, threads, residentPages } = parse(file);
        expect({ pid, state, parent, session, isKernelThread, threads, residentPages }).toEqual(parseProcessStat(file));
      },
    ),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (file) => {
      expect(() => parse(file)).toThrow(SyntaxError);
    }),
  );
});

test('StatLine reads what this kernel says of this process', () => {
  expect(parse(readFileSync('/proc/self/stat'))).toMatchObject({ pid: process.pid, parent: process.ppid });
});
