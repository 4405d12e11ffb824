/**
 * From the kernel's clock of messages to wall time. That clock begins at boot and stands still while the machine is
 * suspended, as CLOCK_MONOTONIC does: how long before now a message was written is known, unless a suspend lies between.
 */
import type { Host } from '../../src/procfs/host.ts';

export interface KernelClock {
  /** What holds for messages that are read now. */
  now(): Moment;
}

export interface Moment {
  /** Unix nanoseconds. */
  readonly wall_ns: bigint;
  /** CLOCK_MONOTONIC. */
  readonly uptime_us: number;
  /** How long the machine was suspended since its boot. */
  readonly suspended_s: number;
}

/** Of /proc/uptime; and the clocks are not read at the same moment. */
const RESOLUTION_S = 0.1;

export function createKernelClock(host: Pick<Host, 'readText'>): KernelClock {
  return {
    now() {
      const wall_ns = BigInt(Date.now()) * 1_000_000n;
      const uptime_us = Number(process.hrtime.bigint() / 1000n);
      // CLOCK_BOOTTIME, which goes on while the machine is suspended.
      const sinceBoot_s = Number(host.readText('/proc/uptime').split(' ', 1)[0]);
      const suspended_s = sinceBoot_s - uptime_us / 1e6;
      return { wall_ns, uptime_us, suspended_s: suspended_s > RESOLUTION_S ? suspended_s : 0 };
    },
  };
}

/** When a message was written, at the latest; the clocks' own difference does not put it into the future. */
export function wallTime(time_us: number, { wall_ns, uptime_us }: Moment): bigint {
  return wall_ns - BigInt(Math.max(0, Math.round(uptime_us - time_us))) * 1000n;
}

/** How long those periods are in which the promptest record is looked for. */
const PERIOD_US = 3_600e6;

export interface KernelLag {
  /** Seconds between a message, and its record now. */
  of(time_us: number, uptime_us: number): number;
}

/**
 * How late records of messages are. The two clocks drift apart, since only the other one is corrected, by seconds in some
 * days: so what counts is by how much more they differ than at the promptest record of the last hour or two.
 */
export function createKernelLag(): KernelLag {
  let before_us = Infinity;
  let least_us = Infinity;
  let began_us = -Infinity;
  return {
    of(time_us, uptime_us) {
      if (uptime_us - began_us >= PERIOD_US) {
        before_us = least_us;
        least_us = Infinity;
        began_us = uptime_us;
      }
      const difference_us = uptime_us - time_us;
      least_us = Math.min(least_us, difference_us);
      return (difference_us - Math.min(least_us, before_us)) / 1e6;
    },
  };
}

/** By how much earlier it may have been: as long as the machine was suspended since `before_s`. */
export function uncertainty(before_s: number, { suspended_s }: Moment): number {
  const between_s = suspended_s - before_s;
  return between_s > RESOLUTION_S ? Math.round(between_s * 1000) / 1000 : 0;
}
