/**
 * Tells what becomes of processes: started, forked, ended, running as someone else, killed for want of memory. The
 * kernel's own events come first; what they leave out is found by looking, and that something was left out is an event,
 * too. How sources were chosen and what each can miss: docs/decisions/process-events.md.
 */
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { option, positiveDuration, size } from '../../src/config/options.ts';
import { createLagProbe, LAG_LOST_METRIC, LAG_METRIC, lagProbeEntries } from '../../src/lag_probe.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { CHOICES } from './open_source.ts';
import { KINDS, type Kind } from './report.ts';
import { createWatching, type Watching } from './watching.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

export default defineReceiver({
  type: 'process_events',
  about:
    'Tells what becomes of processes: started, forked, ended, running as another user or group, killed for want of memory.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    source: option(
      v.picklist(CHOICES),
      'Where events come from: the process events connector (netlink), a private trace where tracefs is mounted, or scans of the process table, which miss what lives shorter than their interval. auto is the first of them that works.',
      'auto',
    ),
    events: option(v.array(v.picklist(KINDS)), 'Which events are told; start is the execution of a program.', [
      ...KINDS,
    ]),
    command_line: option(
      v.picklist(['none', 'redacted', 'full']),
      'Whether process.command_line is added: with what looks like a secret replaced, or in full, secrets included.',
      'none',
    ),
    scan_interval: option(positiveDuration(), 'How often the process table is read, where that is the source.', '1s'),
    buffer: option(
      size(),
      'Most bytes of events that wait in the kernel, some 800 each; those beyond are counted, an event says so, and the process table is read again.',
      '8MiB',
    ),
    max_processes: option(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4_194_304)),
      'Most processes that are remembered, some 500 bytes each: events of others are told with less.',
      65_536,
    ),
    ...lagProbeEntries,
  }),
  metrics: {
    events: {
      name: 'process.event.count',
      instrument: 'counter',
      unit: '{event}',
      about: 'Events of processes that were seen, by type, whether they are told or not.',
      attributes: ['process.event.type'],
      since: 'agent',
      source: 'sonde',
    },
    lost: {
      name: 'process.event.lost',
      instrument: 'counter',
      unit: '{event}',
      about: 'Events of processes that found no room in the kernel’s buffer.',
      attributes: ['process.event.source'],
      since: 'agent',
      source: 'sonde',
    },
    gaps: {
      name: 'process.event.gaps',
      instrument: 'counter',
      unit: '{gap}',
      about: 'How often events of processes were lost.',
      attributes: ['process.event.source'],
      since: 'agent',
      source: 'sonde',
    },
    rescans: {
      name: 'process.watch.rescans',
      instrument: 'counter',
      unit: '{scan}',
      about: 'How often the process table was read again for what was lost.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    processes: {
      name: 'process.watch.processes',
      instrument: 'updowncounter',
      unit: '{process}',
      about: 'Processes that the receiver knows.',
      attributes: [],
      source: 'sonde',
    },
    lag: LAG_METRIC,
    lagLost: LAG_LOST_METRIC,
  },
  permissions: [
    {
      needs: 'CAP_NET_ADMIN',
      without:
        'before Linux 6.6 the kernel’s events: processes that live shortly, exit codes, changes of user and group; later a buffer beyond net.core.rmem_max',
    },
    { needs: '/dev/kmsg', without: 'kills for want of memory' },
    { needs: 'CAP_SYS_PTRACE', without: 'path of the executable of other users’ processes' },
  ],
  sources: [
    'netlink connector of process events',
    '/sys/kernel/tracing/instances',
    '/dev/kmsg',
    '/proc/[pid]/stat',
    '/proc/[pid]/exe',
    '/proc/[pid]/cmdline',
    '/proc/[pid]/cgroup',
    '/proc/[pid]/status',
    '/proc/uptime',
    '/etc/passwd',
  ],
  create(context) {
    const { config, host, metrics, log, next } = context;
    const types = KINDS.map((kind) => [kind, { 'process.event.type': kind }] as const);
    const bySource = new Map<string, { readonly 'process.event.source': string }>();
    const own = { 'sonde.component.id': context.id };
    // What a root_path shows may be another machine: no process of ours is on it.
    const hasProbe = config.lag_probe.enabled && host.rootPath === '/';
    let watching: Watching | undefined;

    return {
      collect(observer) {
        if (watching === undefined) return;
        const { told, lost, gaps, rescans, processes, source, canariesLost } = watching.figures;
        for (const [kind, attributes] of types) observer.observe(metrics.events, told[kind satisfies Kind], attributes);
        let attributes = bySource.get(source);
        if (attributes === undefined) bySource.set(source, (attributes = { 'process.event.source': source }));
        observer.observe(metrics.lost, lost, attributes);
        observer.observe(metrics.gaps, gaps, attributes);
        observer.observe(metrics.rescans, rescans);
        observer.observe(metrics.processes, processes);
        if (canariesLost !== undefined) observer.observe(metrics.lagLost, canariesLost, own);
      },
      async start() {
        if (next.logs === undefined) {
          log.warn('Watches nothing: no pipeline of logs takes its events');
          return;
        }
        if (host.platform !== 'linux') {
          log.warn(`Watches nothing: there are no events of processes on ${host.platform}`);
          return;
        }
        const scope = receiverScope('process_events', context.resource);
        watching = createWatching({
          ...context,
          config,
          scope,
          logs: next.logs,
          ...(hasProbe && {
            createProbe: (release) =>
              createLagProbe({ config: config.lag_probe, lag: metrics.lag, id: context.id, log, release }),
          }),
        });
        await watching.start();
      },
      async stop() {
        await watching?.stop(STOP_TIMEOUT_MS);
        watching = undefined;
      },
    };
  },
});
