/** The receiver `logs` finds out how late it is, by lines of its own. */
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createCanaryFile } from '../../../receivers/logs/canaries.ts';
import { valuesOf } from '../../support/collect.ts';
import { lagsOf } from '../../support/lag.ts';
import { createSite, pause, until } from '../../support/log_site.ts';

vi.setConfig({ testTimeout: 60_000 });

const probing = { lag_probe: { interval: '40ms', timeout: '10s' } };

test('logs sees its canaries in any encoding and grouping, and neither tells nor counts them', async () => {
  const all = [
    { start_at: 'end' },
    { encoding: 'utf-16le', max_open_files: 1 },
    { encoding: 'utf-16be', format: 'json' },
    { multiline: { start_pattern: '^never' }, force_flush_period: '0s' },
  ];
  for (const config of all) {
    const site = createSite();
    writeFileSync(site.path('a.log'), '');
    const run = await site.start({ ...probing, ...config });
    await until(async () => (await lagsOf(run)).count > 2);
    const values = valuesOf(await run.collect());
    expect(values).toMatchObject({
      'log.file.lines{}': 0,
      'log.file.read{}': 0,
      'log.file.watched{}': 1,
      'sonde.canary.lost{"sonde.component.id"="logs"}': 0,
    });
    expect(values['log.file.open{}']).toBeLessThanOrEqual(1);
    await run.stop();
    expect(site.records).toEqual([]);
    const state = join(site.folder, 'state/logs');
    for (const name of readdirSync(state)) expect(readFileSync(join(state, name), 'utf8')).not.toContain('canar');
    expect(run.said.filter((line) => line.includes('anar') || line.includes('Reads '))).toEqual([
      'info Reads 1 log files that are there',
    ]);
  }
});

test('logs shows by its canaries that pipelines stand still', async () => {
  const site = createSite();
  const open = Promise.withResolvers<void>();
  site.onBatch = () => open.promise;
  const run = await site.start({ ...probing, max_batch_records: 1 });
  appendFileSync(site.path('a.log'), 'one\ntwo\nthree\n');
  await pause(300);
  const before = await lagsOf(run);
  await pause(1500);
  open.resolve();
  await until(async () => (await lagsOf(run)).sum - before.sum > 1);
  expect(await site.bodies(3)).toEqual(['one', 'two', 'three']);
});

test('logs tells lines of others that look like canaries, and leaves no folder behind', async () => {
  const site = createSite();
  vi.stubEnv('TMPDIR', site.folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  const run = await site.start(probing);
  const line = 'open("/tmp/sonde-canary-0123456789abcdef-0/canaries.log") sonde-canary-0123456789abcdef-1';
  appendFileSync(site.path('a.log'), `${line}\n`);
  expect(await site.bodies(1)).toEqual([line]);
  const folders = (): string[] => readdirSync(site.folder).filter((name) => /^sonde-canary-[0-9a-f]{16}-0$/.test(name));
  expect(folders()).toHaveLength(1);
  await run.stop();
  expect(folders()).toEqual([]);
  const off = await site.start({ lag_probe: { enabled: false } });
  await pause(100);
  expect((await lagsOf(off)).count).toBe(0);
  expect(folders()).toEqual([]);
});

test('createCanaryFile begins anew when it is large, and is gone at the end', () => {
  const file = createCanaryFile('utf-8');
  onTestFinished(() => file.remove());
  file.add('one');
  expect(readFileSync(file.path, 'utf8')).toBe('one\n');
  writeFileSync(file.path, Buffer.alloc(2 ** 20 + 1));
  file.add('two');
  expect(readFileSync(file.path, 'utf8')).toBe('two\n');
  file.remove();
  expect(existsSync(file.path)).toBe(false);
});
