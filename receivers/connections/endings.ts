/** How connections end, as far as it can be told. docs/decisions/connections.md says why by these signs. */
import type { Direction } from './directions.ts';
import type { Ended } from './sock_diag.ts';

export const ENDINGS = ['fin', 'reset', 'abort', 'timeout', 'refused', 'unknown'] as const;
/**
 * `fin`: the end of what this side sent was acknowledged. `reset`: without that, by either side. `abort`: this side threw
 * the connection away (SO_LINGER 0). `timeout`: the peer did not answer any more. `refused`: it never came to be.
 */
export type Ending = (typeof ENDINGS)[number];

/**
 * From what TCP knew of a socket when it was destroyed. The kernel counts as acknowledged what was sent, and beyond that
 * one for the beginning of the stream at who connected, and one for its end: if that is missing, the end was not
 * acknowledged, so there was none in order.
 */
export function endingOf(ended: Ended, direction: Direction | undefined): Ending {
  if (!ended.hasInfo) return 'unknown';
  // tcp_disconnect() forgets the peer and all counts before anyone is told.
  if (hasForgottenPeer(ended)) return 'abort';
  const { acknowledgedBeyondData: beyond, hasAcknowledged } = ended;
  if (direction === 'outgoing' && !hasAcknowledged) return ended.segmentsIn > 0 ? 'refused' : 'timeout';
  if (beyond >= (direction === 'incoming' ? 1 : 2)) return 'fin';
  // One is the end if the connection came in, and the beginning if not; none at all may be an attempt.
  if (direction === undefined && (beyond === 1 || !hasAcknowledged)) return 'unknown';
  return ended.isUnanswered ? 'timeout' : 'reset';
}

/** Of a socket that had a peer; one that listens never has. */
export function hasForgottenPeer({ socket: { words } }: Ended): boolean {
  return words[0] >>> 16 === 0;
}

export function closingOf(ending: Ending): 'reset' | 'close' {
  return ending === 'reset' || ending === 'abort' ? 'reset' : 'close';
}

/** Of what was an attempt when it was last seen. */
export function failingOf(ending: Ending): 'fail' | 'close' {
  return ending === 'fin' ? 'close' : 'fail';
}
