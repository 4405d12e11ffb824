/** The receiver `syslog` on sockets of its own. */
import { existsSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import syslog from '../../receivers/syslog/index.ts';
import { canaryToken } from '../../receivers/syslog/canaries.ts';
import { readCertificates } from '../../src/certificate_files.ts';
import { ConfigError, RetryableError } from '../../src/errors.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { lagsOf } from '../support/lag.ts';
import { createCertificates } from '../support/certificates.ts';
import { runReceiver, valuesOf, type ReceiverRun, type RunOptions } from '../support/collect.ts';
import { createDatagramSender } from '../support/unix_datagram.ts';

vi.setConfig({ testTimeout: 30_000 });

const LOOPBACK = { endpoint: '127.0.0.1:0' };

async function start(config: Readonly<Record<string, unknown>>, options: RunOptions = {}): Promise<ReceiverRun> {
  const run = await runReceiver(syslog, { ...options, config });
  onTestFinished(() => run.stop());
  return run;
}

const portOf = (run: ReceiverRun, over: string): number =>
  Number(/:(\d+)$/.exec(run.said.find((line) => line.includes(`over ${over} `))!)![1]);
const recordsOf = (run: ReceiverRun): LogRecord[] =>
  run.handedOver.flatMap((batch) => (batch.signal === 'logs' ? batch.records : []));
const bodies = (run: ReceiverRun): unknown[] => recordsOf(run).map(({ body }) => body);

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end && !(await check());)
    await new Promise((r) => setTimeout(r, 10));
  expect(await check()).toBe(true);
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sonde-syslog-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

async function sendUdp(port: number, ...messages: string[]): Promise<void> {
  const socket = createSocket('udp4');
  for (const message of messages) await new Promise((resolve) => socket.send(message, port, '127.0.0.1', resolve));
  socket.close();
}

const readOverTcp = async (run: ReceiverRun): Promise<number> =>
  valuesOf(await run.collect())['syslog.records{"network.transport"="tcp"}']!;

/** Waits until something was read and no more is, though the event loop has had many turns; how many records that are. */
async function readUntilFull(run: ReceiverRun): Promise<number> {
  let records = 0;
  for (let still = 0; still < 10; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const now = await readOverTcp(run);
    still = now > 0 && now === records ? still + 1 : 0;
    records = now;
  }
  return records;
}

const next = (consume: (batch: LogBatch) => Promise<void>): RunOptions => ({
  next: { metrics: undefined, logs: { consume }, traces: undefined },
});

describe('syslog over UDP', () => {
  test('takes a datagram as a record, of both forms, and keeps whole what is neither', async () => {
    const run = await start({ udp: LOOPBACK, location: 'UTC' });
    const modern = '<165>1 2003-10-11T22:14:15.003Z host.example app 77 ID47 [ex@1 a="b"] text ✓';
    // Each after the one before: datagrams keep no order.
    for (const [index, message] of [modern, '<34>Oct 11 22:14:15 box su[9]: denied\n', 'no syslog at all'].entries()) {
      await sendUdp(portOf(run, 'UDP'), message);
      await until(() => recordsOf(run).length === index + 1);
    }
    const [first, second, third] = recordsOf(run);
    expect(first).toMatchObject({
      time: 1065910455003000000n,
      severityNumber: 10,
      severityText: 'notice',
      body: 'text ✓',
    });
    expect(first!.attributes).toMatchObject({
      'host.name': 'host.example',
      'syslog.appname': 'app',
      'process.pid': 77,
      'network.transport': 'udp',
      'network.peer.address': '127.0.0.1',
      'network.peer.port': expect.any(Number),
    });
    expect(second).toMatchObject({ severityText: 'crit', body: 'denied' });
    expect(third).toMatchObject({ time: 0n, severityNumber: 0, body: 'no syslog at all' });
    const values = valuesOf(await run.collect());
    expect(values['syslog.records{"network.transport"="udp"}']).toBe(3);
    expect(values['syslog.malformed{"network.transport"="udp","syslog.malformed.reason"="no_syslog"}']).toBe(1);
    if (process.platform === 'linux') expect(values['syslog.dropped{"syslog.drop.reason"="kernel"}']).toBe(0);
  });

  test('takes what is no UTF-8 as Latin-1', async () => {
    const run = await start({ udp: LOOPBACK });
    const socket = createSocket('udp4');
    socket.send(Buffer.from('<13>app: gr\xfc\xdfe', 'latin1'), portOf(run, 'UDP'), '127.0.0.1', () => socket.close());
    await until(() => recordsOf(run).length === 1);
    expect(bodies(run)).toEqual(['grüße']);
  });

  test('keeps the beginning of a message that is too long', async () => {
    const run = await start({ udp: LOOPBACK, max_message_bytes: 500 });
    await sendUdp(portOf(run, 'UDP'), `<13>app: ${'x'.repeat(1000)}`);
    await until(() => recordsOf(run).length === 1);
    expect(bodies(run)).toEqual(['x'.repeat(491)]);
    expect(recordsOf(run)[0]!.attributes['syslog.is_truncated']).toBe(true);
  });

  test('drops and counts what finds no room while the pipelines stand still', async () => {
    const open = Promise.withResolvers<void>();
    let taken = 0;
    const run = await start(
      { udp: { ...LOOPBACK, receive_buffer: '4MiB' } },
      next(async ({ count }) => {
        await open.promise;
        taken += count;
      }),
    );
    const port = portOf(run, 'UDP');
    const sent = 6000;
    const values = async () => valuesOf(await run.collect());
    const arrived = async (): Promise<number> => {
      const all = await values();
      return (
        all['syslog.records{"network.transport"="udp"}']! +
        all['syslog.dropped{"syslog.drop.reason"="no_room"}']! +
        (all['syslog.dropped{"syslog.drop.reason"="kernel"}'] ?? 0)
      );
    };
    for (let i = 0; i < sent; i += 100) {
      await sendUdp(port, ...Array.from({ length: 100 }, (_, j) => `<13>app: ${i + j}`));
      await until(async () => (await arrived()) >= i + 100);
    }
    expect(await arrived()).toBe(sent);
    const dropped = (await values())['syslog.dropped{"syslog.drop.reason"="no_room"}']!;
    expect(dropped).toBeGreaterThan(500);
    expect(run.dropped.get('no_room')).toBe(dropped);
    open.resolve();
    await until(async () => taken === (await values())['syslog.records{"network.transport"="udp"}']);
  });

  test('takes nothing from sources that are not allowed', async () => {
    const run = await start({ udp: LOOPBACK, tcp: LOOPBACK, allowed_sources: ['10.0.0.0/8'] });
    await sendUdp(portOf(run, 'UDP'), '<13>a');
    const socket = await dial(portOf(run, 'TCP'));
    await new Promise((resolve) => socket.once('close', resolve));
    const refused = 'syslog.dropped{"syslog.drop.reason"="source_not_allowed"}';
    await until(async () => valuesOf(await run.collect())[refused] === 2);
    expect(recordsOf(run)).toEqual([]);
  });
});

describe('syslog over TCP', () => {
  test('takes counted messages and lines, each connection as it begins', async () => {
    const run = await start({ tcp: LOOPBACK });
    const port = portOf(run, 'TCP');
    (await dial(port)).end('14 <13>app: a\nb c9 <13>x: yz');
    (await dial(port)).end('<13>app: line one\n<13>app: line two');
    await until(() => recordsOf(run).length === 4);
    expect(bodies(run).sort()).toEqual(['a\nb c', 'line one', 'line two', 'yz']);
    expect(recordsOf(run)[0]!.attributes).toMatchObject({
      'network.transport': 'tcp',
      'network.peer.address': '127.0.0.1',
    });
  });

  test('reads no more while the pipelines stand still, and loses nothing', async () => {
    const open = Promise.withResolvers<void>();
    const taken: unknown[] = [];
    const idle_ms = 1000;
    const run = await start(
      { tcp: { ...LOOPBACK, idle_timeout: `${idle_ms}ms` } },
      next(async ({ records }) => {
        await open.promise;
        taken.push(...records.map(({ body }) => body));
      }),
    );
    const sent = Array.from({ length: 40_000 }, (_, i) => `${i} ${'x'.repeat(200)}`);
    const text = sent.map((body) => `<13>app: ${body}\n`).join('');
    (await dial(portOf(run, 'TCP'))).end(text);
    const before = await readUntilFull(run);
    expect(before).toBeLessThan(10_000);
    // Nor is the sender taken for silent.
    await new Promise((resolve) => setTimeout(resolve, 1.5 * idle_ms));
    expect(await readOverTcp(run)).toBe(before);
    open.resolve();
    await until(() => taken.length === sent.length);
    expect(taken).toEqual(sent);
    expect(run.dropped.size).toBe(0);
  });

  test('refuses connections beyond the limit', async () => {
    const run = await start({ tcp: { ...LOOPBACK, max_connections: 1 }, lag_probe: { enabled: false } });
    const port = portOf(run, 'TCP');
    const first = await dial(port);
    first.write('<13>app: a\n');
    await until(() => recordsOf(run).length === 1);
    expect(valuesOf(await run.collect())['syslog.connections{}']).toBe(1);
    const second = await dial(port);
    await new Promise((resolve) => second.once('close', resolve));
    expect(valuesOf(await run.collect())['syslog.dropped{"syslog.drop.reason"="too_many_connections"}']).toBe(1);
    expect(valuesOf(await run.collect())['syslog.connections{}']).toBe(1);
  });

  test('ends silent connections', async () => {
    const run = await start({ tcp: { ...LOOPBACK, idle_timeout: '100ms' }, lag_probe: { enabled: false } });
    const socket = await dial(portOf(run, 'TCP'));
    socket.resume();
    await until(() => socket.closed);
    await expect.poll(async () => valuesOf(await run.collect())['syslog.connections{}']).toBe(0);
  });

  test('tells of a record what is left at a stop that no pipeline takes', async () => {
    const run = await start(
      { tcp: LOOPBACK },
      next(() => Promise.reject(new RetryableError('full'))),
    );
    (await dial(portOf(run, 'TCP'))).write('<13>app: a\n');
    await until(() => run.said.some((line) => line.includes('Cannot hand over')));
    await run.stop();
    expect([...run.dropped]).toEqual([['shutdown', 1]]);
  });
});

describe('syslog over TLS', () => {
  const certificates = createCertificates();

  test('asks clients for a certificate where told to', async () => {
    onTestFinished(() => certificates.remove());
    const files = { ...certificates.server, client_ca_file: certificates.ca };
    const run = await start({ tcp: { ...LOOPBACK, tls: files } });
    const port = portOf(run, 'TLS');
    const send = (pair?: { cert_file: string; key_file: string }): Promise<void> =>
      new Promise((resolve) => {
        const own = pair === undefined ? {} : readCertificates(pair);
        const ca = readCertificates({ ...certificates.server, client_ca_file: certificates.ca }).ca!;
        const socket = tls.connect({ port, host: 'localhost', ca, ...own, minVersion: 'TLSv1.2' });
        socket.on('error', () => {});
        socket.once('close', () => resolve());
        socket.resume().end('15 <13>app: hello\n');
      });
    await send(certificates.stranger);
    await send();
    await until(() => run.said.some((line) => line.startsWith('once handshake')));
    expect(recordsOf(run)).toEqual([]);
    await send(certificates.client);
    await until(() => recordsOf(run).length === 1);
    expect(bodies(run)).toEqual(['hello\n'.trim()]);
  });

  test('does not start without its files', async () => {
    const missing = { cert_file: '/nowhere/a.pem', key_file: '/nowhere/a.key' };
    await expect(start({ tcp: { ...LOOPBACK, tls: missing } })).rejects.toThrow(
      /^Cannot listen on 127.0.0.1:0: Cannot read tls.cert_file "\/nowhere\/a.pem": ENOENT/,
    );
  });
});

describe('syslog over unix sockets', () => {
  test('takes datagrams, takes the place of a dead socket, and leaves none behind', async () => {
    const path = join(folder(), 'log');
    const run = await start({ unix_datagram: { path, mode: '0600' } });
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    const sender = createDatagramSender(path);
    onTestFinished(() => sender.close());
    for (let i = 0; i < 100; i++)
      while (!sender.send(Buffer.from(`<13>app: ${i}`))) await new Promise((r) => setTimeout(r, 1));
    await until(() => recordsOf(run).length === 100);
    expect(bodies(run)).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
    expect(recordsOf(run)[0]!.attributes).toMatchObject({ 'network.transport': 'unix' });
    await expect(start({ unix_datagram: { path } })).rejects.toThrow(`Cannot listen on "${path}": EADDRINUSE`);
    await run.stop();
    expect(existsSync(path)).toBe(false);
  });

  test('takes the place of a socket that nobody listens on, and of nothing else', async () => {
    const path = join(folder(), 'log');
    const { spawnSync } = await import('node:child_process');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(lstatSync(path).isSocket()).toBe(true);
    const run = await start({ unix_stream: { path } });
    const socket = connect(path);
    socket.end('<13>app: over a stream\n');
    await until(() => recordsOf(run).length === 1);
    expect(bodies(run)).toEqual(['over a stream']);
    await run.stop();
    writeFileSync(path, 'mine');
    await expect(start({ unix_stream: { path } })).rejects.toThrow(/EADDRINUSE/);
    await expect(start({ unix_datagram: { path } })).rejects.toThrow(/EADDRINUSE/);
    expect(existsSync(path)).toBe(true);
  });

  test('lets senders of datagrams wait while the pipelines stand still, and loses nothing', async () => {
    const path = join(folder(), 'log');
    const open = Promise.withResolvers<void>();
    let taken = 0;
    await start(
      { unix_datagram: { path } },
      next(async ({ count }) => {
        await open.promise;
        taken += count;
      }),
    );
    const sender = createDatagramSender(path);
    onTestFinished(() => sender.close());
    let sent = 0;
    let refused = 0;
    while (refused < 100) {
      if (sender.send(Buffer.from(`<13>app: ${sent}`))) {
        sent++;
        refused = 0;
      } else {
        refused++;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
    expect(sent).toBeGreaterThan(1000);
    expect(sent).toBeLessThan(8000);
    open.resolve();
    await until(() => taken === sent);
  });
});

describe('syslog refuses', () => {
  test('to listen for other machines unless told to', async () => {
    await expect(start({ udp: { endpoint: '0.0.0.0:0' } })).rejects.toThrow(
      /^Cannot listen on 0.0.0.0:0: other machines/,
    );
    await expect(start({ tcp: { endpoint: '[::]:0' } })).rejects.toThrow(/^Cannot listen on \[::\]:0: other machines/);
  });

  test('a port that is taken, and then listens nowhere', async () => {
    const run = await start({ tcp: LOOPBACK });
    const port = portOf(run, 'TCP');
    const path = join(folder(), 'log');
    await expect(
      start({ udp: LOOPBACK, tcp: { endpoint: `127.0.0.1:${port}` }, unix_stream: { path } }),
    ).rejects.toThrow(new RegExp(`^Cannot listen on 127.0.0.1:${port}: .*EADDRINUSE`));
    expect(existsSync(path)).toBe(false);
  });

  test('to be made without a listener', async () => {
    await expect(start({})).rejects.toThrow(ConfigError);
  });
});

describe('syslog measures its own lag', () => {
  const probing = { lag_probe: { interval: '40ms', timeout: '10s' } };

  test('over each listener without TLS, and neither tells nor counts its canaries', async () => {
    const site = folder();
    const shut = { allowed_sources: ['10.0.0.0/8'] };
    for (const listener of [
      { udp: LOOPBACK, ...shut },
      { tcp: LOOPBACK },
      { unix_stream: { path: join(site, 'stream') }, ...shut },
      { unix_datagram: { path: join(site, 'datagram') } },
    ]) {
      const run = await start({ ...listener, ...probing });
      await until(async () => (await lagsOf(run)).count > 2);
      const values = valuesOf(await run.collect());
      const [transport] = Object.keys(listener)[0]!.split('_');
      expect(values[`syslog.records{"network.transport"="${transport}"}`]).toBe(0);
      expect(values['syslog.dropped{"syslog.drop.reason"="source_not_allowed"}']).toBe(0);
      expect(values['sonde.canary.lost{"sonde.component.id"="syslog"}']).toBe(0);
      expect(run.handedOver).toEqual([]);
      await run.stop();
    }
  });

  test('and shows that pipelines stand still', async () => {
    const open = Promise.withResolvers<void>();
    const run = await start(
      { tcp: LOOPBACK, ...probing },
      next(() => open.promise),
    );
    const socket = await dial(portOf(run, 'TCP'));
    socket.write('<13>app: a\n'.repeat(20_000));
    await readUntilFull(run);
    const before = await lagsOf(run);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    open.resolve();
    await until(async () => (await lagsOf(run)).count > before.count);
    expect((await lagsOf(run)).sum - before.sum).toBeGreaterThan(1);
  });

  test('not where a connection of its own would be refused, nor behind TLS, nor where it is told not to', async () => {
    const off = [
      { tcp: LOOPBACK, allowed_sources: ['10.0.0.0/8'], ...probing },
      { tcp: { ...LOOPBACK, tls: createCertificates().server }, ...probing },
      { udp: LOOPBACK, lag_probe: { enabled: false } },
    ];
    for (const config of off) {
      const run = await start(config);
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect((await lagsOf(run)).count).toBe(0);
      expect(Object.keys(valuesOf(await run.collect())).filter((key) => key.includes('canary'))).toEqual([]);
    }
  });

  test('canaryToken is of nothing but a canary, and other receivers’ are messages', async () => {
    const line = '<46>1 - - sonde - canary - sonde-canary-0123456789abcdef-7';
    expect(canaryToken(Buffer.from(line))).toBe('sonde-canary-0123456789abcdef-7');
    expect(canaryToken(Buffer.from(line.slice(1)))).toBeUndefined();
    expect(canaryToken(Buffer.from('<46>1'))).toBeUndefined();
    expect(canaryToken(Buffer.from(`${line}${' more'.repeat(20)}`))).toBeUndefined();
    const run = await start({ udp: LOOPBACK, ...probing });
    await sendUdp(portOf(run, 'UDP'), line);
    await until(() => recordsOf(run).length === 1);
    expect(bodies(run)).toEqual(['sonde-canary-0123456789abcdef-7']);
  });
});
