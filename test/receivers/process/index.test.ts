import { expect, test } from 'vitest';
import process_ from '../../../receivers/process/index.ts';
import type { MetricBatch } from '../../../src/model/batch.ts';
import { groupsOf } from '../../../src/model/otlp/layout_groups.ts';
import { collectReceiver, runReceiver, valuesOf, type RunOptions } from '../../support/collect.ts';
import { testGoldens, testGoldensElsewhere } from '../../support/golden.ts';
import { createMachine, recordedHost, rootOf } from '../../support/machines.ts';

testGoldens(process_);
testGoldensElsewhere(process_);

interface Given {
  readonly name?: string;
  readonly user?: number;
  readonly pages?: number;
  readonly start?: number;
  readonly io?: number;
}

const statOf = (pid: number, { name = 'x', user = 0, pages = 1, start = 100 }: Given): string =>
  `${pid} (${name}) S 1 ${pid} ${pid} 0 -1 0 0 0 0 0 ${user} 0 0 0 20 0 2 0 ${start} 8192 ${pages}\n`;
const hostOf = (user: number) => ({
  'proc/stat': `cpu  ${user} 0 0 0 0 0 0 0 0 0\nbtime 1700000000\n`,
  'proc/uptime': '1000.00 900.00\n',
  'proc/vmstat': 'pgfault 50\npgmajfault 5\n',
});

function machineOf(processes: Record<number, Given>, user = 1000) {
  const machine = createMachine(hostOf(user));
  const write = (pid: number, given: Given): void => {
    machine.write(`proc/${pid}/stat`, statOf(pid, given));
    machine.write(`proc/${pid}/comm`, `${given.name ?? 'x'}\n`);
    machine.write(`proc/${pid}/cmdline`, `/bin/${given.name ?? 'x'}\0--password=hunter2\0`);
    machine.write(`proc/${pid}/cgroup`, `0::/system.slice/${given.name ?? 'x'}.service\n`);
    machine.write(`proc/${pid}/status`, `Uid:\t${pid}\t0\t0\t0\n`);
    if (given.io !== undefined) machine.write(`proc/${pid}/io`, `read_bytes: ${given.io}\n`);
  };
  for (const [pid, given] of Object.entries(processes)) write(Number(pid), given);
  const advance = (total: number): void => machine.write('proc/stat', hostOf(total)['proc/stat']);
  return { ...machine, write, advance };
}

type Config = RunOptions['config'];
const only = (config: Config) => ({ attributes: ['process.executable.name'], ...config });

/** `pid value` of a metric, or `name value` of a group, or `rest value`. */
function pointsOf([batch]: readonly MetricBatch[], metric: string, extra: Record<string, string> = {}): string[] {
  const points: string[] = [];
  batch.series.forEach(({ metric: { name }, attributes }, row) => {
    if (name !== metric || Object.entries(extra).some(([key, value]) => attributes[key] !== value)) return;
    const of =
      attributes['process.remainder'] === undefined
        ? (attributes['process.pid'] ?? attributes['process.executable.name'])
        : 'rest';
    points.push(`${String(of)} ${batch.values[row]}`);
  });
  return points;
}

const USER = { 'cpu.mode': 'user' };

test('process reports the first by each measure, the pinned, and all others in the remainder', async () => {
  const machine = machineOf({
    5: { user: 500, name: 'busy' },
    6: { pages: 900, name: 'fat' },
    7: { io: 4096, name: 'reader' },
    8: { user: 3, name: 'pinned' },
    9: { user: 20, pages: 20, io: 20, name: 'other' },
  });
  const batches = await collectReceiver(process_, {
    rootPath: machine.root,
    config: { top: { cpu: 1, memory: 1, io: 1 }, pinned: [{ executable: ['pin*'] }] },
  });
  expect(pointsOf(batches, 'process.cpu.time', USER)).toEqual(['8 0.03', '5 5', '6 0', '7 0', 'rest 4.97']);
  expect(pointsOf(batches, 'process.memory.usage').at(-1)).toBe(`rest ${20 * 4096}`);
  expect(pointsOf(batches, 'process.group.size')).toEqual(['rest 1']);
});

test('process shows neither arguments nor what rules matched in them, unless it is asked for', async () => {
  const machine = machineOf({ 5: { user: 5, name: 'db' } });
  const textOf = async (config: Config): Promise<string> =>
    Object.keys(valuesOf(await collectReceiver(process_, { rootPath: machine.root, config }))).join();
  const pinned = [{ command_line: ['*hunter2'] }];
  expect(await textOf({ pinned })).not.toContain('password');
  expect(await textOf({ command_line: 'redacted' })).toContain(
    '"process.command_line"="/bin/db --password=[REDACTED]"',
  );
  expect(await textOf({ command_line: 'full' })).toContain('hunter2');
});

test.each([
  ['executable', { executable: ['b'] }],
  ['owner', { owner: ['6'] }],
  ['unit', { unit: ['b.*'] }],
  ['command line', { command_line: ['/bin/b *'] }],
  ['two conditions', { owner: ['*'], unit: ['b.service'] }],
])('process pins by %s, and excludes', async (_, rule) => {
  const machine = machineOf({ 5: { name: 'a' }, 6: { name: 'b' } });
  const pinned = { rootPath: machine.root, config: { top: { cpu: 0, memory: 0, io: 0 }, pinned: [rule] } };
  expect(pointsOf(await collectReceiver(process_, pinned), 'process.thread.count')).toEqual(['6 2', 'rest 2']);
  const excluded = { rootPath: machine.root, config: { exclude: [rule] } };
  expect(pointsOf(await collectReceiver(process_, excluded), 'process.thread.count')).toEqual(['5 2', 'rest 2']);
});

test('process pins no more than max_pinned, and says so', async () => {
  const machine = machineOf({ 5: {}, 6: {}, 7: {} });
  const config = { top: { cpu: 0, memory: 0, io: 0 }, pinned: [{ executable: ['*'] }], max_pinned: 2 };
  const run = await runReceiver(process_, { rootPath: machine.root, config });
  expect(pointsOf(await run.collect(), 'process.thread.count')).toEqual(['5 2', '6 2', 'rest 2']);
  expect(run.said).toEqual(['once max_pinned: Cannot pin more than max_pinned, 2: 1 more are ranked like any other']);
  await run.stop();
});

test('process begins a series when the process began, whenever it is reported first', async () => {
  const machine = machineOf({ 5: { user: 5 }, 6: { start: 250 } });
  const run = await runReceiver(process_, {
    rootPath: machine.root,
    config: only({ top: { cpu: 1, memory: 0 }, min_stay: '0s' }),
  });
  await run.collect();
  machine.write(6, { user: 100, start: 250 });
  machine.advance(1100);
  const [batch] = await run.collect();
  const series = batch.series.find(({ attributes }) => attributes['process.pid'] === 6)!;
  expect(series.startTime).toBe(1_700_000_002_500_000_000n);
  expect(series.attributes['process.creation.time']).toBe('2023-11-14T22:13:22.500Z');
  await run.stop();
});

test('process puts what came and went into the remainder, which never falls', async () => {
  const machine = machineOf({ 5: { user: 100 }, 6: { user: 50 } });
  const run = await runReceiver(process_, {
    rootPath: machine.root,
    config: only({ top: { cpu: 1, memory: 0, io: 0 }, min_stay: '0s' }),
  });
  const cpu = async () => pointsOf(await run.collect(), 'process.cpu.time', USER);
  expect(await cpu()).toEqual(['5 1', 'rest 9']);
  // 6 takes the place of 5: what it did until now was in the remainder, and stays there.
  machine.write(6, { user: 950 });
  machine.advance(2000);
  expect(await cpu()).toEqual(['6 9.5', 'rest 19']);
  // It ends after it did 20 more: those of the host.
  machine.remove('proc/6');
  machine.advance(2020);
  expect(await cpu()).toEqual(['5 1', 'rest 19.2']);
  await run.stop();
});

test('process keeps the counters of a group when members end, and gives a new one its whole', async () => {
  const machine = machineOf({
    5: { user: 100, name: 'web' },
    6: { user: 40, name: 'web' },
    7: { user: 10, name: 'db' },
  });
  const run = await runReceiver(process_, { rootPath: machine.root, config: { group_by: 'executable' } });
  const cpu = async () => pointsOf(await run.collect(), 'process.cpu.time', USER);
  expect(await cpu()).toEqual(['web 1.4', 'db 0.1', 'rest 8.5']);
  machine.remove('proc/6');
  machine.write(5, { user: 130, name: 'web' });
  machine.write(8, { user: 7, name: 'web', start: 99_000 });
  machine.advance(1040);
  // 37 of the web's 40 were seen; the rest was 6's, or someone's who is not seen any more.
  const batches = await run.collect();
  expect(pointsOf(batches, 'process.cpu.time', USER)).toEqual(['web 1.77', 'db 0.1', 'rest 8.53']);
  expect(pointsOf(batches, 'process.group.size')).toEqual(['web 2', 'db 1', 'rest 0']);
  machine.remove('proc/7');
  expect(pointsOf(await run.collect(), 'process.cpu.time', USER)).toEqual(['web 1.77', 'db 0.1', 'rest 8.53']);
  await run.stop();
});

test('process leaves processes without a container to the remainder when it groups by container', async () => {
  const batches = await collectReceiver(process_, {
    rootPath: rootOf('server-64cpu'),
    config: { group_by: 'container' },
  });
  const named = batches[0].series.filter(({ metric }) => metric.name === 'process.thread.count');
  expect(named.map(({ attributes }) => Object.keys(attributes)[0])).toEqual(['container.id', 'process.remainder']);
});

test('process says once what it is denied, and has all the rest', async () => {
  const machine = machineOf({ 5: { user: 5, io: 1 }, 6: { io: 2 } });
  const run = await runReceiver(process_, { rootPath: machine.root, config: only({}) });
  const { open } = run.host;
  run.host.open = (path) => {
    if (path === '/proc/5/io') throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    return open(path);
  };
  await run.collect();
  const batches = await run.collect();
  expect(pointsOf(batches, 'process.disk.io', { 'disk.io.direction': 'read' })).toEqual(['6 2', 'rest 0']);
  expect(pointsOf(batches, 'process.cpu.time', USER)[0]).toBe('5 0.05');
  expect(run.said).toEqual(['once /proc/[pid]/io: Cannot read /proc/[pid]/io: permission denied (EACCES)']);
  await run.stop();
});

test('process reads no file that nothing is made of', async () => {
  const machine = machineOf({ 5: { user: 5 } });
  const off = [
    'process.disk.io',
    'process.disk.operations',
    'process.context_switches',
    'process.memory.swap',
    'process.unix.file_descriptor.count',
    'process.paging.faults',
  ];
  const read: string[] = [];
  const run = await runReceiver(process_, {
    rootPath: machine.root,
    config: only({ top: { io: 0 }, metrics: Object.fromEntries(off.map((name) => [name, { enabled: false }])) }),
  });
  const { open, read: readAll } = run.host;
  run.host.open = (path) => (read.push(path), open(path));
  run.host.read = (path) => (read.push(path), readAll(path));
  await run.collect();
  expect(read.toSorted()).toEqual(['/proc/5/stat', '/proc/stat', '/proc/uptime', '/proc/uptime']);
  await run.stop();
});

test('process makes each reported process a resource of its own in OTLP', async () => {
  const machine = machineOf({ 5: { user: 5, name: 'a' }, 6: { user: 6, name: 'b' } });
  const [batch] = await collectReceiver(process_, { rootPath: machine.root });
  const resources = groupsOf(batch.series).map(({ resource }) => resource);
  expect(resources.map(({ attributes }) => attributes['process.pid'])).toEqual([6, 5, undefined]);
  expect(resources[0].entityRefs).toMatchObject([
    {
      type: 'process',
      idKeys: ['process.pid', 'process.creation.time'],
      descriptionKeys: ['process.executable.name', 'process.command', 'process.owner', 'systemd.unit'],
    },
  ]);
});

test('process follows a process that becomes another program', async () => {
  const machine = machineOf({ 5: { user: 5, name: 'sh' } });
  const run = await runReceiver(process_, { rootPath: machine.root, config: only({}) });
  await run.collect();
  machine.write(5, { user: 6, name: 'sleep' });
  const [batch, ended] = await run.collect();
  expect(batch.series[0].attributes['process.executable.name']).toBe('sleep');
  expect(ended.series[0].attributes['process.executable.name']).toBe('sh');
  await run.stop();
});

test('process does without /proc/stat what it can', async () => {
  const machine = machineOf({ 5: { user: 5 } });
  machine.remove('proc/stat');
  const run = await runReceiver(process_, { rootPath: machine.root, config: only({}) });
  const batches = await run.collect();
  expect(pointsOf(batches, 'process.cpu.time', USER)).toEqual(['5 0.05']);
  expect(batches[0].series[0].attributes).not.toHaveProperty('process.creation.time');
  expect(run.said).toEqual([
    'once /proc/stat: Cannot read /proc/stat: it does not exist (ENOENT)',
    'once boot time: Cannot read boot time: it does not exist (ENOENT)',
  ]);
  await run.stop();
});

test('process reports elsewhere what the library lists', async () => {
  const list = [
    {
      pid: 1,
      parentPid: 0,
      name: 'launchd',
      cpu: 1,
      memRss: 100,
      memVsz: 400,
      started: '2023-11-14 22:13:20',
      user: 'root',
    },
    {
      pid: 7,
      parentPid: 1,
      name: 'Mail',
      cpu: 50,
      memRss: 10,
      memVsz: 40,
      started: '2023-11-14 22:13:20',
      user: 'ann',
    },
    { pid: 8, parentPid: 1, name: 'idle', cpu: 0, memRss: 1, memVsz: 4, started: '', user: 'ann' },
  ].map((one) => ({ path: '', command: one.name, params: '--token=x', ...one }));
  const host = {
    ...recordedHost('darwin'),
    systeminformation: () => Promise.resolve({ processes: () => Promise.resolve({ list }) } as never),
  };
  const config = only({ top: { cpu: 1, memory: 1 } });
  const batches = await collectReceiver(process_, { platform: 'darwin', host, config });
  expect(pointsOf(batches, 'process.memory.usage')).toEqual(['7 10240', '1 102400', 'rest 1024']);
  const grouped = await collectReceiver(process_, {
    platform: 'darwin',
    host,
    config: { group_by: 'owner', command_line: 'full' },
  });
  expect(valuesOf(grouped)).toMatchObject({
    'process.memory.usage{"process.owner"="ann"}': 11_264,
    'process.group.size{"process.owner"="ann"}': 2,
    'process.group.size{"process.remainder"="owner"}': 0,
  });
});

test('process measures this machine, whose own process it finds', async () => {
  const batches = await collectReceiver(process_, {
    config: {
      pinned: [{ command_line: ['*'] }],
      max_pinned: 10_000,
      metrics: { 'process.memory.pss': { enabled: true } },
    },
  });
  const own = pointsOf(batches, 'process.memory.pss').find((text) => text.startsWith(`${process.pid} `))!;
  expect(Number(own.split(' ')[1])).toBeGreaterThan(2 ** 20);
  const files = pointsOf(batches, 'process.unix.file_descriptor.count').find((text) =>
    text.startsWith(`${process.pid} `),
  )!;
  expect(Number(files.split(' ')[1])).toBeGreaterThan(10);
});
