/** Which process a pid is: events as a test tells them, over a process table that the test holds. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Clock } from '../../../receivers/process_events/clock.ts';
import { type Program, type Stat, UNKNOWN_PROGRAM } from '../../../receivers/process_events/program.ts';
import type { Report } from '../../../receivers/process_events/report.ts';
import { createKernelEvent, type KernelEvent, type SourceName } from '../../../receivers/process_events/source.ts';
import type { Ended } from '../../../receivers/process_events/taskstats.ts';
import { createTracker } from '../../../receivers/process_events/tracker.ts';
import { Process } from '../../../src/procfs/process/process.ts';

const TICK_NS = 1e7;
/** Ticks are the monotonic clock, which is Unix time. */
const clock: Clock = {
  unix: (time_ns) => BigInt(Math.round(Number.isNaN(time_ns) ? 0 : time_ns)),
  unix_s: (time_ns) => time_ns / 1e9,
  ticks: (time_ns) => Math.floor(time_ns / TICK_NS),
  monotonic: (ticks) => ticks * TICK_NS,
  now_ns: () => 1e12,
  update() {},
};

interface Living {
  readonly startTicks: number;
  name: string;
  parent?: number;
  state?: string;
  threads?: number;
  status?: number;
}

function createSite({ limit = 100 } = {}) {
  const living = new Map<number, Living>();
  const ended = new Map<number, Ended>();
  const told: string[] = [];
  let isFull = false;
  const words = (source: SourceName): string => (source === 'netlink' ? '' : ` (${source})`);
  const report: Report = {
    told: { start: 0, fork: 0, exit: 0, setuid: 0, setgid: 0, oom_kill: 0 },
    start: ({ pid, parent, program }, { source }) =>
      void told.push(`start ${pid} of ${parent} ${program.name}${words(source)}`),
    fork: ({ pid, parent, program }, parentName, { source }) =>
      void told.push(`fork ${pid} of ${parentName} ${parent} ${program.name}${words(source)}`),
    exit: ({ pid, program, owner }, { status, lifetime_s, user_s }, { source }) => {
      const used = Number.isNaN(user_s) ? '' : ` used ${user_s}`;
      told.push(`exit ${pid} ${program.name} of ${owner}: ${status} after ${lifetime_s}${used}${words(source)}`);
    },
    owner: (kind, { pid, owner }, realId, effectiveId) =>
      void told.push(`${kind} ${pid} ${realId} ${effectiveId}, is ${owner}`),
    oomKill: ({ pid, program }, resident_bytes) => void told.push(`oom ${pid} ${program.name} ${resident_bytes}`),
    notice: (notice) => void told.push(notice),
  };
  const programOf = (pid: number): Program =>
    living.has(pid)
      ? { ...UNKNOWN_PROGRAM, name: living.get(pid)!.name, path: `/bin/${living.get(pid)!.name}` }
      : UNKNOWN_PROGRAM;
  const tracker = createTracker({
    clock,
    report,
    limit,
    readsOwner: () => false,
    onFull: () => (isFull = true),
    ended: (pid) => ended.get(pid),
    forget: (pid) => void ended.delete(pid),
    reader: {
      stat(pid): Stat | undefined {
        const one = living.get(pid);
        if (one === undefined) return undefined;
        const { startTicks, name, parent = 1, state = 'S', threads = 1, status = 0 } = one;
        return { startTicks, parent, state, threads, userTicks: 0, systemTicks: 0, nameHash: hash(name), name, status };
      },
      program: programOf,
      owner: () => 0,
    },
  });
  const send = (kind: KernelEvent['kind'], pid: number, tick: number, more: Partial<KernelEvent> = {}): void =>
    tracker.event({ ...createKernelEvent(), kind, pid, time_ns: tick * TICK_NS, ...more }, 'netlink');
  const scan = (): Process[] =>
    [...living].map(([pid, { startTicks, name, parent = 1, state = 'S' }]) => {
      const process = new Process(pid, startTicks, 1);
      Object.assign(process, { parent, state, nameHash: hash(name) });
      return process;
    });
  return { living, ended, told, tracker, send, scan, isFull: () => isFull };
}

function hash(name: string): number {
  let value = 0;
  for (const letter of name) value = (value * 31 + letter.charCodeAt(0)) | 0;
  return value;
}

test('a process is forked, started and ended, with the name of its parent until it has its own', () => {
  const { living, told, send } = createSite();
  living.set(1, { startTicks: 0, name: 'init' });
  send('exec', 1, 0);
  living.set(9, { startTicks: 100, name: 'init' });
  send('fork', 9, 100, { parent: 1 });
  living.get(9)!.name = 'worker';
  send('exec', 9, 101);
  living.delete(9);
  send('exit', 9, 150, { status: 3 << 8, parent: 1 });
  expect(told).toEqual([
    'start 1 of 1 init',
    'fork 9 of init 1 init',
    'start 9 of 1 worker',
    'exit 9 worker of 0: 768 after 0.5',
  ]);
});

test('what is gone before anyone looks has the name and the use that the kernel told of its end', () => {
  const { ended, told, send } = createSite();
  const task = { name: 'quick', owner: 0, parent: 1, system_s: 0, peak_bytes: 1, isWhole: true };
  ended.set(9, { ...task, pid: 9, began_s: 1, user_s: 0.25 });
  send('fork', 9, 100, { parent: 1 });
  send('exec', 9, 100);
  send('exit', 9, 101, { status: 0 });
  // An earlier process of the same pid.
  ended.set(9, { ...task, pid: 9, began_s: 1, user_s: 0.25 });
  send('fork', 9, 1000, { parent: 1 });
  send('exec', 9, 1000);
  send('exit', 9, 1001, { status: 0 });
  expect(told).toEqual([
    'fork 9 of process 1 ',
    'start 9 of 1 quick',
    'exit 9 quick of -1: 0 after 0.01 used 0.25',
    'fork 9 of process 1 ',
    'start 9 of 1 ',
    'exit 9  of -1: 0 after 0.01',
  ]);
});

test('a pid that is given again does not join two processes', () => {
  const { living, told, send } = createSite();
  send('fork', 9, 100, { parent: 1 });
  // By now it is another's, who started later.
  living.set(9, { startTicks: 500, name: 'later' });
  send('exec', 9, 101);
  send('exit', 9, 102, { status: 0 });
  send('fork', 9, 500, { parent: 1 });
  send('exec', 9, 501);
  living.delete(9);
  // Its exit was lost.
  send('fork', 9, 900, { parent: 1 });
  send('exit', 9, 901, { status: 9 });
  expect(told).toEqual([
    'fork 9 of process 1 ',
    'start 9 of 1 ',
    'exit 9  of -1: 0 after 0.02',
    'fork 9 of process 1 ',
    'start 9 of 1 later',
    'exit 9 later of 0: -1 after NaN (scan)',
    'fork 9 of process 1 ',
    'exit 9  of -1: 9 after 0.01',
  ]);
});

test('events that come after the exit are of who ended, and leave nothing behind', () => {
  const { told, tracker, send } = createSite();
  send('exit', 9, 102, { status: 0, parent: 1 });
  send('exec', 9, 101);
  send('fork', 9, 100, { parent: 1 });
  send('uid', 9, 101, { realId: 5, effectiveId: 6 });
  send('exit', 9, 102, { status: 0, parent: 1 });
  expect(told.map((line) => line.split(' ')[0])).toEqual(['exit', 'start', 'fork', 'setuid']);
  expect(tracker.count).toBe(0);
});

test('a start that is told before its fork is of the same process', () => {
  const { living, told, tracker, send } = createSite();
  living.set(9, { startTicks: 100, name: 'worker' });
  send('exec', 9, 101);
  send('fork', 9, 100, { parent: 7 });
  expect(told).toEqual(['start 9 of 1 worker', 'fork 9 of process 7 worker']);
  expect(tracker.count).toBe(1);
});

test('a process whose main thread has ended goes on until its other threads end', () => {
  const { living, told, tracker, send } = createSite();
  living.set(9, { startTicks: 100, name: 'worker', threads: 2 });
  send('exec', 9, 100);
  send('exit', 9, 200, { status: 7 << 8 });
  expect(told).toEqual(['start 9 of 1 worker']);
  tracker.checkLeaders();
  expect(tracker.hasLeaders).toBe(true);
  living.delete(9);
  tracker.checkLeaders();
  expect(told[1]).toBe('exit 9 worker of 0: 1792 after 999 (scan)');
  expect(tracker.hasLeaders).toBe(false);
});

test('a process whose threads end together ended when its main thread did', () => {
  const { living, told, tracker, send } = createSite();
  living.set(9, { startTicks: 100, name: 'worker', threads: 2 });
  send('exec', 9, 100);
  send('exit', 9, 200, { status: 0 });
  living.delete(9);
  tracker.checkLeaders();
  expect(told[1]).toBe('exit 9 worker of 0: 0 after 1');
});

test('a program that another thread starts takes the place of the main one', () => {
  const { living, told, tracker, send } = createSite();
  living.set(9, { startTicks: 100, name: 'worker', threads: 2 });
  send('exec', 9, 100);
  send('exit', 9, 200, { status: 0 });
  living.set(9, { startTicks: 100, name: 'next' });
  send('exec', 9, 200);
  tracker.checkLeaders();
  expect(told).toEqual(['start 9 of 1 worker', 'start 9 of 1 next']);
});

test('children have the user of their parent, and setuid changes it', () => {
  const { living, told, send } = createSite();
  living.set(1, { startTicks: 0, name: 'init' });
  send('exec', 1, 0);
  send('uid', 1, 1, { realId: 5, effectiveId: 6 });
  send('gid', 1, 1, { realId: 7, effectiveId: 8 });
  send('fork', 9, 100, { parent: 1 });
  send('exit', 9, 101, { status: 0 });
  expect(told.slice(1)).toEqual([
    'setuid 1 5 6, is 6',
    'setgid 1 7 8, is 6',
    'fork 9 of init 1 init',
    'exit 9 init of 6: 0 after 0.01',
  ]);
});

test('kills for want of memory are told of who is known and who is not', () => {
  const { living, told, send } = createSite();
  living.set(9, { startTicks: 100, name: 'greedy' });
  send('exec', 9, 100);
  send('oom_kill', 9, 101, { resident_kib: 4, name: 'greedy' });
  send('exit', 9, 102, { status: 9 });
  send('oom_kill', 9, 101, { resident_kib: 4, name: 'greedy' });
  send('oom_kill', 10, 101, { resident_kib: NaN, name: 'other' });
  expect(told.filter((line) => line.startsWith('oom'))).toEqual([
    'oom 9 greedy 4096',
    'oom 9 greedy 4096',
    'oom 10 other NaN',
  ]);
});

test('a scan finds what was missed, and only that', () => {
  const { living, told, tracker, send, scan } = createSite();
  living.set(1, { startTicks: 0, name: 'init' });
  living.set(2, { startTicks: 0, name: 'old' });
  living.set(3, { startTicks: 0, name: 'shell' });
  for (const process of scan()) tracker.takeUp(process);
  living.delete(2);
  living.get(3)!.name = 'program';
  living.set(4, { startTicks: 100, name: 'new' });
  living.set(5, { startTicks: 100, name: 'done', state: 'Z', status: 256 });
  // Told of after the scan was made.
  const found = scan();
  send('fork', 6, 300_000, { parent: 1 });
  send('exit', 1, 300_001, { status: 0 });
  told.length = 0;
  expect(tracker.reconcile(found, 200_000 * TICK_NS)).toEqual({ starts: 2, exits: 1 });
  expect(told).toEqual([
    'exit 2 old of 0: -1 after 2000 (scan)',
    'start 3 of 1 program (scan)',
    'start 4 of 1 new (scan)',
  ]);
  // Neither who just came is looked for, nor who just ended.
  living.delete(1);
  expect(tracker.reconcile(scan(), 250_000 * TICK_NS)).toEqual({ starts: 0, exits: 0 });
});

test('a process that gives itself another name is no other program', () => {
  const { living, told, tracker, scan } = createSite();
  living.set(3, { startTicks: 0, name: 'shell' });
  for (const process of scan()) tracker.takeUp(process);
  const renamed = scan();
  renamed[0]!.nameHash = 7;
  expect(tracker.reconcile(renamed, 1)).toEqual({ starts: 0, exits: 0 });
  expect(told).toEqual([]);
});

test('no more processes are remembered than allowed', () => {
  const site = createSite({ limit: 3 });
  for (let pid = 10; pid < 20; pid++) site.send('fork', pid, pid, { parent: 1 });
  expect(site.tracker.count).toBe(3);
  expect(site.isFull()).toBe(true);
  expect(site.told).toHaveLength(10);
  for (let pid = 10; pid < 20; pid++) site.send('exit', pid, 100, { status: 0 });
  expect(site.told).toHaveLength(20);
  expect(site.tracker.count).toBe(0);
});

test('whatever order events come in, none is told twice and nobody who ended is left', () => {
  const life = fc.record({
    pid: fc.integer({ min: 2, max: 6 }),
    hasFork: fc.boolean(),
    execs: fc.nat({ max: 2 }),
  });
  fc.assert(
    fc.property(fc.array(life, { maxLength: 12 }), fc.func(fc.nat({ max: 3 })), (lives, delay) => {
      const { told, tracker, send } = createSite();
      // Events of one life after another; some change places with their neighbours.
      const events = lives.flatMap(({ pid, hasFork, execs }, index) => {
        const at = index * 100 + 100;
        return [
          ...(hasFork ? [{ kind: 'fork' as const, pid, at }] : []),
          ...Array.from({ length: execs }, (_, count) => ({ kind: 'exec' as const, pid, at: at + 3 + count })),
          { kind: 'exit' as const, pid, at: at + 10 },
        ] satisfies { kind: KernelEvent['kind']; pid: number; at: number }[];
      });
      const order = events.map((event, index) => ({ event, place: index + delay(index) }));
      // Those of the next life of a pid come after the end of the one before.
      const sorted = order.toSorted(
        (a, b) => Math.floor(a.event.at / 100) - Math.floor(b.event.at / 100) || a.place - b.place,
      );
      for (const { event } of sorted) send(event.kind, event.pid, event.at, { parent: 1, status: 0 });
      for (const [kind, word] of [
        ['fork', 'fork'],
        ['exec', 'start'],
        ['exit', 'exit'],
      ]) {
        expect(told.filter((line) => line.startsWith(`${word} `))).toHaveLength(
          events.filter((event) => event.kind === kind).length,
        );
      }
      expect(tracker.count).toBe(0);
    }),
  );
});
