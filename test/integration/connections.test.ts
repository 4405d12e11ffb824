/** The whole agent sees connections over loopback, by netlink and by /proc/net. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSonde, until } from './servers.ts';

interface Told {
  readonly eventName: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface Site {
  /** Events that have to do with a port, so far. */
  about(port: number): readonly Told[];
  /** Waits until a port has an event of this name at one of its ends. */
  told(eventName: string, port: number): Promise<readonly Told[]>;
  /** By its beginning, of now: asked for it, the agent looks at the sockets. */
  metric(start: string): Promise<number>;
}

async function watch(source: 'sock_diag' | 'proc', interval: string): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-connections-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'events.jsonl');
  const sonde = await startSonde(`
agent: { collection_interval: ${interval} }
receivers: { connections: { source: ${source} } }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT, max_age: 0s }
  file: { path: '${file}' }
service:
  pipelines:
    logs: { receivers: [connections], exporters: [file] }
    metrics: { receivers: [connections], exporters: [prometheus] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  await until('the agent looks', async () => sonde.output().includes(`sockets by ${source}`));
  const about = (port: number): readonly Told[] =>
    eventsIn(file).filter(
      ({ attributes }) =>
        // Connections of others to elsewhere may have the same port.
        attributes['network.local.address'] === '127.0.0.1' &&
        (attributes['network.local.port'] === port || attributes['network.peer.port'] === port),
    );
  return {
    about,
    async told(eventName, port) {
      const named = (): readonly Told[] => about(port).filter((one) => one.eventName === eventName);
      await until(`${eventName} of port ${port}`, async () => named().length > 0);
      return named();
    },
    async metric(start) {
      const text = await (await fetch(`${sonde.url}/metrics`)).text();
      const line = text.split('\n').find((one) => one.startsWith(start));
      if (line === undefined) throw new Error(`Cannot find ${start} in what the agent measures`);
      return Number(line.slice(line.lastIndexOf(' ')));
    },
  };
}

interface LogDocument {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly {
      readonly logRecords: readonly {
        readonly eventName: string;
        readonly attributes: readonly {
          readonly key: string;
          readonly value: { readonly stringValue?: string; readonly intValue?: string | number };
        }[];
      }[];
    }[];
  }[];
}

function eventsIn(file: string): readonly Told[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines
    .map((line) => JSON.parse(line) as LogDocument)
    .flatMap(({ resourceLogs }) => resourceLogs)
    .flatMap(({ scopeLogs }) => scopeLogs)
    .flatMap(({ logRecords }) => logRecords)
    .map(({ eventName, attributes }) => ({
      eventName,
      attributes: Object.fromEntries(
        attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
      ),
    }));
}

interface Peers {
  readonly port: number;
  readonly accepted: Socket[];
  open(): Promise<Socket>;
  stopListening(): Promise<void>;
}

async function listen(): Promise<Peers> {
  const accepted: Socket[] = [];
  const take = (socket: Socket): Socket => socket.on('error', () => undefined).resume();
  const server = createServer((socket) => accepted.push(take(socket)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return {
    port,
    accepted,
    async open() {
      const count = accepted.length;
      const socket = take(connect(port, '127.0.0.1'));
      await until('the connection is accepted', async () => accepted.length > count && socket.localPort !== undefined);
      return socket;
    },
    stopListening: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

const ends = (local: number, peer: number): object => ({
  'network.transport': 'tcp',
  'network.type': 'ipv4',
  'network.local.address': '127.0.0.1',
  'network.local.port': local,
  'network.peer.address': '127.0.0.1',
  'network.peer.port': peer,
});

test('A peer that resets its connection and a listener that is closed are events with their addresses', async () => {
  const site = await watch('sock_diag', '1s');
  const peers = await listen();
  const socket = await peers.open();
  const [local, { port }] = [socket.localPort!, peers];
  const me = { 'process.pid': process.pid };
  await until('the connection is told of', async () =>
    (await site.told('network.connection.open', local)).some(
      ({ attributes }) => attributes['network.local.port'] === local && attributes['process.pid'] === process.pid,
    ),
  );
  expect(await site.told('network.listen', port)).toMatchObject([
    { attributes: { 'network.local.address': '127.0.0.1', 'network.local.port': port, ...me } },
  ]);

  socket.write('0123456789');
  await until('the bytes are there', async () => peers.accepted[0].bytesRead === 10);
  // Before it was accepted nobody had the other end.
  await site.metric('system_network_connection');
  // With SO_LINGER 0: RST.
  socket.resetAndDestroy();
  await until('both ends are told', async () => (await site.told('network.connection.reset', local)).length === 2);
  const resets = (await site.told('network.connection.reset', local)).map(({ attributes }) => attributes);
  const [mine, theirs] = resets.toSorted((a, b) =>
    String(a['network.connection.ending']).localeCompare(String(b['network.connection.ending'])),
  );
  expect(mine).toMatchObject({
    ...ends(local, port),
    ...me,
    'network.connection.ending': 'abort',
    'network.connection.direction': 'outgoing',
  });
  expect(theirs).toMatchObject({
    ...ends(port, local),
    ...me,
    'network.connection.ending': 'reset',
    'network.connection.direction': 'incoming',
    'network.connection.sent': 0,
    'network.connection.received': 10,
  });

  await peers.stopListening();
  expect(await site.told('network.listen.end', port)).toMatchObject([
    { attributes: { 'network.local.address': '127.0.0.1', 'network.local.port': port, ...me } },
  ]);
}, 120_000);

test('Connections that nobody looked at while they were there are told when they end, with what was sent', async () => {
  const site = await watch('sock_diag', '1h');
  const peers = await listen();
  const count = 200;
  // Nobody saw who listens there, so of an end it cannot be told that it was one of who came in.
  const closed = (): readonly Told[] =>
    site.about(peers.port).filter(({ eventName }) => eventName === 'network.connection.close');
  // Without the rights of root the kernel has room for the notices of some hundred ends, until the agent has its turn.
  const together = 50;
  for (let first = 0; first < count; first += together) {
    const sockets = Array.from({ length: together }, (_, i) =>
      connect(peers.port, '127.0.0.1')
        .resume()
        .end(Buffer.alloc(first + i)),
    );
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.on('close', resolve))));
    await until('all ends are told', async () => closed().length === 2 * (first + together));
  }
  const sent = closed()
    .filter(({ attributes }) => attributes['network.peer.port'] === peers.port)
    .map(({ attributes }) => Number(attributes['network.connection.sent']));
  expect(sent.toSorted((one, other) => one - other)).toEqual(Array.from({ length: count }, (_, i) => i));
}, 120_000);

test('/proc/net shows connections that open and close, and what ends out of order only by the kernel’s count', async () => {
  const site = await watch('proc', '300ms');
  const peers = await listen();
  const [orderly, broken] = [await peers.open(), await peers.open()];
  const [first, second] = [orderly.localPort!, broken.localPort!];
  await site.told('network.connection.open', first);
  await site.told('network.connection.open', second);
  orderly.end();
  await until('both ends are told', async () => (await site.told('network.connection.close', first)).length === 2);
  const closed = (await site.told('network.connection.close', first)).map(({ attributes }) => attributes);
  // Who ended it waits for a while, which is seen; the other end is gone, in order unless anyone was reset meanwhile.
  const [own, other] = closed.toSorted((one) => (one['network.local.port'] === first ? -1 : 1));
  expect(own).toMatchObject({ 'network.connection.ending': 'fin', 'process.pid': process.pid });
  expect(other['network.connection.ending']).toMatch(/^(fin|unknown)$/);
  const before = await site.metric('system_network_connection_reset');
  broken.resetAndDestroy();
  const [lost] = await site.told('network.connection.close', second);
  expect(lost.attributes).toMatchObject({ 'network.connection.ending': 'unknown' });
  await until(
    'the kernel’s count shows it',
    async () => (await site.metric('system_network_connection_reset')) > before,
  );
}, 120_000);
