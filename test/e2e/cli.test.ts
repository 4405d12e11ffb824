/** Runs the real command as a process of its own. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { rootOf } from '../support/machines.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const BASE = `
agent: { root_path: ${rootOf('debian12-kvm')} }
receivers: { load: , memory: }
exporters: { prometheus: { endpoint: "127.0.0.1:0" } }
service: { pipelines: { metrics: { receivers: [load, memory], exporters: [prometheus] } } }
`;
const PATIENCE_MS = 30_000;

interface Command {
  readonly child: ChildProcessWithoutNullStreams;
  readonly out: { text: string };
  readonly error: { text: string };
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

function sonde(...args: string[]): Command {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: '' } });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [out, error] = [{ text: '' }, { text: '' }];
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (out.text += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (error.text += text));
  const { promise: ended, resolve } = Promise.withResolvers<number | NodeJS.Signals>();
  child.on('close', (code, signal) => resolve(code ?? signal!));
  return { child, out, error, ended };
}

/** Resolves when `output` holds `text`; rejects if the command ends before. */
async function until({ child }: Command, output: { readonly text: string }, text: string): Promise<void> {
  while (!output.text.includes(text)) {
    if (child.exitCode !== null) throw new Error(`It ended with ${child.exitCode} and said ${output.text}`);
    await new Promise((resolve) => void setTimeout(resolve, 10));
  }
}

function writeConfig(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-e2e-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'sonde.yaml');
  writeFileSync(file, text);
  return file;
}

test('sonde --version prints a version', { timeout: PATIENCE_MS }, async () => {
  const command = sonde('--version');
  expect(await command.ended).toBe(0);
  expect(command.out.text).toMatch(/^sonde \d+\.\d+\.\d+\n$/);
});

test('sonde ends with 2 if it is used wrongly', { timeout: PATIENCE_MS }, async () => {
  const command = sonde('valdate');
  expect(await command.ended).toBe(2);
  expect(command.error.text).toContain('Did you mean validate?');
});

test('sonde validate ends with 78 and shows where a configuration is broken', { timeout: PATIENCE_MS }, async () => {
  const file = writeConfig(BASE.replace('load: ,', 'load: { intervall: 5s },'));
  const command = sonde('validate', file);
  expect(await command.ended).toBe(78);
  expect(command.error.text).toContain(`${file}:3:22: Cannot use key "intervall" in receivers.load`);
  expect(command.error.text).toContain('3 | receivers: { load: { intervall: 5s }, memory: }');
  expect(command.error.text).toContain('^^^^^^^^^');
});

test('sonde run answers at the address that it prints, and drains on SIGTERM', { timeout: PATIENCE_MS }, async () => {
  const command = sonde('run', writeConfig(BASE));
  await until(command, command.out, '\n');
  const url = /metrics: (\S+)\)/.exec(command.out.text)![1]!;
  const answer = await fetch(url);
  expect(await answer.text()).toContain('system_memory_usage_bytes');
  command.child.kill('SIGTERM');
  expect(await command.ended).toBe(0);
  expect(command.error.text).toContain('msg=Stopped');
  expect(command.out.text.split('\n')).toHaveLength(2);
});

test('sonde run ends with 69 and names the port that is taken', { timeout: PATIENCE_MS }, async () => {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const command = sonde('run', '--config', writeConfig(BASE.replace(':0"', `:${port}"`)));
  expect(await command.ended).toBe(69);
  expect(command.error.text).toContain(`Cannot listen on 127.0.0.1:${port}`);
  expect(command.error.text).toContain('exporters.prometheus.endpoint');
});

test('sonde run survives a SIGHUP with a broken file', { timeout: PATIENCE_MS }, async () => {
  const file = writeConfig(BASE);
  const command = sonde('run', '--config', file);
  await until(command, command.out, '\n');
  const url = /metrics: (\S+)\)/.exec(command.out.text)![1]!;
  writeFileSync(file, 'receivers: [\n');
  command.child.kill('SIGHUP');
  await until(command, command.error, 'the old configuration runs on');
  expect((await fetch(url)).status).toBe(200);
  command.child.kill('SIGINT');
  expect(await command.ended).toBe(0);
});

test(
  'sonde run reloads when POST /-/reload asks for it, and says what is wrong if it cannot',
  { timeout: PATIENCE_MS },
  async () => {
    const file = writeConfig(BASE);
    const command = sonde('run', '--config', file);
    await until(command, command.out, '\n');
    const url = /metrics: (\S+)\)/.exec(command.out.text)![1]!;
    const reload = () => fetch(new URL('/-/reload', url), { method: 'POST' });
    writeFileSync(file, BASE.replace('load: ,', 'load: { cpu_average: true },'));
    const done = await reload();
    expect([done.status, await done.json()]).toEqual([200, { started: ['load'], stopped: ['load'], kept: 2 }]);
    writeFileSync(file, BASE.replace('load: ,', 'load: { cpu_avarage: true },'));
    const refused = await reload();
    expect([refused.status, await refused.text()]).toEqual([
      400,
      expect.stringContaining('did you mean "cpu_average"'),
    ]);
    expect((await fetch(url)).status).toBe(200);
    command.child.kill('SIGTERM');
    expect(await command.ended).toBe(0);
  },
);

test('sonde run goes on when nobody reads its output any more', { timeout: PATIENCE_MS }, async () => {
  const file = writeConfig(BASE);
  const command = sonde('run', '--config', file);
  await until(command, command.out, '\n');
  const url = /metrics: (\S+)\)/.exec(command.out.text)![1]!;
  command.child.stdout.destroy();
  command.child.stderr.destroy();
  command.child.kill('SIGHUP');
  expect((await fetch(url)).status).toBe(200);
  command.child.kill('SIGTERM');
  expect(await command.ended).toBe(0);
});

test('sonde components ends quietly when its reader does', { timeout: PATIENCE_MS }, async () => {
  const command = sonde('components');
  command.child.stdout.destroy();
  expect(await command.ended).toBe(0);
  expect(command.error.text).toBe('');
});
