/** The metrics of the receiver `connections`. */
import { LAG_LOST_METRIC, LAG_METRIC } from '../../src/lag_probe.ts';
import type { Entity } from '../../src/model/batch.ts';

/** Says that a series is of all that are not reported singly, as the receiver `process` does. */
export const REMAINDER = 'process.remainder';

const PROCESS: Entity = {
  type: 'process',
  identifying: ['process.pid', 'process.creation.time'],
  descriptive: ['process.executable.name', 'container.id', REMAINDER],
};

export const metrics = {
  count: {
    name: 'system.network.connection.count',
    instrument: 'updowncounter',
    unit: '{connection}',
    about: 'TCP connections by state; and UDP sockets, where the receiver looks at them.',
    attributes: ['network.transport', 'network.connection.state'],
  },
  byProcess: {
    name: 'process.network.connection.count',
    instrument: 'updowncounter',
    unit: '{connection}',
    about:
      'TCP connections of the processes that have the most, and of all others: those that listen or only wait for late packets are none.',
    attributes: [...PROCESS.identifying, ...PROCESS.descriptive],
    entity: PROCESS,
    source: 'sonde',
  },
  listeners: {
    name: 'system.network.listener.count',
    instrument: 'updowncounter',
    unit: '{socket}',
    about: 'Sockets that listen for TCP connections.',
    attributes: [],
    source: 'sonde',
  },
  opened: {
    name: 'system.network.connection.opened',
    instrument: 'counter',
    unit: '{connection}',
    about: 'TCP connections begun, by who began; the kernel’s count, with those that failed.',
    attributes: ['network.connection.direction'],
    source: 'sonde',
  },
  failed: {
    name: 'system.network.connection.failed',
    instrument: 'counter',
    unit: '{connection}',
    about: 'TCP connections that failed to come about; the kernel’s count.',
    attributes: [],
    source: 'sonde',
  },
  reset: {
    name: 'system.network.connection.reset',
    instrument: 'counter',
    unit: '{connection}',
    about: 'TCP connections that ended without an end in order; the kernel’s count.',
    attributes: [],
    source: 'sonde',
  },
  closed: {
    name: 'system.network.connection.closed',
    instrument: 'counter',
    unit: '{connection}',
    about: 'TCP connections that were seen to end, by how.',
    attributes: ['network.connection.ending'],
    since: 'agent',
    source: 'sonde',
  },
  unseen: {
    name: 'system.network.connection.unseen',
    instrument: 'counter',
    unit: '{connection}',
    about: 'TCP connections that the kernel counted and nobody saw: they began and ended between two looks.',
    attributes: [],
    since: 'agent',
    source: 'sonde',
  },
  lost: {
    name: 'system.network.connection.overflows',
    instrument: 'counter',
    unit: '{overflow}',
    about: 'How often the kernel, or the pipelines, had no room for what happened.',
    attributes: ['network.connection.overflow.source'],
    since: 'agent',
    source: 'sonde',
  },
  tracked: {
    name: 'system.network.socket.count',
    instrument: 'updowncounter',
    unit: '{socket}',
    about: 'Sockets by whether the receiver remembers them: tracked, or untracked beyond max_connections.',
    attributes: ['network.socket.tracking'],
    source: 'sonde',
  },
  denied: {
    name: 'system.network.process.denied',
    instrument: 'updowncounter',
    unit: '{process}',
    about: 'Processes whose descriptors could not be read when the process of a socket was last looked for.',
    attributes: [],
    source: 'sonde',
  },
  rtt: {
    name: 'system.network.connection.rtt',
    instrument: 'gauge',
    unit: 's',
    value: 'double',
    about: 'Mean of the smoothed round-trip times of established connections that came in, by the port they came to.',
    attributes: ['network.local.port'],
    optIn: true,
    source: 'sonde',
  },
  lag: LAG_METRIC,
  lagLost: LAG_LOST_METRIC,
} as const;
