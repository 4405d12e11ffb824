/**
 * What the kernel says of this machine, read by other ways than the receivers: files split at blanks, and the commands
 * of procps and coreutils. By the names that Prometheus sees.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** A value, and how far another reading a moment before or after may be from it; a counter lies between two readings. */
export interface Reading {
  readonly value: number;
  readonly tolerance: number;
}

export type Readings = Map<string, Reading>;

const MEBIBYTE = 2 ** 20;

export function readKernel(): Readings {
  const readings: Readings = new Map();
  for (const read of [readCpu, readLoad, readMemory, readPaging, readDisks, readNetwork, readSystem, readProcesses]) {
    for (const [series, value, tolerance = 0] of read()) readings.set(series, { value, tolerance });
  }
  return readings;
}

type Rows = Iterable<readonly [series: string, value: number, tolerance?: number]>;

/** `name{a="b",c="d"}`, labels sorted. */
export function seriesOf(name: string, labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
}

function rowsOf(path: string): string[][] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/));
}

function run(command: string, ...args: string[]): string[][] {
  return execFileSync(command, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/));
}

/** Seconds of user time of each CPU, by its number, as `/proc/stat` tells it. */
export function readUserSeconds(): Map<string, number> {
  const cpus = rowsOf('/proc/stat').filter(([name]) => /^cpu\d+$/.test(name!));
  return new Map(cpus.map(([name, user]) => [name!.slice(3), Number(user) / 100]));
}

/** The kernel estimates idle and iowait, which may go back a little (Documentation/filesystems/proc.rst, 1.7). */
const IDLE_TOLERANCE_S = 0.1;

function* readCpu(): Rows {
  for (const [name, ...ticks] of rowsOf('/proc/stat')) {
    if (!/^cpu\d+$/.test(name!)) continue;
    const [user, nice, system, idle, iowait, irq, softirq, steal] = ticks.map((tick) => Number(tick) / 100);
    const modes = { user, nice, system, idle, iowait, interrupt: irq! + softirq!, steal };
    for (const [mode, seconds] of Object.entries(modes)) {
      const labels = { cpu_logical_number: name!.slice(3), cpu_mode: mode };
      const tolerance = mode === 'idle' || mode === 'iowait' ? IDLE_TOLERANCE_S : 0;
      yield [seriesOf('system_cpu_time_seconds_total', labels), seconds!, tolerance];
    }
  }
  yield ['system_cpu_logical_count', Number(run('getconf', '_NPROCESSORS_ONLN')[0]![0])];
  const cores = run('lscpu', '--parse=core,socket').filter(([line]) => !line!.startsWith('#'));
  yield ['system_cpu_physical_count', new Set(cores.map(([line]) => line)).size];
}

function* readLoad(): Rows {
  const [one, five, fifteen] = rowsOf('/proc/loadavg')[0]!.map(Number);
  yield ['system_cpu_load_average_1m', one!];
  yield ['system_cpu_load_average_5m', five!];
  yield ['system_cpu_load_average_15m', fifteen!];
}

function* readMemory(): Rows {
  // Mem: total used free shared buffers cache available; cache is Cached and SReclaimable.
  const [, total, , free, , buffers, cache, available] = run('free', '--bytes', '--wide')[1]!.map(Number);
  const states = { free, buffers, cached: cache, used: total! - free! - buffers! - cache! };
  // Other programs take and give back all the time.
  const tolerance = 64 * MEBIBYTE;
  for (const [state, bytes] of Object.entries(states)) {
    yield [seriesOf('system_memory_usage_bytes', { system_memory_state: state }), bytes!, tolerance];
  }
  yield ['system_memory_linux_available_bytes', available!, tolerance];
}

function* readPaging(): Rows {
  const vmstat = new Map(rowsOf('/proc/vmstat').map(([key, value]) => [key, Number(value)]));
  const of = (key: string): number => vmstat.get(key)!;
  const faults = (type: string): string => seriesOf('system_paging_faults_total', { system_paging_fault_type: type });
  yield [faults('major'), of('pgmajfault')];
  yield [faults('minor'), of('pgfault') - of('pgmajfault')];
  for (const direction of ['in', 'out']) {
    const labels = { system_paging_direction: direction, system_paging_fault_type: 'major' };
    yield [seriesOf('system_paging_operations_total', labels), of(`pswp${direction}`)];
  }
  yield ['system_memory_linux_oom_kills_total', of('oom_kill')];
  for (const [device, , kibibytes, used] of rowsOf('/proc/swaps').slice(1)) {
    const parts = { used: Number(used) * 1024, free: (Number(kibibytes) - Number(used)) * 1024 };
    for (const [state, bytes] of Object.entries(parts)) {
      const labels = { system_device: device!, system_paging_state: state };
      yield [seriesOf('system_paging_usage_bytes', labels), bytes, 16 * MEBIBYTE];
      const share = bytes / (Number(kibibytes) * 1024);
      yield [seriesOf('system_paging_utilization_ratio', labels), share, 0.01];
    }
  }
}

function* readDisks(): Rows {
  const disks = readdirSync('/sys/block').filter((name) => !/^(loop|ram|zram|fd\d)/.test(name));
  for (const [, , name, ...columns] of rowsOf('/proc/diskstats')) {
    if (!disks.includes(name!.replaceAll('/', '!'))) continue;
    // Documentation/admin-guide/iostats.rst; times in milliseconds.
    const [
      reads,
      readMerges,
      readSectors,
      read_ms,
      writes,
      writeMerges,
      writtenSectors,
      write_ms,
      pending,
      io_ms,
      all_ms,
    ] = columns.map(Number);
    const device = { system_device: name! };
    for (const [direction, operations, merged, sectors, time_ms] of [
      ['read', reads, readMerges, readSectors, read_ms],
      ['write', writes, writeMerges, writtenSectors, write_ms],
    ] as const) {
      const labels = { ...device, disk_io_direction: direction };
      yield [seriesOf('system_disk_operations_total', labels), operations!];
      yield [seriesOf('system_disk_merged_total', labels), merged!];
      yield [seriesOf('system_disk_io_bytes_total', labels), sectors! * 512];
      yield [seriesOf('system_disk_operation_time_seconds_total', labels), time_ms! / 1000];
    }
    yield [seriesOf('system_disk_pending_operations', device), pending!, 64];
    yield [seriesOf('system_disk_io_time_seconds_total', device), io_ms! / 1000];
    yield [seriesOf('system_disk_weighted_io_time_seconds_total', device), all_ms! / 1000];
  }
}

function* readNetwork(): Rows {
  for (const [, name, rest] of readFileSync('/proc/net/dev', 'utf8').matchAll(/^\s*([^\s:]+):(.*)$/gm)) {
    const [inBytes, inPackets, inErrors, inDrops, , , , , outBytes, outPackets, outErrors, outDrops] = rest!
      .trim()
      .split(/\s+/)
      .map(Number);
    for (const [direction, bytes, packets, errors, drops] of [
      ['receive', inBytes, inPackets, inErrors, inDrops],
      ['transmit', outBytes, outPackets, outErrors, outDrops],
    ] as const) {
      const labels = { network_interface_name: name!, network_io_direction: direction };
      yield [seriesOf('system_network_io_bytes_total', labels), bytes!];
      yield [seriesOf('system_network_errors_total', labels), errors!];
      yield [seriesOf('system_network_packet_dropped_total', labels), drops!];
      const packetLabels = { system_device: name!, network_io_direction: direction };
      yield [seriesOf('system_network_packet_count_total', packetLabels), packets!];
    }
  }
}

function* readSystem(): Rows {
  yield ['system_uptime_seconds', Number(rowsOf('/proc/uptime')[0]![0])];
  const stat = new Map(rowsOf('/proc/stat').map(([key, value]) => [key, Number(value)]));
  yield ['system_linux_context_switches_total', stat.get('ctxt')!];
  yield ['system_linux_interrupts_total', stat.get('intr')!];
  for (const [name, ...counts] of rowsOf('/proc/softirqs').slice(1)) {
    const type = name!.slice(0, -1).toLowerCase();
    const sum = counts.reduce((total, count) => total + Number(count), 0);
    yield [seriesOf('system_linux_softirqs_total', { system_linux_softirq_type: type }), sum];
  }
  const [open, free, limit] = rowsOf('/proc/sys/fs/file-nr')[0]!.map(Number);
  yield ['system_linux_file_handle_count', open! - free!, 512];
  if (limit! <= Number.MAX_SAFE_INTEGER) yield ['system_linux_file_handle_limit', limit!];
  const limits = ['threads-max', 'pid_max'].map((name) => Number(rowsOf(`/proc/sys/kernel/${name}`)[0]![0]));
  yield ['system_process_limit', Math.min(...limits)];
}

/** Processes come and go between two readings, and ps is one itself. */
const PROCESS_TOLERANCE = 16;

function* readProcesses(): Rows {
  const stat = new Map(rowsOf('/proc/stat').map(([key, value]) => [key, Number(value)]));
  yield ['system_process_created_total', stat.get('processes')!];
  yield ['system_linux_thread_runnable', stat.get('procs_running')!, PROCESS_TOLERANCE];
  yield ['system_linux_thread_blocked', stat.get('procs_blocked')!, PROCESS_TOLERANCE];
  const counts = { running: 0, sleeping: 0, stopped: 0, defunct: 0 };
  const processes = run('ps', '-eo', 'pid=,ppid=,sess=,nlwp=,stat=');
  const sessions = new Map(processes.map(([pid, , session]) => [pid!, session!]));
  let threads = 0;
  let orphans = 0;
  for (const [pid, parent, session, own, state] of processes) {
    const letter = state![0]!;
    if (letter === 'R') counts.running++;
    else if (letter === 'T' || letter === 't') counts.stopped++;
    else if (letter === 'Z' || letter === 'X') counts.defunct++;
    else counts.sleeping++;
    threads += Number(own);
    const ofParent = sessions.get(parent!);
    if (session !== '0' && session !== pid && ofParent !== undefined && session !== ofParent) orphans++;
  }
  for (const [state, count] of Object.entries(counts)) {
    yield [seriesOf('system_process_count', { process_state: state }), count, PROCESS_TOLERANCE];
  }
  yield ['system_linux_thread_count', threads, 4 * PROCESS_TOLERANCE];
  yield ['system_linux_process_orphan_count', orphans, PROCESS_TOLERANCE];
}

/** One line of `df`, in bytes and inodes. */
export interface FileSystemReading {
  readonly source: string;
  readonly type: string;
  readonly used: number;
  readonly available: number;
  readonly size: number;
  readonly inodes: number;
  readonly usedInodes: number;
}

/** By mount point; those that cannot be asked are missing. */
export function readFileSystems(): Map<string, FileSystemReading> {
  // df writes what it has and fails for what it has not.
  let output = '';
  try {
    const columns = '--output=source,fstype,used,avail,size,itotal,iused,target';
    output = execFileSync('df', ['--all', '--block-size=1', columns], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (error) {
    output = (error as { stdout: string }).stdout;
  }
  const readings = new Map<string, FileSystemReading>();
  for (const line of output.split('\n').slice(1)) {
    const match = /^(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(.*)$/.exec(line);
    if (match === null) continue;
    const [, source, type, used, available, size, inodes, usedInodes, target] = match;
    const [a, b, c, d, e] = [used, available, size, inodes, usedInodes].map(Number);
    readings.set(target!, {
      source: source!,
      type: type!,
      used: a!,
      available: b!,
      size: c!,
      inodes: d!,
      usedInodes: e!,
    });
  }
  return readings;
}

/** A CPU that this process may run on, the highest of them: `Cpus_allowed_list: 0-1,4`. */
export function allowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!;
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

/** Whether there is a block device behind a mount, so that it has to be reported. */
export function isOnDevice({ source, type }: FileSystemReading): boolean {
  return source.startsWith('/dev/') && existsSync(source) && !['squashfs', 'iso9660', 'erofs', 'cramfs'].includes(type);
}
