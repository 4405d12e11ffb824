import * as v from 'valibot';
import { type BatchObservableResult, defineReceiver, type Host } from '../src/component.ts';
import { option } from '../src/config/options.ts';
import type { Attributes } from '../src/model/attributes.ts';
import { Cursor } from '../src/procfs/bytes.ts';
import { NamedRows } from '../src/procfs/named_rows.ts';
import { attempt, readInteger } from '../src/procfs/source.ts';
import { createNameFilter, globs } from '../src/text/name_filter.ts';

/** Bytes of a sector in `/proc/diskstats` and `/sys/class/block/NAME/size`, whatever the device's own are. */
const SECTOR_BYTES = 512;
const DEVICE = ['system.device'];
const DEVICE_DIRECTION = ['system.device', 'disk.io.direction'];

export default defineReceiver({
  type: 'disk',
  about: 'Reads how much is read from and written to block devices, and how long it takes, from /proc/diskstats.',
  config: v.strictObject({
    include: option(globs(), 'Devices to report, as globs; all if empty.', []),
    exclude: option(globs(), 'Devices to leave out, as globs.', ['loop*', 'ram*', 'zram*', 'fd[0-9]*']),
    partitions: option(
      v.boolean(),
      'Whether partitions are reported beside the disks they are part of: sums over devices then count them twice.',
      false,
    ),
  }),
  metrics: {
    io: {
      name: 'system.disk.io',
      instrument: 'counter',
      unit: 'By',
      about: 'Bytes read and written.',
      attributes: DEVICE_DIRECTION,
    },
    operations: {
      name: 'system.disk.operations',
      instrument: 'counter',
      unit: '{operation}',
      about: 'Reads and writes completed.',
      attributes: DEVICE_DIRECTION,
    },
    ioTime: {
      name: 'system.disk.io_time',
      instrument: 'counter',
      unit: 's',
      value: 'double',
      about: 'Time during which the device had at least one operation under way.',
      attributes: DEVICE,
    },
    operationTime: {
      name: 'system.disk.operation_time',
      instrument: 'counter',
      unit: 's',
      value: 'double',
      about: 'Time that operations took, summed over all of them.',
      attributes: DEVICE_DIRECTION,
    },
    merged: {
      name: 'system.disk.merged',
      instrument: 'counter',
      unit: '{operation}',
      about: 'Operations merged into a neighbour before they reached the device.',
      attributes: DEVICE_DIRECTION,
    },
    pending: {
      name: 'system.disk.pending_operations',
      instrument: 'updowncounter',
      unit: '{operation}',
      about: 'Operations under way now.',
      attributes: DEVICE,
      source: 'collector',
    },
    weightedIoTime: {
      name: 'system.disk.weighted_io_time',
      instrument: 'counter',
      unit: 's',
      value: 'double',
      about: 'Time with operations under way, times their number.',
      attributes: DEVICE,
      source: 'collector',
    },
    limit: {
      name: 'system.disk.limit',
      instrument: 'updowncounter',
      unit: 'By',
      about: 'Capacity of the device.',
      attributes: DEVICE,
      optIn: true,
    },
    discardIo: {
      name: 'system.disk.linux.discard.io',
      instrument: 'counter',
      unit: 'By',
      about: 'Bytes that the device was told are no longer used (TRIM); since Linux 4.18.',
      attributes: DEVICE,
      optIn: true,
      source: 'sonde',
    },
    discardOperations: {
      name: 'system.disk.linux.discard.operations',
      instrument: 'counter',
      unit: '{operation}',
      about: 'Discards completed; since Linux 4.18.',
      attributes: DEVICE,
      optIn: true,
      source: 'sonde',
    },
    discardTime: {
      name: 'system.disk.linux.discard.operation_time',
      instrument: 'counter',
      unit: 's',
      value: 'double',
      about: 'Time that discards took, summed over all of them; since Linux 4.18.',
      attributes: DEVICE,
      optIn: true,
      source: 'sonde',
    },
    flushOperations: {
      name: 'system.disk.linux.flush.operations',
      instrument: 'counter',
      unit: '{operation}',
      about: 'Flushes of the device’s cache completed; since Linux 5.5.',
      attributes: DEVICE,
      optIn: true,
      source: 'sonde',
    },
    flushTime: {
      name: 'system.disk.linux.flush.operation_time',
      instrument: 'counter',
      unit: 's',
      value: 'double',
      about: 'Time that flushes took, summed over all of them; since Linux 5.5.',
      attributes: DEVICE,
      optIn: true,
      source: 'sonde',
    },
  },
  sources: ['/proc/diskstats', '/sys/block', '/sys/class/block/*/size'],
  create({ config, host, log, metrics, isEnabled }) {
    if (host.platform !== 'linux') return { collect: (observer) => collectElsewhere(observer) };
    const isWanted = createNameFilter(config.include, config.exclude);
    let wholeDisks: ReadonlySet<string> | undefined;
    const devices = new NamedRows((name) => {
      if (!isWanted(name)) return undefined;
      wholeDisks ??= listWholeDisks(host);
      return config.partitions || isWholeDisk(name, wholeDisks) ? createDevice(name) : undefined;
    });

    function observeLine(observer: BatchObservableResult, device: Device, fields: Float64Array): void {
      const { all, read, write } = device;
      observer.observe(metrics.io, fields[2] * SECTOR_BYTES, read);
      observer.observe(metrics.io, fields[6] * SECTOR_BYTES, write);
      observer.observe(metrics.operations, fields[0], read);
      observer.observe(metrics.operations, fields[4], write);
      observer.observe(metrics.ioTime, fields[9] / 1000, all);
      observer.observe(metrics.operationTime, fields[3] / 1000, read);
      observer.observe(metrics.operationTime, fields[7] / 1000, write);
      observer.observe(metrics.merged, fields[1], read);
      observer.observe(metrics.merged, fields[5], write);
      observer.observe(metrics.pending, fields[8], all);
      observer.observe(metrics.weightedIoTime, fields[10] / 1000, all);
      // Columns that an older kernel does not have are NaN, which the meter takes for nothing observed.
      observer.observe(metrics.discardOperations, fields[11], all);
      observer.observe(metrics.discardIo, fields[13] * SECTOR_BYTES, all);
      observer.observe(metrics.discardTime, fields[14] / 1000, all);
      observer.observe(metrics.flushOperations, fields[15], all);
      observer.observe(metrics.flushTime, fields[16] / 1000, all);
      if (isEnabled('limit')) {
        const size = attempt(log, device.sizePath, () => readInteger(host, device.sizePath));
        if (size !== undefined) observer.observe(metrics.limit, size * SECTOR_BYTES, all);
      }
    }

    /** The library knows sums over all disks only, and on macOS alone; elsewhere it answers null. */
    async function collectElsewhere(observer: BatchObservableResult): Promise<void> {
      const library = await host.systeminformation();
      const [bytes, operations] = [await library.fsStats(), await library.disksIO()];
      if (bytes !== null) {
        observer.observe(metrics.io, bytes.rx, ALL_DISKS.read);
        observer.observe(metrics.io, bytes.wx, ALL_DISKS.write);
      }
      if (operations !== null) {
        observer.observe(metrics.operations, operations.rIO, ALL_DISKS.read);
        observer.observe(metrics.operations, operations.wIO, ALL_DISKS.write);
      }
    }

    return {
      collect(observer) {
        devices.begin();
        wholeDisks = undefined;
        attempt(log, '/proc/diskstats', () =>
          parseDiskstats(host.read('/proc/diskstats'), (bytes, start, end, fields) => {
            const device = devices.at(bytes, start, end);
            if (device !== undefined) observeLine(observer, device, fields);
          }),
        );
        devices.end();
      },
    };
  },
});

/** The attributes of one device, made once. */
interface Device {
  readonly all: Attributes;
  readonly read: Attributes;
  readonly write: Attributes;
  readonly sizePath: string;
}

function createDevice(name: string): Device {
  const all = { 'system.device': name };
  return {
    all,
    read: { ...all, 'disk.io.direction': 'read' },
    write: { ...all, 'disk.io.direction': 'write' },
    sizePath: `/sys/class/block/${sysfsName(name)}/size`,
  };
}

const ALL_DISKS = { read: { 'disk.io.direction': 'read' }, write: { 'disk.io.direction': 'write' } };

/** Sysfs writes the slash of names such as `cciss/c0d0` as `!`. */
function sysfsName(name: string): string {
  return name.replaceAll('/', '!');
}

/** Names in `/sys/block`, which lists no partitions; none where it cannot be read. */
function listWholeDisks(host: Host): ReadonlySet<string> {
  try {
    return new Set(host.list('/sys/block'));
  } catch {
    // Without sysfs, as in some containers, names have to tell.
    return new Set();
  }
}

function isWholeDisk(name: string, wholeDisks: ReadonlySet<string>): boolean {
  if (wholeDisks.size > 0) return wholeDisks.has(sysfsName(name));
  // `sda1`, `vda2`, `xvdb3`; and `nvme0n1p1`, `mmcblk0p2`, `md0p1`, `cciss/c0d0p1`, whose disks end in a digit.
  return !/^(?:(?:s|h|v|xv)d[a-z]+\d+|.*\dp\d+)$/.test(name);
}

const FIELDS = 17;
/** What every kernel since 2.6.25 tells of every device. */
const LEAST_FIELDS = 11;

/**
 * Calls `visit` for each line of `/proc/diskstats`, with the place of the device's name and the numbers behind it; NaN
 * where an older kernel has no such column. `fields` is the same array every time. After the last line it throws if
 * any could not be read, so that a bad line costs that device alone.
 *
 * `254 0 vda 16823 5470 2038450 45508 9763 174015 12771408 50951 0 8248 96925 5131 16 596488 464 8 0`
 *
 * Times are milliseconds as 32-bit numbers: they begin again at 0 after 49.7 days of work.
 * Source: https://docs.kernel.org/admin-guide/iostats.html
 * @throws {SyntaxError}
 */
export function parseDiskstats(
  file: Uint8Array,
  visit: (bytes: Uint8Array, nameStart: number, nameEnd: number, fields: Float64Array) => void,
): void {
  const cursor = new Cursor(file);
  const fields = new Float64Array(FIELDS);
  let bad: string | undefined;
  do {
    if (cursor.isAtLineEnd) continue;
    const major = cursor.number();
    const minor = cursor.number();
    cursor.skipBlanks();
    const nameStart = cursor.position;
    cursor.skipFields(1);
    const nameEnd = cursor.position;
    let count = 0;
    while (count < FIELDS && !Number.isNaN((fields[count] = cursor.number()))) count++;
    const hasMore = count === FIELDS;
    fields.fill(NaN, count);
    const isWhole = hasMore || cursor.isAtLineEnd;
    const hasName = !Number.isNaN(major) && !Number.isNaN(minor) && nameEnd > nameStart;
    if (hasName && count >= LEAST_FIELDS && isWhole && hasNewline(cursor)) visit(file, nameStart, nameEnd, fields);
    else bad ??= cursor.quoteLine();
  } while (cursor.nextLine());
  if (bad !== undefined) throw new SyntaxError(`Cannot parse /proc/diskstats: found the line ${bad}`);
}

/** Whether the cursor's line ends: the last one of a file that was cut off may hold half a number. */
function hasNewline({ bytes, position }: Cursor): boolean {
  return bytes.indexOf(10, position) !== -1;
}
