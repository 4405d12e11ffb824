import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { expect, onTestFinished, test } from 'vitest';
import { runCommandLine } from '../../src/cli/program.ts';
import { validate } from '../../src/cli/validate.ts';
import { defineProcessor } from '../../src/component.ts';
import { rootOf } from '../support/machines.ts';
import { catalog } from './few_components.ts';
import { recordedTerminal } from './terminal.ts';

const lifetime = { onSignal() {}, onUncaught() {}, exit() {} };
const BASE = `
receivers: { load: }
exporters: { prometheus: { endpoint: "127.0.0.1:0" } }
service: { pipelines: { metrics: { receivers: [load], exporters: [prometheus] } } }
`;

/** Runs `sonde` where these files are; `@` in an argument stands for their folder. */
async function sonde(files: Readonly<Record<string, string>>, ...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-cli-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const terminal = recordedTerminal();
  const code = await runCommandLine(
    args.map((arg) => arg.replace('@', folder)),
    { terminal, env: {}, lifetime },
  );
  const plain = (text: string): string => text.replaceAll(folder, '@');
  return { code, printed: plain(terminal.printed), complained: plain(terminal.complained) };
}

test('config show prints what is in effect, and where it came from', async () => {
  const { code, printed } = await sonde(
    { 'a.yaml': BASE },
    ...'config show -c @/a.yaml --origin --log-level debug --set receivers.load.timeout=2s'.split(' '),
  );
  expect(code).toBe(0);
  expect(printed).toContain('level: debug # argument --log-level\n');
  expect(printed).toContain('endpoint: 127.0.0.1:0 # @/a.yaml:3:');
  expect(printed).toContain('timeout: 2s # argument --set receivers.load.timeout\n');
});

test('config show --format json is JSON', async () => {
  const { printed } = await sonde({ 'a.yaml': BASE }, 'config', 'show', '-c', '@/a.yaml', '--format', 'json');
  expect(JSON.parse(printed)).toHaveProperty('service.pipelines.metrics.receivers', ['load']);
});

test('config show fails with the problems of a broken configuration', async () => {
  const { code, printed, complained } = await sonde({ 'a.yaml': 'recievers: {}' }, 'config', 'show', '-c', '@/a.yaml');
  expect(code).toBe(78);
  expect(printed).toBe('');
  expect(complained).toContain('did you mean "receivers"?');
  expect(complained).toMatch(/\n2 problems in the configuration\n$/);
});

test('config diff says nothing of configurations that mean the same', async () => {
  const files = { 'a.yaml': BASE, 'b.yaml': `${BASE}\nagent: { collection_interval: 15s }\n` };
  expect(await sonde(files, 'config', 'diff', '@/a.yaml', '@/b.yaml')).toEqual({
    code: 0,
    printed: '',
    complained: '',
  });
});

test('config diff compares environments', async () => {
  const files = { 'a.yaml': BASE, 'site.yaml': 'agent: { collection_interval: 1s }', 'other.yaml': '' };
  const { code, printed } = await sonde(files, 'config', 'diff', '-c', '@/a.yaml', 'other', 'site');
  expect(code).toBe(1);
  expect(printed).toBe('~ agent.collection_interval: "15s" → "1s"\n');
});

test('config diff --json is JSON', async () => {
  const files = { 'a.yaml': BASE, 'b.yaml': `${BASE}\nagent: { collection_interval: 1s }\n` };
  const { printed } = await sonde(files, 'config', 'diff', '@/a.yaml', '@/b.yaml', '--json');
  expect(JSON.parse(printed)).toMatchObject([{ path: 'agent.collection_interval', kind: 'changed' }]);
});

test('config schema prints a JSON Schema', async () => {
  const { code, printed } = await sonde({}, 'config', 'schema');
  expect(code).toBe(0);
  expect(JSON.parse(printed)).toHaveProperty('properties.receivers');
});

test('config reference prints a configuration', async () => {
  const { code, printed } = await sonde({}, 'config', 'reference');
  expect(code).toBe(0);
  expect(printed).toContain('\nreceivers:\n');
});

test('validate passes a configuration', async () => {
  const result = await sonde({ 'a.yaml': BASE }, 'validate', '@/a.yaml', '--root-path', rootOf('debian12-kvm'));
  expect(result).toEqual({
    code: 0,
    printed:
      'schema       ok  @/a.yaml\n' +
      'graph        ok  1 pipeline, 1 receiver, 0 processors, 1 exporter\n' +
      'environment  ok  files, ports, permissions\n',
    complained: '',
  });
});

test('validate reports schema and graph apart', async () => {
  const broken = BASE.replace('load:', 'load: { intervall: 1s }').replace('[load]', '[laod]');
  const { code, printed, complained } = await sonde({ 'a.yaml': broken }, 'validate', '@/a.yaml');
  expect(code).toBe(78);
  expect(printed).toBe(
    'schema       1 problem\n' + 'graph        1 problem\n' + 'environment  not checked  after the rest is right\n',
  );
  expect(complained).toMatch(/^\nschema:\n@\/a.yaml:2:\d+: [\s\S]*\ngraph:\n@\/a.yaml:4:\d+: /);
});

test('validate reports what a component refuses when it is made', async () => {
  const fussy = defineProcessor({
    type: 'fussy',
    about: 'Takes nothing.',
    signals: ['metrics'],
    config: v.strictObject({}),
    create() {
      throw new Error('Cannot make it: it does not like that');
    },
  });
  const terminal = recordedTerminal();
  const sets = [
    'receivers.lamp=',
    'exporters.post=',
    'processors.fussy=',
    'service.pipelines.metrics={ receivers: [lamp], processors: [fussy], exporters: [post] }',
  ];
  const folder = mkdtempSync(join(tmpdir(), 'sonde-cli-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'a.yaml'), 'agent: {}');
  const selection = { config: [join(folder, 'a.yaml')], set: sets, environment: true };
  const withFussy = { ...catalog, processors: { fussy: async () => ({ default: fussy }) } };
  expect(await validate(selection, { terminal, env: {}, catalog: withFussy })).toBe(78);
  expect(terminal.printed).toMatch(/^schema +ok .*\ngraph +1 problem\nenvironment +not checked/);
  expect(terminal.complained).toContain('Cannot make it: it does not like that');
});

test('validate finds a port that is taken, and names the option', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const config = BASE.replace('127.0.0.1:0', `127.0.0.1:${port}`);
  const args = ['validate', '@/a.yaml', '--root-path', rootOf('debian12-kvm')];
  const { code, complained } = await sonde({ 'a.yaml': config }, ...args);
  expect(code).toBe(78);
  expect(complained).toContain(`Cannot listen on 127.0.0.1:${port}, as exporters.prometheus.endpoint says`);
  expect((await sonde({ 'a.yaml': config }, ...args, '--no-environment')).code).toBe(0);
});

test('validate finds files and folders that are not there', async () => {
  const tls = 'tls: { cert_file: /no/such/cert.pem, key_file: /no/such/key.pem }';
  const config = BASE.replace('endpoint:', `${tls}, endpoint:`);
  const { code, printed } = await sonde(
    { 'a.yaml': config },
    ...'validate @/a.yaml --root-path /no/such/root --json'.split(' '),
  );
  expect(code).toBe(78);
  expect(JSON.parse(printed).problems.map(({ path }: { path: string }) => path)).toEqual([
    'agent.root_path',
    'exporters.prometheus.tls.cert_file',
    'exporters.prometheus.tls.key_file',
  ]);
});

test('validate --json tells machines every finding', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-root-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'proc'));
  const { printed } = await sonde({ 'a.yaml': BASE }, 'validate', '@/a.yaml', '--json', '--root-path', folder);
  const validation = JSON.parse(printed);
  expect(validation).toMatchObject({
    valid: false,
    files: ['@/a.yaml'],
    passes: { schema: 'ok', graph: 'ok', environment: 'problems' },
  });
  expect(validation.problems).toMatchObject([{ pass: 'environment', path: 'agent.root_path' }]);
});
