/** Which of the rights that components ask for this process has. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import type { Permission } from '../component.ts';
import type { Host } from '../procfs/host.ts';

/** A right that is missing, what it costs and how to get it. */
export interface MissingRight extends Permission {
  readonly hint: string;
}

export interface Rights {
  /** Whether it is there; `undefined` where that cannot be told. */
  has(needs: string): boolean | undefined;
}

/** Bits of `CapEff` in `/proc/PID/status`, from linux/capability.h. */
const CAPABILITY_BITS: Readonly<Record<string, bigint>> = {
  CAP_DAC_OVERRIDE: 1n,
  CAP_DAC_READ_SEARCH: 2n,
  CAP_NET_BIND_SERVICE: 10n,
  CAP_NET_ADMIN: 12n,
  CAP_NET_RAW: 13n,
  CAP_SYS_RAWIO: 17n,
  CAP_SYS_PTRACE: 19n,
  CAP_SYS_ADMIN: 21n,
  CAP_SYSLOG: 34n,
  CAP_AUDIT_READ: 37n,
  CAP_PERFMON: 38n,
  CAP_BPF: 39n,
};

/** The rights of this process. */
export function rightsOfProcess(host: Pick<Host, 'resolve' | 'platform'>): Rights {
  return createRights(host, textOf('/proc/self/status'), textOf('/etc/group'), process.getgroups?.() ?? []);
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/**
 * @param status content of `/proc/self/status`
 * @param groups numbers of its groups; `groupFile` is `/etc/group`
 */
export function createRights(
  host: Pick<Host, 'resolve' | 'platform'>,
  status: string,
  groupFile: string,
  groups: readonly number[],
): Rights {
  // CapEff:	000001ffffffffff
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  // docker:x:998:alice,bob
  const groupIds = new Map(
    [...groupFile.matchAll(/^([^:\n]+):[^:\n]*:(\d+):/gm)].map(([, name, id]) => [name!, Number(id)]),
  );
  return {
    has(needs) {
      const bit = CAPABILITY_BITS[needs];
      if (bit !== undefined) return host.platform === 'linux' ? ((effective >> bit) & 1n) === 1n : undefined;
      if (needs.startsWith('/')) return isReadable(host.resolve(needs));
      const groupId = groupIds.get(needs.replace(/^group /, ''));
      return groupId === undefined ? undefined : groups.includes(groupId) || (effective & 2n) !== 0n;
    },
  };
}

/** The permissions of a component that are not there. */
export function missingRights(permissions: readonly Permission[], rights: Rights): MissingRight[] {
  return permissions
    .filter(({ needs }) => rights.has(needs) === false)
    .map((permission) => ({ ...permission, hint: hintFor(permission.needs) }));
}

function hintFor(needs: string): string {
  if (needs.startsWith('CAP_')) return `run as root, or with AmbientCapabilities=${needs} in the systemd unit`;
  if (needs.startsWith('/')) return 'run as root, or let the user of the agent read it';
  return `add the user of the agent to it: usermod -aG ${needs.replace(/^group /, '')} sonde`;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch (error) {
    // A file that is not there is no matter of rights: the receiver says that it is missing.
    return (error as NodeJS.ErrnoException).code !== 'EACCES';
  }
}
