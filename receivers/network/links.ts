/** What sysfs tells of an interface's link. Asking for the speed asks the driver, so all of it is opt-in. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { attempt, readInteger } from '../../src/procfs/source.ts';

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
  function read<T>(name: string, file: string, readFile: (path: string) => T): T | undefined {
    const path = `/sys/class/net/${name}/${file}`;
    return attempt(log, path, () => {
      try {
        return readFile(path);
      } catch (error) {
        // Of a link that is down or has no speed, the kernel says that the question makes no sense.
        if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
        throw error;
      }
    });
  }

  const integer = (path: string): number => readInteger(host, path);
  /** `0x1003`. */
  const hexadecimal = (path: string): number => {
    const text = host.readText(path).trim();
    if (!/^0x[0-9a-f]{1,8}$/i.test(text)) throw new SyntaxError(`Cannot parse ${path}: found ${JSON.stringify(text)}`);
    return Number(text);
  };
  const word = (path: string): string => {
    const text = host.readText(path).trim();
    if (!/^[a-z]+$/.test(text)) throw new SyntaxError(`Cannot parse ${path}: found ${JSON.stringify(text)}`);
    return text;
  };

  return {
    speed(name) {
      const megabits = read(name, 'speed', integer) ?? NaN;
      // -1 and 2^32-1: unknown.
      return megabits > 0 && megabits < 4_294_967_295 ? megabits * BYTES_PER_MEGABIT : NaN;
    },
    carrier: (name) => read(name, 'carrier', integer) ?? NaN,
    up(name) {
      const state = read(name, 'operstate', word);
      if (state !== 'unknown') return state === undefined ? NaN : Number(state === 'up');
      // Loopback and tunnels have no operational state: switched on is all there is.
      const flags = read(name, 'flags', hexadecimal);
      return flags === undefined ? NaN : flags & IFF_UP;
    },
  };
}
