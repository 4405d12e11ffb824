/** What happens to sockets as log records: names, attributes and words. */
import type { AnyValue } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';
import { eventRecord, INFO, WARN } from '../../src/model/event_record.ts';
import type { SeverityNumber } from '../../src/model/severity.ts';
import type { Outlet } from '../../src/outlet.ts';
import { TCP_STATES } from '../../src/procfs/inet_sockets.ts';
import type { Direction } from './directions.ts';
import type { Ending } from './endings.ts';
import type { EventFilter } from './event_filter.ts';
import type { Owner } from './owners.ts';
import { addressText, IPV4, isMapped, LOCAL, localPort, PEER, peerPort, PORTS, UDP } from './sighting.ts';

export const HAPPENINGS = ['open', 'close', 'reset', 'fail', 'listen', 'listen_end', 'bind', 'unbind'] as const;
export type Happening = (typeof HAPPENINGS)[number];

const EVENT_NAMES: Readonly<Record<Happening, string>> = {
  open: 'network.connection.open',
  close: 'network.connection.close',
  reset: 'network.connection.reset',
  fail: 'network.connection.fail',
  listen: 'network.listen',
  listen_end: 'network.listen.end',
  bind: 'network.socket.bind',
  unbind: 'network.socket.unbind',
};
const WORDS: Readonly<Record<Happening, string>> = {
  open: 'opened',
  close: 'closed',
  reset: 'reset',
  fail: 'failed',
  listen: 'listens',
  listen_end: 'listens no more',
  bind: 'bound',
  unbind: 'unbound',
};

/** What it happened to. */
export interface Subject {
  readonly words: Uint32Array;
  readonly transport: number;
  readonly family: number;
  /** The kernel's number of the state that it was seen in last; 0 where it never was. */
  readonly state: number;
  /** undefined where it cannot be told. */
  readonly direction: Direction | undefined;
  readonly owner: Owner | undefined;
}

/** More than every event has. */
export interface Facts {
  /** Unix nanoseconds; 0n where it is not known when it happened. */
  readonly time: bigint;
  /** Told by the kernel, or found by looking. */
  readonly source: 'kernel' | 'scan';
  readonly ending?: Ending | undefined;
  readonly sent_bytes?: number | undefined;
  readonly received_bytes?: number | undefined;
  readonly duration_s?: number | undefined;
}

export interface Report {
  happened(happening: Happening, subject: Subject, facts: Facts): void;
  /** The receiver cannot tell everything, or can again. */
  notice(source: OverflowSource, isOver: boolean, body: string, attributes: Readonly<Record<string, AnyValue>>): void;
}

/** Who had no room: the kernel for its notices, the table for sockets, the pipelines for events. */
export type OverflowSource = 'kernel' | 'max_connections' | 'pipeline';

export interface ReportOptions {
  readonly outlet: Outlet;
  readonly resource: Resource;
  readonly scope: Scope;
  readonly happenings: ReadonlySet<Happening>;
  readonly isWanted: EventFilter;
  /** An event found no room. */
  readonly onFull: () => void;
}

export function createReport({ outlet, resource, scope, happenings, isWanted, onFull }: ReportOptions): Report {
  function push(
    eventName: string,
    severityNumber: SeverityNumber,
    body: string,
    time: bigint,
    attributes: Record<string, AnyValue>,
  ): void {
    const record = eventRecord({
      resource,
      scope,
      time,
      observedTime: nowUnixNano(),
      severityNumber,
      body,
      attributes,
      eventName,
    });
    outlet.push(record);
  }

  return {
    happened(happening, subject, facts) {
      if (!happenings.has(happening) || !isWanted(subject)) return;
      if (outlet.isFull) {
        onFull();
        return;
      }
      const isBad = happening === 'reset' || happening === 'fail' || facts.ending === 'timeout';
      push(
        EVENT_NAMES[happening],
        isBad ? WARN : INFO,
        bodyOf(happening, subject),
        facts.time,
        attributesOf(subject, facts),
      );
    },
    notice(source, isOver, body, attributes) {
      push(
        isOver ? 'network.connection.overflow.end' : 'network.connection.overflow',
        isOver ? INFO : WARN,
        body,
        nowUnixNano(),
        { 'network.connection.overflow.source': source, ...attributes },
      );
    },
  };
}

export function nowUnixNano(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

function attributesOf(subject: Subject, facts: Facts): Record<string, AnyValue> {
  const { words, family, state, transport, owner } = subject;
  const isIpv4 = family === IPV4 || isMapped(words, LOCAL);
  const attributes: Record<string, AnyValue> = {
    'network.transport': transport === UDP ? 'udp' : 'tcp',
    'network.type': isIpv4 ? 'ipv4' : 'ipv6',
    'network.local.address': addressText(words, LOCAL, family),
    'network.local.port': localPort(words[PORTS]),
  };
  const port = peerPort(words[PORTS]);
  if (port !== 0) {
    attributes['network.peer.address'] = addressText(words, PEER, family);
    attributes['network.peer.port'] = port;
    if (transport !== UDP && subject.direction !== undefined) {
      attributes['network.connection.direction'] = subject.direction;
    }
  }
  const stateName = transport === UDP ? undefined : TCP_STATES[state];
  if (stateName !== undefined) attributes['network.connection.state'] = stateName;
  if (owner !== undefined) {
    attributes['process.pid'] = owner.process.pid;
    if (owner.name !== '') attributes['process.executable.name'] = owner.name;
    if (owner.containerId !== undefined) attributes['container.id'] = owner.containerId;
  }
  if (facts.ending !== undefined) attributes['network.connection.ending'] = facts.ending;
  if (facts.sent_bytes !== undefined) attributes['network.connection.sent'] = facts.sent_bytes;
  if (facts.received_bytes !== undefined) attributes['network.connection.received'] = facts.received_bytes;
  if (facts.duration_s !== undefined) attributes['network.connection.duration'] = facts.duration_s;
  attributes['network.connection.event.source'] = facts.source;
  return attributes;
}

/** `TCP 10.0.0.1:443 ← 10.0.0.7:51234 opened (nginx, pid 812)`: the arrow points to whom it was opened. */
function bodyOf(happening: Happening, { words, family, transport, direction, owner }: Subject): string {
  const end = (at: number, port: number): string => {
    const address = addressText(words, at, family);
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  };
  const port = peerPort(words[PORTS]);
  const peer =
    port === 0 ? '' : ` ${direction === 'incoming' ? '←' : direction === 'outgoing' ? '→' : '–'} ${end(PEER, port)}`;
  const who = owner === undefined ? '' : ` (${owner.name === '' ? '' : `${owner.name}, `}pid ${owner.process.pid})`;
  const protocol = transport === UDP ? 'UDP' : 'TCP';
  return `${protocol} ${end(LOCAL, localPort(words[PORTS]))}${peer} ${WORDS[happening]}${who}`;
}
