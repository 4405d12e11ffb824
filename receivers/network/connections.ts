/** How many connections there are in each state. */
import type { ComponentLog, Host } from '../../src/component.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import { countConnections, TCP_NEW_SYN_RECV, TCP_STATES, TCP_SYN_RECV } from '../../src/procfs/inet_sockets.ts';
import { attempt } from '../../src/procfs/source.ts';

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
