/** Sends lines in datagrams. Nobody answers; all that can be noticed is that nobody listens on the port (ICMP). */
import type { Socket } from 'node:dgram';
import { messageOf, RetryableError } from '../../src/errors.ts';
import type { Transport } from './transport.ts';

const NEWLINE = 0x0a;
/** As many in a row as fit into what a Linux socket holds by default (208 KiB, with the kernel's own share of each). */
const BURST = 64;
const PAUSE_MS = 2;

export interface UdpOptions {
  readonly host: string;
  readonly port: number;
  /** A longer line goes alone. */
  readonly max_datagram_bytes: number;
}

export function createUdp({ host, port, max_datagram_bytes }: UdpOptions): Transport {
  const place = `${host}:${port}`;
  let open: Promise<Socket> | undefined;
  /** What the last datagrams met. */
  let failure: Error | undefined;

  function connected(): Promise<Socket> {
    open ??= connect(host, port, (error) => (failure = error)).catch((error: unknown) => {
      open = undefined;
      throw new RetryableError(`Cannot connect to ${place}: ${messageOf(error)}`, { cause: error });
    });
    return open;
  }

  async function close(): Promise<void> {
    const closing = open;
    open = undefined;
    failure = undefined;
    // One that could not be opened was never there.
    await closing?.then((socket) => socket.close()).catch(() => undefined);
  }

  async function sendAll(socket: Socket, body: Uint8Array, abort: AbortSignal): Promise<void> {
    let sent = 0;
    for (const datagram of datagramsOf(body, max_datagram_bytes)) {
      abort.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        socket.send(datagram, (error) => (error === null ? resolve() : reject(error)));
      });
      if (failure !== undefined) throw failure;
      if (++sent % BURST === 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    // The word that nobody listens comes behind the datagram.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (failure !== undefined) throw failure;
  }

  return {
    async send(body, abort) {
      const socket = await connected();
      try {
        await sendAll(socket, body, abort);
      } catch (error) {
        // The name may stand for another address by the next time.
        await close();
        throw new RetryableError(`Cannot send to ${place}: ${messageOf(error)}`, { cause: error });
      }
    },
    stop: close,
  };
}

/** Whole lines, as many in each as fit. */
export function* datagramsOf(body: Uint8Array, max_bytes: number): Generator<Uint8Array> {
  for (let start = 0; start < body.length;) {
    const limit = start + max_bytes;
    let end = limit >= body.length ? body.length : body.lastIndexOf(NEWLINE, limit - 1) + 1;
    if (end <= start) {
      const newline = body.indexOf(NEWLINE, start);
      end = newline === -1 ? body.length : newline + 1;
    }
    yield body.subarray(start, end);
    start = end;
  }
}

async function connect(host: string, port: number, onError: (error: Error) => void): Promise<Socket> {
  const { lookup } = process.getBuiltinModule('node:dns').promises;
  const { address, family } = await lookup(host);
  const socket = process.getBuiltinModule('node:dgram').createSocket(family === 6 ? 'udp6' : 'udp4');
  socket.unref();
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(port, address, () => {
      socket.off('error', reject);
      socket.on('error', onError);
      resolve(socket);
    });
  });
}
