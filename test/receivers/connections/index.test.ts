import { describe, expect, test } from 'vitest';
import connections from '../../../receivers/connections/index.ts';
import type { LogBatch, LogRecord } from '../../../src/model/batch.ts';
import { runReceiver, valuesOf, type ReceiverRun, type RunOptions } from '../../support/collect.ts';
import { eventually } from '../../support/eventually.ts';
import { createMachine } from '../../support/machines.ts';

const HEADING = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const LOCALHOST = '0100007F';
const SERVER = '0100000A';
const CLIENT = '0200000A';

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

function line(local: [string, number], peer: [string, number], state: string, inode: number): string {
  const addresses = `${local[0]}:${hex(local[1])} ${peer[0]}:${hex(peer[1])}`;
  return `   0: ${addresses} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 20 4 30 10 -1\n`;
}

const listener = line(['00000000', 80], ['00000000', 0], '0A', 1);
const incoming = (port: number, inode = port): string => line([SERVER, 80], [CLIENT, port], '01', inode);
const snmp = (active: number, passive: number, fails = 0, resets = 0): string =>
  `Tcp: ActiveOpens PassiveOpens AttemptFails EstabResets\nTcp: ${active} ${passive} ${fails} ${resets}\n`;

interface Machine {
  readonly run: ReceiverRun;
  /** What a look at these sockets tells. */
  look(tcp: string, counts?: string): Promise<LogRecord[]>;
  values(): Promise<Record<string, number>>;
}

async function start(tcp: string, config: Record<string, unknown> = {}, next?: RunOptions['next']): Promise<Machine> {
  const machine = createMachine({
    'proc/stat': 'btime 1700000000\n',
    'proc/1/net/tcp': HEADING + tcp,
    'proc/1/net/udp': HEADING,
    'proc/1/net/snmp': snmp(10, 20),
  });
  const run = await runReceiver(connections, { rootPath: machine.root, config, ...(next !== undefined && { next }) });
  await run.collect();
  let taken = 0;
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return {
    run,
    async look(sockets, counts) {
      machine.write('proc/1/net/tcp', HEADING + sockets);
      if (counts !== undefined) machine.write('proc/1/net/snmp', counts);
      await run.collect();
      await turn();
      const fresh = run.handedOver.slice(taken);
      taken = run.handedOver.length;
      return fresh.flatMap((batch) => (batch.signal === 'logs' ? batch.records : []));
    },
    values: async () => valuesOf(await run.collect()),
  };
}

const bodies = (records: readonly LogRecord[]): unknown[] => records.map(({ body }) => body);

describe('events', () => {
  test('carry the conventions’ attributes', async () => {
    const { look, run } = await start(listener);
    const [opened] = await look(listener + incoming(40_000));
    expect(opened).toMatchObject({
      eventName: 'network.connection.open',
      severityNumber: 9,
      body: 'TCP 10.0.0.1:80 ← 10.0.0.2:40000 opened',
      time: 0n,
      attributes: {
        'network.transport': 'tcp',
        'network.type': 'ipv4',
        'network.local.address': '10.0.0.1',
        'network.local.port': 80,
        'network.peer.address': '10.0.0.2',
        'network.peer.port': 40_000,
        'network.connection.direction': 'incoming',
        'network.connection.state': 'established',
        'network.connection.event.source': 'scan',
      },
    });
    expect(opened.observedTime).toBeGreaterThan(0n);
    const [closed] = await look(listener);
    expect(closed).toMatchObject({
      eventName: 'network.connection.close',
      attributes: { 'network.connection.ending': 'fin', 'network.connection.duration': expect.any(Number) },
    });
    const [ended] = await look('');
    expect(ended).toMatchObject({ eventName: 'network.listen.end', body: 'TCP 0.0.0.0:80 listens no more' });
    expect(ended.attributes).not.toHaveProperty('network.peer.port');
    await run.stop();
  });
  test('do not say how a connection ended, where the kernel counted an end out of order since', async () => {
    const { look, run } = await start(incoming(40_000));
    const [closed] = await look('', snmp(10, 20, 0, 1));
    expect(closed.attributes['network.connection.ending']).toBe('unknown');
    await run.stop();
  });
  test('are left out as options say', async () => {
    const exclude = { loopback: true, ports: [22], addresses: ['10.0.0.9'], states: ['close_wait'] };
    const { look, run } = await start('', { exclude, events: ['open'] });
    const told = await look(
      [
        line([LOCALHOST, 40_000], [LOCALHOST, 80], '01', 2),
        line([SERVER, 40_001], [CLIENT, 22], '01', 3),
        line([SERVER, 40_002], ['0900000A', 80], '01', 4),
        line([SERVER, 40_003], [CLIENT, 80], '08', 5),
        line([SERVER, 40_004], [CLIENT, 80], '01', 6),
        listener,
      ].join(''),
    );
    expect(bodies(told)).toEqual(['TCP 10.0.0.1:40004 → 10.0.0.2:80 opened']);
    await run.stop();
  });
  test('say when there are more sockets than are remembered, and when there are no more', async () => {
    const { look, run, values } = await start(incoming(1), { max_connections: 2 });
    const many = [1, 2, 3, 4].map((port) => incoming(port)).join('');
    expect(bodies(await look(many))).toEqual([
      'TCP 10.0.0.1:80 – 10.0.0.2:2 opened',
      'There are 2 sockets beyond max_connections: what happens to them is not told',
    ]);
    expect(await values()).toMatchObject({
      'process.network.connection.count{"process.remainder"="process"}': 4,
      'system.network.socket.count{"network.socket.tracking"="untracked"}': 2,
      'system.network.connection.overflows{"network.connection.overflow.source"="max_connections"}': 1,
    });
    // What finds room now was there before.
    expect(bodies(await look(incoming(3) + incoming(4)))).not.toContain('TCP 10.0.0.1:80 – 10.0.0.2:3 opened');
    expect(bodies(await look(incoming(3)))).toEqual(expect.arrayContaining(['All sockets are remembered again']));
    await run.stop();
  });
  test('are not made of a list that is cut off', async () => {
    const { look, run } = await start(incoming(1) + incoming(2));
    expect(await look(incoming(1) + incoming(2).slice(0, 60))).toEqual([]);
    expect(run.said).toContainEqual(expect.stringMatching(/^once sockets: Cannot see all sockets: .*found the line/));
    expect(bodies(await look(incoming(1)))).toEqual(['TCP 10.0.0.1:80 – 10.0.0.2:2 closed']);
    expect(run.said).toContain('over sockets: Sees all sockets again');
    await run.stop();
  });
});

test('events that pipelines have no room for are counted, and an event says so', async () => {
  const room = Promise.withResolvers<void>();
  const records: LogRecord[] = [];
  const logs = {
    async consume(batch: LogBatch) {
      await room.promise;
      records.push(...batch.records);
    },
  };
  const { look, run, values } = await start('', {}, { metrics: undefined, logs, traces: undefined });
  const ports = Array.from({ length: 5000 }, (_, i) => i + 1);
  await look(ports.map((port) => incoming(port)).join(''));
  const dropped = run.dropped.get('queue_full')!;
  expect(dropped).toBeGreaterThan(0);
  room.resolve();
  await eventually(() => expect(records.length + dropped).toBe(5000));
  expect(await values()).toHaveProperty(
    ['system.network.connection.overflows{"network.connection.overflow.source"="pipeline"}'],
    1,
  );
  await eventually(() =>
    expect(records.at(-1)!.body).toBe(`The pipelines had no room for ${dropped} events of connections`),
  );
  await run.stop();
});

describe('metrics', () => {
  test('count by state, all connections, and what the kernel counted', async () => {
    const { run, look, values } = await start(listener + incoming(1) + incoming(2));
    await look(listener + incoming(2) + line([SERVER, 80], [CLIENT, 3], '06', 0), snmp(11, 25, 1, 2));
    expect(await values()).toMatchObject({
      'system.network.connection.count{"network.connection.state"="established","network.transport"="tcp"}': 1,
      'system.network.connection.count{"network.connection.state"="listen","network.transport"="tcp"}': 1,
      'system.network.connection.count{"network.connection.state"="time_wait","network.transport"="tcp"}': 1,
      'system.network.connection.count{"network.connection.state"="closing","network.transport"="tcp"}': 0,
      'system.network.listener.count{}': 1,
      'process.network.connection.count{"process.remainder"="process"}': 1,
      'system.network.connection.opened{"network.connection.direction"="outgoing"}': 11,
      'system.network.connection.opened{"network.connection.direction"="incoming"}': 25,
      'system.network.connection.failed{}': 1,
      'system.network.connection.reset{}': 2,
      'system.network.connection.closed{"network.connection.ending"="unknown"}': 1,
    });
    await run.stop();
  });
  test('count connections that nobody saw', async () => {
    const { run, look, values } = await start('');
    await look(incoming(1), snmp(11, 24));
    const name = 'system.network.connection.unseen{}';
    expect((await values())[name]).toBe(4);
    await look('', snmp(11, 26));
    expect((await values())[name]).toBe(6);
    await run.stop();
  });
  test('leave out UDP unless it is asked for', async () => {
    const udp = 'system.network.connection.count{"network.transport"="udp"}';
    const without = await start('');
    expect(await without.values()).not.toHaveProperty([udp]);
    await without.run.stop();
    const { run, values } = await start('', { udp: true });
    expect(await values()).toHaveProperty([udp], 0);
    await run.stop();
  });
});

test('a machine without lists of sockets is said so once, and counts nothing', async () => {
  const { root } = createMachine({});
  const run = await runReceiver(connections, { rootPath: root });
  expect(valuesOf(await run.collect())).toEqual({});
  expect(valuesOf(await run.collect())).toEqual({});
  expect(run.said.filter((message) => message.includes('sockets:'))).toHaveLength(1);
  await run.stop();
});

test('elsewhere than on Linux it says that it sees nothing', async () => {
  const run = await runReceiver(connections, { platform: 'darwin' });
  expect(valuesOf(await run.collect())).toEqual({});
  expect(run.said).toEqual(['warn Sees no connections: only Linux is supported']);
  await run.stop();
});
