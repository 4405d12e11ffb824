import * as v from 'valibot';
import { defineReceiver, type BatchObservableResult } from '../src/component.ts';
import { key, readKeyed } from '../src/procfs/bytes.ts';
import { createSource } from '../src/procfs/source.ts';

const STATE = 'system.memory.state';
const SLAB_STATE = 'system.memory.linux.slab.state';
const HUGEPAGES_STATE = 'system.memory.linux.hugepages.state';

export default defineReceiver({
  type: 'memory',
  about: 'Reads how memory is used. The states of one measure sum to its total.',
  config: v.strictObject({}),
  metrics: {
    usage: {
      ...bytes('system.memory.usage', 'Memory by state; cached includes slab memory that can be reclaimed.'),
      attributes: [STATE],
    },
    utilization: {
      ...bytes('system.memory.utilization', 'Share of the memory in each state.'),
      instrument: 'gauge',
      unit: '1',
      value: 'double',
      attributes: [STATE],
      optIn: true,
    },
    limit: { ...bytes('system.memory.limit', 'All memory that the system has to give.'), optIn: true },
    available: bytes(
      'system.memory.linux.available',
      'Estimate of what programs can still take without swapping (MemAvailable, since Linux 3.14).',
    ),
    slab: {
      ...bytes('system.memory.linux.slab.usage', 'What the kernel keeps its own objects in.'),
      attributes: [SLAB_STATE],
      optIn: true,
    },
    shared: { ...bytes('system.memory.linux.shared', 'Shared memory and tmpfs; part of cached.'), optIn: true },
    dirty: {
      ...bytes('system.linux.memory.dirty', 'Waits to be written to a disk.'),
      optIn: true,
      source: 'collector',
    },
    committed: {
      ...bytes('system.memory.linux.committed', 'What programs have asked for and may come to use (Committed_AS).'),
      optIn: true,
      source: 'sonde',
    },
    commitLimit: {
      ...bytes('system.memory.linux.commit_limit', 'What may be committed where overcommitting is forbidden.'),
      optIn: true,
      source: 'sonde',
    },
    hugepagesLimit: pages('limit', 'Huge pages in the pool.'),
    hugepagesReserved: pages('reserved', 'Huge pages that are promised but not used yet.'),
    hugepagesSurplus: pages('surplus', 'Huge pages above the size that the pool was given.'),
    hugepagesUsage: { ...pages('usage', 'Huge pages by state.'), attributes: [HUGEPAGES_STATE] },
    hugepagesUtilization: {
      ...pages('utilization', 'Share of the huge pages in each state.'),
      instrument: 'gauge',
      unit: '1',
      value: 'double',
      attributes: [HUGEPAGES_STATE],
    },
    hugepagesSize: {
      ...bytes('system.memory.linux.hugepages.page_size', 'Size of a huge page.'),
      optIn: true,
    },
  },
  sources: ['/proc/meminfo'],
  create({ host, log, metrics, isEnabled }) {
    const isWanted = (Object.keys(metrics) as (keyof typeof metrics)[]).some(isEnabled);
    const read = createSource({ host, log }, '/proc/meminfo', parseMeminfo);
    const states = {
      used: { [STATE]: 'used' },
      free: { [STATE]: 'free' },
      buffers: { [STATE]: 'buffers' },
      cached: { [STATE]: 'cached' },
    };
    const reclaimable = { [SLAB_STATE]: 'reclaimable' };
    const unreclaimable = { [SLAB_STATE]: 'unreclaimable' };
    const hugepagesUsed = { [HUGEPAGES_STATE]: 'used' };
    const hugepagesFree = { [HUGEPAGES_STATE]: 'free' };

    function observeStates(observer: BatchObservableResult, total: number, parts: MemoryParts): void {
      const { used, free, buffers, cached } = divideMemory(total, parts);
      observer.observe(metrics.usage, used, states.used);
      observer.observe(metrics.usage, free, states.free);
      observer.observe(metrics.usage, buffers, states.buffers);
      observer.observe(metrics.usage, cached, states.cached);
      if (isEnabled('utilization') && total > 0) {
        observer.observe(metrics.utilization, used / total, states.used);
        observer.observe(metrics.utilization, free / total, states.free);
        observer.observe(metrics.utilization, buffers / total, states.buffers);
        observer.observe(metrics.utilization, cached / total, states.cached);
      }
      observer.observe(metrics.limit, total);
    }

    function observeMeminfo(observer: BatchObservableResult): void {
      const memory = isWanted ? read() : undefined;
      if (memory === undefined) return;
      observeStates(observer, memory.total, memory);
      // What a kernel does not tell is NaN, which is no observation.
      observer.observe(metrics.available, memory.available);
      observer.observe(metrics.slab, memory.slabReclaimable, reclaimable);
      observer.observe(metrics.slab, memory.slabUnreclaimable, unreclaimable);
      observer.observe(metrics.shared, memory.shared);
      observer.observe(metrics.dirty, memory.dirty);
      observer.observe(metrics.committed, memory.committed);
      observer.observe(metrics.commitLimit, memory.commitLimit);
      const { hugepages } = memory;
      observer.observe(metrics.hugepagesLimit, hugepages.total);
      observer.observe(metrics.hugepagesReserved, hugepages.reserved);
      observer.observe(metrics.hugepagesSurplus, hugepages.surplus);
      observer.observe(metrics.hugepagesUsage, hugepages.total - hugepages.free, hugepagesUsed);
      observer.observe(metrics.hugepagesUsage, hugepages.free, hugepagesFree);
      observer.observe(metrics.hugepagesSize, hugepages.size);
      if (!(hugepages.total > 0)) return;
      const used = hugepages.total - hugepages.free;
      observer.observe(metrics.hugepagesUtilization, used / hugepages.total, hugepagesUsed);
      observer.observe(metrics.hugepagesUtilization, hugepages.free / hugepages.total, hugepagesFree);
    }

    async function observeElsewhere(observer: BatchObservableResult): Promise<void> {
      if (!isWanted) return;
      const memory = await (await host.systeminformation()).mem();
      // No system but Linux has buffers apart, and Windows counts its cache as free.
      const cached = host.platform === 'win32' ? NaN : memory.buffcache;
      observeStates(observer, memory.total, { free: memory.free, buffers: NaN, cached });
    }

    return { collect: host.platform === 'linux' ? observeMeminfo : observeElsewhere };
  },
});

function bytes(name: string, about: string) {
  return { name, instrument: 'updowncounter', unit: 'By', about, attributes: [] as readonly string[] } as const;
}

function pages(name: string, about: string) {
  return {
    name: `system.memory.linux.hugepages.${name}`,
    instrument: 'updowncounter',
    unit: '{page}',
    about,
    attributes: [] as readonly string[],
    optIn: true,
  } as const;
}

export interface MemoryParts {
  readonly free: number;
  /** NaN where the system does not tell. */
  readonly buffers: number;
  readonly cached: number;
}

/**
 * Parts that sum to the total: what is not free, buffers or cached is used. Where the parts are more than the total (a
 * container's view of a shared cache), the cache gives way first, so that what is said to be free is free.
 */
export function divideMemory(total: number, parts: MemoryParts): MemoryParts & { readonly used: number } {
  const free = Math.min(parts.free, total);
  let used = total - free;
  const take = (part: number): number => {
    const taken = Math.min(part, used);
    if (taken > 0) used -= taken;
    return taken;
  };
  const buffers = take(parts.buffers);
  const cached = take(parts.cached);
  return { used, free, buffers, cached };
}

/** Bytes; NaN what the kernel does not tell. */
export interface Meminfo extends MemoryParts {
  readonly total: number;
  readonly available: number;
  readonly shared: number;
  readonly dirty: number;
  readonly slabReclaimable: number;
  readonly slabUnreclaimable: number;
  readonly committed: number;
  readonly commitLimit: number;
  /** In pages, but for `size`. */
  readonly hugepages: {
    readonly total: number;
    readonly free: number;
    readonly reserved: number;
    readonly surplus: number;
    readonly size: number;
  };
}

const KEYS = [
  'MemTotal:',
  'MemFree:',
  'MemAvailable:',
  'Buffers:',
  'Cached:',
  'Dirty:',
  'Shmem:',
  'SReclaimable:',
  'SUnreclaim:',
  'CommitLimit:',
  'Committed_AS:',
  'HugePages_Total:',
  'HugePages_Free:',
  'HugePages_Rsvd:',
  'HugePages_Surp:',
  'Hugepagesize:',
].map(key);
const values = new Float64Array(KEYS.length);

/**
 * Reads lines as `MemTotal:       24684084 kB` (Documentation/filesystems/proc.rst, meminfo).
 * @throws {SyntaxError} total, free, buffers or cached is missing
 */
export function parseMeminfo(file: Uint8Array): Meminfo {
  readKeyed(file, KEYS, values);
  const [total, free, available, buffers, cached, dirty, shared, slabReclaimable, slabUnreclaimable] = values;
  const [commitLimit, committed, pageCount, pagesFree, pagesReserved, pagesSurplus, pageSize] = values.subarray(9);
  if (Number.isNaN(total + free + buffers + cached)) {
    throw new SyntaxError(
      `Cannot parse /proc/meminfo: "MemTotal", "MemFree", "Buffers" or "Cached" is missing in ${file.length} bytes`,
    );
  }
  return {
    total: total * 1024,
    free: free * 1024,
    available: available * 1024,
    buffers: buffers * 1024,
    // As free(1) counts it: slab memory that can be reclaimed is a cache too (inodes, directory entries). The page
    // cache holds shared memory, which cannot be reclaimed; the metric for it is apart.
    cached: (cached + (slabReclaimable || 0)) * 1024,
    dirty: dirty * 1024,
    shared: shared * 1024,
    slabReclaimable: slabReclaimable * 1024,
    slabUnreclaimable: slabUnreclaimable * 1024,
    commitLimit: commitLimit * 1024,
    committed: committed * 1024,
    hugepages: {
      total: pageCount,
      free: pagesFree,
      reserved: pagesReserved,
      surplus: pagesSurplus,
      size: pageSize * 1024,
    },
  };
}
