/**
 * Writes the kernel files of a machine of any size below a folder, for `root_path` and node_exporter's `--path.*`.
 * They are ordinary files: what reading them costs is without the kernel's own work of making their text.
 */
import { cpSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface MachineSize {
  readonly cpus: number;
  readonly interfaces: number;
  readonly mounts: number;
  readonly disks: number;
  readonly processes: number;
}

export interface Tree {
  /** What `/` of the machine is. */
  readonly root: string;
  /** Lets all counters grow, in place, as they do between two collections. */
  advance(): void;
}

const FIXTURE = join(import.meta.dirname, '../test/fixtures/server-64cpu');
/** Files whose size does not depend on the machine's. */
const COPIED = ['meminfo', 'vmstat', 'loadavg', 'swaps', 'uptime', 'sys'];

export function writeTree(root: string, size: MachineSize): Tree {
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  for (const name of COPIED) cpSync(join(FIXTURE, 'proc', name), join(root, 'proc', name), { recursive: true });
  write('proc/1/mountinfo', mountinfo(size.mounts));
  for (let i = 0; i < size.mounts; i++) mkdirSync(join(root, mountPoint(i)), { recursive: true });
  for (let i = 0; i < size.disks; i++) {
    write(`sys/block/${disk(i)}/size`, '2000000000\n');
    write(`sys/class/block/${disk(i)}/size`, '2000000000\n');
  }
  writeCpus(size.cpus, write);
  for (let i = 0; i < size.processes; i++) writeProcess(i === 0 ? 1 : 1000 + i, write);

  const changing = [
    { path: 'proc/stat', content: (tick: number) => stat(size, tick) },
    { path: 'proc/diskstats', content: (tick: number) => diskstats(size.disks, tick) },
    { path: 'proc/1/net/dev', content: (tick: number) => netDev(size.interfaces, tick) },
  ];
  for (const { path, content } of changing) write(path, content(0));
  symlinkSync('1/net', join(root, 'proc/net'));
  symlinkSync('1', join(root, 'proc/self'));
  const open = changing.map(({ path, content }) => ({ fd: openSync(join(root, path), 'r+'), content }));
  let tick = 0;
  return {
    root,
    advance() {
      tick++;
      // Of the same length as before, so that a reader at the same time never sees half a file.
      for (const { fd, content } of open) writeSync(fd, content(tick), 0);
    },
  };
}

/** A counter of ten digits, whatever the tick. */
const counter = (row: number, column: number, tick: number): number =>
  1_000_000_000 + row * 1_234_567 + column * 12_345 + tick * (17 + column);

const counters = (row: number, columns: number, tick: number): string =>
  Array.from({ length: columns }, (_, column) => counter(row, column, tick)).join(' ');

function stat({ cpus }: MachineSize, tick: number): string {
  const lines = [`cpu  ${counters(0, 10, tick)}`];
  for (let cpu = 0; cpu < cpus; cpu++) lines.push(`cpu${cpu} ${counters(cpu, 10, tick)}`);
  // Interrupt lines grow with the CPUs, and most of them are 0.
  const interrupts = Array.from({ length: 256 + 16 * cpus }, (_, i) => (i % 8 === 0 ? counter(i, 0, tick) : 0));
  lines.push(
    `intr ${counter(1, 1, tick)} ${interrupts.join(' ')}`,
    `ctxt ${counter(2, 1, tick)}`,
    'btime 1732200000',
    `processes ${counter(3, 1, tick)}`,
    'procs_running 3',
    'procs_blocked 0',
    `softirq ${counters(4, 11, tick)}`,
  );
  return `${lines.join('\n')}\n`;
}

const disk = (i: number): string => `nvme${i}n1`;

function diskstats(disks: number, tick: number): string {
  return Array.from({ length: disks }, (_, i) => ` 259 ${i} ${disk(i)} ${counters(i, 17, tick)}\n`).join('');
}

function netDev(interfaces: number, tick: number): string {
  const lines = [
    'Inter-|   Receive                                                |  Transmit',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
  ];
  for (let i = 0; i < interfaces; i++) lines.push(`${i === 0 ? 'lo' : `eno${i}`}: ${counters(i, 16, tick)}`);
  return `${lines.join('\n')}\n`;
}

const mountPoint = (i: number): string => (i === 0 ? '/' : `/srv/data${i}`);

function mountinfo(mounts: number): string {
  return Array.from(
    { length: mounts },
    (_, i) =>
      `${100 + i} ${i === 0 ? 1 : 100} 259:${i + 1} / ${mountPoint(i)} rw,relatime shared:${i + 1} - ext4 /dev/${disk(i)}p1 rw\n`,
  ).join('');
}

function writeCpus(cpus: number, write: (path: string, content: string) => void): void {
  const folder = 'sys/devices/system/cpu';
  for (const name of ['online', 'possible', 'present']) write(`${folder}/${name}`, `0-${cpus - 1}\n`);
  write(`${folder}/offline`, '\n');
  for (let cpu = 0; cpu < cpus; cpu++) {
    write(`${folder}/cpu${cpu}/topology/core_id`, `${cpu >> 1}\n`);
    write(`${folder}/cpu${cpu}/topology/physical_package_id`, `${cpu % 2}\n`);
  }
}

function writeProcess(pid: number, write: (path: string, content: string) => void): void {
  const line = `${pid} (worker) S 1 ${pid} ${pid} 0 -1 4194560 9011 57 0 0 120 40 0 0 20 0 4 0 4242 268435456 12345 18446744073709551615 1 1 0 0 0 0 0 4096 81920 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n`;
  write(`proc/${pid}/stat`, line);
  write(`proc/${pid}/task/${pid}/stat`, line);
}
