/** The receiver `systemd` beside a real systemd: the one of a user, in a mount namespace of its own. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import systemd from '../../receivers/systemd/index.ts';
import { runReceiver, valuesOf } from '../support/collect.ts';
import { until } from './servers.ts';
import { unpackSystemd } from './systemd_package.ts';

const run = promisify(execFile);

interface Systemd {
  readonly socket: string;
  systemctl(...args: string[]): Promise<string>;
  kill(): Promise<void>;
}

/** systemd wants a hierarchy of cgroups, and its folder under /run: nobody else sees these. */
const NAMESPACE = `set -e
mount -t tmpfs run /run
mkdir -p /run/systemd/system
mount -t cgroup2 cgroup /sys/fs/cgroup
exec "$@"`;

async function startSystemd(folder: string): Promise<Systemd> {
  const { root, libraries } = await unpackSystemd();
  const own = join(folder, 'config/systemd/user');
  const env = {
    ...process.env,
    XDG_RUNTIME_DIR: folder,
    SYSTEMD_UNIT_PATH: `${own}:${join(root, 'usr/lib/systemd/user')}`,
    LD_LIBRARY_PATH: libraries,
  };
  const namespace = ['-m', '--propagation', 'private', 'sh', '-c', NAMESPACE, 'sh'];
  const child = spawn('unshare', [...namespace, join(root, 'lib/systemd/systemd'), '--user'], { env, stdio: 'pipe' });
  let output = '';
  child.stderr.on('data', (piece) => (output += String(piece)));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  onTestFinished(kill);
  const inside = ['-m', '-t', String(child.pid), join(root, 'bin/systemctl'), '--user'];
  const systemctl = async (...args: string[]): Promise<string> =>
    (await run('nsenter', [...inside, ...args], { env, timeout: 20_000 })).stdout;
  await until('systemd answers', async () => (await systemctl('list-units')) !== '', 60_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${output}`, { cause: error });
  });
  return { socket: join(folder, 'systemd/private'), systemctl, kill };
}

test('systemd counts units by state, names those that failed, and outlives the end of systemd', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-systemd-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const units = join(folder, 'config/systemd/user');
  mkdirSync(units, { recursive: true });
  writeFileSync(join(units, 'bad@.service'), '[Service]\nType=oneshot\nExecStart=/bin/false\n');
  writeFileSync(join(units, 'good.service'), '[Service]\nExecStart=/bin/sleep 1000\n');
  const first = await startSystemd(folder);
  await first.systemctl('start', 'good.service');
  await first.systemctl('start', 'bad@an\\x20other.service').catch(() => {
    // systemctl says that it failed, too.
  });
  const receiver = await runReceiver(systemd, { config: { socket: first.socket, units: ['good*'] } });
  onTestFinished(() => receiver.stop());
  let values: Readonly<Record<string, number>> = {};
  let listed = '';
  // It goes on starting units, and forgets others, for a while: what is compared is of one moment.
  await until('nothing has changed beside a collection', async () => {
    const list = () => first.systemctl('list-units', '--all', '--plain', '--no-legend');
    const before = await list();
    values = valuesOf(await receiver.collect());
    return (listed = await list()) === before;
  });
  const lines = listed.trim().split('\n');
  for (const state of ['active', 'inactive', 'failed', 'activating']) {
    const expected = lines.filter((line) => line.trim().split(/\s+/)[2] === state).length;
    expect([state, values[`systemd.units{"systemd.unit.active_state"="${state}"}`]]).toEqual([state, expected]);
  }
  const states = Object.keys(values).filter((key) => key.startsWith('systemd.unit.state'));
  expect(states.toSorted()).toEqual([
    'systemd.unit.state{"systemd.unit.active_state"="active","systemd.unit.name"="good.service"}',
    String.raw`systemd.unit.state{"systemd.unit.active_state"="failed","systemd.unit.name"="bad@an\\x20other.service"}`,
  ]);
  await first.systemctl('stop', 'good.service');
  await first.kill();
  // Series that ended have no value.
  expect(new Set(Object.values(valuesOf(await receiver.collect())))).toEqual(new Set([NaN]));
  expect(receiver.said.join()).toMatch(/once systemd: Cannot ask systemd: /);
  await startSystemd(folder);
  expect(Object.keys(valuesOf(await receiver.collect())).join()).toContain('systemd.units{');
  expect(receiver.said.join()).toMatch(/over systemd: systemd answers again/);
}, 180_000);
