/** How many connections there are in each state. */
import type { ComponentLog, Host } from '../../src/component.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import { Cursor } from '../../src/procfs/bytes.ts';
import { attempt } from '../../src/procfs/source.ts';

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

const TCP_NEW_SYN_RECV = 12;
const TCP_SYN_RECV = 3;
/** By the number of the state, without the second one of the same name. */
const TCP_ATTRIBUTES: readonly (Attributes | undefined)[] = TCP_STATES.map((state, number) =>
  state === undefined || number === TCP_NEW_SYN_RECV
    ? undefined
    : { 'network.transport': 'tcp', 'network.connection.state': state },
);
/** What the kernel calls a UDP socket's state only says whether it has a peer. */
const UDP_ATTRIBUTES: Attributes = { 'network.transport': 'udp' };

export interface Connections {
  /** Calls `observe` for each state of TCP, those without a connection too, and for UDP. */
  visit(observe: (count: number, attributes: Attributes) => void): void;
}

/** @param folder the machine's `/proc/net` */
export function createConnections(host: Host, log: ComponentLog, folder: string): Connections {
  const counts = new Float64Array(TCP_STATES.length);

  /** Counts the sockets of both address families; a machine without IPv6 has no second file. */
  function count(protocol: string): boolean {
    counts.fill(0);
    const read = (path: string): true => {
      countConnections(host.readOnce(path), counts);
      return true;
    };
    const [v4, v6] = [`${folder}/${protocol}`, `${folder}/${protocol}6`];
    const hasCounted = attempt(log, v4, () => read(v4));
    attempt(log, v6, () => read(v6), { isOptional: true });
    return hasCounted === true;
  }

  return {
    visit(observe) {
      if (count('tcp')) {
        counts[TCP_SYN_RECV] += counts[TCP_NEW_SYN_RECV];
        TCP_ATTRIBUTES.forEach((attributes, state) => {
          if (attributes !== undefined) observe(counts[state], attributes);
        });
      }
      if (count('udp'))
        observe(
          counts.reduce((sum, one) => sum + one),
          UDP_ATTRIBUTES,
        );
    },
  };
}

/**
 * Adds the sockets of `/proc/net/tcp`, `tcp6`, `udp` or `udp6` to `counts`, by the number of their state.
 *
 * `   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1137 1 …`
 *
 * Source: https://docs.kernel.org/networking/proc_net_tcp.html
 * @throws {SyntaxError} after the last line, if any could not be read
 */
export function countConnections(file: Uint8Array, counts: Float64Array): void {
  const cursor = new Cursor(file);
  let bad: string | undefined;
  // One line of headings.
  for (let hasLine = cursor.nextLine(); hasLine; hasLine = cursor.nextLine()) {
    const start = cursor.position;
    cursor.skipFields(3);
    cursor.skipBlanks();
    const state = hexPair(file, cursor.position);
    if (state >= 0 && state < counts.length) counts[state]++;
    // A state that a newer kernel has is no fault.
    else if (state === -1) {
      cursor.position = start;
      bad ??= cursor.quoteLine();
    }
    // Lines are 150 bytes and there may be 100,000: the native search is faster than the cursor's.
    const end = file.indexOf(10, cursor.position);
    cursor.position = end === -1 ? file.length : end;
  }
  if (bad !== undefined) throw new SyntaxError(`Cannot parse the list of sockets: found the line ${bad}`);
}

/** The number that two hexadecimal digits and a blank make; -1 if there is something else. */
function hexPair(bytes: Uint8Array, at: number): number {
  if (at + 2 >= bytes.length || bytes[at + 2] !== 32) return -1;
  const high = hexDigit(bytes[at]);
  const low = hexDigit(bytes[at + 1]);
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const upper = byte & ~32;
  return upper >= 65 && upper <= 70 ? upper - 55 : -1;
}
