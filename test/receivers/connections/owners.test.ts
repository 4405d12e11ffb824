import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createOwners, socketInode, type Owner, type Owners } from '../../../receivers/connections/owners.ts';
import { rankOwners } from '../../../receivers/connections/ranking.ts';
import { createHost, type Host } from '../../../src/procfs/host.ts';
import { openProcessTable } from '../../../src/procfs/process/table.ts';
import { createMachine } from '../../support/machines.ts';

const CONTAINER = 'ab'.repeat(32);

function statOf(pid: number, name: string, ticks = 100): string {
  return `${pid} (${name}) S 1 ${pid} ${pid} 0 -1 4194560 9 5 0 0 7 4 0 0 20 0 4 0 ${ticks} 268435456 123 0 0 0 0 0 0\n`;
}

interface Setup {
  readonly owners: Owners;
  readonly said: string[];
  /** Paths of the links that were read. */
  readonly read: string[];
  open(pid: number, descriptor: number, target: string): void;
  closeDescriptor(pid: number, descriptor: number): void;
  find(...inodes: number[]): Promise<Record<number, Owner>>;
}

function setUp(pids: readonly number[], change: (host: Host) => Partial<Host> = () => ({}), mostLinks = 1000): Setup {
  const machine = createMachine({ 'proc/stat': 'btime 1700000000\n' });
  for (const pid of pids) {
    machine.write(`proc/${pid}/stat`, statOf(pid, 'worker'));
    machine.write(`proc/${pid}/comm`, 'worker\n');
    machine.write(`proc/${pid}/cgroup`, `0::/system.slice/docker-${CONTAINER}.scope\n`);
    mkdirSync(join(machine.root, `proc/${pid}/fd`));
  }
  const said: string[] = [];
  const read: string[] = [];
  const plain = createHost({ rootPath: machine.root });
  const counting: Host = {
    ...plain,
    resolve(path) {
      if (/\/fd\/\d+$/.test(path)) read.push(path);
      return plain.resolve(path);
    },
  };
  const host: Host = { ...counting, ...change(counting) };
  const open = new Set<string>();
  const log = {
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    once(key: string, message: string) {
      if (!open.has(key)) said.push(message);
      open.add(key);
    },
    over: () => undefined,
  };
  const owners = createOwners(host, log, openProcessTable(host), { mostLinks });
  const path = (pid: number, descriptor: number): string => join(machine.root, `proc/${pid}/fd/${descriptor}`);
  return {
    owners,
    said,
    read,
    open: (pid, descriptor, target) => symlinkSync(target, path(pid, descriptor)),
    closeDescriptor: (pid, descriptor) => rmSync(path(pid, descriptor)),
    async find(...inodes) {
      read.length = 0;
      const all: Record<number, Owner> = {};
      await owners.search(new Set(inodes), (inode, owner) => {
        all[inode] = owner;
        owner.sockets++;
      });
      return all;
    },
  };
}

describe('search', () => {
  test('finds the process of a socket, with its name, container and identity', async () => {
    const { find, open } = setUp([7, 8]);
    open(7, 0, '/dev/null');
    open(8, 3, 'socket:[42]');
    const found = await find(42, 43);
    expect(Object.keys(found)).toEqual(['42']);
    expect(found[42]).toMatchObject({
      name: 'worker',
      containerId: CONTAINER,
      attributes: {
        'process.pid': 8,
        'process.creation.time': '2023-11-14T22:13:21.000Z',
        'process.executable.name': 'worker',
        'container.id': CONTAINER,
      },
    });
  });
  test('looks at new descriptors only, as long as what it wants is among them, and first at those who have sockets', async () => {
    const { find, open, read } = setUp([7, 8]);
    for (let descriptor = 0; descriptor < 100; descriptor++) open(7, descriptor, `socket:[${1000 + descriptor}]`);
    open(8, 0, 'socket:[1]');
    await find(1, 1099);
    open(7, 100, 'socket:[2000]');
    expect(await find(2000)).toHaveProperty('2000');
    expect(read).toHaveLength(1);
  });
  test('finds a socket at a descriptor that was another’s before', async () => {
    const { find, open, closeDescriptor } = setUp([7]);
    open(7, 3, 'socket:[1]');
    await find(1);
    closeDescriptor(7, 3);
    open(7, 3, 'socket:[2]');
    expect(await find(2)).toHaveProperty('2');
  });
  test('forgets who has no socket any more, and sees another process of the same pid', async () => {
    const { find, open, owners } = setUp([7]);
    open(7, 3, 'socket:[1]');
    const { 1: owner } = await find(1);
    expect(owners.get(owner.number)).toBe(owner);
    owners.release(owner);
    expect(owners.get(owner.number)).toBeUndefined();
    expect((await find(1))[1].number).not.toBe(owner.number);
  });
  test('says once that descriptors are denied, counts it, and does not try again', async () => {
    const denied = Object.assign(new Error('EACCES'), { code: 'EACCES' });
    let lists = 0;
    const { find, open, owners, said } = setUp([7, 8], (host) => ({
      list(path) {
        if (path !== '/proc/7/fd') return host.list(path);
        lists++;
        throw denied;
      },
    }));
    open(8, 3, 'socket:[1]');
    await find(1, 2);
    await find(3);
    expect(said).toEqual(['Cannot read /proc/[pid]/fd: permission denied (EACCES)']);
    expect([owners.denied, lists]).toEqual([1, 1]);
  });
  test('stops after as many links as it may read, and goes on there the next time', async () => {
    const { find, open, read } = setUp([7, 8], undefined, 50);
    for (let descriptor = 0; descriptor < 50; descriptor++) open(7, descriptor, '/dev/null');
    open(8, 3, 'socket:[1]');
    const first = await find(1);
    expect(read).toHaveLength(50);
    const second = await find(1);
    expect([first, second].filter((found) => 1 in found)).toHaveLength(1);
  });
});

test.each([
  ['socket:[1744440]', 1_744_440],
  ['socket:[0]', -1],
  ['socket:[x]', -1],
  ['pipe:[12]', -1],
  ['/tmp/socket:[12]', -1],
])('socketInode of %j', (link, inode) => {
  expect(socketInode(link)).toBe(inode);
});

test('rankOwners keeps a place unless another has more by a quarter', () => {
  const make = (number: number, connections: number): Owner => ({ number, connections, wasReported: false }) as Owner;
  const [a, b, c] = [make(0, 8), make(1, 9), make(2, 0)];
  expect(rankOwners([a, b, c], 1)).toEqual([b]);
  a.connections = 11;
  expect(rankOwners([a, b, c], 1)).toEqual([b]);
  a.connections = 12;
  expect(rankOwners([a, b, c], 1)).toEqual([a]);
  expect(rankOwners([a, b, c], 9)).toEqual([a, b]);
});
