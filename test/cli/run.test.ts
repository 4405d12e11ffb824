import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { catalog } from '../../src/cli/catalog.ts';
import { run, type Lifetime } from '../../src/cli/run.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { eventually } from '../support/eventually.ts';
import { rootOf } from '../support/machines.ts';
import { recordedTerminal } from './terminal.ts';

const BASE = `
agent: { root_path: ${rootOf('debian12-kvm')} }
receivers: { load: , memory: }
exporters: { prometheus: { endpoint: "127.0.0.1:0" } }
service: { pipelines: { metrics: { receivers: [load, memory], exporters: [prometheus] } } }
`;

interface FakeProcess extends Lifetime {
  send(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP'): void;
  fail(error: unknown, kind: 'exception' | 'rejection'): void;
  readonly exits: readonly number[];
}

function fakeProcess(): FakeProcess {
  const listeners = new Map<string, () => void>();
  const exits: number[] = [];
  let uncaught: Parameters<Lifetime['onUncaught']>[0] = () => {};
  return {
    exits,
    onSignal: (signal, listener) => void listeners.set(signal, listener),
    onUncaught(listener) {
      uncaught = listener;
    },
    exit: (code) => void exits.push(code),
    send: (signal) => listeners.get(signal)!(),
    fail: (error, kind) => uncaught(error, kind),
  };
}

/** Runs until it is stopped; every run is stopped at the end of its test. */
function start(text: string, overrides: Partial<Terminal> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-run-'));
  const file = join(folder, 'a.yaml');
  const write = (content: string): void => writeFileSync(file, content);
  write(text);
  const terminal = recordedTerminal(overrides);
  const lifetime = fakeProcess();
  const ended = run({ config: [file] }, { terminal, env: {}, lifetime, catalog });
  let isOver = false;
  void ended.finally(() => {
    isOver = true;
  });
  onTestFinished(async () => {
    if (!isOver) lifetime.send('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  return { terminal, lifetime, ended, write };
}

const expectUp = ({ terminal }: ReturnType<typeof start>) =>
  eventually(() => expect(terminal.printed).toContain('listening on'));
const expectSaid = ({ terminal }: ReturnType<typeof start>, text: string) =>
  eventually(() => expect(terminal.complained).toContain(text));

test('run prints one line with the address, and stops when it is told to', async () => {
  const agent = start(BASE);
  await expectUp(agent);
  expect(agent.terminal.printed).toMatch(
    /^sonde \S+ listening on (http:\/\/127\.0\.0\.1:\d+) \(metrics: \1\/metrics\)\n$/,
  );
  agent.lifetime.send('SIGTERM');
  expect(await agent.ended).toBe(0);
  expect(agent.terminal.complained).toContain('level=info msg=Stopped\n');
  expect(agent.lifetime.exits).toEqual([]);
});

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('run ends at once with a second %s, unless it is the echo of the first', async (signal, code) => {
  const agent = start(BASE);
  await expectUp(agent);
  const now = vi.spyOn(performance, 'now').mockReturnValue(1_000_000);
  onTestFinished(() => now.mockRestore());
  agent.lifetime.send(signal);
  now.mockReturnValue(1_000_499);
  agent.lifetime.send(signal);
  expect(agent.lifetime.exits).toEqual([]);
  now.mockReturnValue(1_000_500);
  agent.lifetime.send(signal);
  expect(agent.lifetime.exits).toEqual([code]);
});

test('run says what it waits for if a stop takes its time', async () => {
  const dead = 'otlp: { endpoint: "http://127.0.0.1:9", protocol: http/protobuf }';
  const text = BASE.replace('exporters: {', `exporters: { ${dead},`).replace('exporters: [', 'exporters: [otlp, ');
  const agent = start(text.replace('agent: {', 'agent: { shutdown_timeout: 2s,'));
  await expectUp(agent);
  await expectSaid(agent, 'Sending metrics fails');
  agent.lifetime.send('SIGINT');
  expect(await agent.ended).toBe(0);
  const words =
    /Stopping: hands over.*\n.*another signal ends it at once.*\n.*Cannot send all metrics.*\n.*msg=Stopped/;
  expect(agent.terminal.complained).toMatch(words);
});

test('run describes what it does on a terminal', async () => {
  const agent = start(BASE, { isInteractive: true, isInteractiveError: true });
  await eventually(() => expect(agent.terminal.printed).toContain('first sample'));
  expect(agent.terminal.printed).toMatch(/\n {2}measuring +load memory {2}every 15s\n/);
  expect(agent.terminal.printed).toMatch(/\n {2}sending +nowhere yet: /);
});

test('run says on a terminal what it skips, and why', async () => {
  const machine = mkdtempSync(join(tmpdir(), 'sonde-machine-'));
  onTestFinished(() => rmSync(machine, { recursive: true, force: true }));
  mkdirSync(join(machine, 'proc'));
  for (const file of ['stat', 'meminfo'])
    cpSync(join(rootOf('debian12-kvm'), 'proc', file), join(machine, 'proc', file));
  const agent = start(BASE.replace(rootOf('debian12-kvm'), machine), { isInteractive: true, isInteractiveError: true });
  await eventually(() => expect(agent.terminal.printed).toContain('first sample'));
  expect(agent.terminal.printed).toMatch(
    /\n {2}skipped +load: Cannot read \/proc\/loadavg: it does not exist \(ENOENT\)\n/,
  );
});

test('run reloads on SIGHUP and says what it restarted', async () => {
  const agent = start(BASE);
  await expectUp(agent);
  agent.write(BASE.replace('load: ,', 'load: { collection_interval: 7s },'));
  agent.lifetime.send('SIGHUP');
  await expectSaid(agent, 'msg="Reloaded the configuration" restarted=load kept=2');
});

test('run goes over to another log format on SIGHUP', async () => {
  const agent = start(BASE);
  await expectUp(agent);
  agent.write(BASE.replace('agent: {', 'agent: { log: { format: json },'));
  agent.lifetime.send('SIGHUP');
  await expectSaid(agent, '"message":"Reloaded the configuration"');
});

test('run goes on with the old configuration if the new one is broken', async () => {
  const agent = start(BASE);
  await expectUp(agent);
  agent.write('receivers: { load: { intervall: 5s } }');
  agent.lifetime.send('SIGHUP');
  await expectSaid(agent, 'the old configuration runs on');
  expect(agent.terminal.complained).toMatch(/level=error msg=".*\\"intervall\\".*" place=\S+a\.yaml:1:\d+ path=/);
  agent.write(BASE);
  agent.lifetime.send('SIGHUP');
  await expectSaid(agent, 'Reloaded the configuration');
});

test('run shows the problems of a reload in place on a terminal', async () => {
  const agent = start(BASE, { isInteractive: true, isInteractiveError: true });
  await expectUp(agent);
  agent.write('receivers: { load: { intervall: 5s } }');
  agent.lifetime.send('SIGHUP');
  await expectSaid(agent, '^^^^^^^^^');
});

test('run refuses a broken configuration', async () => {
  const { terminal, ended } = start('receivers: { load: { intervall: 5s } }');
  expect(await ended).toBe(78);
  expect(terminal.printed).toBe('');
  expect(terminal.complained).toContain('^^^^^^^^^');
});

test('run names port and option if a port is taken', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { terminal, ended } = start(BASE.replace('127.0.0.1:0', `127.0.0.1:${port}`), { isInteractiveError: true });
  expect(await ended).toBe(69);
  expect(terminal.printed).toBe('');
  expect(terminal.complained).toMatch(/^Cannot start prometheus: Cannot listen on 127\.0\.0\.1:\d+: /m);
  expect(terminal.complained).toContain(`--set exporters.prometheus.endpoint=127.0.0.1:${port + 1}`);
});

test('run names the option if the root path holds no machine', async () => {
  const { terminal, ended } = start(BASE.replace(rootOf('debian12-kvm'), '/no/such/machine'));
  expect(await ended).toBe(69);
  expect(terminal.complained).toContain('agent.root_path is /no/such/machine');
});

test('run ends with what nobody caught, and goes on after a rejection', async () => {
  const agent = start(BASE);
  await expectUp(agent);
  agent.lifetime.fail(new Error('lost'), 'rejection');
  expect(agent.lifetime.exits).toEqual([]);
  agent.lifetime.fail(new TypeError('x is not a function'), 'exception');
  expect(agent.lifetime.exits).toEqual([70]);
  expect(agent.terminal.complained).toContain('Nobody handled a rejected promise: lost');
  expect(agent.terminal.complained).toMatch(/msg="A bug ended the agent: x is not a function" stack=/);
});
