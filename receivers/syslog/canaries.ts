/** Messages that the receiver sends to itself, to find out how late it is. */
import type { Socket as UdpSocket } from 'node:dgram';
import type { NetConnectOpts, Socket } from 'node:net';
import type { StreamListener } from './streams.ts';
import { sendUnixDatagram } from './unix_datagrams.ts';

/** The listener that is measured. */
export type CanaryTarget =
  | { readonly over: 'udp'; readonly host: string; readonly port: number }
  | { readonly over: 'unix_datagram'; readonly path: string }
  | {
      readonly over: 'stream';
      readonly stream: Pick<StreamListener, 'isFull'>;
      readonly to: { readonly host: string; readonly port: number } | { readonly path: string };
    };

export interface CanarySender {
  send(token: string): Promise<void>;
  close(): void;
}

/** Facility syslog, severity info; no time and no host, so that nothing of it has to be understood (RFC 5424, 6). */
const PREFIX = Buffer.from('<46>1 - - sonde - canary - ');
const LONGEST = 100;

/** `<46>1 - - sonde - canary - sonde-canary-0123456789abcdef-7` → the token; undefined for every other message. */
export function canaryToken(bytes: Uint8Array): string | undefined {
  if (bytes.length > LONGEST) return undefined;
  for (let at = 0; at < PREFIX.length; at++) if (bytes[at] !== PREFIX[at]) return undefined;
  return Buffer.from(bytes.subarray(PREFIX.length)).toString('latin1');
}

export function createCanarySender(target: CanaryTarget): CanarySender {
  let udp: UdpSocket | undefined;
  const streams = new Set<Socket>();

  async function sendUdp(host: string, port: number, message: Uint8Array): Promise<void> {
    udp ??= openUdp(host);
    const socket = udp;
    await new Promise<void>((resolve, reject) => {
      socket.send(message, port, reachable(host), (error) => (error === null ? resolve() : reject(error)));
    });
  }

  async function sendOver(to: NetConnectOpts, message: Uint8Array): Promise<void> {
    const socket = process.getBuiltinModule('node:net').connect(to);
    socket.unref();
    streams.add(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => {
        streams.delete(socket);
        resolve();
      });
      socket.resume();
      socket.end(message);
    });
  }

  return {
    async send(token) {
      const message = Buffer.concat([PREFIX, Buffer.from(token)]);
      if (target.over === 'udp') return sendUdp(target.host, target.port, message);
      if (target.over === 'unix_datagram') return sendUnixDatagram(target.path, message);
      const line = Buffer.concat([message, Buffer.from('\n')]);
      const { to } = target;
      // Where no one else gets in, or the last one still waits, the probe misses it.
      if (!target.stream.isFull && streams.size === 0)
        await sendOver('path' in to ? to : { ...to, host: reachable(to.host) }, line);
    },
    close() {
      udp?.close();
      for (const socket of streams) socket.destroy();
    },
  };
}

function openUdp(host: string): UdpSocket {
  const socket = process.getBuiltinModule('node:dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.unref();
  // Sending tells.
  socket.on('error', () => {});
  return socket;
}

/** Who listens on all addresses listens on this one. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
