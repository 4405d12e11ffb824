/** Sends unix datagrams, which Node.js cannot: to /dev/log and its like, and to the journal. */
import { openNative } from '../../src/native/library.ts';

const FUNCTIONS = {
  socket: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
  sendto: { return: 'int64', arguments: ['int32', 'buffer', 'uint64', 'int32', 'buffer', 'uint32'] },
  close: { return: 'int32', arguments: ['int32'] },
} as const;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

export interface DatagramSender {
  /** @returns whether the socket had room. @throws {Error} with the system's `code` for anything else */
  send(bytes: Uint8Array): boolean;
  close(): void;
}

export function createDatagramSender(path: string): DatagramSender {
  const native = openNative(FUNCTIONS);
  if (native === undefined) throw new Error('Cannot send unix datagrams: there is no node:ffi');
  const { functions: c, failure } = native;
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(`${path}\0`)]);
  const fd = c.socket(AF_UNIX, SOCK_DGRAM, 0);
  return {
    send(bytes) {
      if (c.sendto(fd, bytes, BigInt(bytes.length), MSG_DONTWAIT, address, address.length) >= 0n) return true;
      const error = failure(`send to "${path}"`);
      if (error.code === 'EAGAIN') return false;
      throw error;
    },
    close: () => void c.close(fd),
  };
}
