/** The metrics of the receiver `process`. */
import type { Entity } from '../../src/model/batch.ts';

/** Says what is reported singly beside the remainder: `process`, `executable`, `owner`, `unit` or `container`. */
export const REMAINDER = 'process.remainder';

/** What can describe a process, besides its command line. The names of what conventions do not know are ours. */
export const DESCRIPTIONS = [
  'process.executable.name',
  'process.executable.path',
  'process.command',
  'process.args_count',
  'process.owner',
  'process.parent_pid',
  'process.linux.cgroup',
  'systemd.unit',
  'container.id',
] as const;

export type Description = (typeof DESCRIPTIONS)[number];

/** A process is a resource of its own. Groups and the remainder lack its identity: what names them stays on points. */
const PROCESS: Entity = {
  type: 'process',
  identifying: ['process.pid', 'process.creation.time'],
  descriptive: [...DESCRIPTIONS, 'process.command_line', REMAINDER],
};

const IDENTITY = [...PROCESS.identifying, ...PROCESS.descriptive];
const MODE = [...IDENTITY, 'cpu.mode'];
const DIRECTION = [...IDENTITY, 'disk.io.direction'];

export const metrics = {
  cpuTime: {
    name: 'process.cpu.time',
    instrument: 'counter',
    unit: 's',
    value: 'double',
    about:
      'CPU time by mode. With the remainder it is what the host spent in user and nice, and in system and interrupt.',
    attributes: MODE,
    entity: PROCESS,
  },
  cpuUtilization: {
    name: 'process.cpu.utilization',
    instrument: 'gauge',
    unit: '1',
    value: 'double',
    about: 'Share of the CPU time of all CPUs since the collection before, by mode.',
    attributes: MODE,
    optIn: true,
    entity: PROCESS,
  },
  memoryUsage: {
    name: 'process.memory.usage',
    instrument: 'updowncounter',
    unit: 'By',
    about: 'Physical memory, with what is shared with other processes (RSS).',
    attributes: IDENTITY,
    entity: PROCESS,
  },
  memoryVirtual: {
    name: 'process.memory.virtual',
    instrument: 'updowncounter',
    unit: 'By',
    about: 'Address space.',
    attributes: IDENTITY,
    entity: PROCESS,
  },
  memorySwap: {
    name: 'process.memory.swap',
    instrument: 'updowncounter',
    unit: 'By',
    about: 'Memory that is swapped out, without shared memory.',
    attributes: IDENTITY,
    source: 'sonde',
    entity: PROCESS,
  },
  memoryPss: {
    name: 'process.memory.pss',
    instrument: 'updowncounter',
    unit: 'By',
    about: 'Physical memory, what is shared with other processes by its share (PSS); takes the kernel long to tell.',
    attributes: IDENTITY,
    optIn: true,
    source: 'sonde',
    entity: PROCESS,
  },
  diskIo: {
    name: 'process.disk.io',
    instrument: 'counter',
    unit: 'By',
    about: 'Bytes read from and written to the storage layer.',
    attributes: DIRECTION,
    entity: PROCESS,
  },
  diskOperations: {
    name: 'process.disk.operations',
    instrument: 'counter',
    unit: '{operation}',
    about: 'System calls that read or wrote, whatever the file.',
    attributes: DIRECTION,
    entity: PROCESS,
  },
  faults: {
    name: 'process.paging.faults',
    instrument: 'counter',
    unit: '{fault}',
    about: 'Page faults: major ones had to wait for a disk. With the remainder it is what the host counted.',
    attributes: [...IDENTITY, 'system.paging.fault.type'],
    entity: PROCESS,
  },
  contextSwitches: {
    name: 'process.context_switches',
    instrument: 'counter',
    unit: '{context_switch}',
    about: 'Context switches of the main thread: of the others the kernel tells only thread by thread.',
    attributes: [...IDENTITY, 'process.context_switch.type'],
    entity: PROCESS,
  },
  threads: {
    name: 'process.thread.count',
    instrument: 'updowncounter',
    unit: '{thread}',
    about: 'Threads.',
    attributes: IDENTITY,
    entity: PROCESS,
  },
  fileDescriptors: {
    name: 'process.unix.file_descriptor.count',
    instrument: 'updowncounter',
    unit: '{file_descriptor}',
    about: 'Open file descriptors.',
    attributes: IDENTITY,
    entity: PROCESS,
  },
  uptime: {
    name: 'process.uptime',
    instrument: 'gauge',
    unit: 's',
    value: 'double',
    about: 'Time since the process was started.',
    attributes: IDENTITY,
    entity: PROCESS,
  },
  count: {
    name: 'process.group.size',
    instrument: 'updowncounter',
    unit: '{process}',
    about: 'Processes in a group, and in the remainder.',
    attributes: IDENTITY,
    source: 'sonde',
    entity: PROCESS,
  },
} as const;

export type Metrics = typeof metrics;
