import { describe, expect, test } from 'vitest';
import { detectContainerId, parseCgroupContainerId, parseMountinfoContainerId } from '../../src/procfs/container_id.ts';

const ID = '8d9f4a1c2b3e4d5f60718293a4b5c6d7e8f9010203040506070809aabbccddee';
const OTHER = 'f'.repeat(64);

describe('parseCgroupContainerId', () => {
  test.each([
    ['Docker, version 1', `12:memory:/docker/${ID}\n11:cpu,cpuacct:/docker/${ID}`, ID],
    ['Docker with systemd', `0::/system.slice/docker-${ID}.scope`, ID],
    ['Docker with systemd, below it', `0::/system.slice/docker-${ID}.scope/init.scope`, ID],
    ['containerd', `0::/kubepods.slice/kubepods-burstable.slice/kubepods-pod1_2.slice/cri-containerd-${ID}.scope`, ID],
    ['containerd without systemd', `1:name=systemd:/kubepods/besteffort/pod8d9f4a1c/${ID}`, ID],
    ['containerd, shim form', `3:cpu:/kubepods-besteffort-pod1.slice:cri-containerd:${ID}`, ID],
    ['CRI-O', `0::/kubepods.slice/kubepods-pod1.slice/crio-${ID}.scope`, ID],
    ['Podman', `0::/machine.slice/libpod-${ID}.scope/container`, ID],
    ['a pod in a container', `0::/docker/${OTHER}/kubepods/pod1/${ID}`, ID],
    ['the monitor beside a container', `0::/machine.slice/libpod-conmon-${ID}.scope`, undefined],
    ['a namespace of its own', '0::/', undefined],
    ['a machine', '0::/user.slice/user-1000.slice/session-1.scope', undefined],
    ['an id that is too short', `0::/docker/${ID.slice(1)}`, undefined],
    ['an id that is too long', `0::/docker/0${ID}`, undefined],
    ['nothing', '', undefined],
  ])('of %s', (_, text, id) => {
    expect(parseCgroupContainerId(text)).toBe(id);
  });
});

describe('parseMountinfoContainerId', () => {
  const line = (root: string, mountPoint: string) =>
    `536 517 8:1 ${root} ${mountPoint} rw,relatime - ext4 /dev/sda1 rw`;
  test.each([
    ['Docker', line(`/var/lib/docker/containers/${ID}/hostname`, '/etc/hostname'), ID],
    ['Podman', line(`/containers/storage/overlay-containers/${ID}/userdata/.containerenv`, '/run/.containerenv'), ID],
    [
      'the sandbox of a pod',
      line(`/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/${ID}/hostname`, '/etc/hostname'),
      undefined,
    ],
    [
      'a machine that mounts a folder of containers',
      line(`/var/lib/docker/containers/${ID}/mounts/shm`, '/mnt/shm'),
      undefined,
    ],
    ['garbage', 'x y', undefined],
  ])('of %s', (_, text, id) => {
    expect(parseMountinfoContainerId(text)).toBe(id);
  });
});

describe('detectContainerId', () => {
  test('asks the mounts where the control groups are hidden', () => {
    const files: Record<string, string> = {
      '/proc/self/cgroup': '0::/\n',
      '/proc/self/mountinfo': `1 2 8:1 /var/lib/docker/containers/${ID}/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n`,
    };
    expect(detectContainerId((path) => files[path]!)).toBe(ID);
  });

  test('tells nothing where there are no such files', () => {
    const missing = () => {
      throw new Error('ENOENT');
    };
    expect(detectContainerId(missing)).toBeUndefined();
  });
});
