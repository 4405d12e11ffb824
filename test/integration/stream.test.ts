/** The exporter `stream` of a real agent: many clients at 10,000 events a second, one that sleeps, one that comes back. */
import { execFileSync, spawn } from 'node:child_process';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { encodeRequests } from '../../src/model/otlp/encode_requests.ts';
import { logBatch, logRecord } from '../support/processor.ts';
import { freePort } from '../support/free_port.ts';
import { program, sondeCommand, startServer, startSonde, until, type Server } from './servers.ts';

/** How many events; each has a number, and padding so that no socket buffer holds them all. */
const EVENTS = Number(process.env['SONDE_TEST_STREAM_EVENTS'] ?? 60_000);
const A_SECOND = 10_000;
/** How many the agent keeps for clients that are behind. */
const KEPT = 20_000;
const PADDING = 'x'.repeat(300);

/** Reads a stream as cheaply as can be, so that the test holds nobody up: numbers and notices alone. */
interface Reader {
  /** Of the first and the last event, and how many were not one more than the one before. */
  first: number;
  last: number;
  count: number;
  gaps: number;
  lastId: string;
  readonly notices: string[];
  readonly response: IncomingMessage;
  readonly closed: Promise<void>;
}

async function openReader(url: string, lastId?: string): Promise<Reader> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = lastId === undefined ? {} : { 'Last-Event-ID': lastId };
  const request = get(url, { agent: false, headers }, resolve).on('error', reject);
  const response = await promise;
  onTestFinished(() => void request.destroy());
  const closed = Promise.withResolvers<void>();
  const reader = {
    first: 0,
    last: 0,
    count: 0,
    gaps: 0,
    lastId: '',
    notices: [],
    response,
    closed: closed.promise,
  } as Reader;
  let rest = '';
  response.setEncoding('latin1');
  response.on('error', () => {});
  response.once('close', closed.resolve);
  response.on('data', (piece: string) => {
    const text = rest + piece;
    let from = 0;
    for (let end = text.indexOf('\n\n'); end !== -1; from = end + 2, end = text.indexOf('\n\n', from)) {
      if (text.startsWith('id: ', from)) {
        const line = text.indexOf('\n', from);
        reader.lastId = text.slice(from + 4, line);
        if (text.startsWith('data: {"frame":"event"', line + 1)) {
          note(reader, Number(reader.lastId.slice(reader.lastId.indexOf('-') + 1)));
          continue;
        }
      }
      const data = text.indexOf('data: ', from);
      if (data !== -1 && data < end) reader.notices.push(text.slice(data + 6, end));
    }
    rest = text.slice(from);
  });
  return reader;
}

function note(reader: Pick<Reader, 'first' | 'last' | 'count' | 'gaps'>, seq: number): void {
  if (reader.count === 0) reader.first = seq;
  else if (seq !== reader.last + 1) reader.gaps++;
  reader.last = seq;
  reader.count++;
}

async function openSocket(url: string): Promise<Pick<Reader, 'first' | 'last' | 'count' | 'gaps'>> {
  const reader = { first: 0, last: 0, count: 0, gaps: 0 };
  const socket = new WebSocket(url.replace('http', 'ws'));
  const opened = Promise.withResolvers<void>();
  socket.addEventListener('open', () => opened.resolve());
  socket.addEventListener('error', () => opened.reject(new Error('Cannot open a WebSocket')));
  socket.addEventListener('message', ({ data }) => {
    const match = /^\{"frame":"event","epoch":"\w+","seq":(\d+)/.exec(String(data));
    if (match !== null) note(reader, Number(match[1]));
  });
  onTestFinished(() => socket.close());
  await opened.promise;
  return reader;
}

async function startAgent(
  stream: string,
): Promise<{ sonde: Server; send: (from: number, count: number) => Promise<void> }> {
  const otlp = await freePort();
  const sonde = await startSonde(`
receivers: { self: {}, otlp: { protocols: { http: { endpoint: '127.0.0.1:${otlp}' } } } }
exporters:
  prometheus: { endpoint: '127.0.0.1:PORT', max_age: '0' }
  stream: { endpoint: '127.0.0.1:PORT', ${stream} }
service:
  pipelines:
    metrics: { receivers: [self], exporters: [prometheus] }
    logs: { receivers: [otlp], exporters: [stream] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  const send = async (from: number, count: number): Promise<void> => {
    const records = Array.from({ length: count }, (_, index) =>
      logRecord(`line ${from + index}`, {
        eventName: 'test.line',
        attributes: { number: from + index, padding: PADDING },
      }),
    );
    const [part] = encodeRequests(logBatch(records), 2 ** 26).parts;
    const headers = { 'content-type': 'application/x-protobuf' };
    const answer = await fetch(`http://127.0.0.1:${otlp}/v1/logs`, {
      method: 'POST',
      headers,
      body: Buffer.from(part!.body),
    });
    expect(answer.status).toBe(200);
  };
  return { sonde, send };
}

/** A figure of the agent itself, by its name and a text among its labels. */
async function figure(sonde: Server, name: string, label = ''): Promise<number> {
  const lines = (await (await fetch(`${sonde.url}/metrics`)).text()).split('\n');
  const line = lines.find((one) => one.startsWith(`${name}{`) && one.includes(label));
  return line === undefined ? NaN : Number(line.slice(line.lastIndexOf(' ') + 1));
}

test('10,000 events a second reach 19 clients whole while one sleeps, which is dropped, and told what it missed', async () => {
  const { sonde, send } = await startAgent(`max_events: ${KEPT}, max_bytes: 64MiB, client_timeout: 10m`);
  const url = `${sonde.url}/events`;
  const readers = await Promise.all(Array.from({ length: 14 }, () => openReader(url)));
  const sockets = await Promise.all(Array.from({ length: 5 }, () => openSocket(`${sonde.url}/ws/events`)));
  const sleeper = await openReader(url);
  sleeper.response.pause();

  const hasDropped = async (): Promise<boolean> =>
    (await figure(sonde, 'sonde_stream_clients_dropped_total', 'beyond_ring')) === 1;
  let isDropped = false;
  const began_ms = performance.now();
  for (let sent = 0; sent < EVENTS; sent += 1000) {
    await send(sent, 1000);
    // Whoever is told why it was dropped has half a minute to read it.
    if (!isDropped && (isDropped = await hasDropped())) sleeper.response.resume();
    // Where this process cannot read as fast, it sends no faster: those that are awake are to keep up.
    await until(
      'all keep up',
      async () => [...readers, ...sockets].every(({ last }) => last > sent + 1000 - KEPT / 2),
      60_000,
    );
    const ahead_ms = ((sent + 1000) / A_SECOND) * 1000 - (performance.now() - began_ms);
    if (ahead_ms > 0) await new Promise((resolve) => setTimeout(resolve, ahead_ms));
  }
  for (const reader of [...readers, ...sockets]) {
    await until('everything has arrived', async () => reader.last === EVENTS, 60_000);
    expect(reader).toMatchObject({ first: 1, count: EVENTS, gaps: 0 });
  }
  expect(await figure(sonde, 'sonde_stream_events_total')).toBe(EVENTS);
  expect(await figure(sonde, 'sonde_stream_clients', 'event_source')).toBe(14);
  expect(await figure(sonde, 'sonde_stream_clients_dropped_total', 'beyond_ring')).toBe(1);
  expect(await figure(sonde, 'sonde_component_accepted_total', 'sonde_component_id="stream"')).toBe(EVENTS);

  expect(isDropped).toBe(true);
  await sleeper.closed;
  expect(sleeper).toMatchObject({ first: 1, gaps: 0 });
  expect(JSON.parse(sleeper.notices.at(-1)!)).toMatchObject({ frame: 'dropped', seq: sleeper.last });

  // What it gets and what it is told of is all that it has not had.
  const back = await openReader(url, sleeper.lastId);
  await until('the rest has arrived', async () => back.last === EVENTS);
  const missed = back.notices
    .map((text) => JSON.parse(text) as Record<string, unknown>)
    .filter(({ frame }) => frame === 'missed');
  expect(missed).toEqual([expect.objectContaining({ reason: 'ring', count: EVENTS - sleeper.count - back.count })]);
  expect(back.gaps).toBe(0);
  expect(back.count).toBeGreaterThan(15_000);

  // Within the ring there is nothing to be told.
  const again = await openReader(url, `${back.lastId.split('-')[0]}-${EVENTS - 5000}`);
  await until('the last 5,000 have arrived', async () => again.last === EVENTS);
  expect(again).toMatchObject({ first: EVENTS - 4999, count: 5000, gaps: 0 });
  expect(again.notices.some((text) => text.includes('"missed"'))).toBe(false);
  expect(await sonde.stop()).toBe(0);
}, 300_000);

test('sonde tail shows what is kept and what comes, and ends at SIGINT; sonde tap finds the edges', async () => {
  const { sonde, send } = await startAgent('max_events: 1000');
  await send(0, 2);
  const [command, ...args] = sondeCommand();
  const tail = spawn(command, [...args, 'tail', '--since', '1h', '--url', `${sonde.url}/events`], { stdio: 'pipe' });
  onTestFinished(() => void tail.kill('SIGKILL'));
  let printed = '';
  tail.stdout.on('data', (piece) => (printed += String(piece)));
  await until('the first lines are there', async () => printed.includes('line 1'));
  await send(2, 1);
  await until('the next line is there', async () => printed.includes('line 2'));
  expect(printed.match(/line \d+/g)).toEqual(['line 0', 'line 1', 'line 2']);
  const ended = new Promise<number | null>((resolve) => tail.once('exit', resolve));
  tail.kill('SIGINT');
  expect(await ended).toBe(0);
  const tapped = execFileSync(command, [...args, 'tap', '--json', '--url', sonde.url], { encoding: 'utf8' });
  expect(JSON.parse(tapped)).toMatchObject({ pipelines: [{ name: 'metrics' }, { name: 'logs' }] });
}, 120_000);

const CHROMIUM_OPTIONS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

test('a page in a real browser reads both ways, and comes back where it was', async () => {
  const chromium = await program('chromium');
  const results = Promise.withResolvers<Record<string, number[]>>();
  const pages = createServer((request, response) => {
    if (request.method !== 'POST') {
      response.writeHead(200, { 'Content-Type': 'text/html' });
      return void response.end(pageOf(url));
    }
    let body = '';
    request.on('data', (piece) => (body += String(piece)));
    request.on('end', () => {
      results.resolve(JSON.parse(body) as Record<string, number[]>);
      response.end();
    });
  });
  await new Promise<void>((resolve) => void pages.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    pages.closeAllConnections();
    pages.close();
  });
  const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  const { sonde, send } = await startAgent(`allowed_origins: ['${origin}']`);
  const { url } = sonde;
  await send(0, 50);
  const browser = await startServer({
    command: chromium,
    args: (folder) => [...CHROMIUM_OPTIONS, `--user-data-dir=${folder}`, origin],
    url: origin,
    ready: origin,
  });
  // Of one that is killed, the processes it has started go on writing into its folder, which could then not be removed.
  onTestFinished(async () => void (await browser.stop()));
  const isOpen = async (kind: string): Promise<boolean> => (await figure(sonde, 'sonde_stream_clients', kind)) === 1;
  const areOpen = async (): Promise<boolean> => (await isOpen('websocket')) && (await isOpen('event_source'));
  // A browser takes seconds to start, more where others work.
  await until('both are open', areOpen, 60_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${browser.output()}`, { cause: error });
  });
  await send(50, 50);
  const wanted = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(await results.promise).toEqual({ eventSource: wanted, resumed: wanted.slice(60), webSocket: wanted });
}, 240_000);

/** Counts by EventSource and WebSocket, closes when it has all, and opens another behind the 60th. */
function pageOf(url: string): string {
  return `<!doctype html><script>
const result = { eventSource: [], webSocket: [], resumed: [] };
const report = () => {
  if (result.eventSource.length >= 100 && result.webSocket.length >= 100 && result.resumed.length >= 40)
    fetch('/', { method: 'POST', body: JSON.stringify(result) });
};
const source = new EventSource('${url}/events?since=1h');
source.onmessage = ({ data, lastEventId }) => {
  const { seq } = JSON.parse(data);
  result.eventSource.push(seq);
  if (seq === 60) {
    const other = new EventSource('${url}/events?after=' + lastEventId);
    other.onmessage = (event) => { result.resumed.push(JSON.parse(event.data).seq); report(); };
  }
  report();
};
const socket = new WebSocket('${url.replace('http', 'ws')}/ws/events?since=1h');
socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.frame === 'event') result.webSocket.push(frame.seq);
  report();
};
</script>`;
}
