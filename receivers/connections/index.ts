/**
 * Tells which connections open, close and are reset, who listens, and how many connections each process has. Where it
 * looks, and what it can and cannot tell: docs/decisions/connections.md.
 */
import * as v from 'valibot';
import { type BatchObservableResult, defineReceiver } from '../../src/component.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import { TCP_NEW_SYN_RECV, TCP_STATES, TCP_TIME_WAIT } from '../../src/procfs/inet_sockets.ts';
import { ENDINGS } from './endings.ts';
import { metrics, REMAINDER } from './metrics.ts';
import { options } from './options.ts';
import { rankOwners } from './ranking.ts';
import { createWatch, type Watch } from './watch.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

export default defineReceiver({
  type: 'connections',
  about:
    'Tells which connections open, close and are reset, and who listens; counts connections by state and by process.',
  signals: ['metrics', 'logs'],
  config: v.strictObject(options),
  metrics,
  permissions: [
    { needs: 'CAP_SYS_PTRACE', without: 'the processes of other users’ sockets' },
    { needs: 'CAP_DAC_READ_SEARCH', without: 'the processes of other users’ sockets' },
    { needs: 'CAP_NET_ADMIN', without: 'room for many notices of ended connections at once' },
  ],
  sources: ['/proc/net/{tcp,tcp6,udp,udp6,snmp,sockstat}', '/proc/[pid]/fd', 'netlink sock_diag'],
  create(context) {
    const { config, metrics: instruments, isEnabled } = context;
    const stateAttributes = TCP_STATES.map((state, number): Attributes | undefined =>
      state === undefined || number === TCP_NEW_SYN_RECV
        ? undefined
        : { 'network.transport': 'tcp', 'network.connection.state': state },
    );
    const udpAttributes = { 'network.transport': 'udp' };
    const remainder = { [REMAINDER]: 'process' };
    const incoming = { 'network.connection.direction': 'incoming' };
    const outgoing = { 'network.connection.direction': 'outgoing' };
    const endings = ENDINGS.map((ending) => ({ ending, attributes: { 'network.connection.ending': ending } }));
    const overflowSources = (['kernel', 'max_connections', 'pipeline'] as const).map((source) => ({
      source,
      attributes: { 'network.connection.overflow.source': source },
    }));
    const tracked = { 'network.socket.tracking': 'tracked' };
    const untracked = { 'network.socket.tracking': 'untracked' };
    const portAttributes = new Map<number, Attributes>();
    const own = { 'sonde.component.id': context.id };
    let watch: Watch | undefined;

    function observeCounts(
      observer: BatchObservableResult,
      { tracker, timeWaits, kernel, unseen, overflows }: Watch['observer'],
    ): void {
      stateAttributes.forEach((attributes, state) => {
        if (attributes === undefined) return;
        const count = state === TCP_TIME_WAIT && timeWaits !== undefined ? timeWaits : tracker.states[state];
        observer.observe(instruments.count, count, attributes);
      });
      if (config.udp) observer.observe(instruments.count, tracker.udp, udpAttributes);
      observer.observe(instruments.listeners, tracker.listeners);
      observer.observe(instruments.tracked, tracker.table.size, tracked);
      observer.observe(instruments.tracked, tracker.untracked, untracked);
      if (kernel !== undefined) {
        observer.observe(instruments.opened, kernel.activeOpens, outgoing);
        observer.observe(instruments.opened, kernel.passiveOpens, incoming);
        observer.observe(instruments.failed, kernel.attemptFails);
        observer.observe(instruments.reset, kernel.resets);
        observer.observe(instruments.unseen, unseen);
      }
      for (const { ending, attributes } of endings)
        observer.observe(instruments.closed, tracker.rows.closed[ending], attributes);
      for (const { source, attributes } of overflowSources)
        observer.observe(instruments.lost, overflows[source], attributes);
    }

    function observeProcesses(observer: BatchObservableResult, { observer: { tracker }, owners }: Watch): void {
      if (owners === undefined) return;
      let others = tracker.rows.connections + tracker.untrackedConnections;
      for (const owner of rankOwners(owners.all.values(), config.processes)) {
        observer.observe(instruments.byProcess, owner.connections, owner.attributes);
        others -= owner.connections;
      }
      observer.observe(instruments.byProcess, others, remainder);
      observer.observe(instruments.denied, owners.denied);
    }

    function observeRoundTrips(observer: BatchObservableResult, { observer: { tracker } }: Watch): void {
      for (const port of portAttributes.keys()) if (!tracker.roundTrips.has(port)) portAttributes.delete(port);
      tracker.roundTrips.visit((port, mean_s) => {
        const attributes = portAttributes.get(port) ?? { 'network.local.port': port };
        portAttributes.set(port, attributes);
        observer.observe(instruments.rtt, mean_s, attributes);
      });
    }

    return {
      async collect(observer, limit) {
        if (watch === undefined) return;
        await watch.observer.pass(() => limit.isOver);
        // It may have been stopped meanwhile.
        if (watch === undefined || !watch.observer.isReady || limit.isOver) return;
        observeCounts(observer, watch.observer);
        observeProcesses(observer, watch);
        if (isEnabled('rtt')) observeRoundTrips(observer, watch);
        if (watch.probe !== undefined) observer.observe(instruments.lagLost, watch.probe.lost, own);
      },
      async start() {
        watch = createWatch(context, { withOwners: context.next.logs !== undefined || isEnabled('byProcess') });
        await watch?.start();
      },
      async stop() {
        const stopped = watch;
        watch = undefined;
        await stopped?.stop(STOP_TIMEOUT_MS);
      },
    };
  },
});
