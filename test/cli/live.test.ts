import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import stream from '../../exporters/stream.ts';
import { createEventReader } from '../../src/cli/event_stream.ts';
import { parseExact } from '../../src/cli/exact_json.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { eventText, type EventFrame } from '../../src/cli/tail_text.ts';
import { tapText } from '../../src/cli/tap_text.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import type { LogRecord } from '../../src/model/batch.ts';
import { folderOf } from '../config/folder.ts';
import { createStage, makeAgent } from '../support/agent.ts';
import { createCertificates, type Certificates } from '../support/certificates.ts';
import { logBatch, logRecord } from '../support/processor.ts';
import { recordedTerminal, type RecordedTerminal } from './terminal.ts';

interface Command {
  readonly terminal: RecordedTerminal;
  readonly ended: Promise<number>;
  /** Ctrl+C. */
  interrupt(): void;
}

function sonde(words: readonly string[], overrides: Partial<Terminal> = {}): Command {
  const terminal = recordedTerminal(overrides);
  const listeners: (() => void)[] = [];
  const interrupt = (): void => {
    for (const listener of listeners) listener();
  };
  const ended = runCommandLine(words, {
    terminal,
    env: {},
    lifetime: { onSignal: (_, listener) => void listeners.push(listener), onUncaught() {}, exit() {} },
  });
  onTestFinished(async () => {
    interrupt();
    await ended;
  });
  return { terminal, ended, interrupt };
}

interface Running {
  /** As `http://127.0.0.1:1234`. */
  readonly origin: string;
  readonly port: string;
  send(...records: LogRecord[]): Promise<void>;
  stop(): Promise<void>;
}

async function startAgent(config: Record<string, unknown> = {}): Promise<Running> {
  const stage = createStage();
  const { agent } = makeAgent(
    {
      receivers: { pushed: {} },
      processors: { passing: {} },
      exporters: { stream: { endpoint: '127.0.0.1:0', ...config } },
      pipelines: { logs: { receivers: ['pushed'], processors: ['passing'], exporters: ['stream'] } },
    },
    { ...stage, exporters: [stream] },
  );
  await agent.start();
  const [origin] = agent.listening();
  return {
    origin: origin!,
    port: new URL(origin!).port,
    send: async (...records) => stage.pushed.get('pushed')!.next.logs!.consume(logBatch(records)),
    stop: () => agent.stop(),
  };
}

/** A configuration file that says that the agent is there. */
function configAt(port: string, more = ''): string {
  const folder = folderOf({
    'a.yaml': `
receivers: { otlp: }
exporters: { stream: { endpoint: "127.0.0.1:${port}"${more} } }
service: { pipelines: { logs: { receivers: [otlp], exporters: [stream] } } }
`,
  });
  return `${folder}/a.yaml`;
}

const event = (body: string, more: Partial<LogRecord> = {}): LogRecord =>
  logRecord(body, { time: 1_700_000_000_000_000_000n, eventName: 'file.modify', ...more });

describe('sonde tail', () => {
  test('finds the agent by the configuration, shows what it still has and what comes, and ends at Ctrl+C', async () => {
    const agent = await startAgent();
    await agent.send(event('first', { attributes: { 'file.path': '/etc/a b', n: 2n ** 53n + 1n } }));
    const { terminal, interrupt, ended } = sonde(['tail', '--since', '1h', '-c', configAt(agent.port)]);
    await expect.poll(() => terminal.printed).toContain('first');
    await agent.send(event('second\n\u001b[2J', { severityNumber: 17, severityText: '', eventName: '' }));
    await expect.poll(() => terminal.printed).toContain('second');
    interrupt();
    expect(await ended).toBe(0);
    expect(terminal.printed).toBe(
      '2023-11-14T22:13:20.000000000Z INFO   file.modify  first  file.path="/etc/a b" n=9007199254740993\n' +
        '2023-11-14T22:13:20.000000000Z ERROR  second\\n\\u001b[2J\n',
    );
    expect(terminal.complained).toBe('');
  });

  test('hands its filter to the agent, and with --json prints the frames as they came', async () => {
    const agent = await startAgent();
    const words = ['--event', 'file.*', '--severity', 'warn', '--attribute', 'k=v', '--body', 'yes', '--json'];
    const { terminal } = sonde(['tail', '--url', agent.origin, ...words]);
    await expect.poll(() => terminal.printed).toContain('"hello"');
    const wanted = { severityNumber: 13, attributes: { k: 'v' } };
    await agent.send(event('yes', wanted), event('no', wanted), event('yes', { ...wanted, severityNumber: 9 }));
    await agent.send(event('yes', { ...wanted, eventName: 'x' }), event('yes', { ...wanted, attributes: {} }));
    await agent.send(event('yes, too', wanted));
    await expect.poll(() => terminal.printed).toContain('too');
    const frames = terminal.printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(frames.map(({ frame }) => frame)).toEqual(['hello', 'resource', 'event', 'event']);
    expect(frames.slice(2).map(({ seq }) => seq)).toEqual([1, 6]);
  });

  test('goes on where it was when the connection breaks, and says what it missed', async () => {
    const agent = await startAgent({ max_events: 10 });
    const relay = await createRelay(agent.port);
    const { terminal } = sonde(['tail', '--url', relay.url]);
    await expect.poll(() => relay.count()).toBe(1);
    await agent.send(event('one'));
    await expect.poll(() => terminal.printed).toContain('one');
    relay.cut();
    for (const body of ['two', 'three', 'four']) await agent.send(event(body));
    await expect.poll(() => terminal.printed).toContain('four');
    expect(terminal.printed.match(/one|two|three|four/g)).toEqual(['one', 'two', 'three', 'four']);
    relay.cut();
    for (let count = 0; count < 14; count++) await agent.send(event(`later ${count}.`));
    await expect.poll(() => terminal.printed).toContain('later 13.');
    expect(terminal.printed.match(/later \d+/g)).toHaveLength(10);
    expect(terminal.complained).toContain('[tail] lost the connection; tries again\n[tail] connected again\n');
    expect(terminal.complained).toContain('[tail] missed 4 events: no longer kept\n');
  });

  test('says that the agent has begun anew', async () => {
    const first = await startAgent();
    const relay = await createRelay(first.port);
    const { terminal } = sonde(['tail', '--url', relay.url]);
    await expect.poll(() => relay.count()).toBe(1);
    await first.send(event('one'));
    await expect.poll(() => terminal.printed).toContain('one');
    const second = await startAgent();
    await second.send(event('two'));
    relay.cut(second.port);
    await expect.poll(() => terminal.printed).toContain('two');
    expect(terminal.complained).toContain('[tail] the stream has begun anew');
  });

  test('says what to do where there is no agent, no stream, or what is asked is wrong', async () => {
    const agent = await startAgent();
    const nobody = sonde(['tail', '--url', 'http://127.0.0.1:1']);
    expect(await nobody.ended).toBe(1);
    expect(nobody.terminal.complained).toMatch(/nothing listens there\n {2}hint: start it with "sonde run"/);
    const elsewhere = sonde(['tail', '--url', `${agent.origin}/other`]);
    expect(await elsewhere.ended).toBe(1);
    expect(elsewhere.terminal.complained).toMatch(/^Cannot find a stream at .*\/other[^]*stream:[^]*pipelines:/);
    const filter = sonde(['tail', '--url', agent.origin, '--event', '[']);
    expect(await filter.ended).toBe(1);
    expect(filter.terminal.complained).toMatch(/^Cannot parse the glob/);
    const url = sonde(['tail', '--url', 'localhost:9464']);
    expect(await url.ended).toBe(2);
    expect(url.terminal.complained).toMatch(/^Cannot use the URL "localhost:9464"/);
    const folder = folderOf({
      'a.yaml':
        'receivers: { load: }\nexporters: { debug: }\nservice: { pipelines: { metrics: { receivers: [load], exporters: [debug] } } }\n',
    });
    const none = sonde(['tail', '-c', `${folder}/a.yaml`]);
    expect(await none.ended).toBe(1);
    expect(none.terminal.complained).toMatch(/no exporter of the configuration listens\n {2}hint: add one/);
    // The agent runs with another configuration than this one, which has its address alone.
    await agent.send(event('one'));
    const scraped = `receivers: { load: }\nexporters: { prometheus: { endpoint: "127.0.0.1:${agent.port}" } }\nservice: { pipelines: { metrics: { receivers: [load], exporters: [prometheus] } } }\n`;
    const other = sonde(['tail', '--since', '1h', '-c', `${folderOf({ 'a.yaml': scraped })}/a.yaml`]);
    await expect.poll(() => other.terminal.printed).toContain('one');
    const wrong = sonde(['tail', '-c', `${folder}/nothing.yaml`]);
    expect(await wrong.ended).toBe(78);
  });

  test('ends when nobody reads any more', async () => {
    const agent = await startAgent();
    await agent.send(event('one'));
    const { ended } = sonde(['tail', '--since', '1h', '--url', agent.origin], { isGone: true });
    expect(await ended).toBe(0);
  });
});

describe('with TLS', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = createCertificates();
  });
  afterAll(() => certificates.remove());

  test('an agent of this machine is known by the certificate of its configuration', async () => {
    const agent = await startAgent({ tls: certificates.server });
    await agent.send(event('secret'));
    const { cert_file, key_file } = certificates.server;
    const tls = `, tls: { cert_file: "${cert_file}", key_file: "${key_file}" }`;
    const { terminal } = sonde(['tail', '--since', '1h', '-c', configAt(agent.port, tls)]);
    await expect.poll(() => terminal.printed).toContain('secret');
  });

  test('another is trusted by --ca-file, and else refused with what to do', async () => {
    const agent = await startAgent({ tls: certificates.server });
    await agent.send(event('secret'));
    const trusting = sonde(['tail', '--since', '1h', '--url', agent.origin, '--ca-file', certificates.ca]);
    await expect.poll(() => trusting.terminal.printed).toContain('secret');
    const strange = sonde(['tail', '--url', agent.origin]);
    expect(await strange.ended).toBe(1);
    expect(strange.terminal.complained).toMatch(/^Cannot trust the agent at https:[^]*hint: .*--ca-file/);
    const named = sonde(['tail', '--url', `https://127.0.0.2:${agent.port}`, '--ca-file', certificates.ca]);
    expect(await named.ended).toBe(1);
    const plain = sonde(['tail', '--url', agent.origin.replace('https', 'http')]);
    expect(await plain.ended).toBe(1);
    expect(plain.terminal.complained).toContain('hint: if it serves TLS, try --url with https://');
    const missing = sonde(['tail', '--url', agent.origin, '--ca-file', '/nowhere.pem']);
    expect(await missing.ended).toBe(1);
    expect(missing.terminal.complained).toMatch(/^Cannot read \/nowhere\.pem/);
  });

  test('an agent that wants certificates of its clients gets the one of --cert-file', async () => {
    const agent = await startAgent({ tls: { ...certificates.server, client_ca_file: certificates.ca } });
    await agent.send(event('secret'));
    const { cert_file, key_file } = certificates.client;
    const words = ['tail', '--since', '1h', '--url', agent.origin, '--ca-file', certificates.ca];
    const known = sonde([...words, '--cert-file', cert_file, '--key-file', key_file]);
    await expect.poll(() => known.terminal.printed).toContain('secret');
    const unknown = sonde(words);
    expect(await unknown.ended).toBe(1);
    expect(unknown.terminal.complained).toMatch(/hint: give a certificate .*--cert-file/);
  });
});

describe('sonde tap', () => {
  test('lists the edges', async () => {
    const agent = await startAgent();
    const { terminal, ended } = sonde(['tap', '-c', configAt(agent.port)]);
    expect(await ended).toBe(0);
    expect(terminal.printed).toBe(
      'PIPELINE  EDGES\nlogs      logs:receivers logs:passing logs:exporters logs:stream\n',
    );
  });

  test('shows the batches that pass, and ends behind the last that is wanted', async () => {
    const agent = await startAgent();
    const people = sonde(['tap', 'logs:passing', '--url', agent.origin, '--limit', '2', '--items', '1']);
    const machine = sonde(['tap', 'logs', '--url', agent.origin, '--limit', '1', '--json']);
    await expect.poll(() => people.terminal.complained + machine.terminal.complained).toMatch(/passing[^]*exporters/);
    await agent.send(event('one'), event('two'));
    expect(await machine.ended).toBe(0);
    expect(JSON.parse(machine.terminal.printed)).toMatchObject({ records: [{ body: 'one' }, { body: 'two' }] });
    await agent.send(event('three'));
    expect(await people.ended).toBe(0);
    expect(people.terminal.printed.replaceAll(/^\d{4}-\S+/gm, 'TIME')).toBe(
      'TIME 2 records, 1 shown\n  2023-11-14T22:13:20.000000000Z INFO   file.modify  one\n' +
        'TIME 1 records\n  2023-11-14T22:13:20.000000000Z INFO   file.modify  three\n',
    );
  });

  test('says what is wrong', async () => {
    const agent = await startAgent();
    const edge = sonde(['tap', 'audit', '--url', agent.origin]);
    expect(await edge.ended).toBe(1);
    expect(edge.terminal.complained).toBe('Cannot tap "audit": there is no such pipeline; there is logs\n');
    const limit = sonde(['tap', 'logs', '--url', agent.origin, '--limit', 'x']);
    expect(await limit.ended).toBe(2);
    const other = createServer((_, response) => void response.writeHead(404).end());
    const elsewhere = sonde(['tap', '--url', await listen(other)]);
    expect(await elsewhere.ended).toBe(1);
    expect(elsewhere.terminal.complained).toMatch(/it does not answer for that\n {2}hint: /);
  });
});

test('createEventReader reads events in pieces of any size, and ids without events', () => {
  const text =
    ':\n\nid: e-1\nevent: a\ndata: {"x":1}\n\nretry: 1000\n\ndata: one\r\ndata: two\r\n\r\nid: e-7\n\ndata:tight\n\n';
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 20 }), (cuts) => {
      const ends = [...cuts.toSorted((a, b) => a - b), text.length];
      const ids: string[] = [];
      const read = createEventReader((id) => ids.push(id));
      // A line break of two characters is not cut in two by the agent.
      const pieces = ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end));
      fc.pre(!pieces.some((piece) => piece.endsWith('\r')));
      expect(pieces.flatMap(read)).toEqual([
        { event: 'a', data: '{"x":1}', id: 'e-1' },
        { event: 'message', data: 'one\ntwo', id: 'e-1' },
        { event: 'message', data: 'tight', id: 'e-7' },
      ]);
      expect(new Set(ids)).toEqual(new Set(['e-1', 'e-7']));
    }),
  );
});

test('eventText paints by severity, and shows the time of day on a terminal', () => {
  const frame: EventFrame = {
    frame: 'event',
    time: '2026-01-31T12:00:01.250999999Z',
    type: 'a',
    severity_number: 17,
    severity_text: 'ERROR',
    attributes: parseExact('{"n":9007199254740993,"list":[9007199254740993],"t":""}') as Record<string, unknown>,
    truncated: true,
  };
  const text = eventText(frame, { hasColor: true, isInteractive: true });
  expect(text).toContain('\u001b[31mERROR\u001b[39m');
  expect(text).toMatch(/^\S{0,6}\d\d:\d\d:01\.250/);
  expect(eventText(frame, { hasColor: false, isInteractive: false })).toBe(
    '2026-01-31T12:00:01.250999999Z ERROR  a  n=9007199254740993 list=[9007199254740993] t=""  (truncated)\n',
  );
});

test('tapText shows points with their attributes, values and units', () => {
  const text = tapText(
    {
      time: 'TIME',
      signal: 'metrics',
      count: 9,
      receiver: 'cpu',
      on_demand: true,
      points: [
        { metric: 'a', unit: 'By', attributes: { k: 'v "w"' }, value: 1 },
        { metric: 'b', unit: '1', attributes: {}, ended: true },
        { metric: 'c', unit: 's', attributes: {}, count: 2, sum: 0.5 },
      ],
    },
    { hasColor: false, isInteractive: false },
  );
  expect(text).toBe(
    'TIME 9 points, 3 shown, of cpu, for a scrape\n  a{k="v \\"w\\""} 1 By\n  b ended\n  c count=2 sum=0.5 s\n',
  );
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Hands requests on to an agent, and cuts connections when it is told to. */
async function createRelay(port: string): Promise<{ url: string; count(): number; cut(toPort?: string): void }> {
  let target = port;
  let ending = new AbortController();
  let count = 0;
  const server = createServer((request, response) => {
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name === 'last-event-id'));
    void (async () => {
      try {
        const answer = await fetch(`http://127.0.0.1:${target}${request.url}`, {
          headers: headers as Record<string, string>,
          signal: ending.signal,
        });
        // From now on the agent tells of what comes.
        count++;
        response.writeHead(answer.status);
        for await (const piece of answer.body!) response.write(piece);
        response.end();
      } catch {
        // It was cut.
        response.destroy();
      }
    })();
  });
  return {
    url: `${await listen(server)}/events`,
    count: () => count,
    cut(toPort = target) {
      target = toPort;
      ending.abort();
      ending = new AbortController();
    },
  };
}
