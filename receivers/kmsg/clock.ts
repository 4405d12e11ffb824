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

/** By how much earlier it may have been: as long as the machine was suspended since `before_s`. */
export function uncertainty(before_s: number, { suspended_s }: Moment): number {
  const between_s = suspended_s - before_s;
  return between_s > RESOLUTION_S ? Math.round(between_s * 1000) / 1000 : 0;
}
