import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import network from '../../../receivers/network/index.ts';
import { collectReceiver, renderBatches, runReceiver, valuesOf } from '../../support/collect.ts';

const FIXTURES = 'test/fixtures';

afterEach(() => void vi.useRealTimers());

describe('network', () => {
  test.each(['debian12-kvm', 'server-64cpu', 'linux-3.10', 'arm-board', 'container-lxcfs'])(
    'network measures %s',
    async (machine) => {
      const batches = await collectReceiver(network, { rootPath: join(FIXTURES, machine), everything: true });
      await expect(renderBatches(batches)).toMatchFileSnapshot(`../../golden/receivers/network.${machine}.txt`);
    },
  );

  test.each(['darwin', 'win32'] as const)('network measures what the library knows on %s', async (platform) => {
    const { networkStats } = JSON.parse(readFileSync(`${FIXTURES}/systeminformation/fs-${platform}.json`, 'utf8'));
    const asked: unknown[] = [];
    const library = { networkStats: async (which: string) => (asked.push(which), networkStats) };
    vi.useFakeTimers({ toFake: ['performance'] });
    const run = await runReceiver(network, { platform, host: { systeminformation: async () => library as never } });
    const batches = await run.collect();
    // Within half a second the library would answer 0 for some of it.
    vi.advanceTimersByTime(500);
    expect(renderBatches(await run.collect())).toBe(renderBatches(batches));
    expect(asked).toEqual(['*']);
    vi.advanceTimersByTime(500);
    await run.collect();
    expect(asked).toEqual(['*', '*']);
    await run.stop();
    await expect(renderBatches(batches)).toMatchFileSnapshot(`../../golden/receivers/network.${platform}.txt`);
  });

  test('network reports what include and exclude leave', async () => {
    const interfaces = async (config: Record<string, unknown>): Promise<unknown[]> => {
      const [batch] = await collectReceiver(network, { rootPath: `${FIXTURES}/server-64cpu`, config });
      return [
        ...new Set(
          batch.series.map(({ attributes }) => attributes['network.interface.name'] ?? attributes['system.device']),
        ),
      ];
    };
    expect(await interfaces({})).toEqual(['lo', 'eno1', 'eno2', 'bond0', 'bond0.100', 'wg0', 'veth0a1b2c3']);
    expect(await interfaces({ exclude: ['veth*', 'lo'] })).toEqual(['eno1', 'eno2', 'bond0', 'bond0.100', 'wg0']);
    expect(await interfaces({ include: ['eno?'] })).toEqual(['eno1', 'eno2']);
  });

  test('network reads the reader’s own network only where it is the machine’s', async () => {
    const paths: string[] = [];
    const host = { read: (path: string) => (paths.push(path), Buffer.from('\n\n')) };
    await collectReceiver(network, { host });
    await collectReceiver(network, { host, rootPath: FIXTURES });
    expect(paths).toEqual(['/proc/net/dev', '/proc/1/net/dev']);
  });

  test('network asks for nothing that nobody wants', async () => {
    const refuse = (): never => {
      throw new Error('asked');
    };
    const host = {
      read: () => Buffer.from(`\n\neth0:${' 1'.repeat(16)}\n`),
      readOnce: refuse,
      readText: refuse,
      list: refuse,
    };
    const run = await runReceiver(network, { host });
    expect((await run.collect())[0].count).toBe(8);
    expect(run.said).toEqual([]);
    await run.stop();
  });
});

describe('network on a machine that changes', () => {
  const folders: string[] = [];
  afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));
  const HEADINGS = 'Inter-|   Receive\n face |bytes\n';
  const row = (name: string, value: number): string => `${name}:${` ${value}`.repeat(16)}\n`;

  function machine(): { rootPath: string; write: (rows: string) => void } {
    const rootPath = mkdtempSync(join(tmpdir(), 'network-'));
    folders.push(rootPath);
    cpSync(`${FIXTURES}/linux-3.10/proc`, join(rootPath, 'proc'), { recursive: true });
    return { rootPath, write: (rows) => writeFileSync(join(rootPath, 'proc/1/net/dev'), HEADINGS + rows) };
  }

  test('an interface that vanished ends its series, and the others go on', async () => {
    const { rootPath, write } = machine();
    write(row('eth0', 5) + row('veth1', 7));
    const run = await runReceiver(network, { rootPath });
    const [both] = await run.collect();
    write(row('eth0', 6));
    const [left, ended] = await run.collect();
    await run.stop();
    expect(left.series).toEqual(both.series.slice(0, 8));
    expect(ended.series).toEqual(both.series.slice(8));
    expect([...new Set(Object.values(valuesOf([left])))]).toEqual([6]);
  });

  test('a counter that wrapped begins a new run', async () => {
    const { rootPath, write } = machine();
    write(row('eth0', 4294967295));
    const run = await runReceiver(network, { rootPath });
    const [before] = await run.collect();
    write(row('eth0', 12));
    const [after] = await run.collect();
    await run.stop();
    expect(after.series.map(({ startTime }) => startTime)).toEqual(Array(8).fill(before.time));
  });

  test('a line that was cut off costs that interface, and is said once', async () => {
    const { rootPath, write } = machine();
    write(`${row('eth0', 5)}eth1: 1 2 3`);
    const run = await runReceiver(network, { rootPath });
    await run.collect();
    const [batch] = await run.collect();
    await run.stop();
    expect(batch.count).toBe(8);
    expect(run.said).toEqual(['once /proc/1/net/dev: Cannot parse /proc/net/dev: found the line "eth1: 1 2 3"']);
  });

  test('a source that is denied or missing costs what it tells, and nothing else', async () => {
    const { rootPath, write } = machine();
    write(row('eth0', 5));
    rmSync(join(rootPath, 'proc/1/net/tcp'));
    const run = await runReceiver(network, { rootPath, everything: true });
    const [batch] = await run.collect();
    await run.stop();
    const names = new Set(batch.series.map(({ metric }) => metric.name));
    expect(
      batch.series
        .filter(({ metric }) => metric.name === 'system.network.connection.count')
        .map(({ attributes }) => attributes),
    ).toEqual([{ 'network.transport': 'udp' }]);
    expect(names).toContain('system.network.io');
    expect(names).not.toContain('system.network.interface.speed');
    expect(run.said.join('\n')).toContain(
      'once /proc/1/net/tcp: Cannot read /proc/1/net/tcp: it does not exist (ENOENT)',
    );
  });
});
