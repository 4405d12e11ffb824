import { expect, test } from 'vitest';
import { check, type CheckOptions } from '../../src/cli/check.ts';
import { renderChecks } from '../../src/cli/check_text.ts';
import { tryReceiver } from '../../src/cli/try_receiver.ts';
import type { AnyReceiverDefinition } from '../../src/component.ts';
import { createHost } from '../../src/procfs/host.ts';
import cpu from '../../receivers/cpu/index.ts';
import { rootOf } from '../support/machines.ts';
import { catalog } from './few_components.ts';
import { recordedTerminal } from './terminal.ts';

const rootPath = rootOf('debian12-kvm');

async function checked(options: Partial<CheckOptions>) {
  const terminal = recordedTerminal();
  const code = await check({ names: [], rootPath, ...options }, { terminal, env: {}, catalog });
  return { code, terminal };
}

test('check --json tells what each receiver collects', async () => {
  const { code, terminal } = await checked({ json: true, values: true });
  expect(code).toBe(0);
  const { receivers, root_path } = JSON.parse(terminal.printed);
  expect(root_path).toBe(rootPath);
  expect(receivers.map(({ type, state, series }: never) => [type, state, series])).toEqual([
    ['broken', 'failed', 0],
    ['dark', 'nothing', 0],
    ['door', 'receives', 0],
    ['lamp', 'partly', 3],
    ['named', 'unconfigured', 0],
  ]);
  expect(receivers[0].messages).toEqual(['Cannot open it: it is stuck']);
  expect(receivers[3].messages).toEqual(['Cannot read the lamp in the attic: permission denied (EACCES)']);
  expect(receivers[3].values).toEqual([
    'lamp.light{lamp.name="desk"} 40 lx',
    'lamp.light{lamp.name="hall"} 60 lx',
    'lamp.count 2',
  ]);
  expect(receivers[4].messages).toEqual(['needs to be told name']);
});

test('check looks only at the receivers that are named', async () => {
  const { terminal } = await checked({ names: ['lamp'], json: true });
  const { receivers } = JSON.parse(terminal.printed);
  expect(receivers).toHaveLength(1);
  expect(receivers[0]).not.toHaveProperty('values');
});

test('check fails if nothing can be collected', async () => {
  expect((await checked({ names: ['dark'] })).code).toBe(1);
});

test('check suggests a receiver for one that it does not know', async () => {
  const { code, terminal } = await checked({ names: ['lmap'] });
  expect(code).toBe(2);
  expect(terminal.complained).toBe('Cannot check "lmap": there is no such receiver\n  hint: did you mean "lamp"?\n');
});

test('check refuses a root path that is none', async () => {
  const { code, terminal } = await checked({ rootPath: 'hostfs' });
  expect(code).toBe(2);
  expect(terminal.complained).toContain('agent.root_path');
});

test.runIf(process.platform === 'linux')('check says once that a root path holds no machine', async () => {
  const { code, terminal } = await checked({ rootPath: import.meta.dirname });
  expect(code).toBe(1);
  expect(terminal.complained).toMatch(/^Cannot measure .*: there is no proc\/stat below it\n {2}hint: /);
});

test('renderChecks lays the findings out for people', async () => {
  const trial = { series: 0, duration_ms: 0, messages: [], values: [], missing: [] };
  const missing = [{ needs: 'CAP_SYS_PTRACE', without: 'processes of other users', hint: 'run as root' }];
  const text = renderChecks(
    { platform: 'linux/x64', uid: 1000, rootPath: '/', isContainer: true },
    [
      { ...trial, type: 'cpu', state: 'collects', series: 16, duration_ms: 0.42, values: ['system.cpu.time 1 s'] },
      {
        ...trial,
        type: 'disk',
        state: 'nothing',
        messages: ['Cannot read /proc/diskstats: it does not exist (ENOENT)'],
      },
      { ...trial, type: 'hwmon', state: 'nothing' },
      { ...trial, type: 'otlp', state: 'receives' },
      {
        ...trial,
        type: 'processes',
        state: 'partly',
        series: 1200,
        duration_ms: 12.5,
        messages: ['Cannot read 3'],
        missing,
      },
    ],
    { values: true, terminal: recordedTerminal() },
  );
  await expect(text).toMatchFileSnapshot(`${import.meta.dirname}/../golden/cli/check.txt`);
});

test('tryReceiver runs a real receiver on a captured machine', async () => {
  const host = createHost({ rootPath, platform: 'linux' });
  const trial = await tryReceiver(cpu as AnyReceiverDefinition, host);
  host.close();
  expect(trial).toMatchObject({ state: 'collects', messages: [] });
  expect(trial.series).toBeGreaterThan(10);
  expect(trial.values).toContain('system.cpu.logical.count 2');
});
