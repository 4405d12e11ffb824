import { createBoard } from '../../src/rules/board.ts';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { metrics } from '@opentelemetry/api';
import * as v from 'valibot';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import stream from '../../exporters/stream.ts';
import { createServe } from '../../src/api/http_server.ts';
import { DoubleValue } from '../../src/model/attributes.ts';
import type { LogRecord } from '../../src/model/batch.ts';
import { createMeterProvider } from '../../src/otel/meter_provider.ts';
import { schemaProblems } from '../support/json_schema.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { logBatch, logRecord, RESOURCE } from '../support/processor.ts';
import { openEventStream, openWebSocket, type Frame, type StreamClient } from '../support/stream_clients.ts';

// Some move megabytes through sockets, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const SCHEMA = JSON.parse(
  readFileSync(new URL('../../docs/exporters/stream.schema.json', import.meta.url), 'utf8'),
) as Record<string, unknown>;

interface StreamRun {
  readonly url: string;
  readonly webSocketUrl: string;
  send(...records: LogRecord[]): Promise<void>;
  stop(): Promise<void>;
}

async function startStream(config: Record<string, unknown> = {}): Promise<StreamRun> {
  const serve = createServe({ page: (_, response) => void response.end('page'), log: createRecordedLog() });
  let listening = '';
  const exporter = stream.create({
    id: 'stream',
    config: v.parse(stream.config, { endpoint: '127.0.0.1:0', ...config }),
    signals: ['logs'],
    log: createRecordedLog(),
    drop: (reason) => expect.unreachable(reason),
    serve: async (options) => {
      const listener = await serve(options);
      listening = listener.url;
      return listener;
    },
    http: () => expect.unreachable(),
    resource: RESOURCE,
    collect: () => Promise.resolve(),
    board: createBoard(),
    answered: () => {},
    watched: () => {},
  });
  await exporter.start?.();
  let stopping: Promise<void> | undefined;
  const run: StreamRun = {
    url: `${listening}/events`,
    webSocketUrl: `${listening}/ws/events`,
    send: async (...records) => {
      if ('consume' in exporter) await exporter.consume(logBatch(records));
    },
    stop: () => (stopping ??= Promise.resolve(exporter.stop?.())),
  };
  onTestFinished(run.stop);
  return run;
}

const clients: StreamClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function events(url: string, headers?: Record<string, string>): Promise<StreamClient> {
  const client = await openEventStream(url, headers);
  clients.push(client);
  await client.until(({ frames }) => frames.length > 0);
  return client;
}

async function webSocket(url: string): Promise<StreamClient> {
  const client = await openWebSocket(url);
  clients.push(client);
  await client.until(({ frames }) => frames.length > 0);
  return client;
}

const numbered = (count: number, more: Partial<LogRecord> = {}): LogRecord[] =>
  Array.from({ length: count }, (_, index) => logRecord(`line ${index}`, more));
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const eventsOf = ({ frames }: StreamClient): Frame[] => frames.filter(({ frame }) => frame === 'event');
const noticesOf = ({ frames }: StreamClient): string[] =>
  frames.map(({ frame }) => frame).filter((one) => one !== 'event');

describe('frames', () => {
  const odd = logRecord('said "no"\n\\ 😀 \ud800 \u2028', {
    eventName: 'file.modify',
    time: 1_700_000_000_123_456_789n,
    observedTime: 1_700_000_000_200_000_000n,
    severityText: '',
    attributes: {
      'file path': '/etc/a "b"\n',
      nothing: null,
      big: 2n ** 53n + 1n,
      least: -(2n ** 63n),
      nan: NaN,
      infinite: -Infinity,
      zero: -0,
      one: new DoubleValue(1),
      bytes: Uint8Array.of(0, 255),
      list: [1, 'two', { three: true }],
    },
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    flags: 1,
    droppedAttributesCount: 2,
  });

  test('are as the schema says, on both ways, with the resource once and before', async () => {
    const run = await startStream();
    const both = [await events(run.url), await webSocket(run.webSocketUrl)];
    await run.send(odd, logRecord(undefined as unknown as string, { eventName: 'x', time: 0n, severityNumber: 0 }));
    await both[0]!.until(2);
    await run.send(
      logRecord({ user: { id: 7 } }, { resource: { attributes: { 'host.name': 'other' }, schemaUrl: 'u' } }),
    );
    for (const client of both) {
      await client.until(3);
      for (const frame of client.frames) expect(schemaProblems(SCHEMA, frame)).toEqual([]);
      expect(client.frames.map(({ frame }) => frame)).toEqual([
        'hello',
        'resource',
        'event',
        'event',
        'resource',
        'event',
      ]);
    }
    const [first, second] = eventsOf(both[0]!);
    expect(first).toEqual({
      frame: 'event',
      epoch: both[0]!.frames[0]!['epoch'],
      seq: 1,
      resource: 'r1',
      time: '2023-11-14T22:13:20.123456789Z',
      observed_time: '2023-11-14T22:13:20.200000000Z',
      type: 'file.modify',
      severity_number: 9,
      severity_text: 'INFO',
      body: 'said "no"\n\\ 😀 \ufffd \u2028',
      attributes: {
        'file path': '/etc/a "b"\n',
        nothing: null,
        big: 2 ** 53,
        least: -(2 ** 63),
        nan: 'NaN',
        infinite: '-Infinity',
        zero: -0,
        one: 1,
        bytes: 'AP8=',
        list: [1, 'two', { three: true }],
      },
      dropped_attributes_count: 2,
      scope: 'test',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      span_id: 'b7ad6b7169203331',
      flags: 1,
    });
    expect(second).toMatchObject({ seq: 2, type: 'x', time: '1970-01-01T00:00:00.000000002Z', severity_number: 0 });
    expect(eventsOf(both[1]!)).toEqual(eventsOf(both[0]!));
    expect(both[0]!.ids.at(-1)).toBe(`${String(both[0]!.frames[0]!['epoch'])}-3`);
  });

  test('the schema refuses what is no frame', () => {
    const frame = { frame: 'position', epoch: 'a', seq: 1 };
    expect(schemaProblems(SCHEMA, frame)).toEqual([]);
    for (const wrong of [
      { ...frame, seq: '1' },
      { ...frame, more: 1 },
      { frame: 'position' },
      { ...frame, frame: 'x' },
    ]) {
      expect(schemaProblems(SCHEMA, wrong)).not.toEqual([]);
    }
  });

  test('carry any record that OTLP can hold, in messages of any length', async () => {
    const run = await startStream({ max_bytes: '64MiB' });
    const both = [await events(run.url), await webSocket(run.webSocketUrl)];
    const lengths = [0, 1, 100, 125, 126, 127, 65_000, 65_535, 65_536, 70_000];
    const bodies = [
      ...lengths.map((length) => 'é'.repeat(length / 2)),
      ...fc.sample(fc.string({ unit: 'binary' }), 100),
    ];
    await run.send(...bodies.map((body) => logRecord(body)));
    for (const client of both) {
      await client.until(bodies.length);
      expect(eventsOf(client).map(({ body }) => body)).toEqual(bodies.map((body) => body.toWellFormed()));
    }
  });

  test('an event that is too long keeps its name, its time and the beginning of its body, and says so', async () => {
    const run = await startStream({ max_event_bytes: '4KiB' });
    const client = await events(run.url);
    const attributes = { long: '\u0001'.repeat(10_000) };
    await run.send(
      logRecord('\n'.repeat(9000)),
      logRecord('short', { attributes, eventName: 'e' }),
      logRecord({ a: attributes }),
    );
    await client.until(3);
    const [body, attribute, map] = eventsOf(client);
    expect(body).toMatchObject({ body: '\n'.repeat(256), attributes: {}, truncated: true });
    expect(attribute).toMatchObject({ body: 'short', type: 'e', attributes: {}, truncated: true });
    expect(map).toMatchObject({ truncated: true });
    expect(map).not.toHaveProperty('body');
    for (const frame of client.frames) {
      expect(schemaProblems(SCHEMA, frame)).toEqual([]);
      expect(JSON.stringify(frame).length).toBeLessThan(4096);
    }
  });
});

describe('resume', () => {
  test('within the ring nothing is missed and nothing doubled, wherever it broke off', async () => {
    const run = await startStream({ max_events: 10_000 });
    const watcher = await events(run.url);
    for (let part = 0; part < 5; part++) await run.send(...numbered(437));
    await watcher.until(5 * 437);
    for (const at of [0, 1, 436, 437, 438, 1000, 2184, 2185]) {
      const position = `${String(watcher.frames[0]!['epoch'])}-${at}`;
      const resumed = [
        await events(run.url, { 'Last-Event-ID': position }),
        await events(`${run.url}?after=${position}`),
        await webSocket(`${run.webSocketUrl}?after=${position}`),
      ];
      await Promise.all(resumed.map((client) => client.until(2185 - at)));
      for (const client of resumed) {
        expect(client.seqs).toEqual(range(at + 1, 2185));
        expect(noticesOf(client)).toEqual(at < 2185 ? ['hello', 'resource'] : ['hello']);
        client.close();
      }
    }
  });

  test('beyond the ring it is told how many it missed, and goes on with the oldest', async () => {
    const run = await startStream({ max_events: 100 });
    const watcher = await events(run.url);
    await run.send(...numbered(5));
    await watcher.until(5);
    const position = watcher.ids.at(-1)!;
    watcher.close();
    for (let part = 0; part < 50; part++) await run.send(...numbered(10));
    const back = await events(run.url, { 'Last-Event-ID': position });
    await back.until((client) => client.seqs.at(-1) === 505);
    const missed = back.frames.find(({ frame }) => frame === 'missed');
    expect(missed).toMatchObject({ reason: 'ring', count: back.seqs[0]! - 6 });
    expect(back.seqs).toEqual(range(back.seqs[0]!, 505));
    // The bound is kept, and most of it used.
    expect(back.seqs.length).toBeLessThanOrEqual(100);
    expect(back.seqs.length).toBeGreaterThan(85);
    expect(schemaProblems(SCHEMA, missed)).toEqual([]);
  });

  test('the ring is bounded in bytes, too', async () => {
    const run = await startStream({ max_bytes: '1MiB' });
    for (let part = 0; part < 40; part++) await run.send(logRecord('x'.repeat(50_000)));
    const epoch = (await events(run.url)).frames;
    const client = await events(`${run.url}?since=1h`);
    await client.until((one) => one.seqs.at(-1) === 40);
    expect(client.seqs.length).toBeLessThanOrEqual(10);
    expect(client.frames.find(({ frame }) => frame === 'missed')).toMatchObject({ reason: 'ring', count: null });
    expect(epoch[0]).toMatchObject({ frame: 'hello', seq: 40, oldest: client.seqs[0] });
  });

  test('after a restart it begins with what this run has, and is told that the run is another', async () => {
    const run = await startStream();
    await run.send(...numbered(3));
    const client = await events(run.url, { 'Last-Event-ID': 'another0run-77' });
    await client.until(3);
    expect(client.frames[1]).toMatchObject({ frame: 'missed', reason: 'restart', count: null });
    expect(client.seqs).toEqual([1, 2, 3]);
    const { epoch } = client.frames[0] as unknown as { epoch: string };
    const ahead = await events(`${run.url}?after=${epoch}-99`);
    await ahead.until(({ frames }) => frames.length > 1);
    expect(ahead.frames[1]).toMatchObject({ frame: 'missed', reason: 'unknown', count: null });
    await run.send(...numbered(1));
    await ahead.until(1);
    expect(ahead.seqs).toEqual([4]);
  });

  test('the id of the greeting leads to no gap when the connection breaks right behind it', async () => {
    const run = await startStream();
    await run.send(...numbered(3));
    const client = await events(`${run.url}?since=1h`);
    expect(client.ids[0]).toMatch(/-0$/);
  });

  test('a client with a filter can go on from what was looked at', async () => {
    const run = await startStream({ keep_alive: '1s' });
    const client = await events(`${run.url}?event=never`);
    await run.send(...numbered(20));
    await client.until(({ frames }) => frames.some(({ frame, seq }) => frame === 'position' && seq === 20));
    expect(client.ids.at(-1)).toMatch(/-20$/);
    expect(client.seqs).toEqual([]);
  });
});

describe('filter', () => {
  const mixed = [
    logRecord('opened', { eventName: 'file.create', severityNumber: 9, attributes: { 'file.path': '/etc/passwd' } }),
    logRecord('closed', { eventName: 'file.delete', severityNumber: 13, attributes: { 'file.path': '/tmp/x', n: 7 } }),
    logRecord('started', { eventName: 'process.start', severityNumber: 17, attributes: {} }),
    logRecord('plain words', { severityNumber: 0 }),
  ];

  test.each([
    ['event=file.*', [1, 2]],
    ['event=file.create&event=process.*', [1, 3]],
    ['event=', [4]],
    ['severity=warn', [2, 3]],
    ['severity=17', [3]],
    ['body=^plain', [4]],
    ['body=ed$', [1, 2, 3]],
    ['attribute=file.path', [1, 2]],
    ['attribute=file.path%3D/tmp/x', [2]],
    ['attribute=n%3D7', [2]],
    ['attribute=file.path~^/etc/', [1]],
    ['attribute=host.name%3Dtest&attribute=n', [2]],
    ['attribute=host.name%3Dother', []],
    ['event=file.*&severity=warn', [2]],
  ])('%s lets through %j', async (query, seqs) => {
    const run = await startStream();
    const both = [await events(`${run.url}?${query}`), await webSocket(`${run.webSocketUrl}?${query}`)];
    const all = await events(run.url);
    await run.send(...mixed);
    await all.until(4);
    for (const client of both) {
      await client.until(seqs.length);
      expect(client.seqs).toEqual(seqs);
    }
  });

  test.each([
    ['event=[', /glob/],
    ['body=(', /regular expression|regexp|parenthes|missing/i],
    ['severity=loud', /trace, debug, info, warn, error, fatal/],
    ['severity=25', /severity/],
    ['attribute=', /attribute/],
    ['colour=red', /there is event, severity, body, attribute, after, since/],
    ['after=7', /EPOCH-SEQ/],
    ['since=never', /duration/],
    [`${'event=a&'.repeat(21)}`, /at most 20/],
    [`body=${'a'.repeat(1001)}`, /at most 1000/],
  ])('%s is refused, with the reason', async (query, reason) => {
    const run = await startStream();
    await expect(openEventStream(`${run.url}?${query}`)).rejects.toThrow(/^400 /);
    await expect(openEventStream(`${run.url}?${query}`)).rejects.toThrow(reason);
    await expect(openWebSocket(`${run.webSocketUrl}?${query}`)).rejects.toThrow();
  });

  test('a message changes it, from the event behind its answer on', async () => {
    const run = await startStream();
    const client = await webSocket(run.webSocketUrl);
    await run.send(...mixed);
    await client.until(4);
    client.send(
      JSON.stringify({ filter: { events: ['file.*'], attributes: [{ key: 'file.path', regexp: '^/tmp' }] } }),
    );
    await client.until(({ frames }) => frames.some(({ frame }) => frame === 'filter'));
    await run.send(...mixed);
    await client.until(5);
    expect(client.seqs).toEqual([1, 2, 3, 4, 6]);
    const answer = client.frames.find(({ frame }) => frame === 'filter');
    expect(answer).toMatchObject({ seq: 4, filter: { events: ['file.*'] } });
    expect(schemaProblems(SCHEMA, answer)).toEqual([]);
  });

  test.each(['{', '[]', '{"filter":{"events":["["]}}', '{"filter":{"colour":1}}', '{"other":1}', 'null'])(
    'the message %s is answered with what is wrong, and changes nothing',
    async (message) => {
      const run = await startStream();
      const client = await webSocket(run.webSocketUrl);
      client.send(message);
      await client.until(({ frames }) => frames.some(({ frame }) => frame === 'error'));
      expect(schemaProblems(SCHEMA, client.frames[1])).toEqual([]);
      await run.send(...mixed);
      await client.until(4);
    },
  );
});

describe('limits', () => {
  test('clients beyond max_clients and max_clients_per_address are refused', async () => {
    const run = await startStream({ max_clients: 2, max_clients_per_address: 2 });
    const first = await events(run.url);
    await webSocket(run.webSocketUrl);
    await expect(openEventStream(run.url)).rejects.toThrow(/^503 .*max_clients/);
    await expect(openWebSocket(run.webSocketUrl)).rejects.toThrow();
    first.close();
    await first.closed;
    await expect
      .poll(() =>
        events(run.url).then(
          () => 'taken',
          () => 'refused',
        ),
      )
      .toBe('taken');
    const narrow = await startStream({ max_clients_per_address: 1 });
    await events(narrow.url);
    await expect(openEventStream(narrow.url)).rejects.toThrow(/^429 .*max_clients_per_address/);
  });

  test('a client that does not read is dropped and told why; the others get everything', async () => {
    const run = await startStream({ max_events: 1000, max_bytes: '1MiB', client_timeout: '1h' });
    const sleeper = await events(run.url);
    const reader = await webSocket(run.webSocketUrl);
    sleeper.pause();
    let sent = 0;
    // More than the socket buffers of the kernel hold.
    while ((await figures())['sonde.stream.clients.dropped beyond_ring'] === 0) {
      await run.send(...numbered(1000, { attributes: { padding: 'x'.repeat(400) } }));
      sent += 1000;
      await reader.until(sent);
    }
    expect(reader.seqs).toEqual(range(1, sent));
    sleeper.resume();
    await sleeper.closed;
    const last = sleeper.frames.at(-1)!;
    expect(last).toMatchObject({ frame: 'dropped', reason: expect.stringContaining('too slow') as string });
    // What it had is without gaps, and it can go on from there.
    expect(sleeper.seqs).toEqual(range(1, last['seq'] as number));
    expect(sleeper.ids.at(-1)).toMatch(new RegExp(`-${String(last['seq'])}$`));
    expect(schemaProblems(SCHEMA, last)).toEqual([]);
  });

  test('a client that takes nothing for client_timeout is dropped, though its next event is there', async () => {
    const run = await startStream({ max_events: 1_000_000, max_bytes: '1GiB', client_timeout: '100ms' });
    const sleeper = await events(run.url);
    sleeper.pause();
    for (let part = 0; part < 30; part++)
      await run.send(...numbered(1000, { attributes: { padding: 'x'.repeat(400) } }));
    await expect.poll(() => dropped()).toMatchObject({ timeout: 1 });
    sleeper.resume();
    await sleeper.closed;
    expect(sleeper.frames.at(-1)).toMatchObject({
      frame: 'dropped',
      reason: expect.stringContaining('nothing was read') as string,
    });
  });

  test('its figures say how many clients there are, what was sent, and who was dropped', async () => {
    const run = await startStream({ max_clients: 2 });
    await events(run.url);
    await webSocket(`${run.webSocketUrl}?event=none`);
    await expect(openEventStream(run.url)).rejects.toThrow('503');
    await run.send(...numbered(3));
    await expect.poll(figures).toMatchObject({
      'sonde.stream.clients websocket': 1,
      'sonde.stream.clients event_source': 1,
      'sonde.stream.events': 3,
      'sonde.stream.sent': 3,
      'sonde.stream.clients.refused': 1,
      'sonde.stream.clients.dropped beyond_ring': 0,
      'sonde.stream.kept': 3,
    });
    await run.stop();
    expect(await figures()).toEqual({});
  });
});

const provider = createMeterProvider(RESOURCE, 0n, 0n);
provider.register();

/** What the stream says of itself, by metric and the value of what tells its series apart. */
async function figures(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const meter of provider.meters()) {
    const limit = { isOver: false, signal: new AbortController().signal };
    const { batches } = await meter.collect({ time: 1n, receiver: 'self', onDemand: false, limit });
    for (const { series, values } of batches) {
      series.forEach(({ metric, attributes }, row) => {
        const [, of] = Object.values(attributes);
        // One that has ended.
        if (Number.isNaN(values[row])) return;
        found[`${metric.name}${of === undefined ? '' : ` ${String(of)}`}`] = values[row]!;
      });
    }
  }
  return found;
}

async function dropped(): Promise<Record<string, number>> {
  const all = await figures();
  return { timeout: all['sonde.stream.clients.dropped timeout'] ?? -1 };
}

describe('who may ask', () => {
  const statusOf = (url: string, headers: Record<string, string>): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const asked = request(url, { headers, agent: false }, (response) => {
      resolve(`${response.statusCode} ${String(response.headers['access-control-allow-origin'] ?? '')}`.trim());
      response.destroy();
    });
    asked.on('upgrade', (_, socket) => {
      resolve('101');
      socket.destroy();
    });
    asked.on('error', reject).end();
    return promise;
  };
  const UPGRADE = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };

  test('pages of other sites may not, unless they are allowed; names that are rebound may not', async () => {
    const run = await startStream({ allowed_origins: ['https://grafana.example'] });
    const { origin } = new URL(run.url);
    for (const [url, more, good] of [
      [run.url, {}, '200'],
      [run.webSocketUrl, UPGRADE, '101'],
    ] as const) {
      expect(await statusOf(url, { ...more })).toBe(good);
      expect(await statusOf(url, { ...more, origin })).toBe(good);
      const cors = good === '200' ? ' https://grafana.example' : '';
      expect(await statusOf(url, { ...more, origin: 'https://grafana.example' })).toBe(`${good}${cors}`);
      expect(await statusOf(url, { ...more, origin: 'https://evil.example' })).toBe('403');
      expect(await statusOf(url, { ...more, origin: 'null' })).toBe('403');
      expect(await statusOf(url, { ...more, host: 'rebound.example' })).toBe('421');
    }
  });

  test('other methods and requests that are no WebSocket are refused', async () => {
    const run = await startStream();
    expect((await fetch(run.url, { method: 'POST' })).status).toBe(405);
    expect((await fetch(run.webSocketUrl)).status).toBe(426);
    expect(await statusOf(run.webSocketUrl, { ...UPGRADE, 'sec-websocket-version': '8' })).toBe('426');
    expect(await statusOf(run.webSocketUrl, { ...UPGRADE, 'sec-websocket-key': 'short' })).toBe('400');
    // Another protocol is no reason not to answer.
    const plain = await statusOf(run.url, {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': '',
    });
    expect(plain).toBe('200');
  });

  test('beyond loopback it needs TLS, or that it is written out', async () => {
    await expect(startStream({ endpoint: '0.0.0.0:0' })).rejects.toThrow('insecure: true');
  });

  test('the answer to a handshake is that of RFC 6455, section 1.3, and what is in the same packet is read', async () => {
    const run = await startStream();
    const { port } = new URL(run.url);
    const socket = connect(Number(port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    const lines = Object.entries(UPGRADE).map(([name, value]) => `${name}: ${value}\r\n`);
    const ping = Buffer.from([0x89, 0x81, 0, 0, 0, 0, 0x41]);
    socket.write(
      Buffer.concat([Buffer.from(`GET /ws/events HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.join('')}\r\n`), ping]),
    );
    let answer = Buffer.alloc(0);
    socket.on('data', (piece: Buffer) => (answer = Buffer.concat([answer, piece])));
    await expect.poll(() => answer.includes(Buffer.from([0x8a, 0x01, 0x41]))).toBe(true);
    expect(answer.toString('latin1')).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n');
  });
});

test('stop says goodbye to everyone, and does not wait for one that does not read', async () => {
  const run = await startStream();
  const [watcher, socket, sleeper] = [await events(run.url), await webSocket(run.webSocketUrl), await events(run.url)];
  sleeper.pause();
  for (let part = 0; part < 8; part++) await run.send(...numbered(1000, { attributes: { padding: 'x'.repeat(1000) } }));
  // A stop has little time for those who do read.
  await Promise.all([watcher, socket].map((client) => client.until(8000)));
  await run.stop();
  await watcher.closed;
  expect(await socket.closed).toEqual({ code: 1001, reason: 'the agent stops or changes' });
  expect(watcher.seqs).toEqual(socket.seqs);
  metrics.disable();
});
