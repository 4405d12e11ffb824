/**
 * What becomes of sockets, from what sources show of them: a socket that was not known has opened, one that is not shown
 * any more has ended. An unchanged one costs its lookup.
 */
import {
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_STATES,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../../src/procfs/inet_sockets.ts';
import { ENDINGS, endingOf, hasForgottenPeer, type Ending } from './endings.ts';
import type { Owner, Owners } from './owners.ts';
import { nowUnixNano, type Facts, type Happening, type Report, type Subject } from './report.ts';
import { localPort, PORTS, type Sighting, TCP, UDP, WORDS } from './sighting.ts';
import type { Ended } from './sock_diag.ts';
import {
  HAS_ENDED,
  IS_CONNECTION,
  IS_INCOMING,
  IS_MISSING,
  IS_OPEN,
  NOBODY,
  SocketTable,
  UNRESOLVED,
} from './socket_table.ts';
import type { SocketSource } from './source.ts';

/** Searches that looked everywhere, and those that had to stop, after which a process is not looked for again. */
const MOST_TRIES = 10;
const TRIES_OF_A_WHOLE_SEARCH = 5;

export interface Tracker {
  readonly table: SocketTable;
  /** Sockets of the last pass by state of TCP; its listeners; those of UDP. */
  readonly states: Float64Array;
  readonly udp: number;
  readonly listeners: number;
  /** Connections that are remembered, and those that found no room in the last pass. */
  readonly connections: number;
  readonly untrackedConnections: number;
  readonly untracked: number;
  /** Connections that were noticed, and those that ended, by how. */
  readonly noticed: number;
  readonly closed: Readonly<Record<Ending, number>>;
  /** Sum of round-trip times in microseconds, and connections, by local port. */
  readonly roundTrips: ReadonlyMap<number, { sum_us: number; count: number }>;
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
  end(ended: Ended, owners: Owners | undefined): void;
}

export function createTracker(
  source: Pick<SocketSource, 'identity' | 'tellsEnds'>,
  { limit, report }: { readonly limit: number; readonly report: Report },
): Tracker {
  const table = new SocketTable(source.identity, limit);
  const states = new Float64Array(TCP_STATES.length);
  const listening = new Map<number, number>();
  const closed = Object.fromEntries(ENDINGS.map((ending) => [ending, 0])) as Record<Ending, number>;
  const roundTrips = new Map<number, { sum_us: number; count: number }>();
  let owners: Owners | undefined;
  /** Rows that opened, listen or are bound since the pass began. */
  let openings: number[] = [];
  const unresolved = new Set<number>();
  let pass = 0;
  let isFirst = true;
  let hasBegun = false;
  let began_ms = 0;
  let shown = 0;
  let udp = 0;
  let listeners = 0;
  let connections = 0;
  let untracked = 0;
  let untrackedConnections = 0;
  let noticed = 0;

  const isListener = (row: number): boolean => table.state[row] === TCP_LISTEN && !table.isUdp(row);

  function ownerOf(row: number): Owner | undefined {
    return table.owner[row] >= 0 ? owners?.get(table.owner[row]) : undefined;
  }

  function subjectOf(row: number): Subject {
    return {
      words: table.wordsOf(row),
      transport: table.isUdp(row) ? UDP : TCP,
      family: table.familyOf(row),
      state: table.state[row],
      isIncoming: (table.flags[row] & IS_INCOMING) !== 0,
      owner: ownerOf(row),
    };
  }

  const isListening = (ports: number): boolean => listening.has(localPort(ports));

  function listen(row: number, change: 1 | -1): void {
    const port = localPort(table.words[row * WORDS + PORTS]);
    const count = (listening.get(port) ?? 0) + change;
    if (count > 0) listening.set(port, count);
    else listening.delete(port);
    listeners += change;
  }

  /** Takes a row in that is new, or is another socket at the same addresses. */
  function adopt(row: number, seen: Sighting): void {
    table.flags[row] = 0;
    table.state[row] = seen.state;
    table.inode[row] = seen.inode;
    table.since_ms[row] = isFirst ? NaN : began_ms;
    table.owner[row] = UNRESOLVED;
    table.tries[row] = 0;
    if (seen.isTimeWait) {
      // It opened and closed, and nobody saw it.
      table.flags[row] = HAS_ENDED;
      if (isFirst) return;
      noticed++;
      closed.fin++;
      table.since_ms[row] = NaN;
      if (isListening(seen.words[PORTS])) table.flags[row] |= IS_INCOMING;
      report.happened('close', subjectOf(row), { time: 0n, source: 'scan', ending: 'fin' });
      return;
    }
    if (isListener(row)) listen(row, 1);
    unresolved.add(row);
    update(row, seen);
  }

  /** Brings a row up to what was seen of the same socket. */
  function update(row: number, seen: Sighting): void {
    table.state[row] = seen.state;
    if (seen.inode !== 0 && table.inode[row] !== seen.inode) {
      // A connection is accepted: from now on it is some process's.
      table.inode[row] = seen.inode;
      if (table.owner[row] === NOBODY) table.owner[row] = UNRESOLVED;
      unresolved.add(row);
    }
    const flags = table.flags[row];
    if ((flags & IS_OPEN) !== 0) return;
    if (seen.transport === UDP || seen.state === TCP_LISTEN) {
      table.flags[row] = flags | IS_OPEN;
      if (!isFirst) openings.push(row);
      return;
    }
    if (seen.state === TCP_SYN_RECV || seen.state === TCP_CLOSE) return;
    if ((flags & IS_CONNECTION) === 0) {
      table.flags[row] |= IS_CONNECTION;
      connections++;
      const owner = ownerOf(row);
      if (owner !== undefined) owner.connections++;
      if (!isFirst) noticed++;
    }
    if (seen.state === TCP_SYN_SENT) return;
    table.flags[row] |= IS_OPEN;
    openings.push(row);
  }

  /** Another socket has the addresses, as one of connections cannot have become it. */
  function isAnother(row: number, seen: Sighting): boolean {
    if (source.identity === 'cookie') return false;
    const inode = table.inode[row];
    if (inode !== 0 && seen.inode !== 0 && inode !== seen.inode) return true;
    const isOver = (table.flags[row] & HAS_ENDED) !== 0 || isClosing(table.state[row]);
    return isOver && !seen.isTimeWait && !isClosing(seen.state) && seen.state !== TCP_CLOSE;
  }

  function countUntracked(seen: Sighting): void {
    untracked++;
    if (seen.transport === TCP && seen.state !== TCP_LISTEN && seen.state !== TCP_SYN_RECV) untrackedConnections++;
  }

  function forget(row: number): void {
    if ((table.flags[row] & HAS_ENDED) === 0 && isListener(row)) listen(row, -1);
    release(row);
    unresolved.delete(row);
    table.remove(row);
  }

  function release(row: number): void {
    const owner = ownerOf(row);
    const isConnection = (table.flags[row] & IS_CONNECTION) !== 0;
    if (isConnection) connections--;
    table.flags[row] &= ~IS_CONNECTION;
    table.owner[row] = NOBODY;
    if (owner === undefined) return;
    if (isConnection) owner.connections--;
    owners!.release(owner);
  }

  /** Tells the end of a socket, whatever it was. */
  function tellEnd(row: number, facts: Facts): void {
    const flags = table.flags[row];
    const isOpen = (flags & IS_OPEN) !== 0;
    const { ending } = facts;
    let happening: Happening | undefined;
    if (table.isUdp(row)) happening = 'unbind';
    else if (isListener(row)) happening = 'listen_end';
    else if ((flags & IS_CONNECTION) !== 0) happening = isOpen ? closingOf(ending!) : failingOf(ending!);
    if (happening === undefined) return;
    const isConnection = happening === 'close' || happening === 'reset';
    if (isConnection) closed[ending!]++;
    const since_ms = table.since_ms[row];
    const duration_s = Number.isNaN(since_ms) ? undefined : Math.max(0, Date.now() - since_ms) / 1000;
    const isEnding = isConnection || happening === 'fail';
    report.happened(happening, subjectOf(row), { ...facts, duration_s, ending: isEnding ? ending : undefined });
  }

  function markEnded(row: number): void {
    if (isListener(row)) listen(row, -1);
    release(row);
    unresolved.delete(row);
    table.flags[row] = (table.flags[row] & ~IS_MISSING) | HAS_ENDED;
  }

  function seeTimeWait(seen: Sighting, row: number): void {
    table.pass[row] = pass;
    if ((table.flags[row] & HAS_ENDED) !== 0) return;
    // It was established, or it would not wait.
    if ((table.flags[row] & IS_CONNECTION) !== 0) table.flags[row] |= IS_OPEN;
    tellEnd(row, { time: 0n, source: 'scan', ending: 'fin' });
    markEnded(row);
    table.state[row] = seen.state;
  }

  return {
    table,
    states,
    get udp() {
      return udp;
    },
    get listeners() {
      return listeners;
    },
    get connections() {
      return connections;
    },
    get untracked() {
      return untracked;
    },
    get untrackedConnections() {
      return untrackedConnections;
    },
    get noticed() {
      return noticed;
    },
    closed,
    roundTrips,
    begin(first) {
      isFirst = first;
      hasBegun ||= !first;
      // 0 is a free row.
      pass = pass === 0xffff_ffff ? 1 : pass + 1;
      began_ms = Date.now();
      states.fill(0);
      roundTrips.clear();
      shown = udp = untracked = untrackedConnections = 0;
    },
    see(seen, isAgain) {
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
        adopt(row, seen);
        return;
      }
      if (table.pass[row] !== pass) shown++;
      if (seen.isTimeWait) return seeTimeWait(seen, row);
      table.pass[row] = pass;
      table.flags[row] &= ~IS_MISSING;
      if (isAnother(row, seen)) {
        if ((table.flags[row] & HAS_ENDED) === 0) {
          tellEnd(row, { time: 0n, source: 'scan', ending: 'unknown' });
          if (isListener(row)) listen(row, -1);
        }
        release(row);
        adopt(row, seen);
      } else if (table.state[row] !== seen.state || table.inode[row] !== seen.inode) update(row, seen);
      if (seen.rtt_us > 0 && (table.flags[row] & IS_INCOMING) !== 0) addRoundTrip(seen);
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
          if (isCertain) forget(row);
        } else if (isCertain) {
          tellEnd(row, { time: 0n, source: 'scan', ending: (flags & IS_OPEN) === 0 ? howAttempts : how });
          forget(row);
        } else if ((flags & IS_MISSING) === 0) table.flags[row] |= IS_MISSING;
        else {
          // It is no connection any more, but a process still holds on to it.
          tellEnd(row, { time: 0n, source: 'scan', ending: 'unknown' });
          markEnded(row);
        }
      }
    },
    async finish(who) {
      owners = who;
      await resolve();
      const opened = openings;
      openings = [];
      for (const row of opened) {
        if (table.pass[row] === 0 || (table.flags[row] & (IS_OPEN | HAS_ENDED)) !== IS_OPEN) continue;
        const isConnection = (table.flags[row] & IS_CONNECTION) !== 0;
        if (isConnection && isListening(table.words[row * WORDS + PORTS])) table.flags[row] |= IS_INCOMING;
        if (isFirst) continue;
        const happening = table.isUdp(row) ? 'bind' : isConnection ? 'open' : 'listen';
        report.happened(happening, subjectOf(row), { time: 0n, source: 'scan' });
      }
    },
    end(ended, who) {
      owners = who;
      const { socket } = ended;
      const row = table.find(socket);
      const time = nowUnixNano();
      if (row !== -1) {
        if ((table.flags[row] & HAS_ENDED) === 0) {
          // A socket that is destroyed while it listens never had a peer, nor has one of UDP an end.
          const ending = endingOf(ended, (table.flags[row] & IS_INCOMING) !== 0);
          if (ended.hasAcknowledged && (table.flags[row] & IS_CONNECTION) !== 0) table.flags[row] |= IS_OPEN;
          tellEnd(row, { time, source: 'kernel', ending, ...bytesOf(ended, ending) });
        }
        forget(row);
        return;
      }
      if (!hasBegun || localPort(socket.words[PORTS]) === 0) return;
      const subject = { ...socket, words: socket.words, state: 0, isIncoming: false, owner: undefined };
      if (socket.transport === UDP) return report.happened('unbind', subject, { time, source: 'kernel' });
      // Never connected, or thrown away before anyone saw it: which of the two is not to be told.
      if (hasForgottenPeer(ended)) return;
      subject.isIncoming = isListening(socket.words[PORTS]);
      const ending = endingOf(ended, subject.isIncoming);
      const wasOpen = subject.isIncoming || ended.hasAcknowledged;
      noticed++;
      if (wasOpen) closed[ending]++;
      const happening = wasOpen ? closingOf(ending) : 'fail';
      report.happened(happening, subject, { time, source: 'kernel', ending, ...bytesOf(ended, ending) });
    },
  };

  function addRoundTrip({ words, rtt_us }: Sighting): void {
    const port = localPort(words[PORTS]);
    const trips = roundTrips.get(port) ?? { sum_us: 0, count: 0 };
    roundTrips.set(port, trips);
    trips.sum_us += rtt_us;
    trips.count++;
  }

  async function resolve(): Promise<void> {
    if (owners === undefined) {
      unresolved.clear();
      return;
    }
    const rows = new Map<number, number>();
    for (const row of unresolved) {
      if (table.inode[row] !== 0 && table.owner[row] === UNRESOLVED) rows.set(table.inode[row], row);
    }
    if (rows.size === 0) return;
    const searched = owners;
    const isWhole = await searched.search(new Set(rows.keys()), (inode, owner) => {
      const row = rows.get(inode)!;
      table.owner[row] = owner.number;
      owner.sockets++;
      if ((table.flags[row] & IS_CONNECTION) !== 0) owner.connections++;
      unresolved.delete(row);
    });
    for (const row of rows.values()) {
      if (table.owner[row] !== UNRESOLVED) continue;
      table.tries[row] += isWhole ? TRIES_OF_A_WHOLE_SEARCH : 1;
      if (table.tries[row] < MOST_TRIES) continue;
      table.owner[row] = NOBODY;
      unresolved.delete(row);
    }
  }
}

/** FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT, LAST_ACK, CLOSING: from there no connection comes back. */
const CLOSING_STATES: ReadonlySet<string | undefined> = new Set([
  'fin_wait_1',
  'fin_wait_2',
  'time_wait',
  'last_ack',
  'closing',
]);

function isClosing(state: number): boolean {
  return CLOSING_STATES.has(TCP_STATES[state]);
}

function closingOf(ending: Ending): Happening {
  return ending === 'reset' || ending === 'abort' ? 'reset' : 'close';
}

/** An attempt of which nothing is known may have come about for a moment. */
function failingOf(ending: Ending): Happening {
  return ending === 'fin' ? 'close' : 'fail';
}

function bytesOf(ended: Ended, ending: Ending): Partial<Facts> {
  if (!ended.hasInfo || ending === 'abort' || ending === 'refused') return {};
  return { sent_bytes: ended.sent_bytes, received_bytes: ended.received_bytes };
}
