/** What happens on this machine, as a real Collector and a Loki get it: the same records, each by its own way. */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startLoki, type LokiServer } from '../support/loki_server.ts';
import { startCollector, startSonde, until, type CollectorServer } from './servers.ts';

interface KeyValue {
  readonly key: string;
  readonly value: unknown;
}
interface WireRecord {
  readonly eventName?: string;
  readonly attributes?: readonly KeyValue[];
  readonly body?: { readonly stringValue?: string };
}
interface LogDocument {
  readonly resourceLogs?: readonly { readonly scopeLogs: readonly { readonly logRecords: readonly WireRecord[] }[] }[];
}

/** What the agent says when it watches, by whichever source; of one that it cannot have it speaks before. */
const WATCHES_PROCESSES = /Listens to events of processes|Traces processes|Reads the process table every/;

let collector: CollectorServer;
let loki: LokiServer;
beforeAll(async () => {
  collector = await startCollector();
  loki = await startLoki();
});
afterAll(async () => {
  await collector?.stop();
  await loki?.[Symbol.asyncDispose]();
});

const recordsIn = (documents: readonly unknown[]): WireRecord[] =>
  (documents as readonly LogDocument[]).flatMap(({ resourceLogs = [] }) =>
    resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords)),
  );

/** One text for each record, whatever the order of attributes and of members. */
function canonical(record: WireRecord): string {
  const sort = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      const items = value.map(sort);
      const isList = value.some((item) => typeof (item as KeyValue)?.key !== 'string');
      return isList ? items : items.toSorted((a, b) => ((a as KeyValue).key < (b as KeyValue).key ? -1 : 1));
    }
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, member]) => [key, sort(member)]),
    );
  };
  return JSON.stringify(sort(record));
}

test('Events of files, processes, connections, entities and lines of logs reach a Collector and Loki', async () => {
  const site = mkdtempSync(join(tmpdir(), 'sonde-observations-'));
  onTestFinished(() => rmSync(site, { recursive: true, force: true }));
  mkdirSync(join(site, 'watched'));
  const log = join(site, 'app.log');
  const sent = join(site, 'sent.jsonl');
  writeFileSync(log, '');
  const sonde = await startSonde(`
agent: { collection_interval: 500ms }
receivers:
  memory: {}
  files: { paths: ['${site}/watched'], coalesce: 100ms }
  process_events: { events: [start, exit] }
  connections: {}
  entities: { collection_interval: 500ms }
  logs: { include: ['${log}'], directory: '${site}/checkpoints', poll_interval: 100ms }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  otlp: { endpoint: '${collector.httpEndpoint}' }
  loki: { endpoint: '${loki.url}', preset: gomon, encoding: json }
  file: { path: '${sent}' }
service:
  pipelines:
    metrics: { receivers: [memory], exporters: [prometheus] }
    logs: { receivers: [files, process_events, connections, entities, logs], exporters: [otlp, loki, file] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  const written = (): WireRecord[] =>
    existsSync(sent)
      ? recordsIn(
          readFileSync(sent, 'utf8')
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line) as unknown),
        )
      : [];
  for (const text of [/Watches folders/, WATCHES_PROCESSES, /sockets by/, /log files that are there/]) {
    await until(`the agent says ${text.source}`, async () => text.test(sonde.output()), 30_000);
  }
  await until('entities are told', async () => written().some(({ eventName }) => eventName === 'entity.state'));

  writeFileSync(join(site, 'watched/new "file" é.conf'), 'x');
  appendFileSync(log, '{"level":"error","msg":"broken pipe","code":9007199254740993}\n');
  // It lives until its start is told: where the kernel tells no one of processes, scans see what lives longer than a second.
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const isOfChild = ({ attributes = [] }: WireRecord): boolean =>
    attributes.some(
      ({ key, value }) => key === 'process.pid' && Number(Object.values(value as object)[0]) === child.pid,
    );
  await until('its start is told', async () =>
    written().some((record) => record.eventName === 'process.start' && isOfChild(record)),
  );
  child.kill('SIGKILL');
  await until('its end is told', async () =>
    written().some((record) => record.eventName === 'process.exit' && isOfChild(record)),
  );
  const server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const wanted = ['file.create', 'process.start', 'process.exit', 'network.listen', 'entity.state'];
  try {
    await until(
      'each source has told',
      async () => {
        const names = new Set(written().map(({ eventName }) => eventName));
        return (
          wanted.every((name) => names.has(name)) && written().some(({ body }) => body?.stringValue === 'broken pipe')
        );
      },
      60_000,
    );
  } finally {
    server.close();
  }
  expect(await sonde.stop()).toBe(0);

  const expected = written().map(canonical);
  const received = new Set(recordsIn(collector.received()).map(canonical));
  expect(expected.filter((record) => !received.has(record)).slice(0, 3)).toEqual([]);

  const streams = [...loki.streams.values()];
  for (const { labels } of streams) {
    expect(Object.keys(labels).toSorted()).toEqual(['event', 'host', 'platform', 'source']);
  }
  const count = streams.reduce((sum, { entries }) => sum + entries.length, 0);
  // Of two that are alike it keeps one.
  expect(count).toBe(new Set(expected).size);
  const creations = streams.find(({ labels }) => labels['source'] === 'file' && labels['event'] === 'create')!;
  expect(creations.entries[0]!.line).toContain('new "file" é.conf created file.path="');
  expect(streams.find(({ labels }) => labels['source'] === 'logs')).toMatchObject({
    labels: { event: 'error' },
    entries: [{ line: expect.stringContaining('broken pipe log.file.name=app.log code=9007199254740993') as string }],
  });
}, 240_000);

test('A WebSocket client sees a program start and end and a file being written', async () => {
  const site = mkdtempSync(join(tmpdir(), 'sonde-observations-'));
  onTestFinished(() => rmSync(site, { recursive: true, force: true }));
  const sonde = await startSonde(`
receivers:
  memory: {}
  files: { paths: ['${site}'], coalesce: 100ms }
  process_events: {}
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  stream: { endpoint: 127.0.0.1:PORT }
service:
  pipelines:
    metrics: { receivers: [memory], exporters: [prometheus] }
    logs: { receivers: [files, process_events], exporters: [stream] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  for (const text of [/Watches folders/, WATCHES_PROCESSES]) {
    await until(`the agent says ${text.source}`, async () => text.test(sonde.output()), 30_000);
  }
  const seen: string[] = [];
  const client = new WebSocket(`${sonde.url.replace('http', 'ws')}/ws/events`);
  onTestFinished(() => client.close());
  client.addEventListener('message', ({ data }) => void seen.push(String(data)));
  await new Promise((resolve) => client.addEventListener('open', resolve, { once: true }));

  // It lives until it was seen: where the kernel tells no one of processes, scans see what lives longer than a second.
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  writeFileSync(join(site, 'written.conf'), 'x');
  const has = (type: string, text: string): boolean =>
    seen.some((frame) => frame.includes(`"${type}"`) && frame.includes(text));
  const own = `"process.pid":${child.pid},`;
  await until('the client has seen both begin', async () =>
    [has('process.start', own), has('file.create', 'written.conf')].every(Boolean),
  );
  child.kill('SIGKILL');
  await until('the client has seen it end', async () => has('process.exit', own));
  expect(await sonde.stop()).toBe(0);
}, 120_000);
