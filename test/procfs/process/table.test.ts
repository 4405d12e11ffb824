import { spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { createHost, type Host } from '../../../src/procfs/host.ts';
import { createDetailReader } from '../../../src/procfs/process/details.ts';
import { READ, USER, WRITES } from '../../../src/procfs/process/process.ts';
import { openProcessTable } from '../../../src/procfs/process/table.ts';
import { createMachine } from '../../support/machines.ts';

const line = (pid: number, { user = 0, start = 99, parent = 1, name = 'x' } = {}): string =>
  `${pid} (${name}) S ${parent} ${pid} ${pid} 0 -1 0 0 0 0 0 ${user} 0 0 0 20 0 1 0 ${start} 0 0\n`;
const io = (read: number, writes = 0): string =>
  `rchar: 1\nwchar: 1\nsyscr: 0\nsyscw: ${writes}\nread_bytes: ${read}\nwrite_bytes: 0\ncancelled_write_bytes: 0\n`;

function open(files: Record<string, string>, mostKept?: number) {
  const machine = createMachine(files);
  const host = createHost({ rootPath: machine.root });
  const table = openProcessTable(host, mostKept === undefined ? {} : { mostKept });
  onTestFinished(() => table.close());
  return { machine, host, table };
}

test('openProcessTable gives each consumer of a host the scan of the other, and each of its own a new one', async () => {
  const machine = createMachine({ 'proc/5/stat': line(5) });
  const host = createHost({ rootPath: machine.root });
  let lists = 0;
  const counting: Host = { ...host, list: (path) => (lists++, host.list(path)) };
  const [a, b] = [openProcessTable(counting), openProcessTable(counting)];
  expect(a.scan()).toBe(b.scan());
  expect(lists).toBe(1);
  expect(b.scan().number).toBe(2);
  expect(a.scan().number).toBe(2);
  expect(lists).toBe(2);
  // Later than this tick nobody is given what is old.
  a.scan();
  await new Promise((resolve) => setImmediate(resolve));
  expect(b.scan().number).toBe(4);
  a.close();
  b.close();
});

test.each([0, 4])(
  'openProcessTable, keeping %d stats open, takes a pid that is used again for another process',
  (kept) => {
    const { machine, table } = open({ 'proc/5/stat': line(5, { user: 70 }), 'proc/6/stat': line(6) }, kept);
    const [before] = table.scan().processes;
    expect(before.counters[USER]).toBe(70);
    machine.write('proc/5/stat', line(5, { start: 200, user: 3 }));
    const { processes, ended } = table.scan();
    expect(ended).toEqual([before]);
    expect(before.hasEnded).toBe(true);
    expect(before.counters[USER]).toBe(70);
    expect(processes.map(({ pid, startTicks }) => [pid, startTicks])).toEqual([
      [5, 200],
      [6, 99],
    ]);
    expect(table.find(5)).not.toBe(before);
    expect(table.refresh(before)).toBe(false);
  },
);

test('openProcessTable tells what went wrong with one process and reads the others', () => {
  const { table } = open({ 'proc/5/stat': 'garbage', 'proc/6/stat': line(6) });
  const { processes, failure } = table.scan();
  expect(processes.map(({ pid }) => pid)).toEqual([6]);
  expect(failure).toBeInstanceOf(SyntaxError);
});

test('openProcessTable closes what it keeps open when the last consumer closes it', () => {
  const machine = createMachine({ 'proc/5/stat': line(5), 'proc/6/stat': line(6) });
  const host = createHost({ rootPath: machine.root });
  const openFiles = (): number => readdirSync('/proc/self/fd').filter((fd) => isOf(machine.root, fd)).length;
  const [a, b] = [openProcessTable(host), openProcessTable(host)];
  a.scan();
  expect(openFiles()).toBe(2);
  a.close();
  expect(openFiles()).toBe(2);
  b.close();
  expect(openFiles()).toBe(0);
});

function isOf(root: string, fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith(root);
  } catch {
    // The descriptor of the listing itself.
    return false;
  }
}

test('openProcessTable makes do with half of its descriptors when there are no more', () => {
  const files = Object.fromEntries([1, 2, 3, 4, 5, 6].map((pid) => [`proc/${pid}/stat`, line(pid)]));
  const machine = createMachine(files);
  const host = createHost({ rootPath: machine.root });
  const kept = new Set<string>();
  const scarce: Host = {
    ...host,
    open(path) {
      if (kept.size === 4) throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
      const file = host.open(path);
      kept.add(path);
      return { read: () => file.read(), close: () => (kept.delete(path), file.close()) };
    },
  };
  const table = openProcessTable(scarce);
  expect(table.scan()).toMatchObject({ failure: undefined, processes: { length: 6 } });
  expect(kept.size).toBe(2);
  expect(table.scan().processes).toHaveLength(6);
  expect(kept.size).toBe(2);
  table.close();
  expect(kept.size).toBe(0);
});

const ALL = { io: true, status: true, descriptors: true };

test('createDetailReader reads what is asked for, once a scan', () => {
  const { machine, host, table } = open({
    'proc/5/stat': line(5),
    'proc/5/io': io(4096, 7),
    'proc/5/status':
      'Uid:\t33\t0\t0\t0\nVmSwap:\t 12 kB\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n',
    'proc/5/fd/0': '',
    'proc/5/fd/9': '',
  });
  const said: string[] = [];
  const details = createDetailReader({ host, table, onFailure: (source) => said.push(source) }, ALL);
  const scan = table.scan();
  const [process] = scan.processes;
  expect(details.read(process, scan.number)).toBe(true);
  expect(process).toMatchObject({ owner: 33, counters: { 4: 4096, 7: 7, 8: 5, 9: 6 }, levels: { 2: 12_288, 4: 2 } });
  machine.write('proc/5/io', io(9999));
  details.read(process, scan.number);
  expect(process.counters[READ]).toBe(4096);
  details.read(process, table.scan().number);
  expect(process.counters[READ]).toBe(9999);
  expect(said).toEqual([]);
});

test('createDetailReader takes nothing of a process whose pid another has by now', () => {
  const { machine, host, table } = open({ 'proc/5/stat': line(5), 'proc/5/io': io(1) }, 0);
  const details = createDetailReader({ host, table, onFailure: () => undefined }, ALL);
  const { number, processes } = table.scan();
  machine.write('proc/5/stat', line(5, { start: 200 }));
  machine.write('proc/5/io', io(1e9));
  expect(details.read(processes[0], number)).toBe(false);
  expect(processes[0].counters[READ]).toBeNaN();
});

test('createDetailReader asks for a denied file again only of another program', () => {
  const { machine, host, table } = open({ 'proc/5/stat': line(5), 'proc/5/io': io(1) });
  let asked = 0;
  const denying: Host = {
    ...host,
    open(path) {
      if (!path.endsWith('/io')) return host.open(path);
      asked++;
      throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    },
  };
  const said: string[] = [];
  const onFailure = (source: string): void => void said.push(source);
  const details = createDetailReader(
    { host: denying, table, onFailure },
    { ...ALL, status: false, descriptors: false },
  );
  for (let i = 0; i < 3; i++) {
    const { number, processes } = table.scan();
    expect(details.read(processes[0], number)).toBe(true);
  }
  expect([asked, said]).toEqual([1, ['/proc/[pid]/io']]);
  machine.write('proc/5/stat', line(5, { name: 'y' }));
  const { number, processes } = table.scan();
  details.read(processes[0], number);
  expect(asked).toBe(2);
});

test('createDetailReader counts the I/O of a child that was waited for once, though the kernel adds it to its parent', () => {
  const { machine, host, table } = open({
    'proc/5/stat': line(5),
    'proc/5/io': io(100),
    'proc/6/stat': line(6, { parent: 5, start: 100 }),
    'proc/6/io': io(1000),
  });
  const details = createDetailReader({ host, table, onFailure: () => undefined }, ALL);
  const readAll = (): void => {
    const { number, processes } = table.scan();
    for (const process of processes) details.read(process, number);
  };
  readAll();
  const parent = table.find(5)!;
  machine.remove('proc/6');
  // 1,000 that were seen, 50 that the child read before it ended, 20 of the parent itself.
  machine.write('proc/5/io', io(1170));
  readAll();
  expect(parent.counters[READ]).toBe(170);
  machine.write('proc/5/io', io(1180));
  readAll();
  expect(parent.counters[READ]).toBe(180);
});

test('createDetailReader reads I/O of real children as the kernel adds it to their parent', async () => {
  const shell = spawn('sh', ['-c', 'read go; head -c 100 /dev/zero | dd of=/dev/null bs=1 2>&1; echo; read end'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  onTestFinished(() => void shell.kill('SIGKILL'));
  const host = createHost();
  const table = openProcessTable(host);
  const details = createDetailReader({ host, table, onFailure: () => undefined }, ALL);
  const writesOfShell = (): number => {
    const { number } = table.scan();
    const process = table.find(shell.pid!)!;
    details.read(process, number);
    return process.counters[WRITES];
  };
  const before = writesOfShell();
  shell.stdin.write('go\n');
  await new Promise((resolve) => shell.stdout.once('data', resolve));
  // Nobody saw dd live: its hundred writes come with its parent's, when it was waited for.
  await expect.poll(writesOfShell).toBeGreaterThanOrEqual(before + 100);
  table.close();
  host.close();
});
