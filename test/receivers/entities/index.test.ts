import { expect, test } from 'vitest';
import entities from '../../../receivers/entities/index.ts';
import type { LogRecord } from '../../../src/model/batch.ts';
import { runReceiver, type ReceiverRun, type RunOptions } from '../../support/collect.ts';
import { createMachine } from '../../support/machines.ts';

const CONTAINER = 'c'.repeat(64);

interface Given {
  readonly parent?: number;
  readonly start?: number;
  readonly cgroup?: string;
}

function machineOf(processes: Record<number, Given & { readonly name: string }>) {
  const machine = createMachine({ 'proc/stat': 'cpu 0 0 0 0 0 0 0 0 0 0\nbtime 1700000000\n' });
  const write = (
    pid: number,
    { name, parent = 1, start = 100, cgroup = '0::/' }: Given & { readonly name: string },
  ): void => {
    machine.write(
      `proc/${pid}/stat`,
      `${pid} (${name}) S ${parent} ${pid} ${pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 ${start} 8192 1\n`,
    );
    machine.write(`proc/${pid}/comm`, `${name}\n`);
    machine.write(`proc/${pid}/cmdline`, `/bin/${name}\0--password=hunter2\0`);
    machine.write(`proc/${pid}/cgroup`, `${cgroup}\n`);
    machine.write(`proc/${pid}/status`, 'Uid:\t0\t0\t0\t0\n');
  };
  for (const [pid, given] of Object.entries(processes)) write(Number(pid), given);
  return { ...machine, write };
}

/** What was told since the last call, in short: `state process 7`. */
async function told(run: ReceiverRun): Promise<string[]> {
  const records = await recordsOf(run);
  return records.map(({ eventName, attributes }) =>
    [
      eventName.replace('entity.', ''),
      attributes['entity.type'],
      Object.values(attributes['entity.id'] as object)[0],
    ].join(' '),
  );
}

/** How many batches were looked at. */
const seen = new WeakMap<ReceiverRun, number>();

async function recordsOf(run: ReceiverRun): Promise<LogRecord[]> {
  await run.collect();
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  const fresh = run.handedOver.slice(seen.get(run) ?? 0);
  seen.set(run, run.handedOver.length);
  return fresh.flatMap((batch) => (batch.signal === 'logs' ? batch.records : []));
}

const start = (root: string, config: RunOptions['config'] = {}): Promise<ReceiverRun> =>
  runReceiver(entities, { rootPath: root, config });
/** The resource of these tests has no host.id. */
const shortLived = { entities: ['container', 'process'] };

test('entities tells processes and containers when they come and go, once', async () => {
  const machine = machineOf({ 1: { name: 'init', parent: 0 }, 7: { name: 'app', cgroup: `0::/docker/${CONTAINER}` } });
  const run = await start(machine.root, shortLived);
  expect(await told(run)).toEqual([`state container ${CONTAINER}`, 'state process 1', 'state process 7']);
  expect(await told(run)).toEqual([]);
  machine.write(8, { name: 'more', parent: 7, cgroup: `0::/docker/${CONTAINER}` });
  expect(await told(run)).toEqual(['state process 8']);
  machine.remove('proc/7');
  expect(await told(run)).toEqual(['delete process 7']);
  machine.remove('proc/8');
  expect(await told(run)).toEqual(['delete process 8', `delete container ${CONTAINER}`]);
  await run.stop();
});

test('entities tells what a process is, and how it belongs to others, in the form of the specification', async () => {
  const cgroup = `0::/system.slice/docker-${CONTAINER}.scope`;
  const machine = machineOf({ 1: { name: 'init', parent: 0 }, 7: { name: 'app', start: 250, cgroup } });
  const run = await start(machine.root, { ...shortLived, command_line: 'redacted', report_interval: '90s' });
  const record = (await recordsOf(run)).find(({ body }) => body === 'process 7 is there')!;
  expect(record.eventName).toBe('entity.state');
  expect(record.attributes).toEqual({
    'entity.type': 'process',
    'entity.id': { 'process.pid': '7', 'process.creation.time': '2023-11-14T22:13:22.500Z' },
    'entity.description': {
      'process.executable.name': 'app',
      'process.command': '/bin/app',
      'process.command_line': '/bin/app --password=[REDACTED]',
      'process.owner': '0',
      'process.parent_pid': 1,
      'systemd.unit': `docker-${CONTAINER}.scope`,
    },
    'entity.relationships': [
      { 'relationship.type': 'part_of', 'entity.type': 'container', 'entity.id': { 'container.id': CONTAINER } },
      {
        'relationship.type': 'child_of',
        'entity.type': 'process',
        'entity.id': { 'process.pid': '1', 'process.creation.time': '2023-11-14T22:13:21.000Z' },
      },
    ],
    'entity.report.interval': 90,
  });
  await run.stop();
});

test('entities tells a process again when another program runs in it, and when its parent has ended', async () => {
  const machine = machineOf({ 1: { name: 'init', parent: 0 }, 6: { name: 'sh' }, 7: { name: 'sh', parent: 6 } });
  const run = await start(machine.root, { entities: ['process'] });
  await told(run);
  machine.write(7, { name: 'app', parent: 6 });
  const [record] = await recordsOf(run);
  expect(record!.attributes['entity.description']).toMatchObject({ 'process.executable.name': 'app' });
  machine.remove('proc/6');
  machine.write(7, { name: 'app', parent: 1 });
  expect(await told(run)).toEqual(['delete process 6', 'state process 7']);
  await run.stop();
});

test('entities takes a pid that is used again for another process', async () => {
  const machine = machineOf({ 7: { name: 'app', start: 100 } });
  const run = await start(machine.root, { entities: ['process'] });
  await told(run);
  machine.write(7, { name: 'app', start: 900 });
  expect(await told(run)).toEqual(['delete process 7', 'state process 7']);
  await run.stop();
});

test('entities tells each again after the report interval', async () => {
  const machine = machineOf({ 7: { name: 'app' } });
  const run = await start(machine.root, { entities: ['process'], report_interval: '30ms' });
  expect(await told(run)).toEqual(['state process 7']);
  await new Promise((resolve) => setTimeout(resolve, 40));
  expect(await told(run)).toEqual(['state process 7']);
  await run.stop();
});

test('entities says that there are more than it follows, and that it follows all again', async () => {
  const machine = machineOf({ 1: { name: 'a' }, 2: { name: 'b' }, 3: { name: 'c' } });
  const run = await start(machine.root, { entities: ['process'], max_entities: 2 });
  expect(await told(run)).toHaveLength(2);
  expect(run.said).toContain('once limit: Tells 1 processes not: max_entities is 2');
  machine.remove('proc/1');
  await told(run);
  expect(run.said).toContain('over limit: All processes are told again');
  await run.stop();
});

test('entities tells the host with what is known of it and its system', async () => {
  const attributes = { 'host.id': 'h1', 'host.name': 'web', 'os.type': 'linux', 'service.name': 'sonde' };
  const machine = machineOf({ 7: { name: 'app' } });
  const run = await runReceiver(entities, { rootPath: machine.root, resource: { attributes, schemaUrl: '' } });
  const [host, app] = await recordsOf(run);
  expect(host!.attributes).toMatchObject({
    'entity.type': 'host',
    'entity.id': { 'host.id': 'h1' },
    'entity.description': { 'host.name': 'web', 'os.type': 'linux' },
    'entity.relationships': [],
  });
  expect(app!.attributes['entity.relationships']).toEqual([
    { 'relationship.type': 'runs_on', 'entity.type': 'host', 'entity.id': { 'host.id': 'h1' } },
  ]);
  await run.stop();
});

test('entities says that a host without an id, and nothing without a pipeline of logs, can be told', async () => {
  const machine = machineOf({});
  const run = await start(machine.root, { entities: ['host'] });
  expect(await told(run)).toEqual([]);
  expect(run.said.join()).toContain('Cannot tell the host as an entity');
  await run.stop();
  const alone = await runReceiver(entities, {
    rootPath: machine.root,
    next: { metrics: undefined, logs: undefined, traces: undefined },
  });
  expect(alone.said).toEqual(['warn Tells nothing: no pipeline of logs takes its events']);
  await alone.collect();
  await alone.stop();
});
