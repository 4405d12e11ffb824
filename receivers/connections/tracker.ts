/**
 * What becomes of sockets, from what sources show of them: a socket that was not known has opened, one that is not shown
 * any more has ended. An unchanged one costs its lookup.
 */
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_STATES, TCP_SYN_RECV } from '../../src/procfs/inet_sockets.ts';
import type { PortRange } from './directions.ts';
import { closingOf, endingOf, hasForgottenPeer, type Ending } from './endings.ts';
import type { Owners } from './owners.ts';
import { nowUnixNano, type Facts, type Report } from './report.ts';
import { RoundTrips } from './round_trips.ts';
import { createRows, directionOf, type Rows } from './rows.ts';
import { localPort, PORTS, type Sighting, UDP } from './sighting.ts';
import type { Ended } from './sock_diag.ts';
import { HAS_ENDED, IS_CONNECTION, IS_INCOMING, IS_MISSING, IS_OPEN, SocketTable } from './socket_table.ts';
import type { SocketSource } from './source.ts';

export interface Tracker {
  readonly table: SocketTable;
  /** Sockets of the last pass by state of TCP; its listeners; those of UDP. */
  readonly states: Float64Array;
  readonly udp: number;
  readonly listeners: number;
  readonly rows: Pick<Rows, 'connections' | 'noticed' | 'closed'>;
  /** Sockets, and connections among them, that found no room in the last pass. */
  readonly untracked: number;
  readonly untrackedConnections: number;
  readonly roundTrips: RoundTrips;
  /** Begins a pass. What is new in it was there before, if `isFirst`: it is not told. */
  begin(isFirst: boolean): void;
  /** A sighting of this pass; of a second look, if `isAgain`, which counts nothing. */
  see(seen: Sighting, isAgain: boolean): void;
  /** Whether there are sockets that this pass has not shown, and whose end is not known. */
  hasMissing(): boolean;
  /** Tells what has ended: what the pass did not show. `how` is told of connections, `howAttempts` of attempts. */
  sweep(how: Ending, howAttempts: Ending, isCertain: boolean): void;
  /** Finds the processes of new sockets, and tells what has opened. */
  finish(owners: Owners | undefined): Promise<void>;
  /** The kernel told of an end. */
  end(ended: Ended): void;
}

export interface TrackerOptions {
  readonly limit: number;
  readonly report: Report;
  readonly portRange: PortRange;
  /** Whether a socket is the receiver's own: it is as if it were not there. */
  readonly isOurs?: ((socket: Sighting) => boolean) | undefined;
}

export function createTracker(
  source: Pick<SocketSource, 'identity' | 'tellsEnds'>,
  { limit, report, portRange, isOurs = () => false }: TrackerOptions,
): Tracker {
  const table = new SocketTable(source.identity, limit);
  const states = new Float64Array(TCP_STATES.length);
  const rows = createRows({ table, report, portRange });
  const roundTrips = new RoundTrips();
  let pass = 0;
  let hasBegun = false;
  let shown = 0;
  let udp = 0;
  let untracked = 0;
  let untrackedConnections = 0;

  function countUntracked(seen: Sighting): void {
    untracked++;
    if (seen.transport === UDP || seen.state === TCP_LISTEN || seen.state === TCP_SYN_RECV) return;
    if (!seen.isTimeWait) untrackedConnections++;
  }

  function seeTimeWait(seen: Sighting, row: number): void {
    table.pass[row] = pass;
    if ((table.flags[row] & HAS_ENDED) !== 0) return;
    // It was established, or it would not wait.
    if ((table.flags[row] & IS_CONNECTION) !== 0) table.flags[row] |= IS_OPEN;
    rows.tellEnd(row, { time: 0n, source: 'scan', ending: 'fin' });
    rows.markEnded(row);
    table.state[row] = seen.state;
  }

  return {
    table,
    states,
    get udp() {
      return udp;
    },
    get listeners() {
      return rows.directions.listeners;
    },
    get untracked() {
      return untracked;
    },
    get untrackedConnections() {
      return untrackedConnections;
    },
    rows,
    roundTrips,
    begin(first) {
      rows.begin(first);
      // 0 is a free row.
      pass = pass === 0xffff_ffff ? 1 : pass + 1;
      states.fill(0);
      roundTrips.clear();
      shown = udp = untracked = untrackedConnections = 0;
    },
    see(seen, isAgain) {
      if (isOurs(seen)) return;
      if (seen.state === TCP_NEW_SYN_RECV) seen.state = TCP_SYN_RECV;
      if (!isAgain) {
        if (seen.transport === UDP) udp++;
        else if (seen.state < states.length) states[seen.state]++;
      }
      if (seen.isTimeWait && source.tellsEnds) return;
      let row = table.find(seen);
      if (row === -1) {
        row = table.add(seen, pass);
        if (row === -1) {
          if (!isAgain) countUntracked(seen);
          return;
        }
        shown++;
        rows.adopt(row, seen);
        return;
      }
      if (table.pass[row] !== pass) shown++;
      if (seen.isTimeWait) return seeTimeWait(seen, row);
      table.pass[row] = pass;
      table.flags[row] &= ~IS_MISSING;
      if (rows.isAnother(row, seen)) {
        if ((table.flags[row] & HAS_ENDED) === 0) {
          rows.tellEnd(row, { time: 0n, source: 'scan', ending: 'unknown' });
          rows.markEnded(row);
        }
        rows.adopt(row, seen);
      } else if (table.state[row] !== seen.state || table.inode[row] !== seen.inode) rows.update(row, seen);
      if (seen.rtt_us > 0 && (table.flags[row] & IS_INCOMING) !== 0) roundTrips.add(seen);
    },
    hasMissing() {
      if (shown === table.size) return false;
      for (let row = 0; row < table.end; row++) {
        if (table.pass[row] !== 0 && table.pass[row] !== pass && (table.flags[row] & HAS_ENDED) === 0) return true;
      }
      return false;
    },
    sweep(how, howAttempts, isCertain) {
      if (shown === table.size) return;
      for (let row = 0; row < table.end; row++) {
        if (table.pass[row] === 0 || table.pass[row] === pass) continue;
        const flags = table.flags[row];
        if ((flags & HAS_ENDED) !== 0) {
          // The kernel tells when it is destroyed, unless that was lost.
          if (isCertain) rows.forget(row);
        } else if (isCertain) {
          rows.tellEnd(row, { time: 0n, source: 'scan', ending: (flags & IS_OPEN) === 0 ? howAttempts : how });
          rows.forget(row);
        } else if ((flags & IS_MISSING) === 0) table.flags[row] |= IS_MISSING;
        else {
          // It is no connection any more, but a process still holds on to it.
          rows.tellEnd(row, { time: 0n, source: 'scan', ending: 'unknown' });
          rows.markEnded(row);
        }
      }
    },
    async finish(owners) {
      await rows.finish(owners);
      hasBegun = true;
    },
    end(ended) {
      const { socket } = ended;
      if (isOurs(socket)) return;
      const row = table.find(socket);
      const time = nowUnixNano();
      if (row !== -1) {
        if ((table.flags[row] & HAS_ENDED) === 0) {
          // A socket that is destroyed while it listens never had a peer, nor has one of UDP an end.
          const ending = endingOf(ended, directionOf(table.flags[row]));
          if (ended.hasAcknowledged && (table.flags[row] & IS_CONNECTION) !== 0) table.flags[row] |= IS_OPEN;
          rows.tellEnd(row, { time, source: 'kernel', ending, ...bytesOf(ended, ending) });
        }
        rows.forget(row);
        return;
      }
      if (!hasBegun || localPort(socket.words[PORTS]) === 0) return;
      const { words, transport, family } = socket;
      const direction = rows.directions.of(words, family);
      const subject = { words, transport, family, state: 0, direction, owner: undefined };
      if (transport === UDP) return report.happened('unbind', subject, { time, source: 'kernel' });
      // Never connected, or thrown away before anyone saw it: which of the two is not to be told.
      if (hasForgottenPeer(ended)) return;
      const ending = endingOf(ended, direction);
      const wasOpen = direction !== 'outgoing' || ended.hasAcknowledged;
      rows.noticed++;
      if (wasOpen) rows.closed[ending]++;
      const happening = wasOpen ? closingOf(ending) : 'fail';
      report.happened(happening, subject, { time, source: 'kernel', ending, ...bytesOf(ended, ending) });
    },
  };
}

function bytesOf(ended: Ended, ending: Ending): Partial<Facts> {
  if (!ended.hasInfo || ending === 'abort' || ending === 'refused') return {};
  return { sent_bytes: ended.sent_bytes, received_bytes: ended.received_bytes };
}
