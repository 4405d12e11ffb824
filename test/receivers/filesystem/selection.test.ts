import { expect, test } from 'vitest';
import { parseMountinfo } from '../../../receivers/filesystem/mountinfo.ts';
import { createRiskOf } from '../../../receivers/filesystem/selection.ts';

const { mounts } = parseMountinfo(
  Buffer.from(`1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:9 / /dev/shm rw - tmpfs tmpfs rw
3 1 8:2 / /boot/efi rw - vfat /dev/sda2 rw
4 1 0:10 / /net rw - nfs4 server:/a rw
5 4 8:3 / /net/disk rw - ext4 /dev/sdb1 rw
6 1 0:11 / /bucket rw - fuse.s3fs s3fs rw
7 1 0:12 / /share rw - new_network_type //server/share rw
8 1 0:13 / /auto rw - autofs auto rw
9 8 8:4 / /auto/disk rw - xfs /dev/sdc1 rw
`),
);

test.each([
  ['/', 'none'],
  ['/dev/shm', 'none'],
  ['/boot/efi', 'disk'],
  ['/net', 'remote'],
  ['/net/disk', 'remote'],
  ['/bucket', 'remote'],
  ['/share', 'remote'],
  ['/auto/disk', 'remote'],
])('createRiskOf says that the mount at %s has the risk %s', (mountPoint, risk) => {
  const mount = mounts.find((one) => one.mountPoint === mountPoint)!;
  expect(createRiskOf(mounts)(mount)).toBe(risk);
});

test('createRiskOf is not led in circles', () => {
  const [mount] = parseMountinfo(Buffer.from('1 2 8:1 / /a rw - ext4 a rw\n')).mounts;
  expect(createRiskOf([mount, { ...mount, id: 2, parent: 1 }])(mount)).toBe('none');
});
