import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import filesystem, { createFilesystem } from '../../../receivers/filesystem/index.ts';
import { createStatfsCalls, type Statfs, type StatfsResult } from '../../../receivers/filesystem/statfs_calls.ts';
import type { AnyReceiverDefinition } from '../../../src/component.ts';
import { collectReceiver, renderBatches, type RunOptions, runReceiver } from '../../support/collect.ts';

const FIXTURES = 'test/fixtures';
const FIGURES: StatfsResult = { bsize: 1, frsize: 1, blocks: 100, bfree: 30, bavail: 20, files: 10, ffree: 4 };

interface Parts {
  readonly statfsNow?: (path: string) => StatfsResult;
  /** As `statfsNow`, if left out. */
  readonly statfs?: Statfs;
  readonly ownMountinfo?: string;
}

/** The receiver with another `statfs`, and other mounts of this process. */
function withParts(parts: Parts = {}): AnyReceiverDefinition {
  const { statfsNow = () => FIGURES, statfs = async (path) => statfsNow(path), ownMountinfo = '' } = parts;
  const calls = createStatfsCalls({ statfs, statfsNow, threads: 4 });
  type Context = Parameters<typeof createFilesystem>[0];
  return {
    ...filesystem,
    create: (context) => createFilesystem(context as unknown as Context, calls, () => Buffer.from(ownMountinfo)),
  };
}

/** A machine's `statfs`, from the file beside its tree. */
function recordedStatfs(rootPath: string): (path: string) => StatfsResult {
  const recorded = JSON.parse(readFileSync(join(rootPath, 'statfs.json'), 'utf8')) as Record<string, StatfsResult>;
  return (path) => {
    const figures = recorded[path.slice(rootPath.length) || '/'];
    if (figures === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    return figures;
  };
}

async function mountPoints(mountinfo: string, options: RunOptions = {}, parts: Parts = {}): Promise<unknown[]> {
  const host = { read: () => Buffer.from(mountinfo) };
  const [batch] = await collectReceiver(withParts(parts), { ...options, host });
  return [...new Set(batch.series.map(({ attributes }) => attributes['system.filesystem.mountpoint']))];
}

describe('filesystem', () => {
  test.each(['debian12-kvm', 'server-64cpu', 'linux-3.10', 'arm-board', 'container-lxcfs'])(
    'filesystem measures %s',
    async (machine) => {
      const rootPath = join(FIXTURES, machine);
      const run = await runReceiver(withParts({ statfsNow: recordedStatfs(rootPath) }), { rootPath, everything: true });
      const batches = await run.collect();
      await run.stop();
      expect(run.said).toEqual([]);
      await expect(renderBatches(batches)).toMatchFileSnapshot(`../../golden/receivers/filesystem.${machine}.txt`);
    },
  );

  test.each(['darwin', 'win32'] as const)('filesystem measures what the library knows on %s', async (platform) => {
    const { fsSize } = JSON.parse(readFileSync(`${FIXTURES}/systeminformation/fs-${platform}.json`, 'utf8'));
    const host = { systeminformation: async () => ({ fsSize: async () => fsSize }) as never };
    const batches = await collectReceiver(withParts(), { platform, host, everything: true });
    await expect(renderBatches(batches)).toMatchFileSnapshot(`../../golden/receivers/filesystem.${platform}.txt`);
  });

  test('states sum to the limit, on every machine', async () => {
    for (const machine of ['debian12-kvm', 'server-64cpu', 'arm-board']) {
      const rootPath = join(FIXTURES, machine);
      const batches = await collectReceiver(withParts({ statfsNow: recordedStatfs(rootPath) }), {
        rootPath,
        everything: true,
      });
      const sums = new Map<unknown, number>();
      const limits = new Map<unknown, number>();
      batches[0].series.forEach(({ metric, attributes }, row) => {
        const mountPoint = attributes['system.filesystem.mountpoint'];
        const value = batches[0].values[row];
        if (metric.name === 'system.filesystem.usage') sums.set(mountPoint, (sums.get(mountPoint) ?? 0) + value);
        if (metric.name === 'system.filesystem.limit') limits.set(mountPoint, value);
      });
      expect(sums.size).toBeGreaterThan(1);
      expect(sums).toEqual(limits);
    }
  });

  test('figures beyond the possible do not leave the bounds of the file system', async () => {
    const statfsNow = (): StatfsResult => ({ ...FIGURES, bfree: 2 ** 63, bavail: -5, ffree: 99 });
    const [batch] = await collectReceiver(withParts({ statfsNow }), {
      host: { read: () => Buffer.from('1 0 8:1 / / rw - ext4 /dev/sda1 rw\n') },
    });
    const rows = batch.series.map(({ metric, attributes }, row) => [
      metric.name.slice('system.filesystem.'.length),
      attributes['system.filesystem.state'],
      batch.values[row],
    ]);
    expect(rows).toEqual([
      ['usage', 'used', 0],
      ['usage', 'free', 0],
      ['usage', 'reserved', 100],
      ['utilization', 'used', 0],
      ['inodes.usage', 'used', 0],
      ['inodes.usage', 'free', 10],
    ]);
  });
});

describe('which mounts filesystem reports', () => {
  const ROOT = '1 0 8:1 / / rw - ext4 /dev/sda1 rw\n';
  const cases: [string, string, string[]][] = [
    [
      'a file system that is mounted twice once, at the shorter path',
      `${ROOT}2 1 8:2 / /srv/data rw - xfs /dev/sdb rw\n3 1 8:2 / /data rw - xfs /dev/sdb rw\n`,
      ['/', '/data'],
    ],
    ['a bind mount of a folder not', `${ROOT}2 1 8:1 /var/www /www rw - ext4 /dev/sda1 rw\n`, ['/']],
    [
      'a whole file system rather than a folder of it',
      `${ROOT}2 1 8:2 / /mnt/disk rw - xfs /dev/sdb rw\n3 1 8:2 /www /www rw - xfs /dev/sdb rw\n`,
      ['/', '/mnt/disk'],
    ],
    [
      'the root rather than the whole of its file system',
      '1 0 0:40 /@ / rw - btrfs /dev/sda rw\n2 1 0:40 / /mnt/all rw - btrfs /dev/sda rw\n',
      ['/'],
    ],
    [
      'the first of two equals',
      `${ROOT}2 1 8:2 / /aa rw - xfs /dev/sdb rw\n3 1 8:2 / /bb rw - xfs /dev/sdb rw\n`,
      ['/', '/aa'],
    ],
    [
      'an automount point never, and what is mounted over it',
      `${ROOT}2 1 0:9 / /net rw - autofs auto rw\n3 2 0:10 / /net rw - nfs4 server:/a rw\n`,
      ['/', '/net'],
    ],
    [
      'an overlay not, but for the root',
      '1 0 0:5 / / rw - overlay overlay rw\n2 1 0:6 / /srv/merged rw - overlay overlay rw\n',
      ['/'],
    ],
    ['tmpfs', `${ROOT}2 1 0:8 / /tmp rw - tmpfs tmpfs rw\n`, ['/', '/tmp']],
    [
      'what the kernel shows of itself not',
      `${ROOT}2 1 0:2 / /proc rw - proc proc rw\n3 1 0:3 / /sys rw - sysfs sysfs rw\n4 1 0:4 / /dev/pts rw - devpts devpts rw\n`,
      ['/'],
    ],
  ];
  test.each(cases)('filesystem reports %s', async (_, mountinfo, expected) => {
    expect(await mountPoints(mountinfo)).toEqual(expected);
  });

  test('filesystem follows include and exclude', async () => {
    const mountinfo = `${ROOT}2 1 8:2 / /srv/data rw - xfs /dev/sdb rw\n3 1 0:9 / /net rw - nfs4 server:/a rw\n4 1 0:8 / /srv/my\\040tmp rw - tmpfs tmpfs rw\n`;
    const reported = (config: Record<string, unknown>): Promise<unknown[]> => mountPoints(mountinfo, { config });
    expect(await reported({ exclude_fs_types: ['nfs*', 'tmpfs'] })).toEqual(['/', '/srv/data']);
    expect(await reported({ include_fs_types: ['xfs'] })).toEqual(['/srv/data']);
    expect(await reported({ include_mount_points: ['/srv/*'] })).toEqual(['/srv/data', '/srv/my tmp']);
    expect(await reported({ exclude_mount_points: ['/', '/net'] })).toEqual(['/srv/data', '/srv/my tmp']);
    expect(await reported({ include_devices: ['/dev/*'], exclude_devices: ['*b'] })).toEqual(['/']);
    expect(await reported({ exclude_fs_types: [], include_fs_types: ['autofs', 'nfs4'] })).toEqual(['/net']);
  });
});

describe('filesystem in a container', () => {
  const folders: string[] = [];
  afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

  function machine(mountinfo?: string): string {
    const rootPath = mkdtempSync(join(tmpdir(), 'filesystem-'));
    folders.push(rootPath);
    mkdirSync(join(rootPath, 'proc/1'), { recursive: true });
    if (mountinfo !== undefined) writeFileSync(join(rootPath, 'proc/1/mountinfo'), mountinfo);
    return rootPath;
  }
  const HOST = '1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /data rw - xfs /dev/sdb rw\n';

  test('filesystem asks below root_path, and reports the path on the machine', async () => {
    const rootPath = machine(HOST);
    const asked: string[] = [];
    const statfsNow = (path: string): StatfsResult => (asked.push(path), FIGURES);
    const batches = await collectReceiver(withParts({ statfsNow }), { rootPath });
    expect(asked).toEqual([`${rootPath}/`, `${rootPath}/data`]);
    expect(renderBatches(batches)).toContain('"system.filesystem.mountpoint"="/data"');
  });

  test('a mount of the machine that the container does not see is left out, and said once', async () => {
    const rootPath = machine(HOST);
    const ownMountinfo = `50 49 0:99 / / rw - overlay overlay rw\n51 50 8:1 / ${rootPath} ro - ext4 /dev/sda1 rw\n`;
    const run = await runReceiver(withParts({ ownMountinfo }), { rootPath });
    await run.collect();
    const [batch] = await run.collect();
    await run.stop();
    expect(new Set(batch.series.map(({ attributes }) => attributes['system.filesystem.mountpoint']))).toEqual(
      new Set(['/']),
    );
    expect(run.said).toEqual([
      `once visible /data: Cannot measure the file system at /data: it is not to be seen at ${rootPath}/data`,
    ]);
  });

  test('without the list of the machine’s first process, the container’s own tells of the mounts below root_path', async () => {
    const rootPath = machine();
    const ownMountinfo = `50 49 0:99 / / rw - overlay overlay rw\n51 50 8:1 / ${rootPath} ro - ext4 /dev/sda1 rw\n52 51 8:2 / ${rootPath}/data ro - xfs /dev/sdb rw\n`;
    const run = await runReceiver(withParts({ ownMountinfo }), { rootPath });
    const batches = await run.collect();
    await run.stop();
    expect(new Set(batches[0].series.map(({ attributes }) => attributes['system.filesystem.mountpoint']))).toEqual(
      new Set(['/', '/data']),
    );
    expect(renderBatches(batches)).not.toContain('"ro"');
    expect(run.said).toEqual([expect.stringContaining('once /proc/1/mountinfo: Cannot read /proc/1/mountinfo')]);
  });
});

describe('filesystem when things fail', () => {
  const MOUNTS =
    '1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /net rw - nfs4 server:/a rw\n3 1 8:2 / /data rw - btrfs /dev/sdb rw\n';
  const host = { read: () => Buffer.from(MOUNTS) };
  const config = { mount_timeout: '1ms' };
  const mountsOf = (batch: { series: readonly { attributes: Readonly<Record<string, unknown>> }[] }): unknown[] => [
    ...new Set(batch.series.map(({ attributes }) => attributes['system.filesystem.mountpoint'])),
  ];

  test('a mount that hangs costs its own values, and is back when it answers', async () => {
    const asked: string[] = [];
    const hung = Promise.withResolvers<StatfsResult>();
    const statfs = (path: string): Promise<StatfsResult> => {
      asked.push(path);
      return path === '/net' && asked.length < 4 ? hung.promise : Promise.resolve(FIGURES);
    };
    const run = await runReceiver(withParts({ statfs }), { host, config });
    const [first] = await run.collect();
    expect(mountsOf(first)).toEqual(['/', '/data']);
    expect(asked).toEqual(['/data', '/net']);
    await run.collect();
    expect(asked).toEqual(['/data', '/net', '/data']);
    hung.resolve(FIGURES);
    await hung.promise;
    await new Promise((resolve) => setImmediate(resolve));
    const [third] = await run.collect();
    await run.stop();
    expect(mountsOf(third)).toEqual(['/', '/data', '/net']);
    expect(run.said).toEqual([
      'once mount /net: Cannot measure the file system at /net (nfs4): no answer in 1 ms',
      'over mount /net: The file system at /net answers again',
    ]);
  });

  test('with too many that hang, the others that may hang are left out, and that is said once', async () => {
    const many = MOUNTS + [4, 5, 6].map((id) => `${id} 1 0:${id} / /nfs${id} rw - nfs4 server:/${id} rw\n`).join('');
    const statfs = (path: string): Promise<StatfsResult> =>
      path.startsWith('/n') ? new Promise(() => {}) : Promise.resolve(FIGURES);
    const run = await runReceiver(withParts({ statfs }), { host: { read: () => Buffer.from(many) }, config });
    await run.collect();
    const [batch] = await run.collect();
    await run.stop();
    expect(mountsOf(batch)).toEqual(['/', '/data']);
    expect(run.said).toEqual([
      'once mount /net: Cannot measure the file system at /net (nfs4): no answer in 1 ms',
      'once mount /nfs4: Cannot measure the file system at /nfs4 (nfs4): no answer in 1 ms',
      'once skipped: Cannot ask further file systems: 2 do not answer',
    ]);
  });

  test.each([
    ['/', 'EACCES', 'permission denied (EACCES)'],
    ['/data', 'ENOENT', 'ENOENT'],
    ['/net', 'ESTALE', 'ESTALE'],
  ])('a mount at %s that fails with %s costs its own values', async (failing, code, reason) => {
    const statfsNow = (path: string): StatfsResult => {
      if (path === failing) throw Object.assign(new Error(code), { code });
      return FIGURES;
    };
    const run = await runReceiver(withParts({ statfsNow }), { host });
    await run.collect();
    const [batch] = await run.collect();
    await run.stop();
    expect(mountsOf(batch)).toEqual(['/', '/data', '/net'].filter((mountPoint) => mountPoint !== failing));
    expect(run.said).toEqual([`once mount ${failing}: Cannot measure the file system at ${failing}: ${reason}`]);
  });

  test('a mount that was unmounted ends its series', async () => {
    let mountinfo = MOUNTS;
    const run = await runReceiver(withParts(), { host: { read: () => Buffer.from(mountinfo) } });
    const [before] = await run.collect();
    mountinfo = MOUNTS.split('\n').slice(0, 2).join('\n') + '\n';
    const [after, ended] = await run.collect();
    await run.stop();
    expect(mountsOf(after)).toEqual(['/', '/net']);
    expect(after.series).toEqual(
      before.series.filter(({ attributes }) => attributes['system.filesystem.mountpoint'] !== '/data'),
    );
    expect(mountsOf(ended)).toEqual(['/data']);
  });

  test('the same mounts give the very same layout', async () => {
    const run = await runReceiver(withParts(), { host });
    const [first] = await run.collect();
    const [second] = await run.collect();
    await run.stop();
    expect(second.series).toBe(first.series);
  });
});
