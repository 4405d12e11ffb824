import * as v from 'valibot';
import { defineReceiver } from '../src/component.ts';
import { openNative } from '../src/native/library.ts';

export default defineReceiver({
  type: 'clock',
  about: 'Reads whether the kernel’s clock is synchronized, and how far it may be off (adjtimex).',
  config: v.strictObject({}),
  metrics: {
    synchronized: {
      ...gauge('system.clock.synchronized', '1'),
      about: 'Whether a time service keeps the clock: 1 or 0.',
      value: 'int',
    },
    offset: {
      ...gauge('system.clock.offset', 's'),
      about: 'What the kernel still has to correct; 0 under a service that corrects by itself, as chrony.',
    },
    maximumError: {
      ...gauge('system.clock.maximum_error', 's'),
      about: 'How far the clock is off at most: grows until the time service speaks again, 16 s where none ever did.',
    },
    estimatedError: {
      ...gauge('system.clock.estimated_error', 's'),
      about: 'How far the clock is off, as the time service believes.',
    },
    frequency: {
      ...gauge('system.clock.frequency_adjustment', '1'),
      about: 'By which share of itself the clock is made faster.',
    },
    taiOffset: {
      ...gauge('system.clock.tai_offset', 's'),
      about: 'Leap seconds between International Atomic Time and this clock; 0 where nobody told the kernel.',
      optIn: true,
    },
  },
  sources: ['adjtimex(2)'],
  create({ host, log, metrics }) {
    let read: (() => ClockStatus | undefined) | undefined;
    return {
      start() {
        if (host.platform !== 'linux')
          throw new Error(`Cannot read the clock’s state: ${host.platform} has no adjtimex`);
        read = openClock();
      },
      collect(observer) {
        if (read === undefined) return;
        const status = read();
        if (status === undefined) {
          log.once('adjtimex', 'Cannot read the clock’s state: the kernel refuses adjtimex');
          return;
        }
        log.over('adjtimex', 'Reads the clock’s state again');
        observer.observe(metrics.synchronized, status.isSynchronized ? 1 : 0);
        observer.observe(metrics.offset, status.offset_s);
        observer.observe(metrics.maximumError, status.maximumError_s);
        observer.observe(metrics.estimatedError, status.estimatedError_s);
        observer.observe(metrics.frequency, status.frequency);
        observer.observe(metrics.taiOffset, status.taiOffset_s);
      },
    };
  },
});

function gauge(name: string, unit: string) {
  return { name, instrument: 'gauge', unit, attributes: [], value: 'double', source: 'sonde' } as const;
}

export interface ClockStatus {
  readonly isSynchronized: boolean;
  readonly offset_s: number;
  readonly maximumError_s: number;
  readonly estimatedError_s: number;
  readonly frequency: number;
  readonly taiOffset_s: number;
}

/** `struct timex` of 64-bit kernels. */
const TIMEX_BYTES = 208;
/** linux/timex.h */
const STA_UNSYNC = 0x40;
const STA_NANO = 0x2000;

/** @throws {Error} adjtimex cannot be called */
function openClock(): () => ClockStatus | undefined {
  const native = openNative({ adjtimex: { return: 'int32', arguments: ['buffer'] } });
  if (native === undefined || ['arm', 'ia32'].includes(process.arch))
    throw new Error(
      'Cannot read the clock’s state: this Node.js cannot call adjtimex (node:ffi on a 64-bit machine does)',
    );
  const timex = Buffer.alloc(TIMEX_BYTES);
  return () => {
    // `modes` stays 0: nothing is set.
    timex.fill(0);
    return native.functions.adjtimex(timex) < 0 ? undefined : parseTimex(timex);
  };
}

/** adjtimex(2): frequencies are parts per million with 16 bits of fraction, errors microseconds. */
export function parseTimex(timex: Buffer): ClockStatus {
  const status = timex.readInt32LE(40);
  const long = (offset: number): number => Number(timex.readBigInt64LE(offset));
  return {
    isSynchronized: (status & STA_UNSYNC) === 0,
    offset_s: long(8) / ((status & STA_NANO) === 0 ? 1e6 : 1e9),
    frequency: long(16) / 65_536 / 1e6,
    maximumError_s: long(24) / 1e6,
    estimatedError_s: long(32) / 1e6,
    taiOffset_s: timex.readInt32LE(160),
  };
}
