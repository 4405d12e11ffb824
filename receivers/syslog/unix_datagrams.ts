/** A unix datagram socket, as /dev/log is one: Node.js has none, so the C library is called directly. */
import { chmodSync, lstatSync, unlinkSync, writeSync } from 'node:fs';
import { openReadable } from '../../src/native/descriptor.ts';
import { openNative } from '../../src/native/library.ts';
import type { Intake } from './intake.ts';

const FUNCTIONS = {
  socket: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
  bind: { return: 'int32', arguments: ['int32', 'buffer', 'uint32'] },
  connect: { return: 'int32', arguments: ['int32', 'buffer', 'uint32'] },
  close: { return: 'int32', arguments: ['int32'] },
} as const;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const ECONNREFUSED = 111;
/** sun_path of unix(7), with the zero at its end. */
const LONGEST_PATH = 107;
/** Datagrams of one turn of the event loop. */
const MOST_AT_ONCE = 500;
const PEER = { transport: 'unix', address: '', port: 0 } as const;

export interface UnixDatagramOptions {
  readonly path: string;
  readonly mode: number;
  readonly maxMessage_bytes: number;
  readonly intake: Intake;
}

/** @returns what closes it. @throws {Error} it cannot listen there */
export function listenForUnixDatagrams({ path, mode, maxMessage_bytes, intake }: UnixDatagramOptions): () => void {
  const native = openNative(FUNCTIONS);
  if (native === undefined) throw new Error(`Cannot listen on "${path}": this Node.js may not use node:ffi`);
  const { functions: c, failure } = native;
  const address = unixAddress(path);
  const open = (): number => {
    const fd = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw failure('open a unix socket');
    return fd;
  };
  if (isSocket(path)) {
    const probe = open();
    const isDead = c.connect(probe, address, address.length) < 0 && failure('connect').errno === ECONNREFUSED;
    c.close(probe);
    if (isDead) unlinkSync(path);
  }
  const fd = open();
  if (c.bind(fd, address, address.length) < 0) {
    const error = failure(`listen on "${path}"`);
    c.close(fd);
    throw error;
  }
  chmodSync(path, mode);

  // A byte more than a message may have shows that it is longer.
  const buffer = Buffer.allocUnsafeSlow(maxMessage_bytes + 1);
  let isClosed = false;
  const readable = openReadable(fd, drain);

  function drain(): void {
    for (let count = 0; count < MOST_AT_ONCE && !isClosed; count++) {
      if (intake.outlet.isFull) return waitForRoom();
      const length = readable.read(buffer);
      if (length < 0) return;
      if (length === 0) continue;
      intake.take(buffer.subarray(0, Math.min(length, maxMessage_bytes)), length > maxMessage_bytes, PEER);
    }
  }

  /** Senders wait meanwhile: a unix socket drops nothing. */
  function waitForRoom(): void {
    readable.pause();
    void intake.outlet.room().then(() => {
      if (!isClosed) readable.resume();
    });
  }

  return () => {
    isClosed = true;
    readable.close();
    if (isSocket(path)) unlinkSync(path);
  };
}

/**
 * Sends one datagram; one that finds no room is not sent.
 * @throws {Error} nobody listens there
 */
export function sendUnixDatagram(path: string, bytes: Uint8Array): void {
  const native = openNative(FUNCTIONS);
  if (native === undefined) throw new Error(`Cannot send to "${path}": this Node.js may not use node:ffi`);
  const { functions: c, failure } = native;
  const address = unixAddress(path);
  const fd = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failure('open a unix socket');
  try {
    if (c.connect(fd, address, address.length) < 0) throw failure(`send to "${path}"`);
    writeSync(fd, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  } finally {
    c.close(fd);
  }
}

/** struct sockaddr_un: the family in two bytes, then the path with a zero behind it. */
export function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > LONGEST_PATH) {
    throw new RangeError(`Cannot listen on "${path}": a socket's path has at most ${LONGEST_PATH} bytes`);
  }
  const address = Buffer.alloc(bytes.length + 3);
  address.writeUInt16LE(AF_UNIX);
  bytes.copy(address, 2);
  return address;
}

export function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}
