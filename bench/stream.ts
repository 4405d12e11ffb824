/**
 * What an event costs the exporter `stream`, for each client: 10,000 events a second to clients in another process, which
 * throw them away. Against the plain way: each event encoded and written for each client.
 * Usage: node bench/stream.ts [seconds a case] [clients]
 */
import { spawn } from 'node:child_process';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEventSource, openWebSocket } from '../exporters/stream/channels.ts';
import { createClients, type Clients } from '../exporters/stream/clients.ts';
import { EVERYTHING, filterOfQuery } from '../exporters/stream/filter.ts';
import { Ring } from '../exporters/stream/ring.ts';
import { handshake } from '../exporters/stream/websocket.ts';
import type { LogRecord } from '../src/model/batch.ts';
import { recordFields } from '../src/text/record_json.ts';
import { table, target, us } from './measure.ts';

const [seconds = 5, most = 20] = process.argv.slice(2).map(Number);
const RATE = 10_000;
const TICK_MS = 20;

type Transport = 'websocket' | 'event_source';

interface Case {
  readonly name: string;
  readonly transport: Transport;
  readonly clients: number;
  readonly filter?: string;
  readonly isPlain?: true;
}

const CASES: readonly Case[] = [
  { name: 'nobody', transport: 'event_source', clients: 0 },
  { name: 'server-sent events', transport: 'event_source', clients: 1 },
  { name: 'server-sent events', transport: 'event_source', clients: most },
  { name: 'WebSocket', transport: 'websocket', clients: 1 },
  { name: 'WebSocket', transport: 'websocket', clients: most },
  { name: 'server-sent events, a filter', transport: 'event_source', clients: most, filter: 'event=file.d*' },
  { name: 'plain: for each client, each event', transport: 'event_source', clients: most, isPlain: true },
];

const RESOURCE = { attributes: { 'service.name': 'sonde', 'host.name': 'bench' }, schemaUrl: '' };
const SCOPE = { name: 'sonde.receiver.files', version: '', attributes: {}, schemaUrl: '' };
const NAMES = ['file.create', 'file.modify', 'file.modify', 'file.delete'];

function record(number: number): LogRecord {
  const time = BigInt(Date.now()) * 1_000_000n;
  return {
    resource: RESOURCE,
    scope: SCOPE,
    time,
    observedTime: time + 1000n,
    severityNumber: 9,
    severityText: 'INFO',
    body: undefined,
    attributes: { 'file.path': `/var/lib/data/${number}.db`, 'file.size': number, 'file.inode': `${number * 7}` },
    droppedAttributesCount: 0,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName: NAMES[number % NAMES.length]!,
  };
}

interface Sink {
  take(records: readonly LogRecord[]): Promise<void> | void;
  count(): number;
  stop(): Promise<void> | void;
}

const nothing: Sink = { take() {}, count: () => 0, stop() {} };

/** CPU seconds of this process while it hands over events for `seconds`. */
async function run(one: Case | undefined): Promise<number> {
  const server = createServer();
  const sink = one === undefined ? nothing : one.isPlain === true ? plain(server) : ours(server, one);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const wanted = one?.clients ?? 0;
  const words = [join(import.meta.dirname, 'stream_reader.ts'), String(port), String(wanted), one?.transport ?? 'none'];
  const reader = spawn(process.execPath, words, { stdio: 'inherit' });
  while (sink.count() < wanted) await sleep(20);
  await sleep(200);
  const before = process.cpuUsage();
  const began_ms = performance.now();
  for (let sent = 0; sent < seconds * RATE;) {
    await sleep(TICK_MS);
    const due = Math.min(seconds * RATE, Math.floor(((performance.now() - began_ms) / 1000) * RATE));
    const batch = Array.from({ length: due - sent }, (_, index) => record(sent + index));
    await sink.take(batch);
    sent = due;
  }
  await sleep(100);
  const { user, system } = process.cpuUsage(before);
  if (sink.count() < wanted) throw new Error('A client was dropped: this machine is too busy to measure');
  reader.kill();
  await sink.stop();
  server.closeAllConnections();
  server.close();
  return (user + system) / 1e6;
}

function ours(server: ReturnType<typeof createServer>, { filter = '' }: Case): Sink {
  const ring = new Ring({
    epoch: 'bench',
    max_events: 100_000,
    max_bytes: 2 ** 27,
    max_event_bytes: 2 ** 18,
    now_ms: Date.now,
  });
  const clients: Clients = createClients({
    ring,
    max_clients: 1000,
    max_clients_per_address: 1000,
    client_timeout_ms: 10_000,
    keep_alive_ms: 15_000,
  });
  const wanted = filter === '' ? EVERYTHING : filterOfQuery(new URLSearchParams(filter));
  server.on('request', (request, response) => clients.add(openEventSource(request, response), wanted, { kind: 'now' }));
  server.on('upgrade', (request, socket, head) => {
    const opening = handshake(request);
    if ('accept' in opening) clients.add(openWebSocket(request, socket, head, opening.accept), wanted, { kind: 'now' });
  });
  return {
    take: clients.take,
    count: () => clients.counts().event_source + clients.counts().websocket,
    stop: clients.stop,
  };
}

function plain(server: ReturnType<typeof createServer>): Sink {
  const responses: ServerResponse[] = [];
  server.on('request', (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    responses.push(response);
  });
  return {
    take(records) {
      for (const each of records) {
        for (const response of responses) response.write(`data: {${recordFields(each)}}\n\n`);
      }
    },
    count: () => responses.length,
    stop() {},
  };
}

// Making the events is not what is measured; and all code is to be compiled when it counts.
await run(CASES[2]);
const idle_s = await run(undefined);
const events = seconds * RATE;
const rows: (readonly (string | number)[])[] = [
  ['', 'clients', 'CPU of a core', 'CPU an event', 'CPU an event and client'],
];
const costs = new Map<Case, number>();
for (const one of CASES) {
  const cpu_s = Math.max(0, (await run(one)) - idle_s);
  costs.set(one, cpu_s);
  const event_us = (cpu_s * 1e6) / events;
  const share = one.clients === 0 ? '' : us(event_us / one.clients);
  rows.push([one.name, one.clients, `${((100 * cpu_s) / seconds).toFixed(1)} %`, us(event_us), share]);
}
console.log(`${RATE} events a second for ${seconds} s, ${most} clients\n`);
console.log(`${table(rows)}\n`);
const [, , eventSource, , , , naive] = CASES.map((one) => costs.get(one)!) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];
target(`CPU of ${most} clients against the plain way`, 0.2, eventSource / naive);
