/** Puts the parts of the receiver together, and keeps what is known right: a source first, a scan where it has gaps. */
import type { ComponentLog, Consumer, Host } from '../../src/component.ts';
import type { LogBatch, Resource, Scope } from '../../src/model/batch.ts';
import { attempt } from '../../src/procfs/source.ts';
import { createOutlet } from '../../src/outlet.ts';
import type { Arguments } from '../../src/procfs/process/command.ts';
import { createOwners } from '../../src/procfs/process/owners.ts';
import { openProcessTable } from '../../src/procfs/process/table.ts';
import type { LagProbe, LagProbeConfig } from '../../src/lag_probe.ts';
import { createCanaries, withoutCanaries } from './canaries.ts';
import { createClock } from './clock.ts';
import { openKernelLog } from './kernel_log.ts';
import { openKernelSource, type Choice } from './open_source.ts';
import { createProgramReader } from './program.ts';
import { createReport, type Kind } from './report.ts';
import type { KernelSource, Sink, SourceName } from './source.ts';
import { createTracker } from './tracker.ts';

export interface WatchingConfig {
  readonly source: Choice;
  readonly events: readonly Kind[];
  readonly command_line: Arguments;
  readonly scan_interval: number;
  readonly buffer: number;
  readonly max_processes: number;
  readonly lag_probe: LagProbeConfig;
}

export interface WatchingOptions {
  readonly config: WatchingConfig;
  readonly host: Host;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  readonly resource: Resource;
  readonly scope: Scope;
  readonly logs: Consumer<LogBatch>;
  /** Undefined where the lag is not measured. */
  readonly createProbe?: (release: (token: string) => Promise<void>) => LagProbe;
  /** Opens the source of the kernel; as configured, unless a test says otherwise. */
  readonly openSource?: (sink: Sink) => Promise<KernelSource | undefined>;
}

/** Counts since the start. */
export interface Figures {
  readonly told: Readonly<Record<Kind, number>>;
  /** Events that a source lost, as far as it can count them. */
  readonly lost: number;
  /** How often. */
  readonly gaps: number;
  readonly rescans: number;
  readonly processes: number;
  readonly source: SourceName;
  /** Canaries; undefined where there are none. */
  readonly canariesLost: number | undefined;
}

export interface Watching {
  readonly figures: Figures;
  start(): Promise<void>;
  stop(limit_ms: number): Promise<void>;
}

/** How often what tells nothing by itself is looked at: the kernel's log, the clock. */
const CHECK_MS = 1000;
/** How soon a process is looked at of which the main thread ended. */
const LEADER_MS = 30;
/** Work between two turns of the event loop. */
const SLICE_MS = 10;
/** A rescan waits as long as the one before took, many times over: a storm may not have the machine scan all the time. */
const RESCAN_PAUSE = 20;
const SHORTEST_PAUSE_MS = 100;
/** Between two batches in busy times. */
const PAUSE_MS = 200;

export function createWatching(options: WatchingOptions): Watching {
  const { config, host, log, drop, resource, scope } = options;
  const outlet = createOutlet({ next: options.logs, log, drop, pause_ms: PAUSE_MS });
  const clock = createClock(host);
  const table = openProcessTable(host);
  const canaries = createCanaries(clock, config.lag_probe.timeout);
  const probe = options.createProbe?.(canaries.release);
  const everything = createReport({
    outlet,
    resource,
    scope,
    kinds: new Set(config.events),
    userName: createOwners(host),
    bootTime: attempt(log, '/proc/stat', () => host.bootTime()),
  });
  const report = probe === undefined ? everything : withoutCanaries(everything, canaries, probe);
  let source: KernelSource | undefined;
  let sourceName: SourceName = 'scan';
  let isStopping = false;
  let lost = 0;
  let gaps = 0;
  let rescans = 0;
  const timers = new Set<NodeJS.Timeout>();
  let isRescanDue = false;
  let isLeaderCheckDue = false;

  const tracker = createTracker({
    reader: createProgramReader(host, log, config.command_line),
    clock,
    report,
    limit: config.max_processes,
    readsOwner: () => sourceName !== 'netlink',
    ended: (pid, isOver) => source?.ended?.(pid, isOver),
    forget: (pid) => source?.forget?.(pid),
    onFull: () => log.once('full', `Cannot remember more than ${config.max_processes} processes: see max_processes`),
  });

  const sink: Sink = {
    event(event) {
      // What killed it stands in the log before it ends.
      if (event.kind === 'exit' && (event.status & 0x7f) === SIGKILL) kernelLog?.read();
      tracker.event(event, sourceName);
      if (tracker.hasLeaders && !isLeaderCheckDue) {
        isLeaderCheckDue = true;
        later(LEADER_MS, checkLeaders);
      }
    },
    lost(count) {
      gaps++;
      if (!Number.isNaN(count)) lost += count;
      const what = Number.isNaN(count) ? 'An unknown number of events' : `${count} events`;
      report.notice('lost', `${what} of processes were lost: the process table is read again`, {
        'process.event.source': sourceName,
        'process.watch.lost': Number.isNaN(count) ? undefined : count,
      });
      if (isRescanDue) return;
      isRescanDue = true;
      later(Math.max(SHORTEST_PAUSE_MS, lastRescan_ms * RESCAN_PAUSE), rescan);
    },
    get isFull() {
      return outlet.isFull;
    },
    room: () => outlet.room(),
  };
  let kernelLog: ReturnType<typeof openKernelLog>;
  let lastRescan_ms = 0;

  function later(delay_ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (!isStopping) work();
    }, delay_ms);
    timers.add(timer);
  }

  function checkLeaders(): void {
    isLeaderCheckDue = false;
    tracker.checkLeaders();
    if (!tracker.hasLeaders) return;
    isLeaderCheckDue = true;
    later(CHECK_MS, checkLeaders);
  }

  /** All processes now. What the kernel told meanwhile is taken first, so that only what it left out is found. */
  function compare(): { readonly starts: number; readonly exits: number } {
    source?.drain();
    const time_ns = clock.now_ns();
    const processes = attempt(log, '/proc', () => table.scan().processes);
    source?.drain();
    if (processes === undefined) return { starts: 0, exits: 0 };
    return tracker.reconcile(processes, time_ns);
  }

  function rescan(): void {
    if (outlet.isFull) return void outlet.room().then(() => later(0, rescan));
    isRescanDue = false;
    const began_ms = performance.now();
    const { starts, exits } = compare();
    lastRescan_ms = performance.now() - began_ms;
    rescans++;
    report.notice('rescan', `Read the process table again and found ${starts} starts and ${exits} exits`, {
      'process.watch.rescan.starts': starts,
      'process.watch.rescan.exits': exits,
      'process.watch.rescan.duration': lastRescan_ms / 1000,
    });
  }

  function scan(): void {
    later(config.scan_interval, scan);
    if (!outlet.isFull) compare();
  }

  function check(): void {
    later(CHECK_MS, check);
    clock.update();
    kernelLog?.read();
  }

  /** Who is there already: nothing is told of them, but their ends will be. */
  async function takeUpAll(): Promise<void> {
    let sliceEnd_ms = performance.now() + SLICE_MS;
    for (const process of attempt(log, '/proc', () => table.scan().processes) ?? []) {
      if (isStopping) return;
      tracker.takeUp(process);
      if (performance.now() < sliceEnd_ms) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sliceEnd_ms = performance.now() + SLICE_MS;
    }
  }

  return {
    get figures() {
      return {
        told: report.told,
        lost,
        gaps,
        rescans,
        processes: tracker.count,
        source: sourceName,
        canariesLost: probe?.lost,
      };
    },
    async start() {
      clock.update();
      const open = options.openSource ?? ((taking: Sink) => openKernelSource(config, host, log, taking));
      const opening = open(sink);
      source = await opening;
      sourceName = source?.name ?? 'scan';
      // A private trace tells of it itself.
      if (sourceName !== 'tracefs' && config.events.includes('oom_kill')) {
        kernelLog = openKernelLog(host, log, clock.now_ns, (event) => tracker.event(event, 'kmsg'));
      }
      await takeUpAll();
      later(CHECK_MS, check);
      if (source === undefined) later(config.scan_interval, scan);
      log.info(describeSource(sourceName, config.scan_interval), { source: sourceName, processes: tracker.count });
      if (!isStopping) probe?.start();
    },
    async stop(limit_ms) {
      probe?.stop();
      source?.drain();
      isStopping = true;
      canaries.stop();
      for (const timer of timers) clearTimeout(timer);
      source?.close();
      kernelLog?.close();
      await outlet.stop(limit_ms);
      table.close();
    },
  };
}

const SIGKILL = 9;

function describeSource(source: SourceName, interval_ms: number): string {
  if (source === 'netlink') return 'Listens to events of processes';
  if (source === 'tracefs') {
    return 'Traces processes: changes of user and group are not seen, and exit codes only of those that are not waited for at once';
  }
  return (
    `Reads the process table every ${interval_ms / 1000} s: a process that lives shorter may be missed; ` +
    'forks, changes of user and group, and most exit codes are not seen'
  );
}
