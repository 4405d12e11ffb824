import * as v from 'valibot';
import { defineReceiver, type BatchObservableResult } from '../src/component.ts';
import { Cursor, key, readKeyed } from '../src/procfs/bytes.ts';
import { createSource } from '../src/procfs/source.ts';

const STATE = 'system.paging.state';
const DEVICE = 'system.device';
const FAULT_TYPE = 'system.paging.fault.type';
const DIRECTION = 'system.paging.direction';

export default defineReceiver({
  type: 'paging',
  about:
    'Reads how much swap is used, how much is swapped, page faults, and what the kernel killed for lack of memory.',
  config: v.strictObject({}),
  metrics: {
    usage: {
      name: 'system.paging.usage',
      instrument: 'updowncounter',
      unit: 'By',
      about: 'Swap by device and state.',
      attributes: [STATE, DEVICE],
    },
    utilization: {
      name: 'system.paging.utilization',
      instrument: 'gauge',
      unit: '1',
      about: 'Share of each swap device in each state.',
      attributes: [STATE, DEVICE],
      value: 'double',
      optIn: true,
    },
    operations: {
      name: 'system.paging.operations',
      instrument: 'counter',
      unit: '{operation}',
      about: 'Pages read from swap and written to it.',
      attributes: [FAULT_TYPE, DIRECTION],
    },
    faults: {
      name: 'system.paging.faults',
      instrument: 'counter',
      unit: '{fault}',
      about: 'Page faults; major ones had to wait for a disk.',
      attributes: [FAULT_TYPE],
    },
    oomKills: {
      name: 'system.memory.linux.oom_kills',
      instrument: 'counter',
      unit: '{process}',
      about: 'Processes that the kernel killed for lack of memory (since Linux 4.13).',
      attributes: [],
      source: 'sonde',
    },
  },
  sources: ['/proc/swaps', '/proc/vmstat'],
  create({ host, log, metrics, isEnabled }) {
    const needsSwaps = isEnabled('usage') || isEnabled('utilization');
    const needsVmstat = isEnabled('operations') || isEnabled('faults') || isEnabled('oomKills');
    const readSwaps = createSource({ host, log }, '/proc/swaps', parseSwaps, { isOptional: true });
    const readVmstat = createSource({ host, log }, '/proc/vmstat', parseVmstat);
    const attributesByDevice = new Map<string, SwapAttributes>();
    const swappedIn = { [FAULT_TYPE]: 'major', [DIRECTION]: 'in' };
    const swappedOut = { [FAULT_TYPE]: 'major', [DIRECTION]: 'out' };
    const major = { [FAULT_TYPE]: 'major' };
    const minor = { [FAULT_TYPE]: 'minor' };

    function observeSwap(observer: BatchObservableResult, { device, size, used }: Swap): void {
      let attributes = attributesByDevice.get(device);
      if (attributes === undefined) attributesByDevice.set(device, (attributes = attributesOf(device)));
      observer.observe(metrics.usage, used, attributes.used);
      observer.observe(metrics.usage, size - used, attributes.free);
      if (size === 0) return;
      observer.observe(metrics.utilization, used / size, attributes.used);
      observer.observe(metrics.utilization, (size - used) / size, attributes.free);
    }

    function observeVmstat(observer: BatchObservableResult, vmstat: Vmstat): void {
      // Not pgpgin and pgpgout: those are KiB of all block I/O, no pages (docs/decisions/paging-operations.md).
      observer.observe(metrics.operations, vmstat.swappedIn, swappedIn);
      observer.observe(metrics.operations, vmstat.swappedOut, swappedOut);
      observer.observe(metrics.faults, vmstat.majorFaults, major);
      observer.observe(metrics.faults, vmstat.faults - vmstat.majorFaults, minor);
      observer.observe(metrics.oomKills, vmstat.oomKills);
    }

    async function observeElsewhere(observer: BatchObservableResult): Promise<void> {
      if (!needsSwaps) return;
      const { swaptotal, swapused } = await (await host.systeminformation()).mem();
      if (swaptotal > 0) observeSwap(observer, { device: '', size: swaptotal, used: swapused });
    }

    return {
      collect(observer) {
        if (host.platform !== 'linux') return observeElsewhere(observer);
        const swaps = needsSwaps ? readSwaps() : undefined;
        if (swaps !== undefined) for (const swap of swaps) observeSwap(observer, swap);
        const vmstat = needsVmstat ? readVmstat() : undefined;
        if (vmstat !== undefined) observeVmstat(observer, vmstat);
        return undefined;
      },
    };
  },
});

interface SwapAttributes {
  readonly used: Readonly<Record<string, string>>;
  readonly free: Readonly<Record<string, string>>;
}

/** Systems that tell of all swap together have no device. */
function attributesOf(device: string): SwapAttributes {
  const name: Record<string, string> = device === '' ? {} : { [DEVICE]: device };
  return { used: { [STATE]: 'used', ...name }, free: { [STATE]: 'free', ...name } };
}

/** Bytes. */
export interface Swap {
  readonly device: string;
  readonly size: number;
  readonly used: number;
}

/**
 * ```
 * Filename                Type            Size            Used            Priority
 * /dev/dm-1               partition       33554428        1048576         -2
 * ```
 * in KiB; blanks in names are written as `\040` (mm/swapfile.c, swap_show).
 * @throws {SyntaxError} a line has no size
 */
export function parseSwaps(file: Uint8Array): Swap[] {
  const swaps: Swap[] = [];
  const cursor = new Cursor(file);
  while (cursor.nextLine()) {
    const device = unescapeBlanks(cursor.field());
    cursor.skipFields(1);
    const size = cursor.number() * 1024;
    const used = cursor.number() * 1024;
    if (device === '' || Number.isNaN(size + used)) {
      throw new SyntaxError(`Cannot parse /proc/swaps: ${cursor.quoteLine()} has no size`);
    }
    swaps.push({ device, size, used });
  }
  return swaps;
}

function unescapeBlanks(name: string): string {
  if (!name.includes('\\')) return name;
  return name.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Counts since boot; NaN what the kernel does not tell. */
export interface Vmstat {
  /** Pages. */
  readonly swappedIn: number;
  readonly swappedOut: number;
  /** Major ones included. */
  readonly faults: number;
  readonly majorFaults: number;
  readonly oomKills: number;
}

const KEYS = ['pswpin ', 'pswpout ', 'pgfault ', 'pgmajfault ', 'oom_kill '].map(key);
const values = new Float64Array(KEYS.length);

/**
 * Reads lines as `pgmajfault 4321` (mm/vmstat.c; every fault counts in pgfault, mm/memory.c).
 * @throws {SyntaxError} there is no "pgfault"
 */
export function parseVmstat(file: Uint8Array): Vmstat {
  readKeyed(file, KEYS, values);
  const [swappedIn, swappedOut, faults, majorFaults, oomKills] = values;
  if (Number.isNaN(faults)) {
    throw new SyntaxError(`Cannot parse /proc/vmstat: no line "pgfault" in ${file.length} bytes`);
  }
  return { swappedIn, swappedOut, faults, majorFaults, oomKills };
}
