/** Reads the kernel's lists of sockets: `/proc/net/tcp`, `tcp6`, `udp` and `udp6`. */
import { Cursor } from './bytes.ts';

/** States of TCP by the kernel's number (include/net/tcp_states.h), as the semantic conventions call them. */
export const TCP_STATES: readonly (string | undefined)[] = [
  undefined,
  'established',
  'syn_sent',
  'syn_received',
  'fin_wait_1',
  'fin_wait_2',
  'time_wait',
  'closed',
  'close_wait',
  'last_ack',
  'listen',
  'closing',
  // TCP_NEW_SYN_RECV: a handshake that has no socket of its own yet.
  'syn_received',
];

export const TCP_SYN_SENT = 2;
export const TCP_SYN_RECV = 3;
export const TCP_TIME_WAIT = 6;
export const TCP_CLOSE = 7;
export const TCP_LISTEN = 10;
export const TCP_NEW_SYN_RECV = 12;

/**
 * Calls `take` with the cursor before the local address of each line; it answers false for a line that it cannot read.
 *
 * `   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1137 1 …`
 *
 * Source: https://docs.kernel.org/networking/proc_net_tcp.html
 * @throws {SyntaxError} after the last line, if any could not be read
 */
export function visitSockets(file: Uint8Array, take: (cursor: Cursor) => boolean): void {
  const cursor = new Cursor(file);
  let bad: string | undefined;
  // One line of headings.
  for (let hasLine = cursor.nextLine(); hasLine; hasLine = cursor.nextLine()) {
    const start = cursor.position;
    cursor.skipFields(1);
    cursor.skipBlanks();
    if (!take(cursor)) {
      cursor.position = start;
      bad ??= cursor.quoteLine();
    }
    // Lines are 150 bytes and there may be 100,000: the native search is faster than the cursor's.
    const end = file.indexOf(10, cursor.position);
    cursor.position = end === -1 ? file.length : end;
  }
  if (bad !== undefined) throw new SyntaxError(`Cannot parse the list of sockets: found the line ${bad}`);
}

/**
 * Adds the sockets of a list to `counts`, by the number of their state.
 * @throws {SyntaxError} after the last line, if any could not be read
 */
export function countConnections(file: Uint8Array, counts: Float64Array): void {
  visitSockets(file, (cursor) => {
    cursor.skipFields(2);
    cursor.skipBlanks();
    const state = stateAt(file, cursor.position);
    // A state that a newer kernel has is no fault.
    if (state >= 0 && state < counts.length) counts[state]++;
    return state !== -1;
  });
}

/** One socket of a list. The numbers of an address are those that its bytes make, the lowest first. */
export class ListedSocket {
  /** The port in the low 16 bits, in the order of the network, and the peer's in the high ones. */
  ports = 0;
  /** Four of the local address, four of the peer's; IPv4 has the first of each. */
  readonly addresses = new Uint32Array(8);
  isIpv6 = false;
  state = 0;
  /** 3 for a connection that only waits for late packets: `timer_active` of the kernel. */
  timer = 0;
  /** 0 where no process has it any more. */
  inode = 0;

  /** Reads a line from the local address on; false if it is none. */
  read(cursor: Cursor): boolean {
    const { bytes } = cursor;
    const start = cursor.position;
    const digits = bytes[start + 8] === COLON ? 8 : 32;
    this.isIpv6 = digits === 32;
    const peer = start + digits + 6;
    if (bytes[start + digits] !== COLON || bytes[peer + digits] !== COLON || bytes[peer - 1] !== SPACE) return false;
    for (let word = 0; word < 4; word++) {
      const at = word * 8;
      this.addresses[word] = at < digits ? hex(bytes, start + at, 8) : 0;
      this.addresses[word + 4] = at < digits ? hex(bytes, peer + at, 8) : 0;
    }
    const local = hex(bytes, start + digits + 1, 4);
    const remote = hex(bytes, peer + digits + 1, 4);
    this.state = stateAt(bytes, peer + digits + 6);
    // tx_queue:rx_queue, then tr:tm->when.
    const timer = peer + digits + 6 + 3 + 18;
    this.timer = hex(bytes, timer, 2);
    cursor.position = timer;
    // tr:tm->when, retrnsmt, uid, timeout.
    cursor.skipFields(4);
    this.inode = cursor.number();
    if (local < 0 || remote < 0 || this.state < 0 || this.timer < 0 || this.inode !== this.inode) return false;
    this.ports = (swap16(local) | (swap16(remote) << 16)) >>> 0;
    return true;
  }
}

const COLON = 58;
const SPACE = 32;

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

/** The number that `count` hexadecimal digits make; -1 if there is something else. */
function hex(bytes: Uint8Array, at: number, count: number): number {
  if (at + count > bytes.length) return -1;
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = hexDigit(bytes[i]);
    if (digit === -1) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** The number that two hexadecimal digits and a blank make; -1 if there is something else. */
function stateAt(bytes: Uint8Array, at: number): number {
  return bytes[at + 2] === SPACE ? hex(bytes, at, 2) : -1;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const upper = byte & ~32;
  return upper >= 65 && upper <= 70 ? upper - 55 : -1;
}
