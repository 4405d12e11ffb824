/** The life of single sockets: from the row that is new to its end. */
import { TCP_CLOSE, TCP_LISTEN, TCP_STATES, TCP_SYN_RECV, TCP_SYN_SENT } from '../../src/procfs/inet_sockets.ts';
import { type Direction, Directions, type PortRange } from './directions.ts';
import { closingOf, ENDINGS, failingOf, type Ending } from './endings.ts';
import type { Owner, Owners } from './owners.ts';
import type { Facts, Happening, Report, Subject } from './report.ts';
import { Resolution } from './resolution.ts';
import { localPort, PORTS, type Sighting, TCP, UDP, WORDS } from './sighting.ts';
import {
  HAS_ENDED,
  IS_CONNECTION,
  IS_INCOMING,
  IS_MISSING,
  IS_OPEN,
  IS_OUTGOING,
  NOBODY,
  type SocketTable,
} from './socket_table.ts';

export interface RowsOptions {
  readonly table: SocketTable;
  readonly report: Report;
  readonly portRange: PortRange;
}

export interface Rows {
  readonly directions: Directions;
  /** Connections that are remembered. */
  readonly connections: number;
  /** Connections that were noticed, and those that ended, by how. */
  noticed: number;
  readonly closed: Record<Ending, number>;
  /** What rows find themselves in: what is new there was there before, if `isFirst`. */
  begin(isFirst: boolean): void;
  /** Takes a row in that is new, or is another socket at the same addresses. */
  adopt(row: number, seen: Sighting): void;
  /** Brings a row up to what was seen of the same socket. */
  update(row: number, seen: Sighting): void;
  /** Whether another socket has the addresses by now, as the one that is known cannot have become it. */
  isAnother(row: number, seen: Sighting): boolean;
  /** Tells the end of a socket, whatever it was. */
  tellEnd(row: number, facts: Facts): void;
  /** Its end was told, but it is still shown, or still held. */
  markEnded(row: number): void;
  forget(row: number): void;
  /** Finds the processes of new sockets, and tells what has opened. */
  finish(owners: Owners | undefined): Promise<void>;
}

export function createRows({ table, report, portRange }: RowsOptions): Rows {
  const directions = new Directions(portRange);
  const closed = Object.fromEntries(ENDINGS.map((ending) => [ending, 0])) as Record<Ending, number>;
  const unresolved = new Resolution(table);
  let owners: Owners | undefined;
  /** Rows that opened, listen or are bound since the pass began. */
  let openings: number[] = [];
  let isFirst = true;
  let began_ms = 0;
  let connections = 0;
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
      direction: directionOf(table.flags[row]),
      owner: ownerOf(row),
    };
  }

  function listen(row: number, isMore: boolean): void {
    const port = localPort(table.words[row * WORDS + PORTS]);
    if (isMore) directions.add(port);
    else directions.remove(port);
  }

  /** Finds out who began a connection, unless that was seen. */
  function setDirection(row: number): void {
    if ((table.flags[row] & (IS_INCOMING | IS_OUTGOING)) !== 0) return;
    const direction = directions.of(table.wordsOf(row), table.familyOf(row));
    if (direction !== undefined) table.flags[row] |= direction === 'incoming' ? IS_INCOMING : IS_OUTGOING;
  }

  /** Takes a row in that is new, or is another socket at the same addresses. */
  function adopt(row: number, seen: Sighting): void {
    table.flags[row] = 0;
    table.state[row] = seen.state;
    table.inode[row] = seen.inode;
    table.since_ms[row] = isFirst ? NaN : began_ms;
    table.owner[row] = NOBODY;
    if (seen.isTimeWait) {
      // It opened and closed, and nobody saw it.
      table.flags[row] = HAS_ENDED;
      if (isFirst) return;
      noticed++;
      closed.fin++;
      table.since_ms[row] = NaN;
      setDirection(row);
      report.happened('close', subjectOf(row), { time: 0n, source: 'scan', ending: 'fin' });
      return;
    }
    if (isListener(row)) listen(row, true);
    unresolved.add(row);
    update(row, seen);
  }

  /** Brings a row up to what was seen of the same socket. */
  function update(row: number, seen: Sighting): void {
    const isListening = seen.state === TCP_LISTEN;
    if (seen.transport !== UDP && isListening !== isListener(row)) listen(row, isListening);
    table.state[row] = seen.state;
    if (seen.inode !== 0 && table.inode[row] !== seen.inode) {
      // A connection is accepted: from now on it is some process's.
      table.inode[row] = seen.inode;
      if (table.owner[row] < 0) unresolved.add(row);
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
    if (seen.state === TCP_SYN_SENT) {
      table.flags[row] |= IS_OUTGOING;
      return;
    }
    table.flags[row] |= IS_OPEN;
    openings.push(row);
  }

  /** Another socket has the addresses, as one of connections cannot have become it. */
  function isAnother(row: number, seen: Sighting): boolean {
    if (table.identity === 'cookie') return false;
    const inode = table.inode[row];
    if (inode !== 0 && seen.inode !== 0 && inode !== seen.inode) return true;
    const isOver = (table.flags[row] & HAS_ENDED) !== 0 || isClosing(table.state[row]);
    return isOver && !seen.isTimeWait && !isClosing(seen.state) && seen.state !== TCP_CLOSE;
  }

  function forget(row: number): void {
    if ((table.flags[row] & HAS_ENDED) === 0 && isListener(row)) listen(row, false);
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
    const duration_s = !isConnection || Number.isNaN(since_ms) ? undefined : Math.max(0, Date.now() - since_ms) / 1000;
    const isEnding = isConnection || happening === 'fail';
    report.happened(happening, subjectOf(row), { ...facts, duration_s, ending: isEnding ? ending : undefined });
  }

  function markEnded(row: number): void {
    if (isListener(row)) listen(row, false);
    release(row);
    unresolved.delete(row);
    table.flags[row] = (table.flags[row] & ~IS_MISSING) | HAS_ENDED;
  }

  return {
    directions,
    closed,
    get connections() {
      return connections;
    },
    get noticed() {
      return noticed;
    },
    set noticed(count) {
      noticed = count;
    },
    begin(first) {
      isFirst = first;
      began_ms = Date.now();
    },
    adopt,
    update,
    isAnother,
    tellEnd,
    markEnded,
    forget,
    async finish(who) {
      owners = who;
      await unresolved.search(who);
      const opened = openings;
      openings = [];
      for (const row of opened) {
        if (table.pass[row] === 0 || (table.flags[row] & (IS_OPEN | HAS_ENDED)) !== IS_OPEN) continue;
        const isConnection = (table.flags[row] & IS_CONNECTION) !== 0;
        if (isConnection) setDirection(row);
        if (isFirst) continue;
        const happening = table.isUdp(row) ? 'bind' : isConnection ? 'open' : 'listen';
        report.happened(happening, subjectOf(row), { time: 0n, source: 'scan' });
      }
    },
  };
}

export function directionOf(flags: number): Direction | undefined {
  if ((flags & IS_INCOMING) !== 0) return 'incoming';
  return (flags & IS_OUTGOING) !== 0 ? 'outgoing' : undefined;
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
