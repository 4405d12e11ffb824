/** How full the kernel's table of tracked connections is. */
import type { ComponentLog, Host } from '../../src/component.ts';
import { Cursor } from '../../src/procfs/bytes.ts';
import { attempt, readInteger } from '../../src/procfs/source.ts';

/** NaN where it cannot be told. */
export interface Conntrack {
  count(): number;
  max(): number;
}

/** @param folder the machine's `/proc/net` */
export function createConntrack(host: Host, log: ComponentLog, folder: string): Conntrack {
  const readNumber = (path: string): number => attempt(log, path, () => readInteger(host, path)) ?? NaN;
  return {
    count() {
      // The sysctl tells of the reader's own network: in a container, the machine's table needs the other file.
      if (host.rootPath === '/') return readNumber('/proc/sys/net/netfilter/nf_conntrack_count');
      const path = `${folder}/stat/nf_conntrack`;
      return attempt(log, path, () => parseConntrackStat(host.readOnce(path))) ?? NaN;
    },
    max: () => readNumber('/proc/sys/net/netfilter/nf_conntrack_max'),
  };
}

/**
 * Entries of the connection tracking table, from `/proc/net/stat/nf_conntrack`: a heading, then a line for each CPU
 * whose first number, hexadecimal, is the same on all.
 *
 * `00000a2f  00000000 00000000 …`
 *
 * @throws {SyntaxError}
 */
export function parseConntrackStat(file: Uint8Array): number {
  const cursor = new Cursor(file);
  const field = cursor.nextLine() ? cursor.field() : '';
  const count = /^[0-9a-f]{1,16}$/i.test(field) ? Number.parseInt(field, 16) : NaN;
  if (Number.isNaN(count)) throw new SyntaxError(`Cannot parse nf_conntrack: found ${cursor.quoteLine()}`);
  return count;
}
