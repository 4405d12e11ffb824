/** The source `sock_diag`: the kernel is asked for its sockets by netlink, and tells of those that it destroys. */
import { openReadable } from '../../src/native/descriptor.ts';
import { openNative } from '../../src/native/library.ts';
import { openNetlinkSocket, SOCKET_FUNCTIONS } from '../../src/native/netlink_socket.ts';
import { IPV4, IPV6, Sighting } from './sighting.ts';
import { encodeDumpRequest, Ended, readEnds, readPage } from './sock_diag.ts';
import type { SocketSource } from './source.ts';

const NETLINK_SOCK_DIAG = 4;
/** SKNLGRP_INET_TCP_DESTROY and its like, as bits: TCP, UDP, TCP of IPv6, UDP of IPv6 (sock_diag.h). */
const TCP_DESTROY = 0b0101;
const UDP_DESTROY = 0b1010;
/** A notice of 380 bytes needs up to 1.3 KB of it. */
const RECEIVE_BYTES = 16 * 1024 * 1024;
/** The kernel writes parts of at most 32 KiB, and tells if one was longer than the buffer. */
const PAGE_BYTES = 65_536;
const MSG_TRUNC = 0x20;
/** Parts of some 300 sockets between two pauses for the event loop: about 2 ms. */
const PAGES_A_TURN = 8;
/** Notices that wait here until a dump is done: more than the kernel has room for. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;

export interface NetlinkOptions {
  readonly withUdp: boolean;
  /** Dumps carry round-trip times. */
  readonly withInfo: boolean;
  /** There are ends to drain; called outside of any dump. */
  readonly onEnds: () => void;
  /** Why ends cannot be told, where they cannot. */
  readonly onDeaf: (error: Error) => void;
}

/**
 * @returns undefined where this Node.js has no `node:ffi`, or may not use it, or bytes are in the other order
 * @throws {Error} with the system's `code`, where the kernel has no sock_diag
 */
export function openSockDiag({ withUdp, withInfo, onEnds, onDeaf }: NetlinkOptions): SocketSource | undefined {
  const native = openNative(SOCKET_FUNCTIONS);
  if (native === undefined) return undefined;
  const { functions: c, failure } = native;

  const page = Buffer.allocUnsafeSlow(PAGE_BYTES);
  const fd = openNetlinkSocket(native, NETLINK_SOCK_DIAG, 0);
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let overflows = 0;
  /** Notices were thrown away since they were drained. */
  let isFull = false;
  let isDumping = false;
  let isClosed = false;
  const notices = listen();

  function listen() {
    try {
      const groups = withUdp ? TCP_DESTROY | UDP_DESTROY : TCP_DESTROY;
      const listener = openNetlinkSocket(native!, NETLINK_SOCK_DIAG, groups, RECEIVE_BYTES);
      const readable = openReadable(listener, () => receive(listener));
      return { listener, close: readable.close };
    } catch (error) {
      onDeaf(error as Error);
      return undefined;
    }
  }

  /** Takes what the kernel has for us; it is looked at later, in a turn of JavaScript. */
  function receive(listener: number): void {
    const hadNone = waiting.length === 0;
    for (;;) {
      const length = c.recv(listener, page, BigInt(PAGE_BYTES), MSG_TRUNC);
      if (length <= 0) {
        // There was no room for some; what follows can be read.
        if (length === 0 || failure('receive').code !== 'ENOBUFS') break;
        overflows++;
      } else if (length > PAGE_BYTES || waitingBytes + length > MOST_WAITING_BYTES) {
        if (!isFull) overflows++;
        isFull = true;
      } else {
        waiting.push(Buffer.from(page.subarray(0, length)));
        waitingBytes += length;
      }
    }
    if (hadNone && !isDumping && (waiting.length > 0 || overflows > 0)) setImmediate(tellEnds);
  }

  const tellEnds = (): void => {
    if (!isClosed) onEnds();
  };

  const seen = new Sighting();
  const ended = new Ended();

  async function dumpOne(
    family: number,
    transport: number,
    take: (seen: Sighting) => void,
    isOver: () => boolean,
  ): Promise<boolean> {
    const request = encodeDumpRequest({ family, transport, withTimeWait: notices === undefined, withInfo });
    const doing = 'ask the kernel for its sockets';
    // What an earlier dump that was given up left.
    while (c.recv(fd, page, BigInt(PAGE_BYTES), 0) > 0);
    if (c.send(fd, request, BigInt(request.length), 0) < 0n) throw failure(doing);
    for (let pages = 1; ; pages++) {
      const length = c.recv(fd, page, BigInt(PAGE_BYTES), MSG_TRUNC);
      if (length < 0) throw failure(doing);
      if (length > PAGE_BYTES) throw new RangeError(`Cannot ${doing}: a part of the answer has ${length} bytes`);
      const { isLast, error, isInterrupted } = readPage(page.subarray(0, length), transport, seen, take);
      if (error !== 0) throw Object.assign(new Error(`Cannot ${doing}: errno ${error}`), { errno: error });
      if (isInterrupted) throw new Error(`Cannot ${doing}: the list changed meanwhile`);
      if (isLast) return true;
      if (pages % PAGES_A_TURN === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        if (isOver()) return false;
      }
    }
  }

  return {
    name: 'sock_diag',
    identity: 'cookie',
    tellsEnds: notices !== undefined,
    async dump(transports, take, isOver) {
      isDumping = true;
      try {
        for (const transport of transports) {
          for (const family of [IPV4, IPV6]) {
            try {
              if (!(await dumpOne(family, transport, take, isOver))) return false;
            } catch (error) {
              // A kernel without IPv6 has no sockets of it.
              if (family === IPV4 || (error as NodeJS.ErrnoException).errno !== ENOENT) throw error;
            }
          }
        }
        return true;
      } finally {
        isDumping = false;
      }
    },
    drain(take) {
      if (notices !== undefined && !isClosed) receive(notices.listener);
      const taken = waiting;
      const lost = overflows;
      waiting = [];
      waitingBytes = 0;
      overflows = 0;
      isFull = false;
      for (const notice of taken) readEnds(notice, ended, take);
      return lost;
    },
    close() {
      isClosed = true;
      notices?.close();
      c.close(fd);
    },
  };
}

const ENOENT = 2;
