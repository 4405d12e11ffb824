/** What the agent's process takes: CPU, memory, threads, open files, and the heap within. */
import type { Observable } from '@opentelemetry/api';
import { statfsSync, statSync } from 'node:fs';
import { getHeapSpaceStatistics } from 'node:v8';
import type { BatchObservableResult, ComponentLog, Host, MetricDefinition } from '../../src/component.ts';
import { NO_ATTRIBUTES, type Attributes } from '../../src/model/attributes.ts';
import { parseProcessStat } from '../../src/procfs/process_stat.ts';
import { attempt, createSource } from '../../src/procfs/source.ts';

const SPACE = ['v8js.heap.space.name'];

/** Names of the heap's: https://opentelemetry.io/docs/specs/semconv/runtime/v8js-metrics/ */
export const processMetrics = {
  cpuTime: {
    name: 'process.cpu.time',
    instrument: 'counter',
    unit: 's',
    value: 'double',
    about: 'CPU time that the agent took.',
    attributes: ['cpu.mode'],
    since: 'agent',
  },
  memoryUsage: {
    name: 'process.memory.usage',
    instrument: 'updowncounter',
    unit: 'By',
    about: 'Physical memory that the agent takes.',
    attributes: [],
    since: 'agent',
  },
  uptime: {
    name: 'process.uptime',
    instrument: 'gauge',
    unit: 's',
    value: 'double',
    about: 'Time since the agent started.',
    attributes: [],
  },
  threads: {
    name: 'process.thread.count',
    instrument: 'updowncounter',
    unit: '{thread}',
    about: 'Threads of the agent.',
    attributes: [],
    since: 'agent',
  },
  fileDescriptors: {
    name: 'process.unix.file_descriptor.count',
    instrument: 'updowncounter',
    unit: '{file_descriptor}',
    about: 'Files and sockets that the agent has open.',
    attributes: [],
    since: 'agent',
  },
  heapUsed: heap('v8js.memory.heap.used', 'Memory of the heap in use, by space.'),
  heapSize: { ...heap('v8js.memory.heap.space.size', 'Size of each space of the heap.'), optIn: true },
  heapAvailable: {
    ...heap('v8js.memory.heap.space.available_size', 'Memory still to be had in each space of the heap.'),
    optIn: true,
  },
  heapPhysical: {
    ...heap('v8js.memory.heap.space.physical_size', 'Memory that each space of the heap has taken.'),
    optIn: true,
  },
} as const satisfies Record<string, MetricDefinition>;

function heap(name: string, about: string) {
  return { name, instrument: 'updowncounter', unit: 'By', about, attributes: SPACE, since: 'agent' } as const;
}

const USER = { 'cpu.mode': 'user' };
const SYSTEM = { 'cpu.mode': 'system' };

export function createProcess(
  metrics: { readonly [K in keyof typeof processMetrics]: Observable },
  host: Host,
  log: ComponentLog,
) {
  const spaces = new Map<string, Attributes>();

  function observeHeap(observer: BatchObservableResult): void {
    for (const space of getHeapSpaceStatistics()) {
      let attributes = spaces.get(space.space_name);
      if (attributes === undefined) {
        // Most spaces are for features that nothing here uses: they are reported from their first byte on.
        if (space.space_size === 0) continue;
        spaces.set(space.space_name, (attributes = { 'v8js.heap.space.name': space.space_name }));
      }
      observer.observe(metrics.heapUsed, space.space_used_size, attributes);
      observer.observe(metrics.heapSize, space.space_size, attributes);
      observer.observe(metrics.heapAvailable, space.space_available_size, attributes);
      observer.observe(metrics.heapPhysical, space.physical_space_size, attributes);
    }
  }

  const readStat = createSource({ host, log }, '/proc/self/stat', parseProcessStat);
  let pageSize: number | undefined;

  function observeOwnFiles(observer: BatchObservableResult): void {
    const stat = readStat();
    if (stat === undefined) {
      observer.observe(metrics.memoryUsage, process.memoryUsage.rss(), NO_ATTRIBUTES);
    } else {
      // The block size that procfs reports is the size of a page (simple_statfs in fs/libfs.c).
      pageSize ??= statfsSync(host.resolve('/proc/self')).bsize;
      observer.observe(metrics.memoryUsage, stat.residentPages * pageSize, NO_ATTRIBUTES);
      observer.observe(metrics.threads, stat.threads, NO_ATTRIBUTES);
    }
    const files = attempt(log, '/proc/self/fd', () => countOpenFiles(host));
    if (files !== undefined) observer.observe(metrics.fileDescriptors, files, NO_ATTRIBUTES);
  }

  return {
    observe(observer: BatchObservableResult): void {
      const { user, system } = process.cpuUsage();
      observer.observe(metrics.cpuTime, user / 1e6, USER);
      observer.observe(metrics.cpuTime, system / 1e6, SYSTEM);
      observer.observe(metrics.uptime, process.uptime(), NO_ATTRIBUTES);
      if (host.platform === 'linux') observeOwnFiles(observer);
      else observer.observe(metrics.memoryUsage, process.memoryUsage.rss(), NO_ATTRIBUTES);
      observeHeap(observer);
    },
  };
}

/** The folder's size is their number since Linux 6.2 (proc_readfd_count in fs/proc/fd.c); before, they are listed. */
function countOpenFiles(host: Host): number {
  const { size } = statSync(host.resolve('/proc/self/fd'));
  // One of those listed is the folder itself, open meanwhile.
  return size > 0 ? size : host.list('/proc/self/fd').length - 1;
}
