/** logger(1) of util-linux over each transport, to the agent as users run it; openssl(1) carries it where logger has no TLS. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { createCertificates } from '../support/certificates.ts';
import { createMachine } from '../support/machines.ts';
import { freePort } from '../support/free_port.ts';
import { startSonde, until } from './servers.ts';

const run = promisify(execFile);

interface Told {
  readonly body: string;
  readonly severity: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface LogDocument {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly {
      readonly logRecords: readonly {
        readonly body: { readonly stringValue: string };
        readonly severityText: string;
        readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
      }[];
    }[];
  }[];
}

function toldIn(file: string): Told[] {
  if (!existsSync(file)) return [];
  const documents = readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogDocument);
  return documents
    .flatMap(({ resourceLogs }) =>
      resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords)),
    )
    .map(({ body, severityText, attributes }) => ({
      body: body.stringValue,
      severity: severityText,
      attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
    }));
}

test('logger(1) is heard over every transport, in both forms and with both framings', async () => {
  const { root } = createMachine({});
  const certificates = createCertificates();
  onTestFinished(() => certificates.remove());
  const events = join(root, 'events.jsonl');
  const [udp, tcp, tls] = [await freePort(), await freePort(), await freePort()];
  const { cert_file, key_file } = certificates.server;
  const sonde = await startSonde(`
agent: { collection_interval: 200ms }
receivers:
  syslog:
    udp: { endpoint: 127.0.0.1:${udp} }
    tcp: { endpoint: 127.0.0.1:${tcp} }
    unix_datagram: { path: '${root}/datagram' }
    unix_stream: { path: '${root}/stream' }
  syslog/tls:
    tcp: { endpoint: 127.0.0.1:${tls}, tls: { cert_file: '${cert_file}', key_file: '${key_file}', client_ca_file: '${certificates.ca}' } }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT }, file: { path: '${events}' } }
service:
  pipelines:
    logs: { receivers: [syslog, syslog/tls], exporters: [file] }
    metrics: { receivers: [syslog], exporters: [prometheus] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));

  const text = (way: string): string => `by ${way}: "quotes" \\ [brackets] ✓ 😀`;
  const ways: Readonly<Record<string, readonly string[]>> = {
    'udp 3164': ['--udp', '--server', '127.0.0.1', '--port', String(udp), '--rfc3164'],
    'udp 5424': ['--udp', '--server', '127.0.0.1', '--port', String(udp), '--rfc5424'],
    'tcp lines 3164': ['--tcp', '--server', '127.0.0.1', '--port', String(tcp), '--rfc3164'],
    'tcp lines 5424': ['--tcp', '--server', '127.0.0.1', '--port', String(tcp), '--rfc5424'],
    'tcp counted 5424': ['--tcp', '--server', '127.0.0.1', '--port', String(tcp), '--rfc5424', '--octet-count'],
    'unix datagram': ['--socket', join(root, 'datagram'), '--socket-errors=on'],
    'unix stream': ['--socket', join(root, 'stream'), '--tcp', '--octet-count', '--socket-errors=on'],
  };
  for (const [way, args] of Object.entries(ways)) {
    await run('logger', [...args, '--tag', 'app', '--id=77', '--priority', 'local3.err', text(way)]);
  }
  const { cert_file: cert, key_file: key } = certificates.client;
  const client = spawn('openssl', ['s_client', '-quiet', '-connect', `127.0.0.1:${tls}`, '-cert', cert, '-key', key], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  onTestFinished(() => void client.kill('SIGKILL'));
  client.stdin.write(`<155>1 - host app 77 - - ${text('tls')}\n`);

  const all = [...Object.keys(ways), 'tls'];
  const find = (way: string): Told | undefined => toldIn(events).find(({ body }) => body === text(way));
  await until('all have arrived', async () => all.every((way) => find(way) !== undefined));
  for (const way of all) {
    expect(find(way), way).toMatchObject({
      severity: 'err',
      attributes: { 'syslog.facility': 'local3', 'syslog.appname': 'app', 'process.pid': '77' },
    });
  }
  expect(find('tls')!.attributes).toMatchObject({ 'network.transport': 'tcp', 'network.peer.address': '127.0.0.1' });
  expect(toldIn(events)).toHaveLength(all.length);

  const lines = join(root, 'lines');
  const total = 3000;
  const expected = Array.from({ length: total }, (_, i) => `number ${i}`);
  writeFileSync(lines, expected.map((line) => `${line}\n`).join(''));
  const before = toldIn(events).length;
  await run('logger', [...ways['tcp counted 5424']!, '--tag', 'counted', '--file', lines]);
  await run('logger', [...ways['tcp lines 3164']!, '--tag', 'lines', '--file', lines]);
  await until('the file has arrived twice', async () => toldIn(events).length === before + 2 * total, 60_000);
  const many = toldIn(events).slice(before);
  // Each connection keeps its order; between two there is none, for logger ends as soon as the kernel has its bytes.
  for (const tag of ['counted', 'lines']) {
    const bodies = many.filter(({ attributes }) => attributes['syslog.appname'] === tag).map(({ body }) => body);
    expect(bodies, tag).toEqual(expected);
  }

  await until('the figures agree', async () => {
    const page = await (await fetch(`${sonde.url}/metrics`)).text();
    const of = (transport: string): number =>
      Number(
        new RegExp(`^syslog_records_total\\{[^}]*network_transport="${transport}"[^}]*\\} (\\d+)`, 'm').exec(page)?.[1],
      );
    return of('udp') === 2 && of('tcp') === 3 + 2 * total && of('unix') === 2;
  });
  expect(await sonde.stop()).toBe(0);
  expect(existsSync(join(root, 'datagram'))).toBe(false);
  expect(existsSync(join(root, 'stream'))).toBe(false);
}, 240_000);
