/**
 * The messages of netlink's sock_diag(7): requests for all sockets, answers, and notices of sockets that are destroyed.
 * Layouts: include/uapi/linux/{netlink,sock_diag,inet_diag,tcp}.h.
 */
import { TCP_STATES, TCP_TIME_WAIT } from '../../src/procfs/inet_sockets.ts';
import { Sighting, UDP, WORDS } from './sighting.ts';

export const SOCK_DIAG_BY_FAMILY = 20;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
/** The lists changed while they were shown. */
const NLM_F_DUMP_INTR = 0x10;

const HEADER = 16;
const REQUEST = 56;
/** `struct inet_diag_msg`. */
const MESSAGE = 72;
const SOCKET_ID = 4;
const INODE = 68;
/** `idiag_timer` of a connection in its time-wait. */
const TIME_WAIT_TIMER = 3;

const INET_DIAG_INFO = 2;
const INET_DIAG_PROTOCOL = 10;

/** Places in `struct tcp_info`. */
const RETRANSMITS = 2;
const PROBES = 3;
const RTT_US = 68;
const BYTES_ACKED = 120;
const BYTES_RECEIVED = 128;
const SEGMENTS_IN = 140;
const BYTES_SENT = 200;
const BYTES_RETRANSMITTED = 208;

export interface DumpOptions {
  readonly family: number;
  readonly transport: number;
  /** Those in their time-wait, too. */
  readonly withTimeWait: boolean;
  /** With `tcp_info`. */
  readonly withInfo: boolean;
}

/** Asks for all sockets of a family and a transport. */
export function encodeDumpRequest({ family, transport, withTimeWait, withInfo }: DumpOptions): Buffer {
  const request = Buffer.alloc(HEADER + REQUEST);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  request.writeUInt8(family, HEADER);
  request.writeUInt8(transport, HEADER + 1);
  request.writeUInt8(withInfo ? 1 << (INET_DIAG_INFO - 1) : 0, HEADER + 2);
  let states = (1 << TCP_STATES.length) - 1;
  if (!withTimeWait && transport !== UDP) states &= ~(1 << TCP_TIME_WAIT);
  request.writeUInt32LE(states, HEADER + 4);
  return request;
}

export interface Page {
  /** That was all. */
  readonly isLast: boolean;
  /** Number of the error that it ended with, 0 for none. */
  readonly error: number;
  readonly isInterrupted: boolean;
}

/**
 * Shows the sockets of one part of an answer to `take`, in one object.
 * @throws {SyntaxError} a message is cut off
 */
export function readPage(page: Uint8Array, transport: number, seen: Sighting, take: (seen: Sighting) => void): Page {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  let isInterrupted = false;
  for (let at = 0; at < page.length;) {
    const length = messageLength(view, at);
    const type = view.getUint16(at + 4, true);
    isInterrupted ||= (view.getUint16(at + 6, true) & NLM_F_DUMP_INTR) !== 0;
    // Both carry a number that is 0 or negative.
    if (type === NLMSG_ERROR || type === NLMSG_DONE) {
      const error = length >= HEADER + 4 ? Math.abs(view.getInt32(at + HEADER, true)) : 0;
      return { isLast: true, error, isInterrupted };
    }
    if (type === SOCK_DIAG_BY_FAMILY) {
      readSocket(view, at, length, transport, seen);
      take(seen);
    }
    at += aligned(length);
  }
  return { isLast: false, error: 0, isInterrupted };
}

function messageLength(view: DataView, at: number): number {
  const length = at + HEADER <= view.byteLength ? view.getUint32(at, true) : 0;
  const least = HEADER + (length > 0 && view.getUint16(at + 4, true) === SOCK_DIAG_BY_FAMILY ? MESSAGE : 0);
  if (length < least || at + length > view.byteLength) {
    throw new SyntaxError(
      `Cannot parse the kernel's list of sockets: found ${view.byteLength - at} bytes of a message`,
    );
  }
  return length;
}

const aligned = (length: number): number => (length + 3) & ~3;

function readSocket(view: DataView, at: number, length: number, transport: number, seen: Sighting): void {
  const body = at + HEADER;
  seen.transport = transport;
  seen.family = view.getUint8(body);
  seen.state = view.getUint8(body + 1);
  // In FIN_WAIT_2, too, a connection may only wait.
  const isWaiting = view.getUint8(body + 2) === TIME_WAIT_TIMER || seen.state === TCP_TIME_WAIT;
  seen.isTimeWait = transport !== UDP && isWaiting;
  seen.inode = view.getUint32(body + INODE, true);
  const { words } = seen;
  for (let word = 0; word < WORDS; word++) words[word] = view.getUint32(body + SOCKET_ID + word * 4, true);
  const info = findAttribute(view, body + MESSAGE, at + length, INET_DIAG_INFO, RTT_US + 4);
  seen.rtt_us = info === -1 ? 0 : view.getUint32(info + RTT_US, true);
}

/** Where the content of an attribute of at least that many bytes begins; -1 if there is none. */
function findAttribute(view: DataView, from: number, end: number, wanted: number, least: number): number {
  for (let at = from; at + 4 <= end;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > end) return -1;
    if (view.getUint16(at + 2, true) === wanted) return length >= 4 + least ? at + 4 : -1;
    at += aligned(length);
  }
  return -1;
}

/** A socket that is destroyed, and what TCP knew of it. */
export class Ended {
  readonly socket = new Sighting();
  hasInfo = false;
  /** Data without repetitions. */
  sent_bytes = 0;
  /** As TCP counts: the end of the peer's stream (FIN) is one. */
  received_bytes = 0;
  /** The kernel knows acknowledged bytes beyond the data: the beginning (SYN) of who connected is one, the end another. */
  acknowledgedBeyondData = 0;
  /** Anything of the stream was acknowledged, so that the connection was established, if this side connected. */
  hasAcknowledged = false;
  segmentsIn = 0;
  /** Something was repeated, or asked for, and got no answer. */
  isUnanswered = false;
}

/** Shows the destroyed sockets of a notice to `take`, in one object. @throws {SyntaxError} a message is cut off */
export function readEnds(notice: Uint8Array, ended: Ended, take: (ended: Ended) => void): void {
  const view = new DataView(notice.buffer, notice.byteOffset, notice.byteLength);
  for (let at = 0; at < notice.length;) {
    const length = messageLength(view, at);
    const end = at + length;
    if (view.getUint16(at + 4, true) === SOCK_DIAG_BY_FAMILY) {
      const attributes = at + HEADER + MESSAGE;
      const protocol = findAttribute(view, attributes, end, INET_DIAG_PROTOCOL, 1);
      readSocket(view, at, length, protocol === -1 ? 0 : view.getUint8(protocol), ended.socket);
      readInfo(view, findAttribute(view, attributes, end, INET_DIAG_INFO, BYTES_RETRANSMITTED + 8), ended);
      take(ended);
    }
    at += aligned(length);
  }
}

function readInfo(view: DataView, info: number, ended: Ended): void {
  ended.hasInfo = info !== -1;
  if (info === -1) return;
  const acknowledged = Number(view.getBigUint64(info + BYTES_ACKED, true));
  ended.sent_bytes = Number(
    view.getBigUint64(info + BYTES_SENT, true) - view.getBigUint64(info + BYTES_RETRANSMITTED, true),
  );
  ended.received_bytes = Number(view.getBigUint64(info + BYTES_RECEIVED, true));
  ended.acknowledgedBeyondData = acknowledged - ended.sent_bytes;
  ended.hasAcknowledged = acknowledged > 0;
  ended.segmentsIn = view.getUint32(info + SEGMENTS_IN, true);
  ended.isUnanswered = view.getUint8(info + RETRANSMITS) > 0 || view.getUint8(info + PROBES) > 0;
}
