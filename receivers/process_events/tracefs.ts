/**
 * A private instance of the kernel's tracing, read as files: needs no native code, but tells neither exit codes nor
 * changes of owner (docs/decisions/process-events.md). Nothing is mounted: where tracefs is not, there is no such source.
 */
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ComponentLog, Host } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { createKernelEvent, type KernelEvent, type KernelSource, type Sink } from './source.ts';
import { createTraceDecoder, NO_THREADS, TRACED, type TracedEvent } from './trace_events.ts';
import { decodePage } from './trace_page.ts';

export interface TracefsOptions {
  readonly host: Host;
  readonly sink: Sink;
  readonly log: ComponentLog;
  /** Of all CPUs together. */
  readonly buffer_bytes: number;
}

const PLACES = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];
const PREFIX = 'sonde-';
/** How often it is read: an empty file costs an exception, for each CPU. */
const INTERVAL_MS = 20;
const INTERVAL_A_CPU_MS = 2;
/** Larger pages are read in parts of events. */
const PAGE_BYTES = 65_536;
/** Pages of a CPU that one turn reads. */
const MOST_PAGES = 16;
const SMALLEST_BUFFER_KIB = 16;

let instances = 0;

/** @throws {Error} why it cannot be had */
export function openTracefs({ host, sink, log, buffer_bytes }: TracefsOptions): KernelSource {
  const root = findRoot(host);
  removeLeftovers(host, root, log);
  // As the /proc that is read has it, which may be of another namespace than this process.
  const own = readlinkSync(host.resolve('/proc/self'));
  const folder = join(root, 'instances', `${PREFIX}${own}-${instances++}`);
  mkdirSync(folder);
  let pipes: Pipe[] = [];

  const remove = (): void => {
    for (const { fd } of pipes) closeSync(fd);
    pipes = [];
    rmdirSync(folder);
  };

  try {
    // Times of all CPUs can be compared, and with the clock of this process.
    writeFileSync(join(folder, 'trace_clock'), 'mono');
    const cpus = readdirSync(join(folder, 'per_cpu'));
    const each_kib = Math.max(SMALLEST_BUFFER_KIB, Math.floor(buffer_bytes / 1024 / cpus.length));
    writeFileSync(join(folder, 'buffer_size_kb'), String(each_kib));
    writeFileSync(join(folder, TRACED.task_newtask.path, 'filter'), NO_THREADS);
    const texts = Object.fromEntries(
      Object.entries(TRACED).map(([name, { path }]) => [name, readFileSync(join(folder, path, 'format'), 'utf8')]),
    ) as Record<TracedEvent, string>;
    const decode = createTraceDecoder(texts);
    for (const cpu of cpus) {
      const path = join(folder, 'per_cpu', cpu, 'trace_pipe_raw');
      pipes.push({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), last_ns: 0 });
    }
    for (const { path } of Object.values(TRACED)) writeFileSync(join(folder, path, 'enable'), '1');
    return createTraceReader({ pipes, decode, sink, log, remove });
  } catch (error) {
    remove();
    throw error;
  }
}

/** One CPU's events. */
interface Pipe {
  readonly fd: number;
  /** Of the last event that was read. */
  last_ns: number;
}

interface TraceReaderOptions {
  readonly pipes: readonly Pipe[];
  readonly decode: ReturnType<typeof createTraceDecoder>;
  readonly sink: Sink;
  readonly log: ComponentLog;
  readonly remove: () => void;
}

function createTraceReader({ pipes, decode, sink, log, remove }: TraceReaderOptions): KernelSource {
  const page = Buffer.allocUnsafeSlow(PAGE_BYTES);
  /** What was read and is not told: events of one CPU that are later than others that may come. */
  let held: KernelEvent[] = [];
  let isClosed = false;
  let timer: NodeJS.Timeout;

  /** Reads all pipes. @returns the time up to which everything is there */
  function readAll(): number {
    let until_ns = Number(process.hrtime.bigint());
    let lost = 0;
    for (const pipe of pipes) {
      for (let count = 0; ; count++) {
        if (count === MOST_PAGES) {
          until_ns = Math.min(until_ns, pipe.last_ns);
          break;
        }
        const length = readPage(pipe);
        if (length <= 0) break;
        lost += decodePage(page.subarray(0, length), (start, end, time_ns) => {
          pipe.last_ns = time_ns;
          const event = createKernelEvent();
          if (!decode(page, start, end, event)) return;
          event.time_ns = time_ns;
          held.push(event);
        });
      }
    }
    held.sort((a, b) => a.time_ns - b.time_ns);
    if (lost !== 0) sink.lost(lost);
    return until_ns;
  }

  function readPage({ fd }: Pipe): number {
    try {
      return readSync(fd, page, 0, PAGE_BYTES, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN') log.once('trace', `Cannot read a trace: ${messageOf(error)}`);
      return -1;
    }
  }

  function tell(until_ns: number, isForced: boolean): void {
    let count = 0;
    while (count < held.length && held[count]!.time_ns <= until_ns && (isForced || !sink.isFull)) {
      sink.event(held[count++]!);
    }
    if (count > 0) held = held.slice(count);
  }

  function turn(): void {
    if (isClosed) return;
    if (sink.isFull) return void sink.room().then(turn);
    tell(readAll(), false);
    timer = setTimeout(turn, Math.max(INTERVAL_MS, INTERVAL_A_CPU_MS * pipes.length));
  }

  timer = setTimeout(turn, 0);
  return {
    name: 'tracefs',
    drain() {
      if (!isClosed) tell(readAll(), true);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(timer);
      remove();
    },
  };
}

/** @throws {Error} tracefs is not mounted, or not for this user, or tells of other pids than `/proc` */
function findRoot(host: Host): string {
  const root = PLACES.map((place) => host.resolve(place)).find((place) => existsSync(join(place, 'instances')));
  if (root === undefined) {
    throw new Error(`Cannot trace processes: no tracefs that may be read is mounted at ${PLACES.join(' or ')}`);
  }
  // Events have the pids of the first namespace, in which alone this thread of the kernel is.
  if (readName(host, 2) === 'kthreadd') return root;
  throw new Error('Cannot trace processes: the kernel tells of other pids than /proc, which is of a container');
}

function readName(host: Host, pid: number): string | undefined {
  try {
    return host.readText(`/proc/${pid}/comm`).trim();
  } catch {
    // There is none.
    return undefined;
  }
}

/** Instances of agents that were killed. One that is in use cannot be removed. */
function removeLeftovers(host: Host, root: string, log: ComponentLog): void {
  for (const name of readdirSync(join(root, 'instances'))) {
    const pid = /^sonde-(\d+)-\d+$/.exec(name)?.[1];
    if (pid === undefined || existsSync(host.resolve(`/proc/${pid}`))) continue;
    try {
      rmdirSync(join(root, 'instances', name));
      log.info('Removed a trace that a killed agent left', { instance: name });
    } catch (error) {
      log.warn(`Cannot remove a trace that a killed agent left: ${messageOf(error)}`, { instance: name });
    }
  }
}
