/**
 * A folder in memory that fails as disks do: operations that are refused or end halfway, a volume that is full, processes
 * that are killed, and power cuts that lose or tear what was not synced. Every choice comes from a seed, also in which
 * order operations that are under way at the same time happen: `step` has one of them happen.
 */
import type { Folder, OpenFile } from '../../../src/delivery/disk/folder.ts';
import { settled } from '../simulated_clock.ts';

export type Operation =
  | 'close'
  | 'free'
  | 'list'
  | 'open'
  | 'read'
  | 'remove'
  | 'rename'
  | 'size'
  | 'sync'
  | 'sync_folder'
  | 'truncate'
  | 'write';

/** A change of a file that a power cut may lose. */
type Change =
  | { readonly is: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly is: 'truncate'; readonly length: number };

interface Inode {
  /** As every process sees it. */
  data: Buffer;
  /** As it is on the disk. */
  durable: Buffer;
  /** What lies between the two. */
  changes: Change[];
}

/** A change of a name that a power cut may lose: what it names from then on. */
interface NameChange {
  readonly name: string;
  readonly inode: Inode | undefined;
  /** Both halves of a rename happen, or none. */
  readonly group: number;
}

export interface FaultyFolder {
  /** The folder as the next process sees it; processes before it are no more. */
  boot(): Folder;
  /** Operations and how likely each fails, from 0 to 1. */
  readonly chances: Map<Operation, number>;
  /** Bytes that fit on the volume. */
  volume_bytes: number;
  /** Bytes of all files. */
  readonly bytes: number;
  /** Failures that happened, by operation; `full` where the volume refused. */
  readonly failures: ReadonlyMap<string, number>;
  /** Files of the living process that are open. */
  readonly open: ReadonlySet<string>;
  /** What no program may do: use a closed file, for one. */
  readonly misuse: readonly string[];
  readonly names: readonly string[];
  /** Has one of the operations under way happen; false if there is none. */
  step(): Promise<boolean>;
  /** Has operations happen until none is under way. */
  quiet(): Promise<void>;
  /** The process is no more: what is under way happens, or part of it, or not. */
  kill(): void;
  /** As {@link kill}; and what was not synced is lost, torn or there. */
  cutPower(): void;
  /** A file as it is now, to look at. */
  peek(name: string): Buffer | undefined;
  /** Changes a file behind everyone's back, also on the disk; a file that is not there is an empty one. */
  alter(name: string, change: (data: Buffer) => Buffer): void;
  /** The file in which `bytes` lie; undefined where they are in none. */
  find(bytes: Uint8Array): { readonly name: string; readonly at: number } | undefined;
  /** Whether the bytes of a file from `from` up to `to` survive a power cut now. */
  isDurable(name: string, from: number, to: number): boolean;
}

const PAGE_BYTES = 4096;

export function createFaultyFolder(seed: number): FaultyFolder {
  const random = createRandom(seed);
  const chances = new Map<Operation, number>();
  const failures = new Map<string, number>();
  const misuse: string[] = [];
  let names = new Map<string, Inode>();
  let durableNames = new Map<string, Inode>();
  let nameChanges: NameChange[] = [];
  let groups = 0;
  let underWay: { readonly happen: () => void; readonly onKill: () => void }[] = [];
  let open = new Map<object, string>();
  let volume_bytes = Infinity;

  const happened = (what: string): void => void failures.set(what, (failures.get(what) ?? 0) + 1);
  const used = (): number => [...new Set(names.values())].reduce((sum, { data }) => sum + data.length, 0);

  function nameIt(name: string, inode: Inode | undefined, group = groups++): void {
    if (inode === undefined) names.delete(name);
    else names.set(name, inode);
    nameChanges.push({ name, inode, group });
  }

  function existing(name: string): Inode {
    const inode = names.get(name);
    if (inode === undefined) throw failure('ENOENT', name);
    return inode;
  }

  function boot(): Folder {
    underWay = [];
    open = new Map();
    const own = open;

    function perform<T>(
      operation: Operation,
      name: string,
      effect: () => T,
      breakOff = (): void => {},
      onKill = breakOff,
    ): Promise<T> {
      // Of a process that was killed: nothing happens any more.
      if (own !== open) return new Promise(() => {});
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const happen = (): void => {
        try {
          if (random() < (chances.get(operation) ?? 0)) {
            happened(operation);
            breakOff();
            throw failure('EIO', `${operation} ${name}`);
          }
          resolve(effect());
        } catch (error) {
          reject(error as Error);
        }
      };
      underWay.push({ happen, onKill });
      return promise;
    }

    function openInode(inode: Inode, name: string): OpenFile {
      const handle = {};
      own.set(handle, name);
      const check = (): void => {
        if (!own.has(handle)) misuse.push(`uses ${name}, which it closed`);
      };
      function write(bytes: Buffer, at: number): void {
        if (bytes.length === 0) return;
        const change = { is: 'write', at, bytes } as const;
        inode.data = apply(inode.data, change);
        inode.changes.push(change);
      }
      return {
        size: () =>
          perform('size', name, () => {
            check();
            return inode.data.length;
          }),
        read: (into, position) =>
          perform('read', name, () => {
            check();
            return inode.data.copy(into, 0, Math.min(position, inode.data.length));
          }),
        write(parts, position) {
          const bytes = Buffer.concat(parts);
          const part = (): void => write(bytes.subarray(0, Math.floor(random() * (bytes.length + 1))), position);
          return perform(
            'write',
            name,
            () => {
              check();
              const growth = Math.max(0, position + bytes.length - inode.data.length);
              const room = Math.max(0, volume_bytes - used());
              if (growth <= room) return write(bytes, position);
              happened('full');
              write(bytes.subarray(0, Math.max(0, bytes.length - (growth - room))), position);
              throw failure('ENOSPC', name);
            },
            part,
            // A kernel heeds a kill between two pages: one that is written as a whole is not torn by it.
            position % PAGE_BYTES === 0 && bytes.length === PAGE_BYTES ? () => {} : part,
          );
        },
        truncate: (length) =>
          perform('truncate', name, () => {
            check();
            const change = { is: 'truncate', length } as const;
            inode.data = apply(inode.data, change);
            inode.changes.push(change);
          }),
        sync: () =>
          perform(
            'sync',
            name,
            () => {
              check();
              inode.durable = Buffer.from(inode.data);
              inode.changes = [];
            },
            // Linux takes pages whose write failed for clean: no later fdatasync writes them.
            () => tear(inode),
          ),
        close: () =>
          perform('close', name, () => {
            check();
            own.delete(handle);
          }),
      };
    }

    return {
      path: '/queue',
      list: () => perform('list', '', () => [...names.keys()]),
      open: (name, mode) =>
        perform('open', name, () => {
          if (mode !== 'create') return openInode(existing(name), name);
          if (names.has(name)) throw failure('EEXIST', name);
          if (used() >= volume_bytes) {
            happened('full');
            throw failure('ENOSPC', name);
          }
          const inode: Inode = { data: Buffer.alloc(0), durable: Buffer.alloc(0), changes: [] };
          nameIt(name, inode);
          return openInode(inode, name);
        }),
      rename: (from, to) =>
        perform('rename', from, () => {
          const inode = existing(from);
          const group = groups++;
          nameIt(to, inode, group);
          nameIt(from, undefined, group);
        }),
      remove: (name) =>
        perform('remove', name, () => {
          existing(name);
          nameIt(name, undefined);
        }),
      sync: () =>
        perform('sync_folder', '', () => {
          durableNames = new Map(names);
          nameChanges = [];
        }),
      free: () => perform('free', '', () => Math.max(0, volume_bytes - used())),
    };
  }

  /** Some of what was not synced reaches the disk, in pieces of any size. */
  function tear(inode: Inode): void {
    for (const change of inode.changes) {
      for (const piece of pieces(change, random)) {
        if (random() < 0.5) inode.durable = apply(inode.durable, piece);
      }
    }
    inode.changes = [];
  }

  function kill(): void {
    for (const { happen, onKill } of underWay.splice(0)) {
      const fate = random();
      if (fate < 0.4) happen();
      else if (fate < 0.7) onKill();
    }
    // Until the next one boots nobody has a file open.
    open = new Map();
  }

  async function step(): Promise<boolean> {
    const [next] = underWay.splice(Math.floor(random() * underWay.length), 1);
    next?.happen();
    await settled();
    return next !== undefined;
  }

  return {
    boot,
    chances,
    failures,
    misuse,
    get volume_bytes() {
      return volume_bytes;
    },
    set volume_bytes(bytes) {
      volume_bytes = bytes;
    },
    get bytes() {
      return used();
    },
    get open() {
      return new Set(open.values());
    },
    get names() {
      return [...names.keys()];
    },
    step,
    async quiet() {
      await settled();
      while (await step());
    },
    kill,
    cutPower() {
      kill();
      const kept = new Map<number, boolean>();
      for (const { group } of nameChanges) kept.set(group, random() < 0.5);
      for (const { name, inode, group } of nameChanges) {
        if (kept.get(group) !== true) continue;
        if (inode === undefined) durableNames.delete(name);
        else durableNames.set(name, inode);
      }
      nameChanges = [];
      for (const inode of new Set(durableNames.values())) {
        tear(inode);
        inode.data = Buffer.from(inode.durable);
      }
      names = new Map(durableNames);
    },
    peek: (name) => names.get(name)?.data,
    alter(name, change) {
      const inode = names.get(name) ?? { data: Buffer.alloc(0), durable: Buffer.alloc(0), changes: [] };
      names.set(name, inode);
      durableNames.set(name, inode);
      // What the name meant before cannot come back by a power cut.
      nameChanges = nameChanges.filter((change) => change.name !== name);
      inode.data = change(Buffer.from(inode.data));
      inode.durable = Buffer.from(inode.data);
      inode.changes = [];
    },
    find(bytes) {
      for (const [name, { data }] of names) {
        const at = data.indexOf(bytes);
        if (at !== -1) return { name, at };
      }
      return undefined;
    },
    isDurable(name, from, to) {
      const inode = existing(name);
      const { data, durable } = inode;
      return durableNames.get(name) === inode && durable.subarray(from, to).equals(data.subarray(from, to));
    },
  };
}

function apply(data: Buffer, change: Change): Buffer {
  if (change.is === 'truncate') {
    const { length } = change;
    return length <= data.length ? data.subarray(0, length) : Buffer.concat([data], length);
  }
  const { at, bytes } = change;
  const end = Math.max(data.length, at + bytes.length);
  const changed = Buffer.alloc(end);
  data.copy(changed);
  bytes.copy(changed, at);
  return changed;
}

/** A write in up to four pieces, cut anywhere. */
function pieces(change: Change, random: () => number): readonly Change[] {
  if (change.is === 'truncate') return [change];
  const { at, bytes } = change;
  const cuts = Array.from({ length: 3 }, () => Math.floor(random() * (bytes.length + 1))).toSorted((a, b) => a - b);
  return [0, ...cuts].flatMap((from, index) => {
    const part = bytes.subarray(from, cuts[index] ?? bytes.length);
    return part.length === 0 ? [] : [{ is: 'write', at: at + from, bytes: part } as const];
  });
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

/** Numbers from 0 up to 1 that look random (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
