/** Who a process is: program, owner, control group. Read when it is asked for, and again when the program changes. */
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import type { Host } from '../host.ts';
import { type Cgroup, parseCgroup } from './cgroup.ts';
import { parseCmdline } from './command.ts';
import { type OnFailure, readInOnePiece } from './details.ts';
import { createOwners } from './owners.ts';
import type { Process } from './process.ts';
import { isAbsent } from '../source.ts';

export interface Identity {
  /** Name of the executable file; where that is denied, or of a kernel thread, the name that the kernel has. */
  readonly executable: string;
  readonly executablePath: string | undefined;
  readonly args: readonly string[];
  readonly owner: string | undefined;
  readonly cgroup: Cgroup;
}

export interface IdentityReader {
  /** What is not asked for costs nothing: fields are read when they are looked at. */
  identify(process: Process): Identity;
}

const NO_CGROUP: Cgroup = { line: undefined, unit: undefined, containerId: undefined };
/** Groups that are remembered: most processes start in one that another has been in. */
const MOST_CGROUPS = 256;

export function createIdentityReader({
  host,
  onFailure,
}: {
  readonly host: Host;
  readonly onFailure: OnFailure;
}): IdentityReader {
  const owners = createOwners(host);
  const cgroups = new Map<string, Cgroup>();

  function readCgroup(pid: number): Cgroup {
    const text = Buffer.from(readInOnePiece(host, `/proc/${pid}/cgroup`)).toString();
    let cgroup = cgroups.get(text);
    if (cgroup !== undefined) return cgroup;
    cgroup = parseCgroup(text);
    if (cgroups.size >= MOST_CGROUPS) cgroups.clear();
    cgroups.set(text, cgroup);
    return cgroup;
  }

  function attempt<T>(file: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!isAbsent(error)) onFailure(`/proc/[pid]/${file}`, error);
      return undefined;
    }
  }

  const readExecutable = (pid: number): string | undefined =>
    // A program that was replaced while it runs: /usr/bin/x (deleted)
    attempt('exe', () => readlinkSync(host.resolve(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, ''));

  const readName = (pid: number): string =>
    attempt('comm', () =>
      Buffer.from(host.readOnce(`/proc/${pid}/comm`))
        .toString()
        .replace(/\n$/, ''),
    ) ?? '';

  function readOwner(process: Process): string | undefined {
    if (process.owner === -1) {
      const text = attempt('status', () => Buffer.from(readInOnePiece(host, `/proc/${process.pid}/status`)).toString());
      const uid = /^Uid:\s+(\d+)/m.exec(text ?? '')?.[1];
      if (uid !== undefined) process.owner = Number(uid);
    }
    return process.owner === -1 ? undefined : owners(process.owner);
  }

  return {
    identify(process) {
      const { pid, isKernelThread } = process;
      let path: string | undefined | null = isKernelThread ? undefined : null;
      let name: string | undefined;
      let args: readonly string[] | undefined = isKernelThread ? [] : undefined;
      let cgroup: Cgroup | undefined;
      const identity = {
        get executablePath() {
          return path === null ? (path = readExecutable(pid)) : path;
        },
        get executable() {
          return (name ??= identity.executablePath === undefined ? readName(pid) : basename(identity.executablePath));
        },
        get args() {
          return (args ??= attempt('cmdline', () => parseCmdline(readInOnePiece(host, `/proc/${pid}/cmdline`))) ?? []);
        },
        get owner() {
          return readOwner(process);
        },
        get cgroup() {
          return (cgroup ??= attempt('cgroup', () => readCgroup(pid)) ?? NO_CGROUP);
        },
      };
      return identity;
    },
  };
}
