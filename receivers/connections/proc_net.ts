/** The source `proc`: the lists of sockets in `/proc/net`, read in pieces. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Host } from '../../src/component.ts';
import { ListedSocket, TCP_LISTEN, TCP_TIME_WAIT, visitSockets } from '../../src/procfs/inet_sockets.ts';
import { isAbsent } from '../../src/procfs/source.ts';
import { COOKIE, IPV4, IPV6, LOCAL, PORTS, Sighting, TCP, UDP } from './sighting.ts';
import type { SocketSource } from './source.ts';

const PIECE_BYTES = 256 * 1024;
const NEWLINE = 10;
const TIME_WAIT_TIMER = 3;
const NAMES: Readonly<Record<number, string>> = { [TCP]: 'tcp', [UDP]: 'udp' };

/** @param folder the machine's `/proc/net` */
export function createProcSource(host: Host, folder: string): SocketSource {
  const seen = new Sighting();
  const listed = new ListedSocket();
  let piece: Buffer | undefined;

  function show(take: (seen: Sighting) => void): void {
    seen.family = listed.isIpv6 ? IPV6 : IPV4;
    seen.state = listed.state;
    // In FIN_WAIT_2, too, a connection may only wait.
    seen.isTimeWait = seen.transport === TCP && (listed.timer === TIME_WAIT_TIMER || listed.state === TCP_TIME_WAIT);
    seen.inode = listed.inode;
    const { words } = seen;
    words[PORTS] = listed.ports;
    words.set(listed.addresses, LOCAL);
    // Several sockets may listen, or be bound, at one address; of connections there is one at a time.
    const isShared = seen.transport === UDP || listed.state === TCP_LISTEN;
    words[COOKIE] = isShared ? listed.inode : 0;
    take(seen);
  }

  async function read(path: string, take: (seen: Sighting) => void, isOver: () => boolean): Promise<boolean> {
    piece ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
    const fd = openSync(host.resolve(path), 'r');
    try {
      // Of the line that the piece before broke off; the first line is one of headings.
      let kept = 0;
      for (;;) {
        let length = kept;
        let isEnd = false;
        // The kernel gives a page at a time.
        while (length < piece.length && !isEnd) {
          const got = readSync(fd, piece, length, piece.length - length, null);
          length += got;
          isEnd = got === 0;
        }
        const end = isEnd ? length : piece.lastIndexOf(NEWLINE, length - 1);
        if (end === -1) throw new SyntaxError(`Cannot parse ${path}: found a line of ${length} bytes`);
        visitSockets(piece.subarray(0, end), (cursor) => {
          if (!listed.read(cursor)) return false;
          show(take);
          return true;
        });
        if (isEnd) return true;
        // With the end of the last line, which stands for the headings.
        piece.copy(piece, 0, end, length);
        kept = length - end;
        await new Promise((resolve) => setImmediate(resolve));
        if (isOver()) return false;
      }
    } finally {
      closeSync(fd);
    }
  }

  return {
    name: 'proc',
    identity: 'addresses',
    tellsEnds: false,
    async dump(transports, take, isOver) {
      for (const transport of transports) {
        seen.transport = transport;
        for (const suffix of ['', '6']) {
          try {
            if (!(await read(`${folder}/${NAMES[transport]}${suffix}`, take, isOver))) return false;
          } catch (error) {
            // A kernel without IPv6 has no list of it.
            if (suffix === '' || !isAbsent(error)) throw error;
          }
        }
      }
      return true;
    },
    drain: () => 0,
    close: () => undefined,
  };
}
