/** From the kernel's clocks to the calendar. */
import type { Host } from '../../src/component.ts';

export interface Clock {
  /** Unix nanoseconds of a time of CLOCK_MONOTONIC; of now, where that is NaN. */
  unix(time_ns: number): bigint;
  /** The same in seconds, as near as a double comes. */
  unix_s(time_ns: number): number;
  /** Hundredths of a second since boot, in which processes' starts are counted, of a time of CLOCK_MONOTONIC. */
  ticks(time_ns: number): number;
  /** The time of CLOCK_MONOTONIC at that many hundredths of a second since boot. */
  monotonic(ticks: number): number;
  now_ns(): number;
  /** To be called every now and then: someone may set the clock, and a machine may sleep. */
  update(): void;
}

export const NS_PER_TICK = 1e7;
/** Below, the two clocks differ by how they are read. */
const NOISE_NS = 2e7;
const UPDATE_NS = 5e9;

export function createClock(host: Pick<Host, 'readText'>): Clock {
  /** From the monotonic clock to Unix time, and to that since boot, which goes on while a machine sleeps. */
  let toUnix_ns = 0n;
  let toUnixNumber_ns = 0;
  let toBoot_ns = 0;
  let updated_ns = -Infinity;

  const now_ns = (): number => Number(process.hrtime.bigint());

  function readSleep_ns(): number {
    try {
      // 12345.67 23456.78: since boot, and idle
      const uptime_ns = Number.parseFloat(host.readText('/proc/uptime')) * 1e9;
      const difference_ns = uptime_ns - now_ns();
      return Math.abs(difference_ns) < NOISE_NS ? 0 : difference_ns;
    } catch {
      // Without it a machine is taken to never have slept.
      return 0;
    }
  }

  return {
    now_ns,
    unix: (time_ns) =>
      Number.isNaN(time_ns) ? BigInt(Date.now()) * 1_000_000n : BigInt(Math.round(time_ns)) + toUnix_ns,
    unix_s: (time_ns) => (time_ns + toUnixNumber_ns) / 1e9,
    ticks: (time_ns) => Math.floor((time_ns + toBoot_ns) / NS_PER_TICK),
    monotonic: (ticks) => ticks * NS_PER_TICK - toBoot_ns,
    update() {
      const now = now_ns();
      if (now - updated_ns < UPDATE_NS) return;
      updated_ns = now;
      const difference = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
      // Both clocks are read to a millisecond at best, so small differences are none.
      if (difference - toUnix_ns > 2_000_000n || toUnix_ns - difference > 2_000_000n) {
        toUnix_ns = difference;
        toUnixNumber_ns = Number(difference);
      }
      toBoot_ns = readSleep_ns();
    },
  };
}
