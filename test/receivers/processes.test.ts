import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { countListed, countProcesses, createCensusTaker } from '../../receivers/processes/census.ts';
import processes from '../../receivers/processes/index.ts';
import { key } from '../../src/procfs/bytes.ts';
import { createHost, type Host } from '../../src/procfs/host.ts';
import { parseProcessStat, type ProcessStat } from '../../src/procfs/process_stat.ts';
import { collectReceiver, runReceiver, valuesOf } from '../support/collect.ts';
import { testGoldens, testGoldensElsewhere } from '../support/golden.ts';
import { createMachine } from '../support/machines.ts';
import { createRecordedLog } from '../support/recorded_log.ts';

testGoldens(processes);
testGoldensElsewhere(processes);

const line = (pid: number, name: string, state: string, parent: number, session: number, flags = 0, threads = 1) =>
  `${pid} (${name}) ${state} ${parent} ${pid} ${session} 0 -1 ${flags} 0 0 0 0 1 2 0 0 20 0 ${threads} 0 99 0 0\n`;
const stat = (fields: Partial<ProcessStat>): ProcessStat => ({
  pid: 1,
  state: 'S',
  parent: 0,
  session: 1,
  isKernelThread: false,
  threads: 1,
  residentPages: 0,
  ...fields,
});

test.each([
  ['a plain name', 'bash'],
  ['blanks', 'tmux: server'],
  ['parentheses', 'a) R 1 (b'],
  ['a newline', 'a\nb'],
  ['nothing', ''],
])('parseProcessStat reads a name of %s', (_, name) => {
  expect(parseProcessStat(key(line(7, name, 'D', 3, 5, 0, 12)))).toEqual(
    stat({ pid: 7, state: 'D', parent: 3, session: 5, threads: 12 }),
  );
});

test('parseProcessStat tells kernel threads by their flag', () => {
  expect(parseProcessStat(key(line(2, 'kthreadd', 'S', 0, 0, 2_129_984))).isKernelThread).toBe(true);
  expect(parseProcessStat(key(line(2, 'x', 'S', 0, 0, 0xffffffff))).isKernelThread).toBe(true);
  expect(parseProcessStat(key(line(2, 'x', 'S', 0, 0, 4_194_560))).isKernelThread).toBe(false);
});

test.each([
  ['an empty file', ''],
  ['a truncated file', '7 (bash) S 3 7 5 0 -1 0 0 0'],
  ['no name', '7 bash S 3 7 5'],
  ['words', 'no such process, sorry to say so (really) S a b c d e f g h i j k l m n o p q'],
])('parseProcessStat refuses %s', (_, file) => {
  expect(() => parseProcessStat(key(file))).toThrow(SyntaxError);
});

test('parseProcessStat reads every name and refuses any other bytes', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(')', '(', ' ', 'R', '1', '\n', 'é'), maxLength: 15 }),
      fc.nat(4_194_304),
      (name, pid) => {
        expect(parseProcessStat(key(line(pid, name, 'R', 1, 1)))).toMatchObject({ pid, state: 'R' });
      },
    ),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (file) => {
      try {
        parseProcessStat(file);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }),
  );
});

test('parseProcessStat reads what this kernel says of this process', () => {
  const self = parseProcessStat(readFileSync('/proc/self/stat'));
  expect([self.pid, self.parent]).toEqual([process.pid, process.ppid]);
});

const count = (processes: readonly ProcessStat[]) =>
  countProcesses(processes, (wanted) => processes.find(({ pid }) => pid === wanted));

test('countProcesses puts every letter of the kernel into one of four states', () => {
  const { states } = count([...'RSDTtXZPIKWwx'].map((state, index) => stat({ pid: index + 2, state })));
  expect(states).toEqual([1, 7, 2, 3]);
});

test.each<[string, Partial<ProcessStat>, number]>([
  ['a job whose shell has ended', { parent: 1, session: 40 }, 1],
  ['a job taken over by a subreaper', { parent: 20, session: 40 }, 1],
  ['a daemon with a session of its own', { parent: 1, session: 50 }, 0],
  ['a worker of init', { parent: 1, session: 1 }, 0],
  ['a child of a shell', { parent: 30, session: 30 }, 0],
  ['a kernel thread', { parent: 2, session: 0, isKernelThread: true }, 0],
  ['a process entered from outside of the PID namespace', { parent: 1, session: 0 }, 0],
  ['a process whose parent is not seen', { parent: 99, session: 40 }, 0],
])('countProcesses on orphans: %s', (_, fields, orphans) => {
  const others = [stat({}), stat({ pid: 20, parent: 1, session: 20 }), stat({ pid: 30, parent: 20, session: 30 })];
  expect(count([...others, stat({ pid: 50, ...fields })]).orphans).toBe(orphans);
});

test('countListed tells how many there are where no state is told', () => {
  const listed = (...states: string[]) => states.map((state) => ({ state }) as never);
  expect(countListed(listed('unknown', 'unknown'))).toBe(2);
  expect(countListed(listed('unknown', 'running', 'zombie', 'blocked', 'stopped'))).toEqual([1, 2, 1, 1]);
});

test('processes leaves out a process that ends while they are counted', async () => {
  const machine = createMachine({ 'proc/1/stat': line(1, 'init', 'S', 0, 1), 'proc/stat': 'ctxt 1\n' });
  // A folder without its file: the process ended between the list and the reading.
  machine.write('proc/7/comm', 'gone\n');
  const run = await runReceiver(processes, { rootPath: machine.root });
  expect(valuesOf(await run.collect())['system.process.count{"process.state"="sleeping"}']).toBe(1);
  expect(run.said).toEqual([]);
  await run.stop();
});

test('processes counts those it can read, and says once that one is denied', async () => {
  const machine = createMachine({
    'proc/1/stat': line(1, 'init', 'S', 0, 1),
    'proc/5/stat': line(5, 'secret', 'S', 1, 5),
    'proc/6/stat': 'garbage',
    'proc/stat': 'processes 17\nctxt 1\n',
  });
  const run = await runReceiver(processes, { rootPath: machine.root });
  const { open } = run.host;
  run.host.open = (path) => {
    if (path === '/proc/5/stat') throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    return open(path);
  };
  await run.collect();
  expect(valuesOf(await run.collect())).toMatchObject({
    'system.process.count{"process.state"="sleeping"}': 1,
    'system.process.created{}': 17,
  });
  expect(run.said).toEqual(['once /proc/[pid]/stat: Cannot read /proc/[pid]/stat: permission denied (EACCES)']);
  await run.stop();
});

test('processes keeps files open up to its limit, and takes a pid that is used again for the process it is now', () => {
  const machine = createMachine({
    'proc/1/stat': line(1, 'init', 'S', 0, 1),
    'proc/5/stat': line(5, 'a', 'R', 1, 1),
    'proc/6/stat': line(6, 'b', 'S', 1, 1),
  });
  const host = createHost({ rootPath: machine.root });
  const opened: string[] = [];
  const ended = new Set<string>();
  const watched: Host = {
    ...host,
    open(path) {
      opened.push(path);
      const file = host.open(path);
      const read = () => {
        // What the kernel answers of a process that has ended, whoever has its pid now.
        if (ended.has(path)) throw Object.assign(new Error('ESRCH'), { code: 'ESRCH' });
        return file.read();
      };
      return { read, close: () => file.close() };
    },
  };
  const taker = createCensusTaker(watched, createRecordedLog(), 2);
  expect(taker.take()?.states).toEqual([1, 2, 0, 0]);
  expect(taker.take()?.states).toEqual([1, 2, 0, 0]);
  expect(opened).toEqual(['/proc/1/stat', '/proc/5/stat']);
  ended.add('/proc/5/stat');
  expect(taker.take()?.states).toEqual([0, 2, 0, 0]);
  ended.clear();
  machine.write('proc/5/stat', line(5, 'another', 'T', 1, 1));
  expect(taker.take()?.states).toEqual([0, 2, 1, 0]);
  taker.close();
  host.close();
});

test('processes does not go through processes for totals alone', async () => {
  const off = ['system.process.count', 'system.linux.process.orphan.count', 'system.linux.thread.count'];
  const config = { metrics: Object.fromEntries(off.map((name) => [name, { enabled: false }])) };
  const machine = createMachine({ 'proc/stat': 'processes 17\n', 'proc/1/stat': 'garbage' });
  const run = await runReceiver(processes, { rootPath: machine.root, config });
  expect(valuesOf(await run.collect())).toEqual({ 'system.process.created{}': 17 });
  expect(run.said).toEqual([]);
  await run.stop();
});

test('processes counts those of this machine', async () => {
  const values = valuesOf(await collectReceiver(processes));
  expect(values['system.process.count{"process.state"="running"}']).toBeGreaterThanOrEqual(1);
  expect(values['system.linux.thread.count{}']).toBeGreaterThan(4);
});
