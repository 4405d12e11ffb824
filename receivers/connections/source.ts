/** Where sockets are looked at. */
import type { Ended } from './sock_diag.ts';
import type { Sighting } from './sighting.ts';
import type { Identity } from './socket_table.ts';

export interface SocketSource {
  readonly name: 'sock_diag' | 'proc';
  readonly identity: Identity;
  /** Ends are told as they happen, so that what dumps do not show any more needs no second look. */
  readonly tellsEnds: boolean;
  /**
   * Shows every socket of these transports to `take`, with pauses for the event loop.
   * @returns false if `isOver` became true before the end
   * @throws {Error} not every socket could be seen
   */
  dump(transports: readonly number[], take: (seen: Sighting) => void, isOver: () => boolean): Promise<boolean>;
  /** Shows the sockets that have ended since it was called last. @returns how often the kernel had no room for more */
  drain(take: (ended: Ended) => void): number;
  close(): void;
}
