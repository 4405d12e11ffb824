/** What sysfs tells of an interface's link. Asking for the speed asks the driver, so all of it is opt-in. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { attempt } from '../../src/procfs/source.ts';

/** By the name of the interface; NaN where there is nothing to tell. */
export interface Links {
  /** Bytes a second. */
  speed(name: string): number;
  carrier(name: string): number;
  up(name: string): number;
}

const BYTES_PER_MEGABIT = 125_000;
/** Bit of `flags`: switched on by the administrator. */
const IFF_UP = 1;

/** Source: https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-net */
export function createLinks(host: Host, log: ComponentLog): Links {
  function read(name: string, file: string): string | undefined {
    const path = `/sys/class/net/${name}/${file}`;
    return attempt(log, path, () => {
      try {
        return host.readText(path).trim();
      } catch (error) {
        // Of a link that is down or has no speed, the kernel says that the question makes no sense.
        if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
        throw error;
      }
    });
  }

  return {
    speed(name) {
      const megabits = Number(read(name, 'speed') ?? NaN);
      // -1 and 2^32-1: unknown.
      return megabits > 0 && megabits < 4_294_967_295 ? megabits * BYTES_PER_MEGABIT : NaN;
    },
    carrier: (name) => Number(read(name, 'carrier') ?? NaN),
    up(name) {
      const state = read(name, 'operstate');
      // Loopback and tunnels have no operational state: switched on is all there is.
      if (state === 'unknown') return Number(read(name, 'flags') ?? NaN) & IFF_UP;
      return state === undefined ? NaN : Number(state === 'up');
    },
  };
}
