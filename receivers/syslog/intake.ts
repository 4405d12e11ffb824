/** From the bytes of a message to a record on its way to the pipelines. What becomes of each part: docs/receivers/syslog.md. */
import { isUtf8 } from 'node:buffer';
import type { BlockList } from 'node:net';
import type { ComponentLog, Consumer } from '../../src/component.ts';
import { parseSyslog } from '../../src/logs/syslog.ts';
import type { AnyValue } from '../../src/model/attributes.ts';
import type { LogBatch, Resource, Scope } from '../../src/model/batch.ts';
import { canaryToken } from './canaries.ts';
import { createOutlet, type Outlet } from '../../src/outlet.ts';

export type Transport = 'udp' | 'tcp' | 'unix';

/** Who sent a message. */
export interface Peer {
  readonly transport: Transport;
  /** '' for unix sockets. */
  readonly address: string;
  readonly port: number;
}

export interface Counts {
  records: number;
  bytes: number;
  malformed: number;
  /** Messages of which only the beginning was kept. */
  truncated: number;
}

export interface Figures {
  readonly byTransport: Readonly<Record<Transport, Counts>>;
  /** Datagrams that found no room. */
  full: number;
  /** Datagrams and connections of sources that are not allowed. */
  notAllowed: number;
  /** Connections beyond the limit. */
  tooMany: number;
}

export interface Intake {
  readonly figures: Figures;
  readonly outlet: Outlet;
  /** Whether this is a canary of this receiver: whoever may send, it may. */
  isCanary(bytes: Uint8Array): boolean;
  /** The bytes are not kept. */
  take(bytes: Uint8Array, isTruncated: boolean, peer: Peer): void;
  /** Like {@link take}, of what cannot be made to wait: where there is no room it is dropped and counted. */
  takeOrDrop(bytes: Uint8Array, isTruncated: boolean, peer: Peer): void;
  /** Whether this source may send; counts one that may not. */
  isAllowed(address: string | undefined): boolean;
}

export interface IntakeOptions {
  readonly location: string;
  readonly allowedSources: BlockList | undefined;
  readonly resource: Resource;
  readonly scope: Scope;
  readonly next: Consumer<LogBatch>;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  /** Whether this is of a canary; if so, it has arrived. */
  readonly arrived: (token: string) => boolean;
}

const LIMITS = { waiting_bytes: 2 ** 25, batch_bytes: 2 ** 22 };

export function createIntake(options: IntakeOptions): Intake {
  const { location, allowedSources, resource, scope, log, drop } = options;
  const outlet = createOutlet({ ...options, limits: LIMITS });
  const counts = (): Counts => ({ records: 0, bytes: 0, malformed: 0, truncated: 0 });
  const byTransport = { udp: counts(), tcp: counts(), unix: counts() };
  const figures: Figures = { byTransport, full: 0, notAllowed: 0, tooMany: 0 };

  function take(bytes: Uint8Array, isTruncated: boolean, peer: Peer): void {
    const token = canaryToken(bytes);
    if (token !== undefined) {
      if (outlet.isFull) return takeLater(bytes, isTruncated, peer);
      if (options.arrived(token)) return;
    }
    const count = byTransport[peer.transport];
    const now = BigInt(Date.now()) * 1_000_000n;
    const text = textOf(bytes);
    const message = parseSyslog(text, { now_ns: now, location });
    count.records++;
    count.bytes += bytes.length;
    if (message === undefined) count.malformed++;
    if (isTruncated) count.truncated++;
    const attributes: Record<string, AnyValue> = { ...message?.attributes, 'network.transport': peer.transport };
    if (peer.address !== '') {
      attributes['network.peer.address'] = peer.address;
      attributes['network.peer.port'] = peer.port;
    }
    if (isTruncated) attributes['syslog.is_truncated'] = true;
    outlet.push(
      {
        resource,
        scope,
        time: message?.time ?? 0n,
        observedTime: now,
        severityNumber: message?.severityNumber ?? 0,
        severityText: message?.severityText ?? '',
        body: message === undefined ? text : message.message,
        attributes,
        droppedAttributesCount: 0,
        flags: 0,
        traceId: '',
        spanId: '',
        eventName: '',
      },
      undefined,
      bytes.length,
    );
  }

  /** What a new connection brings first is read whatever waits already; a canary must not overtake that. */
  function takeLater(bytes: Uint8Array, isTruncated: boolean, peer: Peer): void {
    const kept = Buffer.from(bytes);
    void outlet.room().then(() => take(kept, isTruncated, peer));
  }

  return {
    figures,
    outlet,
    take,
    isCanary: (bytes) => canaryToken(bytes) !== undefined,
    takeOrDrop(bytes, isTruncated, peer) {
      if (!outlet.isFull) {
        log.over('full', 'Takes datagrams again');
        take(bytes, isTruncated, peer);
        return;
      }
      // A canary that finds no room is missed by its probe.
      if (canaryToken(bytes) !== undefined) return;
      figures.full++;
      drop('no_room', 1);
      log.once('full', 'Drops datagrams: the pipelines take no more');
    },
    isAllowed(address) {
      if (allowedSources === undefined) return true;
      if (address !== undefined && allowedSources.check(address, address.includes(':') ? 'ipv6' : 'ipv4')) return true;
      figures.notAllowed++;
      log.once('source', 'Refuses a source that is not one of allowed_sources', { address });
      return false;
    },
  };
}

/** `::ffff:10.0.0.1`, as a socket of both versions tells it, is 10.0.0.1. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}

/** What is no UTF-8 is most likely Latin-1, in which every byte is a character. */
function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString(isUtf8(buffer) ? 'utf8' : 'latin1');
}
