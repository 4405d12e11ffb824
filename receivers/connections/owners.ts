/**
 * Whose sockets they are: from the inode of a socket to the process that has it open. Only new sockets are looked for, in
 * those processes first that are likely to have them; nobody's descriptors are all read at each collection.
 */
import { readlinkSync } from 'node:fs';
import type { ComponentLog, Host } from '../../src/component.ts';
import { creationTime, startTimeOf } from '../../src/procfs/process/creation.ts';
import { createIdentityReader } from '../../src/procfs/process/identity.ts';
import type { Process } from '../../src/procfs/process/process.ts';
import type { ProcessTable, Scan } from '../../src/procfs/process/table.ts';
import { attempt, isAbsent } from '../../src/procfs/source.ts';
import type { Attributes } from '../../src/model/attributes.ts';

/** A process that has sockets, as it was when the first of them was found. */
export interface Owner {
  readonly number: number;
  readonly process: Process;
  readonly name: string;
  readonly containerId: string | undefined;
  /** With its identity as an entity, for metrics. */
  readonly attributes: Attributes;
  /** Connections; listening sockets and those without a peer are none. */
  connections: number;
  /** All of its sockets: without one it is forgotten. */
  sockets: number;
  wasReported: boolean;
}

export interface Owners {
  readonly all: ReadonlyMap<number, Owner>;
  /** Processes whose descriptors could not be read, in the last search. */
  readonly denied: number;
  /**
   * Looks for the processes that have these sockets, and calls `found` for each that it finds.
   * @returns false if it gave up before it had looked everywhere
   */
  search(inodes: ReadonlySet<number>, found: (inode: number, owner: Owner) => void): Promise<boolean>;
  get(number: number): Owner | undefined;
  /** One socket less. */
  release(owner: Owner): void;
  close(): void;
}

/** Links that are read in one search at most: some 100 ms. */
const MOST_LINKS = 20_000;
/** Links between two pauses for the event loop: some 6 ms. */
const LINKS_A_TURN = 1000;
const SOURCE = '/proc/[pid]/fd';

export function createOwners(
  host: Host,
  log: ComponentLog,
  table: ProcessTable,
  { mostLinks = MOST_LINKS } = {},
): Owners {
  const onFailure = (source: string, error: unknown): void => {
    attempt(log, source, () => {
      throw error;
    });
  };
  const identities = createIdentityReader({ host, onFailure });
  const byNumber = new Map<number, Owner>();
  const byProcess = new Map<Process, Owner>();
  /** The program that denied it: another one in the same process may not. */
  const denials = new WeakMap<Process, number>();
  /** Descriptors that a process had when it was looked at: a new socket is rather among the others. */
  const known = new WeakMap<Process, DescriptorSet>();
  let nextNumber = 0;
  let denied = 0;

  const isDenied = (process: Process): boolean => denials.get(process) === process.nameHash;

  function ownerOf(process: Process): Owner {
    const before = byProcess.get(process);
    if (before !== undefined) return before;
    const identity = identities.identify(process);
    const name = identity.executable;
    const { containerId } = identity.cgroup;
    const bootTime = attempt(log, 'boot time', host.bootTime);
    const attributes: Record<string, string | number> = { 'process.pid': process.pid };
    if (bootTime !== undefined) {
      attributes['process.creation.time'] = creationTime(startTimeOf(process, bootTime));
    }
    if (name !== '') attributes['process.executable.name'] = name;
    if (containerId !== undefined) attributes['container.id'] = containerId;
    const owner: Owner = {
      number: nextNumber++,
      process,
      name,
      containerId,
      attributes,
      connections: 0,
      sockets: 0,
      wasReported: false,
    };
    byNumber.set(owner.number, owner);
    byProcess.set(process, owner);
    return owner;
  }

  /** Those that have sockets already, those that did something lately, and the others. */
  function inOrder({ processes, number }: Scan): readonly Process[] {
    const rank = (process: Process): number =>
      byProcess.has(process) ? 0 : process.changedScan === number ? 1 : known.has(process) ? 3 : 2;
    const ranks: Process[][] = [[], [], [], []];
    for (const process of processes) if (!process.isKernelThread) ranks[rank(process)].push(process);
    return ranks.flat();
  }

  /** What `read` gives; undefined where it is gone or denied, which is counted and not tried again. */
  function attemptDescriptors<T>(process: Process, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (isAbsent(error)) return undefined;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') denials.set(process, process.nameHash);
      denied++;
      onFailure(SOURCE, error);
      return undefined;
    }
  }

  function list(process: Process): readonly string[] {
    if (!isDenied(process)) return attemptDescriptors(process, () => host.list(`/proc/${process.pid}/fd`)) ?? [];
    denied++;
    return [];
  }

  function readSocket(process: Process, descriptor: string): number {
    const link = (): string => readlinkSync(host.resolve(`/proc/${process.pid}/fd/${descriptor}`));
    return socketInode(attemptDescriptors(process, link) ?? '');
  }

  /** First at descriptors that are new, of all processes, then at those that may have been closed and opened again. */
  async function look(
    processes: readonly Process[],
    lists: Map<Process, Descriptors>,
    wanted: Set<number>,
    found: (inode: number, owner: Owner) => void,
  ): Promise<boolean> {
    let links = 0;
    for (const isSecondLook of [false, true]) {
      for (const process of processes) {
        const before = known.get(process);
        if (isSecondLook && before === undefined) continue;
        const { descriptors, read } = lists.get(process) ?? { descriptors: list(process), read: new DescriptorSet() };
        lists.set(process, { descriptors, read });
        for (const descriptor of descriptors) {
          if ((before?.has(descriptor) ?? false) !== isSecondLook) continue;
          if (isDenied(process)) break;
          if (links++ >= mostLinks) return false;
          read.add(descriptor);
          const inode = readSocket(process, descriptor);
          // Another process may have the pid by now.
          if (wanted.has(inode) && table.refresh(process)) {
            wanted.delete(inode);
            found(inode, ownerOf(process));
            if (wanted.size === 0) return true;
          }
          if (links % LINKS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
    return true;
  }

  return {
    all: byNumber,
    get denied() {
      return denied;
    },
    async search(inodes, found) {
      const wanted = new Set(inodes);
      const scan = attempt(log, '/proc', () => table.scan());
      if (scan === undefined) return true;
      denied = 0;
      const lists = new Map<Process, Descriptors>();
      try {
        return await look(inOrder(scan), lists, wanted, found);
      } finally {
        for (const [process, { descriptors, read }] of lists) {
          const before = known.get(process);
          // One that was closed is new when it is opened again; one that was not read is still to be.
          if (before !== undefined) for (const one of descriptors) if (before.has(one)) read.add(one);
          known.set(process, read);
        }
      }
    },
    get: (number) => byNumber.get(number),
    release(owner) {
      if (--owner.sockets > 0) return;
      byNumber.delete(owner.number);
      byProcess.delete(owner.process);
    },
    close: () => table.close(),
  };
}

/** Open descriptors of a process in one search, and those that were read. */
interface Descriptors {
  readonly descriptors: readonly string[];
  readonly read: DescriptorSet;
}

/** Numbers of descriptors, a bit each. */
class DescriptorSet {
  #bits = new Uint8Array(8);

  add(descriptor: string): void {
    const number = Number(descriptor);
    if (number >> 3 >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(this.#bits.length * 2, (number >> 3) + 1));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[number >> 3] |= 1 << (number & 7);
  }

  has(descriptor: string): boolean {
    const number = Number(descriptor);
    return ((this.#bits[number >> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }
}

/** `socket:[1744440]` → 1744440; -1 for what is no socket. */
export function socketInode(link: string): number {
  if (!link.startsWith('socket:[')) return -1;
  const inode = Number(link.slice(8, -1));
  return Number.isInteger(inode) && inode > 0 ? inode : -1;
}
