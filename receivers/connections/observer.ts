/** Looks at all sockets again and again, and hears of those that end in between. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { attempt, createSource } from '../../src/procfs/source.ts';
import type { Canaries } from './canaries.ts';
import type { PortRange } from './directions.ts';
import type { Ending } from './endings.ts';
import { parseTcpCounts, parseTimeWaits, type TcpCounts } from './kernel_counts.ts';
import type { Owners } from './owners.ts';
import type { OverflowSource, Report } from './report.ts';
import { TCP, UDP } from './sighting.ts';
import type { SocketSource } from './source.ts';
import { createTracker, type Tracker } from './tracker.ts';

export interface ObserverOptions {
  readonly host: Host;
  readonly log: ComponentLog;
  readonly source: SocketSource;
  readonly report: Report;
  readonly owners: Owners | undefined;
  /** The machine's `/proc/net`. */
  readonly folder: string;
  readonly withUdp: boolean;
  readonly max_connections: number;
  readonly portRange: PortRange;
  /** Whether the pipelines take events. */
  readonly hasRoom: () => boolean;
  /** Undefined where the lag is not measured. */
  readonly canaries: Canaries | undefined;
  /** The first pass is over. */
  readonly onReady: () => void;
}

export interface Observer {
  readonly tracker: Tracker;
  /** What the kernel counted at the last pass. */
  readonly kernel: TcpCounts | undefined;
  /** Connections in their time-wait, where dumps do not show them. */
  readonly timeWaits: number | undefined;
  /** Connections that nobody saw. */
  readonly unseen: number;
  readonly overflows: Readonly<Record<OverflowSource, number>>;
  /** Whether a pass saw everything. */
  readonly isReady: boolean;
  /** One look at everything; calls at the same time share one. */
  pass(isOver: () => boolean): Promise<void>;
  /** The kernel has told of ends. */
  heard(): void;
  /** The pipelines had no room for an event. */
  onFull(): void;
  /** Resolves when no pass is under way. */
  settled(): Promise<void>;
}

export function createObserver(options: ObserverOptions): Observer {
  const { host, log, source, report, owners, folder } = options;
  const tracker = createTracker(source, {
    limit: options.max_connections,
    report,
    portRange: options.portRange,
    isOurs: options.canaries?.isOurs,
  });
  const transports = options.withUdp ? [TCP, UDP] : [TCP];
  const readCounts = createSource({ host, log }, `${folder}/snmp`, parseTcpCounts);
  const readTimeWaits = createSource({ host, log }, `${folder}/sockstat`, parseTimeWaits);
  const overflows: Record<OverflowSource, number> = { kernel: 0, max_connections: 0, pipeline: 0 };
  let running: Promise<void> | undefined;
  let isReady = false;
  /** The last pass could not remember all that it saw: what is new in the next may be old. */
  let wasFull = false;
  let hasLost = false;
  let kernel: TcpCounts | undefined;
  /** What was counted before the pass before, and after the first whole one. */
  let earlier: TcpCounts | undefined;
  let base: TcpCounts | undefined;
  let timeWaits: number | undefined;
  let unseen = 0;
  let dropped = 0;

  function drain(): void {
    const lost = attempt(log, 'notices', () => source.drain((ended) => tracker.end(ended))) ?? 1;
    if (lost === 0) return;
    hasLost = true;
    overflows.kernel += lost;
    const body = 'The kernel had no room for all notices of ended connections: some ends are found late, or missed';
    report.notice('kernel', false, body, {});
  }

  async function look(isOver: () => boolean): Promise<void> {
    const before = readCounts();
    tellDropped();
    drain();
    tracker.begin(!isReady || wasFull);
    let isWhole = await dump(isOver, false);
    // A list that changes while it is read may leave something out: what it shows neither time has ended.
    if (isWhole && !source.tellsEnds && isReady && tracker.hasMissing()) isWhole = await dump(isOver, true);
    const after = readCounts();
    if (isWhole && isReady) sweep(after);
    await tracker.finish(owners);
    if (options.hasRoom()) options.canaries?.told();
    drain();
    timeWaits = source.tellsEnds ? readTimeWaits() : undefined;
    kernel = after;
    earlier = before;
    if (!isWhole) return;
    tellRoom();
    if (base === undefined) base = after;
    else if (before !== undefined) {
      const opened = before.activeOpens + before.passiveOpens - base.activeOpens - base.passiveOpens;
      // What is on its way from the one count to the other comes and goes; what is missing stays.
      unseen = Math.max(unseen, opened - tracker.rows.noticed - (options.canaries?.opened ?? 0));
    }
    if (isReady) return;
    log.info(`Sees ${tracker.table.size} sockets by ${source.name}`);
    isReady = true;
    options.onReady();
  }

  async function dump(isOver: () => boolean, isAgain: boolean): Promise<boolean> {
    try {
      const isWhole = await source.dump(transports, (seen) => tracker.see(seen, isAgain), isOver);
      if (isWhole) log.over('sockets', 'Sees all sockets again');
      return isWhole;
    } catch (error) {
      log.once('sockets', `Cannot see all sockets: ${messageOf(error)}`);
      return false;
    }
  }

  /** Of what has ended: without any end out of order since, all were in order. */
  function sweep(after: TcpCounts | undefined): void {
    const unlessRose = (count: (counts: TcpCounts) => number): Ending =>
      earlier !== undefined && after !== undefined && count(after) === count(earlier) ? 'fin' : 'unknown';
    const how = unlessRose(({ resets }) => resets);
    const howAttempts = unlessRose(({ attemptFails }) => attemptFails);
    if (source.tellsEnds) tracker.sweep('unknown', 'unknown', hasLost);
    else tracker.sweep(how, howAttempts, true);
    hasLost = false;
  }

  function tellRoom(): void {
    const isFull = tracker.untracked > 0;
    if (isFull !== wasFull) {
      const attributes = { 'network.connection.overflow.limit': options.max_connections };
      if (isFull) overflows.max_connections++;
      const body = isFull
        ? `There are ${tracker.untracked} sockets beyond max_connections: what happens to them is not told`
        : 'All sockets are remembered again';
      report.notice('max_connections', !isFull, body, attributes);
    }
    wasFull = isFull;
  }

  /** Says how many events found no room, now that there is some. */
  function tellDropped(): void {
    if (dropped === 0 || !options.hasRoom()) return;
    const body = `The pipelines had no room for ${dropped} events of connections`;
    report.notice('pipeline', false, body, { 'network.connection.overflow.dropped': dropped });
    dropped = 0;
  }

  return {
    tracker,
    get kernel() {
      return kernel;
    },
    get timeWaits() {
      return timeWaits;
    },
    get unseen() {
      return unseen;
    },
    get isReady() {
      return isReady;
    },
    overflows,
    pass(isOver) {
      running ??= look(isOver).finally(() => (running = undefined));
      return running;
    },
    heard() {
      // A pass does so itself, when it knows what it saw.
      if (running === undefined && isReady) drain();
    },
    onFull() {
      if (dropped++ === 0) overflows.pipeline++;
    },
    settled: () => running ?? Promise.resolve(),
  };
}
