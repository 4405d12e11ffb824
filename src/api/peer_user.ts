/** Whose process is at the other end of a connection within this machine. */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

/**
 * Whether it belongs to root or to the user that this process runs as: by the owners of sockets that /proc/net/tcp lists.
 * Undefined on systems that have no such file.
 */
export async function isOwnUser({
  remotePort,
  localPort,
}: Pick<Socket, 'remotePort' | 'localPort'>): Promise<boolean | undefined> {
  if (process.platform !== 'linux' || remotePort === undefined || localPort === undefined) return undefined;
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readTable));
  if (tables.every((table) => table === '')) return undefined;
  const owners = tables.flatMap((table) => ownersOf(table, remotePort, localPort));
  const allowed = new Set([0, process.getuid?.()]);
  // Of sockets with other addresses and the same ports, too, if there are such: who cannot be told apart is refused.
  return owners.length > 0 && owners.every((uid) => allowed.has(uid));
}

/** Without IPv6 there is no table of it. */
async function readTable(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '');
}

const ESTABLISHED = '01';

/**
 * User ids of the sockets that are connected from one port to another (kernel: Documentation/networking/proc_net_tcp.rst).
 * `   1: 0100007F:D431 0100007F:24F8 01 00000000:00000000 00:00000000 00000000  1000        0 28123 …`
 */
export function ownersOf(table: string, port: number, toPort: number): number[] {
  const ending = (number: number): string => `:${number.toString(16).toUpperCase().padStart(4, '0')}`;
  const owners: number[] = [];
  for (const line of table.split('\n')) {
    const [, local, remote, state, , , , uid] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || uid === undefined) continue;
    if (local!.endsWith(ending(port)) && remote!.endsWith(ending(toPort))) owners.push(Number(uid));
  }
  return owners;
}
