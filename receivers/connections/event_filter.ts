/** Which events are told. */
import { TCP_STATES } from '../../src/procfs/inet_sockets.ts';
import { compilePatterns } from '../../src/text/pattern.ts';
import type { Subject } from './report.ts';
import { addressText, isLoopback, LOCAL, localPort, PEER, peerPort, PORTS } from './sighting.ts';

export interface Exclusion {
  readonly loopback: boolean;
  readonly ports: readonly number[];
  readonly addresses: readonly string[];
  readonly states: readonly string[];
  readonly processes: readonly string[];
}

export type EventFilter = (subject: Subject) => boolean;

export function createEventFilter(exclusion: Exclusion): EventFilter {
  const ports = new Set(exclusion.ports);
  const states = new Set(exclusion.states.map((state) => TCP_STATES.indexOf(state)));
  const isProcess = compileOrNone(exclusion.processes);
  const isAddress = compileOrNone(exclusion.addresses);
  return ({ words, family, state, owner }) => {
    const peer = peerPort(words[PORTS]);
    if (exclusion.loopback && isLoopback(words, LOCAL, family)) return false;
    if (ports.size > 0 && (ports.has(localPort(words[PORTS])) || (peer !== 0 && ports.has(peer)))) return false;
    if (states.has(state)) return false;
    if (isAddress !== undefined) {
      if (isAddress(addressText(words, LOCAL, family))) return false;
      if (peer !== 0 && isAddress(addressText(words, PEER, family))) return false;
    }
    return isProcess === undefined || owner === undefined || !isProcess(owner.name);
  };
}

function compileOrNone(patterns: readonly string[]): ((text: string) => boolean) | undefined {
  return patterns.length === 0 ? undefined : compilePatterns('glob', patterns);
}
