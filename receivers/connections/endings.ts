/** How connections end, as far as it can be told. docs/decisions/connections.md says why these signs and no others. */
import type { Ended } from './sock_diag.ts';

export const ENDINGS = ['fin', 'reset', 'abort', 'timeout', 'refused', 'unknown'] as const;
/**
 * `fin`: both sides were told, in order. `reset`: without that, by either side. `abort`: this side threw it away (SO_LINGER 0).
 * `timeout`: the peer did not answer any more. `refused`: it never came to be.
 */
export type Ending = (typeof ENDINGS)[number];

/**
 * From what TCP knew of a socket when it was destroyed. The kernel counts as acknowledged what was sent, and beyond that
 * one for the beginning of the stream at who connected, and one for its end: if that is missing, the end was not
 * acknowledged, so there was none in order.
 * @param isIncoming whether the peer connected
 */
export function endingOf(ended: Ended, isIncoming: boolean): Ending {
  if (!ended.hasInfo) return 'unknown';
  // tcp_disconnect() forgets the peer and all counts before anyone is told.
  if (hasForgottenPeer(ended)) return 'abort';
  if (!isIncoming && !ended.hasAcknowledged) return ended.segmentsIn > 0 ? 'refused' : 'timeout';
  if (ended.acknowledgedBeyondData >= (isIncoming ? 1 : 2)) return 'fin';
  return ended.isUnanswered ? 'timeout' : 'reset';
}

/** Of a socket that had a peer; one that listens never has. */
export function hasForgottenPeer({ socket: { words } }: Ended): boolean {
  return words[0] >>> 16 === 0;
}
