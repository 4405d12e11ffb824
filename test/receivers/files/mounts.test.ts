import { describe, expect, test } from 'vitest';
import { createMounts, DEFAULT_SKIPPED_TYPES, parseMounts } from '../../../receivers/files/mounts.ts';
import { createHost } from '../../../src/procfs/host.ts';
import { createMachine } from '../../support/machines.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';

const LINES = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:50 / /mnt/share rw shared:9 master:3 - nfs4 server:/export rw
41 22 0:51 / /mnt/with\\040blank rw - fuse.sshfs me@host: rw
42 22 0:52 / /mnt/tmp rw - tmpfs tmpfs rw
`;
const PATH = 'proc/self/mountinfo';

describe('parseMounts', () => {
  test('reads mount points and types, whatever optional fields stand between', () => {
    expect([...parseMounts(LINES)].map(([path, { type }]) => [path, type])).toEqual([
      ['/', 'ext4'],
      ['/proc', 'proc'],
      ['/mnt/share', 'nfs4'],
      ['/mnt/with blank', 'fuse.sshfs'],
      ['/mnt/tmp', 'tmpfs'],
    ]);
  });

  test('leaves out what is no mount, and of several at one path takes the last', () => {
    expect(parseMounts('garbage\n\n1 2 3:4 / /x rw\n').size).toBe(0);
    expect(parseMounts(`${LINES}99 42 0:60 / /mnt/tmp rw - proc p rw\n`).get('/mnt/tmp')!.type).toBe('proc');
  });
});

describe('createMounts', () => {
  test('does not enter what is remote or the kernel’s own, at the mount point or below it', () => {
    const machine = createMachine({ [PATH]: LINES });
    const mounts = createMounts(
      createHost({ rootPath: machine.root, platform: 'linux' }),
      DEFAULT_SKIPPED_TYPES,
      createRecordedLog(),
    );
    mounts.update();
    expect(mounts.isSkippedAt('/mnt', 'share')).toBe(true);
    expect(mounts.isSkippedAt('/mnt', 'with blank')).toBe(true);
    expect(mounts.isSkippedAt('/', 'proc')).toBe(true);
    expect(mounts.isSkippedAt('/mnt', 'tmp')).toBe(false);
    expect(mounts.skippedType('/mnt/share/deep/folder', true)).toBe('nfs4');
    expect(mounts.skippedType('/mnt/share/deep/folder', false)).toBeUndefined();
    expect(mounts.skippedType('/etc', true)).toBeUndefined();
  });

  test('tells what was mounted, unmounted, and mounted anew in the same place', () => {
    const machine = createMachine({ [PATH]: LINES });
    const mounts = createMounts(createHost({ rootPath: machine.root, platform: 'linux' }), [], createRecordedLog());
    expect(mounts.update().mounted).toHaveLength(5);
    expect(mounts.update()).toEqual({ mounted: [], unmounted: [] });
    machine.write(PATH, LINES.replace('42 22 0:52', '57 22 0:58').replace(/^40.*\n/m, ''));
    expect(mounts.update()).toEqual({ mounted: ['/mnt/tmp'], unmounted: ['/mnt/share'] });
  });

  test('without the list enters everything, and says so once', () => {
    const log = createRecordedLog();
    const mounts = createMounts(
      createHost({ rootPath: createMachine({}).root, platform: 'linux' }),
      DEFAULT_SKIPPED_TYPES,
      log,
    );
    mounts.update();
    mounts.update();
    expect(mounts.skippedType('/proc', true)).toBeUndefined();
    expect(log.lines.map(({ message }) => message)).toEqual([
      expect.stringContaining('Cannot tell file systems apart'),
    ]);
  });
});
