import * as v from 'valibot';
import { type BatchObservableResult, defineReceiver } from '../../src/component.ts';
import { option } from '../../src/config/options.ts';
import { NO_ATTRIBUTES, type Attributes } from '../../src/model/attributes.ts';
import { NamedRows } from '../../src/procfs/named_rows.ts';
import { attempt } from '../../src/procfs/source.ts';
import { createNameFilter, globs } from '../../src/text/name_filter.ts';
import { createConnections } from './connections.ts';
import { createConntrack } from './conntrack.ts';
import { createElsewhere } from './elsewhere.ts';
import { createLinks } from './links.ts';
import { parseNetDev } from './net_dev.ts';

const INTERFACE = ['network.interface.name'];
const INTERFACE_DIRECTION = ['network.interface.name', 'network.io.direction'];

export default defineReceiver({
  type: 'network',
  about: 'Reads what network interfaces receive and transmit from /proc/net/dev.',
  config: v.strictObject({
    include: option(globs(), 'Interfaces to report, as globs; all if empty.', []),
    exclude: option(globs(), 'Interfaces to leave out, as globs: "veth*" drops those of containers.', []),
  }),
  metrics: {
    io: {
      name: 'system.network.io',
      instrument: 'counter',
      unit: 'By',
      about: 'Bytes received and transmitted.',
      attributes: INTERFACE_DIRECTION,
    },
    packets: {
      name: 'system.network.packet.count',
      instrument: 'counter',
      unit: '{packet}',
      about: 'Packets received and transmitted.',
      // The conventions name the interface otherwise here than in its neighbours.
      attributes: ['system.device', 'network.io.direction'],
    },
    dropped: {
      name: 'system.network.packet.dropped',
      instrument: 'counter',
      unit: '{packet}',
      about: 'Packets dropped though nothing was wrong with them.',
      attributes: INTERFACE_DIRECTION,
    },
    errors: {
      name: 'system.network.errors',
      instrument: 'counter',
      unit: '{error}',
      about: 'Errors found while receiving and transmitting.',
      attributes: INTERFACE_DIRECTION,
    },
    connections: {
      name: 'system.network.connection.count',
      instrument: 'updowncounter',
      unit: '{connection}',
      about: 'TCP connections by state, and UDP sockets. Lists every socket: costly where there are many.',
      attributes: ['network.transport', 'network.connection.state'],
      optIn: true,
    },
    conntrackCount: {
      name: 'system.network.conntrack.count',
      instrument: 'updowncounter',
      unit: '{entry}',
      about: 'Entries in the connection tracking table.',
      attributes: [],
      optIn: true,
      source: 'collector',
    },
    conntrackMax: {
      name: 'system.network.conntrack.max',
      instrument: 'updowncounter',
      unit: '{entry}',
      about: 'Most entries that the connection tracking table may have.',
      attributes: [],
      optIn: true,
      source: 'collector',
    },
    speed: {
      name: 'system.network.interface.speed',
      instrument: 'gauge',
      unit: 'By/s',
      about: 'Speed of the link, as negotiated; nothing for interfaces without one.',
      attributes: INTERFACE,
      optIn: true,
      source: 'sonde',
    },
    carrier: {
      name: 'system.network.interface.carrier',
      instrument: 'gauge',
      unit: '1',
      about: 'Whether the link is connected: 1 or 0; nothing for interfaces that are switched off.',
      attributes: INTERFACE,
      optIn: true,
      source: 'sonde',
    },
    up: {
      name: 'system.network.interface.up',
      instrument: 'gauge',
      unit: '1',
      about: 'Whether the interface can pass packets: 1 or 0.',
      attributes: INTERFACE,
      optIn: true,
      source: 'sonde',
    },
  },
  sources: [
    '/proc/net/dev',
    '/proc/1/net/dev',
    '/proc/net/{tcp,tcp6,udp,udp6}',
    '/proc/sys/net/netfilter/nf_conntrack_{count,max}',
    '/sys/class/net/*/{speed,carrier,operstate,flags}',
  ],
  create({ config, host, log, metrics, isEnabled }) {
    const isWanted = createNameFilter(config.include, config.exclude);
    if (host.platform !== 'linux') {
      const read = createElsewhere(host);
      return {
        async collect(observer) {
          for (const item of await read()) {
            if (!isWanted(item.iface)) continue;
            const { receive, transmit } = createInterface(item.iface);
            observer.observe(metrics.io, item.rx_bytes, receive);
            observer.observe(metrics.io, item.tx_bytes, transmit);
            observer.observe(metrics.dropped, item.rx_dropped, receive);
            observer.observe(metrics.dropped, item.tx_dropped, transmit);
            observer.observe(metrics.errors, item.rx_errors, receive);
            observer.observe(metrics.errors, item.tx_errors, transmit);
          }
        },
      };
    }

    const interfaces = new NamedRows((name) => (isWanted(name) ? createInterface(name) : undefined));
    // `/proc/net` is what the reader sees. In a container, the machine's interfaces are its first process's.
    const folder = host.rootPath === '/' ? '/proc/net' : '/proc/1/net';
    const path = `${folder}/dev`;
    const links = createLinks(host, log);
    const connections = createConnections(host, log, folder);
    const conntrack = createConntrack(host, log, folder);

    function observeLine(observer: BatchObservableResult, link: Interface, fields: Float64Array): void {
      observer.observe(metrics.io, fields[0], link.receive);
      observer.observe(metrics.io, fields[8], link.transmit);
      observer.observe(metrics.packets, fields[1], link.deviceReceive);
      observer.observe(metrics.packets, fields[9], link.deviceTransmit);
      observer.observe(metrics.dropped, fields[3], link.receive);
      observer.observe(metrics.dropped, fields[11], link.transmit);
      observer.observe(metrics.errors, fields[2], link.receive);
      observer.observe(metrics.errors, fields[10], link.transmit);
      // NaN where there is nothing to tell, which the meter takes for nothing observed.
      if (isEnabled('speed')) observer.observe(metrics.speed, links.speed(link.name), link.all);
      if (isEnabled('carrier')) observer.observe(metrics.carrier, links.carrier(link.name), link.all);
      if (isEnabled('up')) observer.observe(metrics.up, links.up(link.name), link.all);
    }

    return {
      collect(observer) {
        interfaces.begin();
        attempt(log, path, () =>
          parseNetDev(host.read(path), (bytes, start, end, fields) => {
            const link = interfaces.at(bytes, start, end);
            if (link !== undefined) observeLine(observer, link, fields);
          }),
        );
        interfaces.end();
        if (isEnabled('connections')) {
          connections.visit((count, attributes) => observer.observe(metrics.connections, count, attributes));
        }
        if (isEnabled('conntrackCount')) observer.observe(metrics.conntrackCount, conntrack.count(), NO_ATTRIBUTES);
        if (isEnabled('conntrackMax')) observer.observe(metrics.conntrackMax, conntrack.max(), NO_ATTRIBUTES);
      },
    };
  },
});

/** The attributes of one interface, made once. */
interface Interface {
  readonly name: string;
  readonly all: Attributes;
  readonly receive: Attributes;
  readonly transmit: Attributes;
  readonly deviceReceive: Attributes;
  readonly deviceTransmit: Attributes;
}

function createInterface(name: string): Interface {
  const all = { 'network.interface.name': name };
  return {
    name,
    all,
    receive: { ...all, 'network.io.direction': 'receive' },
    transmit: { ...all, 'network.io.direction': 'transmit' },
    deviceReceive: { 'system.device': name, 'network.io.direction': 'receive' },
    deviceTransmit: { 'system.device': name, 'network.io.direction': 'transmit' },
  };
}
