/** Which file systems are mounted where: some are never entered, and watches tell nothing of what is mounted over them. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { compilePatterns } from '../../src/text/pattern.ts';
import { rawPath } from './source.ts';

const PATH = '/proc/self/mountinfo';

/** What the kernel shows of itself, what mounts something when it is looked at, and what may never answer. */
export const DEFAULT_SKIPPED_TYPES = (
  'autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts efivarfs fusectl hugetlbfs mqueue nfsd nsfs proc ' +
  'pstore resctrl rpc_pipefs securityfs selinuxfs smackfs sysfs tracefs ' +
  'nfs nfs4 cifs smb3 smbfs ceph 9p afs coda lustre gpfs beegfs orangefs davfs glusterfs fuse fuse.*'
).split(' ');

export interface Mounts {
  /**
   * The type of the file system at a path, where it is one that is not entered.
   * @param isRoot the path may be in the middle of a file system; otherwise only mount points are looked at
   */
  skippedType(path: string, isRoot: boolean): string | undefined;
  typeAt(path: string): string | undefined;
  /** Whether a file system that is not entered is mounted there: even to look at it may take for ever. */
  isSkippedAt(folder: string, name: string): boolean;
  /** Reads the list again. @returns the paths at which something was mounted or unmounted */
  update(): { readonly mounted: readonly string[]; readonly unmounted: readonly string[] };
}

export function createMounts(host: Host, skipped: readonly string[], log: ComponentLog): Mounts {
  const isSkipped = skipped.length === 0 ? () => false : compilePatterns('glob', skipped);
  let text = '';
  /** Names of mount points that are not entered, by the folder that they are in. */
  let skippedIn: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  let byPath: ReadonlyMap<string, { readonly key: string; readonly type: string }> = new Map();

  function read(): string {
    if (host.platform !== 'linux') return '';
    try {
      const read = host.readText(PATH);
      log.over(PATH, `Can read ${PATH} again`);
      return read;
    } catch (error) {
      log.once(PATH, `Cannot tell file systems apart: ${messageOf(error)}; enters all of them`);
      return '';
    }
  }

  return {
    skippedType(path, isRoot) {
      if (byPath.size === 0) return undefined;
      let at = path;
      while (isRoot && at !== '/' && !byPath.has(at)) at = at.slice(0, at.lastIndexOf('/')) || '/';
      const type = byPath.get(at)?.type;
      return type !== undefined && isSkipped(type) ? type : undefined;
    },
    typeAt: (path) => byPath.get(path)?.type,
    isSkippedAt: (folder, name) => skippedIn.size > 0 && skippedIn.get(folder)?.has(name) === true,
    update() {
      const now = read();
      if (now === text) return { mounted: [], unmounted: [] };
      text = now;
      const before = byPath;
      byPath = parseMounts(now);
      skippedIn = groupByFolder([...byPath].filter(([, { type }]) => isSkipped(type)).map(([path]) => path));
      return {
        mounted: [...byPath.keys()].filter((path) => before.get(path)?.key !== byPath.get(path)!.key),
        unmounted: [...before.keys()].filter((path) => !byPath.has(path)),
      };
    },
  };
}

function groupByFolder(paths: readonly string[]): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const path of paths) {
    const slash = path.lastIndexOf('/');
    const folder = slash <= 0 ? '/' : path.slice(0, slash);
    names.set(folder, (names.get(folder) ?? new Set()).add(path.slice(slash + 1)));
  }
  return names;
}

/**
 * `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`: id, parent, device, root, mount point, options, any
 * number of optional fields, `-`, type. Of several at one path the last covers the others.
 * Source: https://docs.kernel.org/filesystems/proc.html (3.5)
 *
 * @returns by mount point, in the form of `rawPath`
 */
export function parseMounts(text: string): Map<string, { readonly key: string; readonly type: string }> {
  const mounts = new Map<string, { readonly key: string; readonly type: string }>();
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const separator = fields.indexOf('-', 6);
    if (separator === -1 || fields[separator + 1] === undefined) continue;
    const path = fields[4]!.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    mounts.set(rawPath(path), { key: `${fields[0]} ${fields[2]}`, type: fields[separator + 1]! });
  }
  return mounts;
}
