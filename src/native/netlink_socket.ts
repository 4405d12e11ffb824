/** Netlink sockets, which Node.js itself cannot open. */
import type { Native } from './library.ts';

const AF_NETLINK = 16;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;

export const SOCKET_FUNCTIONS = {
  socket: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
  bind: { return: 'int32', arguments: ['int32', 'buffer', 'uint32'] },
  send: { return: 'int64', arguments: ['int32', 'buffer', 'uint64', 'int32'] },
  // A message's length, which no number of 64 bits has to be made for each time.
  recv: { return: 'int32', arguments: ['int32', 'buffer', 'uint64', 'int32'] },
  setsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'buffer', 'uint32'] },
  getsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'buffer', 'buffer'] },
  close: { return: 'int32', arguments: ['int32'] },
  malloc: { return: 'pointer', arguments: ['uint64'] },
  free: { return: 'void', arguments: ['pointer'] },
} as const;

/**
 * @param groups multicast groups to be in, as bits
 * @param buffer_bytes for messages that wait, without CAP_NET_ADMIN at most net.core.rmem_max; the system's own if left out
 * @throws {Error} with the system's `code`
 */
export function openNetlinkSocket(
  { functions: c, failure }: Native<typeof SOCKET_FUNCTIONS>,
  protocol: number,
  groups: number,
  buffer_bytes?: number,
): number {
  const fd = c.socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) throw failure('open a netlink socket');
  try {
    if (buffer_bytes !== undefined) {
      const wanted = Buffer.alloc(4);
      // The kernel doubles it, for what it keeps beside the bytes.
      wanted.writeInt32LE(Math.min(buffer_bytes >> 1, 2 ** 30), 0);
      const isSet =
        c.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, wanted, 4) === 0 ||
        c.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, wanted, 4) === 0;
      if (!isSet) throw failure('set the buffer of a netlink socket');
    }
    // struct sockaddr_nl: family, padding, port (the kernel gives one), groups
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(groups, 8);
    if (c.bind(fd, address, address.length) !== 0) throw failure('bind a netlink socket');
    return fd;
  } catch (error) {
    c.close(fd);
    throw error;
  }
}
