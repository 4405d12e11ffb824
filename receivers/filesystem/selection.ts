/** Which mounts are reported: docs/decisions/which-mounts.md says why. */
import { createNameFilter } from '../../src/text/name_filter.ts';
import type { Mount } from './mountinfo.ts';

/** What the kernel shows of itself, views of other file systems, and images that are always full. */
export const DEFAULT_EXCLUDED_TYPES = (
  'autofs bdev binder binfmt_misc bpf cgroup cgroup2 configfs cramfs debugfs devfs devpts devtmpfs efivarfs erofs ' +
  'fuse.gvfsd-fuse fuse.lxcfs fuse.portal fuse.snapfuse fusectl hugetlbfs iso9660 mqueue nfsd nsfs overlay pipefs ' +
  'proc pstore ramfs resctrl rootfs rpc_pipefs securityfs selinuxfs smackfs sockfs squashfs sysfs tracefs xenfs'
).split(' ');

/** What container engines, package managers and service managers mount for themselves. */
export const DEFAULT_EXCLUDED_MOUNT_POINTS = (
  '/proc{,/*} /sys{,/*} /dev /snap/* /var/lib/snapd/snap/* /run/credentials/* /run/{netns,docker/netns}* ' +
  '/var/lib/{docker,containerd,containers/storage}/* /run/{containerd,k3s/containerd,containers}/* ' +
  '/var/lib/kubelet/{pods,plugins}/* /run/secrets* /var/run/secrets* /dev/termination-log ' +
  '/etc/{hosts,hostname,resolv.conf}'
).split(' ');

export interface SelectionOptions {
  readonly include_fs_types: readonly string[];
  readonly exclude_fs_types: readonly string[];
  readonly include_mount_points: readonly string[];
  readonly exclude_mount_points: readonly string[];
  readonly include_devices: readonly string[];
  readonly exclude_devices: readonly string[];
}

/** A function that picks, of the mounts that are to be seen, those to report: each file system once. */
export function createSelection(options: SelectionOptions): (mounts: readonly Mount[]) => readonly Mount[] {
  const isTypeIncluded = createNameFilter(options.include_fs_types, []);
  const isTypeKept = createNameFilter([], options.exclude_fs_types);
  const isMountPointWanted = createNameFilter(options.include_mount_points, options.exclude_mount_points);
  const isDeviceWanted = createNameFilter(options.include_devices, options.exclude_devices);

  function isWanted({ type, mountPoint, source }: Mount): boolean {
    // To look at an automount point mounts it.
    if (type === 'autofs') return false;
    // In a container, on a live system or an appliance the root is an overlay or an image, and still what users want.
    const isTypeWanted = isTypeIncluded(type) && (mountPoint === '/' || isTypeKept(type));
    return isTypeWanted && isMountPointWanted(mountPoint) && isDeviceWanted(source);
  }

  return (mounts) => oncePerDevice(mounts.filter(isWanted));
}

/** Of the mounts of one file system the one at `/`, else the one that shows most of it, else the shortest path. */
function oncePerDevice(mounts: readonly Mount[]): readonly Mount[] {
  const best = new Map<string, Mount>();
  for (const mount of mounts) {
    const other = best.get(mount.device);
    if (other === undefined || isBetter(mount, other)) best.set(mount.device, mount);
  }
  return mounts.filter((mount) => best.get(mount.device) === mount);
}

function isBetter(one: Mount, other: Mount): boolean {
  if (one.mountPoint === '/' || other.mountPoint === '/') return one.mountPoint === '/' && other.mountPoint !== '/';
  const deeper = depthOf(one.root) - depthOf(other.root);
  if (deeper !== 0) return deeper < 0;
  return one.mountPoint.length < other.mountPoint.length;
}

/** `/` → 0, `/@home` → 1: how far below the top of its file system a mount begins. */
function depthOf(path: string): number {
  return path === '/' ? 0 : path.split('/').length - 1;
}

/**
 * What may happen to who asks a file system for its figures: with `none` the kernel answers from memory; a `disk` may
 * have to be read; behind `remote` there is another machine or program, which may never answer.
 */
export type Risk = 'none' | 'disk' | 'remote';

const REMOTE_TYPES = new Set(
  'nfs nfs4 cifs smb3 smbfs ceph 9p afs coda lustre gpfs beegfs orangefs ncpfs davfs virtiofs glusterfs autofs'.split(
    ' ',
  ),
);
/** Their statfs reads counters of the superblock only (`ext4_statfs`, `xfs_fs_statfs`, `shmem_statfs`). */
const MEMORY_TYPES = new Set(['ext2', 'ext3', 'ext4', 'tmpfs', 'xfs']);

/** A function that tells the risk of a mount, given all mounts: the path to it leads through those it stands on. */
export function createRiskOf(mounts: readonly Mount[]): (mount: Mount) => Risk {
  const byId = new Map(mounts.map((mount) => [mount.id, mount]));
  return (mount) => {
    const ids = new Set<number>();
    for (let at: Mount | undefined = mount; at !== undefined && !ids.has(at.id); at = byId.get(at.parent)) {
      if (isRemote(at)) return 'remote';
      ids.add(at.id);
    }
    return MEMORY_TYPES.has(mount.type) ? 'none' : 'disk';
  };
}

function isRemote({ type, source }: Mount): boolean {
  return REMOTE_TYPES.has(type) || type.startsWith('fuse') || /^[^/]+:\//.test(source) || source.startsWith('//');
}
