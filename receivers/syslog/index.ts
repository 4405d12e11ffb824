/** Takes syslog messages over UDP, TCP, TLS and unix sockets. What becomes of each part: docs/receivers/syslog.md. */
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { ConfigError } from '../../src/errors.ts';
import { createLagProbe, LAG_LOST_METRIC, LAG_METRIC } from '../../src/lag_probe.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { createCanarySender, reachable, type CanarySender, type CanaryTarget } from './canaries.ts';
import { createIntake, type Intake, type Transport } from './intake.ts';
import { openListeners, type Listeners } from './listeners.ts';
import { createAllowedSources, syslogEntries } from './options.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

const TRANSPORTS: readonly Transport[] = ['udp', 'tcp', 'unix'];

export default defineReceiver({
  type: 'syslog',
  about: 'Takes syslog messages (RFC 5424 and RFC 3164) over UDP, TCP, TLS and unix sockets.',
  signals: ['metrics', 'logs'],
  config: v.strictObject(syslogEntries),
  metrics: {
    records: {
      name: 'syslog.records',
      instrument: 'counter',
      unit: '{record}',
      about: 'Messages that arrived and were read.',
      attributes: ['network.transport'],
      since: 'agent',
      source: 'sonde',
    },
    bytes: {
      name: 'syslog.io',
      instrument: 'counter',
      unit: 'By',
      about: 'Bytes of the messages that were read.',
      attributes: ['network.transport'],
      since: 'agent',
      source: 'sonde',
    },
    malformed: {
      name: 'syslog.malformed',
      instrument: 'counter',
      unit: '{record}',
      about: 'Messages that are no syslog, or of which the end is missing; they are kept.',
      attributes: ['network.transport', 'syslog.malformed.reason'],
      since: 'agent',
      source: 'sonde',
    },
    dropped: {
      name: 'syslog.dropped',
      instrument: 'counter',
      unit: '{record}',
      about:
        'Datagrams and connections that were not taken, by reason: no room here, no room in the kernel, a source that is not allowed, too many connections.',
      attributes: ['syslog.drop.reason'],
      since: 'agent',
      source: 'sonde',
    },
    connections: {
      name: 'syslog.connections',
      instrument: 'updowncounter',
      unit: '{connection}',
      about: 'Connections that are open.',
      attributes: [],
      source: 'sonde',
    },
    lag: LAG_METRIC,
    lagLost: LAG_LOST_METRIC,
  },
  permissions: [{ needs: 'CAP_NET_BIND_SERVICE', without: 'ports below 1024, as 514' }],
  sources: ['127.0.0.1:5514'],
  create(context) {
    const { id, config, metrics, log, next } = context;
    const hasListener = [config.udp, config.tcp, config.unix_datagram, config.unix_stream].some(
      (one) => one !== undefined,
    );
    if (!hasListener) {
      const hint = 'Write for example "udp: {}" or "tcp: {}" below it';
      throw new ConfigError([
        { message: 'Cannot receive syslog: no listener is named', path: `receivers.${id}`, hint },
      ]);
    }
    const by = (reason: string) => ({ 'syslog.drop.reason': reason });
    const reasons = {
      full: by('no_room'),
      kernel: by('kernel'),
      notAllowed: by('source_not_allowed'),
      tooMany: by('too_many_connections'),
    };
    const series = TRANSPORTS.map((transport) => ({
      transport,
      attributes: { 'network.transport': transport },
      unreadable: { 'network.transport': transport, 'syslog.malformed.reason': 'no_syslog' },
      truncated: { 'network.transport': transport, 'syslog.malformed.reason': 'truncated' },
    })).filter(({ transport }) =>
      transport === 'unix'
        ? config.unix_datagram !== undefined || config.unix_stream !== undefined
        : config[transport] !== undefined,
    );
    const allowedSources = createAllowedSources(config.allowed_sources);
    let intake: Intake | undefined;
    let listeners: Listeners | undefined;
    let sender: CanarySender | undefined;
    const own = { 'sonde.component.id': id };
    const probe = createLagProbe({
      config: config.lag_probe,
      lag: metrics.lag,
      id,
      log,
      release: (token) => sender?.send(token),
    });

    /** What a connection brings is known when it is let in already. */
    function isShutOut(target: CanaryTarget): boolean {
      if (target.over !== 'stream' || !('host' in target.to)) return false;
      const host = reachable(target.to.host);
      return allowedSources?.check(host, host.includes(':') ? 'ipv6' : 'ipv4') === false;
    }

    return {
      collect(observer) {
        if (intake === undefined || listeners === undefined) return;
        const { byTransport, full, notAllowed, tooMany } = intake.figures;
        for (const { transport, attributes, unreadable, truncated } of series) {
          const counts = byTransport[transport];
          observer.observe(metrics.records, counts.records, attributes);
          observer.observe(metrics.bytes, counts.bytes, attributes);
          observer.observe(metrics.malformed, counts.malformed, unreadable);
          observer.observe(metrics.malformed, counts.truncated, truncated);
        }
        observer.observe(metrics.dropped, full, reasons.full);
        observer.observe(metrics.dropped, notAllowed, reasons.notAllowed);
        observer.observe(metrics.dropped, tooMany, reasons.tooMany);
        const kernelDrops = context.isEnabled('dropped') ? listeners.kernelDrops() : undefined;
        if (kernelDrops !== undefined) observer.observe(metrics.dropped, kernelDrops, reasons.kernel);
        observer.observe(metrics.connections, listeners.connections);
        if (sender !== undefined) observer.observe(metrics.lagLost, probe.lost, own);
      },
      async start() {
        if (next.logs === undefined) {
          log.warn('Takes nothing: no pipeline of logs takes its records');
          return;
        }
        const made = createIntake({
          ...context,
          next: next.logs,
          location: config.location,
          arrived: probe.arrived,
          allowedSources,
          scope: receiverScope('syslog', context.resource),
        });
        listeners = await openListeners(config, made, log);
        intake = made;
        const { target } = listeners;
        if (!config.lag_probe.enabled || target === undefined || isShutOut(target)) return;
        sender = createCanarySender(target);
        probe.start();
      },
      async stop() {
        probe.stop();
        sender?.close();
        sender = undefined;
        await listeners?.close();
        await intake?.outlet.stop(STOP_TIMEOUT_MS);
        listeners = undefined;
        intake = undefined;
      },
    };
  },
});
