/** Puts the parts of the receiver together. */
import type { ComponentLog, Consumer, Host } from '../../src/component.ts';
import type { Histogram } from '@opentelemetry/api';
import { createLagProbe, type LagProbe, type LagProbeConfig } from '../../src/lag_probe.ts';
import { messageOf } from '../../src/errors.ts';
import type { LogBatch, MetricBatch, Resource } from '../../src/model/batch.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { createOutlet, type Outlet } from '../../src/outlet.ts';
import { openProcessTable } from '../../src/procfs/process/table.ts';
import { attempt } from '../../src/procfs/source.ts';
import { createCanaries } from './canaries.ts';
import { parsePortRange } from './directions.ts';
import { createEventFilter, type Exclusion } from './event_filter.ts';
import { openSockDiag } from './netlink.ts';
import { createObserver, type Observer } from './observer.ts';
import { createOwners, type Owners } from './owners.ts';
import { createProcSource } from './proc_net.ts';
import { createReport, type Happening, type Report } from './report.ts';
import type { SocketSource } from './source.ts';

export interface WatchConfig {
  readonly source: 'auto' | 'sock_diag' | 'proc';
  readonly events: readonly Happening[];
  readonly udp: boolean;
  readonly exclude: Exclusion;
  readonly max_connections: number;
  readonly collection_interval?: number | undefined;
  readonly lag_probe: LagProbeConfig;
}

export interface WatchOptions {
  readonly config: WatchConfig;
  readonly host: Host;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  readonly resource: Resource;
  readonly next: { readonly logs: Consumer<LogBatch> | undefined; readonly metrics: Consumer<MetricBatch> | undefined };
  isEnabled(metric: 'rtt'): boolean;
  readonly id: string;
  readonly metrics: { readonly lag: Histogram };
}

export interface Watch {
  readonly observer: Observer;
  /** Undefined where the lag is not measured. */
  readonly probe: LagProbe | undefined;
  readonly owners: Owners | undefined;
  start(): Promise<void>;
  stop(limit_ms: number): Promise<void>;
}

const PORT_RANGE = '/proc/sys/net/ipv4/ip_local_port_range';
/** Between two looks, where no metrics are collected whose interval it would be. */
const DEFAULT_INTERVAL_MS = 10_000;
/** The agent's interval of collections is not known here, and seldom longer. */
const LIKELY_INTERVAL_MS = 60_000;

/**
 * @returns undefined where sockets cannot be seen at all
 * @throws {Error} the chosen source cannot be had
 */
export function createWatch(
  options: WatchOptions,
  { withOwners }: { readonly withOwners: boolean },
): Watch | undefined {
  const { config, host, log, next } = options;
  if (host.platform !== 'linux') {
    log.warn('Sees no connections: only Linux is supported');
    return undefined;
  }
  // `/proc/net` is what the reader sees. In a container, the machine's sockets are its first process's.
  const folder = host.rootPath === '/' ? '/proc/net' : '/proc/1/net';
  const outlet = next.logs === undefined ? undefined : createOutlet({ next: next.logs, log, drop: options.drop });
  let observer: Observer | undefined = undefined as Observer | undefined;
  const source = openSource(options, folder, () => observer?.heard());
  const owners = withOwners ? createOwners(host, log, openProcessTable(host)) : undefined;
  // What a root_path shows may be another machine: no connection of ours is on it.
  const hasProbe = config.lag_probe.enabled && host.rootPath === '/' && outlet !== undefined;
  const interval_ms =
    config.collection_interval ?? (next.metrics === undefined ? DEFAULT_INTERVAL_MS : LIKELY_INTERVAL_MS);
  // What is looked at rarely is not lost before it was looked at.
  const timeout = Math.max(config.lag_probe.timeout, 2 * interval_ms);
  const canaries = hasProbe ? createCanaries((token) => probe?.arrived(token), timeout) : undefined;
  const probe =
    canaries === undefined
      ? undefined
      : createLagProbe({
          config: { ...config.lag_probe, timeout },
          lag: options.metrics.lag,
          id: options.id,
          log,
          release: canaries.release,
        });
  const observing = (observer = createObserver({
    host,
    log,
    source,
    report: outlet === undefined ? SILENT : reportTo(options, outlet, () => observing.onFull()),
    owners,
    folder,
    withUdp: config.udp,
    max_connections: config.max_connections,
    portRange: parsePortRange(attempt(log, PORT_RANGE, () => host.readText(PORT_RANGE), { isOptional: true })),
    hasRoom: () => outlet?.isFull !== true,
    canaries,
    onReady: () => hasCanaries && probe?.start(),
  }));
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let hasCanaries = false;
  let looking: Promise<void> = Promise.resolve();

  async function openCanaries(): Promise<boolean> {
    try {
      await canaries?.open();
      return canaries !== undefined;
    } catch (error) {
      log.warn(`Cannot listen for canaries, so the lag is not measured: ${messageOf(error)}`);
      return false;
    }
  }

  function look(): void {
    looking = observing
      .pass(() => isStopped)
      .catch((error: unknown) => log.once('look', `Cannot look at sockets: ${messageOf(error)}`));
  }

  return {
    observer: observing,
    owners,
    probe,
    async start() {
      // Before the first look, so that its listener is known for what it is.
      hasCanaries = await openCanaries();
      // What is there now is not told, so the sooner it is known the better.
      look();
      // Collections look, too; without metrics there are none.
      if (next.metrics === undefined) timer = setInterval(look, config.collection_interval ?? DEFAULT_INTERVAL_MS);
    },
    async stop(limit_ms) {
      isStopped = true;
      probe?.stop();
      clearInterval(timer);
      await looking;
      await observing.settled();
      // It may have become ready only now.
      probe?.stop();
      canaries?.close();
      await outlet?.stop(limit_ms);
      owners?.close();
      source.close();
    },
  };
}

const SILENT: Report = { happened() {}, notice() {} };

function reportTo({ config, drop, resource }: WatchOptions, outlet: Outlet, onFull: () => void): Report {
  return createReport({
    outlet,
    resource,
    scope: receiverScope('connections', resource),
    happenings: new Set(config.events),
    isWanted: createEventFilter(config.exclude),
    onFull() {
      drop('queue_full', 1);
      onFull();
    },
  });
}

/** @throws {Error} the chosen source cannot be had */
function openSource(options: WatchOptions, folder: string, onEnds: () => void): SocketSource {
  const { config, host, log } = options;
  // Netlink answers of the namespace that this process is in, which need not be the machine's.
  const isOther = config.source === 'auto' && host.rootPath !== '/';
  if (config.source === 'proc' || isOther) return createProcSource(host, folder);
  try {
    const source = openSockDiag({
      withUdp: config.udp,
      withInfo: options.isEnabled('rtt'),
      onEnds,
      onDeaf: (error) => log.warn(`Connections that open and close between two looks are missed: ${error.message}`),
    });
    if (source !== undefined) return source;
    if (config.source === 'sock_diag') throw new Error('Cannot use sock_diag: node:ffi cannot be used here');
    log.info('Looks at /proc/net: sock_diag needs node:ffi, which cannot be used here');
  } catch (error) {
    if (config.source === 'sock_diag') throw error;
    log.info(`Looks at /proc/net: ${messageOf(error)}`);
  }
  return createProcSource(host, folder);
}
