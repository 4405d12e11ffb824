/** Messages that come as datagrams by UDP: what finds no room is dropped, and counted, also what the kernel drops. */
import { readFileSync } from 'node:fs';
import type { ComponentLog } from '../../src/component.ts';
import { plainAddress, type Intake } from './intake.ts';

export interface UdpOptions {
  readonly host: string;
  readonly port: number;
  readonly maxMessage_bytes: number;
  /** As the kernel has it if undefined. */
  readonly receiveBuffer_bytes: number | undefined;
  readonly intake: Intake;
  readonly log: ComponentLog;
}

export interface UdpListener {
  readonly port: number;
  /** Datagrams that the kernel dropped, since the socket's receive buffer was full; undefined where it does not say. */
  kernelDrops(): number | undefined;
  close(): Promise<void>;
}

/** @throws {Error} it cannot listen there */
export async function listenForUdp(options: UdpOptions): Promise<UdpListener> {
  const { host, maxMessage_bytes, receiveBuffer_bytes, intake, log } = options;
  const isVersion6 = host.includes(':');
  const socket = process.getBuiltinModule('node:dgram').createSocket({ type: isVersion6 ? 'udp6' : 'udp4' });
  socket.on('message', (bytes, { address, port }) => {
    const plain = plainAddress(address);
    if (!intake.isCanary(bytes) && !intake.isAllowed(plain)) return;
    const isLong = bytes.length > maxMessage_bytes;
    const peer = { transport: 'udp', address: plain, port } as const;
    intake.takeOrDrop(isLong ? bytes.subarray(0, maxMessage_bytes) : bytes, isLong, peer);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(options.port, host, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  socket.on('error', (error) => log.error(`Cannot take datagrams: ${error.message}`));
  if (receiveBuffer_bytes !== undefined) {
    socket.setRecvBufferSize(receiveBuffer_bytes);
    const got_bytes = socket.getRecvBufferSize();
    // The kernel doubles what it is asked for, for its own bookkeeping: socket(7).
    if (got_bytes < receiveBuffer_bytes) {
      log.warn('Has a smaller receive buffer than asked for: the kernel allows no more (net.core.rmem_max)', {
        got_bytes,
      });
    }
  }
  const { port, address } = socket.address();
  let known: number | undefined;
  return {
    port,
    kernelDrops() {
      try {
        const table = readFileSync(isVersion6 ? '/proc/self/net/udp6' : '/proc/self/net/udp', 'latin1');
        known = parseUdpDrops(table, address, port) ?? known;
      } catch {
        // Not Linux, or /proc is hidden: then it cannot be told.
      }
      return known;
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/**
 * The last column of the socket's line (Documentation/networking/proc_net_tcp.rst of the kernel), as in
 * `  57: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 25681 2 0000000012345678 17`.
 * Undefined where it has none.
 */
export function parseUdpDrops(table: string, address: string, port: number): number | undefined {
  const local = `${kernelAddress(address)}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of table.split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (columns[1] === local) return Number(columns.at(-1));
  }
  return undefined;
}

/** `127.0.0.1` → `0100007F`: words of 32 bits, each with its bytes in the order of little-endian machines. */
function kernelAddress(address: string): string {
  const bytes = address.includes(':') ? version6Bytes(address) : address.split('.').map(Number);
  let text = '';
  for (let word = 0; word < bytes.length; word += 4) {
    for (const byte of bytes.slice(word, word + 4).reverse()) text += byte.toString(16).toUpperCase().padStart(2, '0');
  }
  return text;
}

function version6Bytes(address: string): number[] {
  const [before = '', after] = address.replace(/%.*$/, '').split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail].flatMap((word) => {
    const value = Number.parseInt(word, 16);
    return [value >> 8, value & 255];
  });
}
