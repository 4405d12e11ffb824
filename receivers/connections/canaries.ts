/** Connections of the receiver with itself, over loopback: whether they are seen, and how late. Nothing is told of them. */
import type { AddressInfo, Server, Socket } from 'node:net';
import { IPV4, isLoopback, LOCAL, PORTS, type Sighting, UDP } from './sighting.ts';

export interface Canaries {
  /** Listens. @throws {Error} it cannot */
  open(): Promise<void>;
  /** Connects. */
  release(token: string): Promise<void>;
  /** Whether a socket listens for canaries, or is one end of one; notes that it was seen. */
  isOurs(socket: Sighting): boolean;
  /** What was seen is told now. */
  told(): void;
  /** Connections as the kernel counts them, each by both of its ends. */
  readonly opened: number;
  close(): void;
}

interface Canary {
  readonly token: string;
  readonly socket: Socket;
  readonly began_ms: number;
  isSeen: boolean;
}

const HOST = '127.0.0.1';
const TCP_ESTABLISHED = 1;
/** How long others may be told of ends: TCP_TIMEWAIT_LEN of the kernel. */
const ENDS_MS = 60_000;

/** Of all receivers of this agent, so that none tells of another's: ports that listen, as sighted, and connections. */
const ports = new Set<number>();
let connections = 0;

/** @param timeout_ms how long a canary is there to be seen */
export function createCanaries(arrived: (token: string) => void, timeout_ms: number): Canaries {
  /** By the port of the end that began. */
  const byPort = new Map<number, Canary>();
  let server: Server | undefined;
  /** As a sighting has it; -1 as long as there is none. */
  let listening = -1;
  let before = 0;

  return {
    async open() {
      server = process.getBuiltinModule('node:net').createServer((socket) => {
        socket.unref();
        // What goes wrong with it shows in its not being seen.
        socket.on('error', () => {});
        socket.resume();
      });
      const listener = server;
      listener.unref();
      await new Promise<void>((resolve, reject) => {
        listener.once('error', reject);
        listener.listen(0, HOST, resolve);
      });
      listener.on('error', () => {});
      listening = asSighted((listener.address() as AddressInfo).port);
      ports.add(listening);
      before = connections;
    },
    async release(token) {
      const began_ms = performance.now();
      for (const [port, { socket, began_ms: before_ms }] of byPort) {
        if (began_ms - before_ms < timeout_ms) break;
        socket.destroy();
        byPort.delete(port);
      }
      const socket = process.getBuiltinModule('node:net').connect({ host: HOST, port: asSighted(listening) });
      socket.unref();
      socket.resume();
      connections += 1;
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.once('connect', resolve);
      });
      socket.on('error', () => {});
      byPort.set(asSighted(socket.localPort!), { token, socket, began_ms, isSeen: false });
    },
    isOurs({ words, family, transport, state, isTimeWait }) {
      if (ports.size === 0) return false;
      const both = words[PORTS];
      const local = both & 0xffff;
      const peer = both >>> 16;
      if (!ports.has(local) && !ports.has(peer)) return false;
      if (transport === UDP || family !== IPV4 || !isLoopback(words, LOCAL, family)) return false;
      const canary = state === TCP_ESTABLISHED && !isTimeWait ? byPort.get(ports.has(local) ? peer : local) : undefined;
      if (canary !== undefined) canary.isSeen = true;
      return true;
    },
    told() {
      for (const [port, { token, socket, isSeen }] of byPort) {
        if (!isSeen) continue;
        arrived(token);
        socket.destroy();
        byPort.delete(port);
      }
    },
    get opened() {
      return (connections - before) * 2;
    },
    close() {
      server?.close();
      setTimeout(() => ports.delete(listening), ENDS_MS).unref();
      for (const { socket } of byPort.values()) socket.destroy();
      byPort.clear();
    },
  };
}

/** Ports lie in the order of the network. Twice is as before. */
function asSighted(port: number): number {
  return ((port & 0xff) << 8) | (port >>> 8);
}
