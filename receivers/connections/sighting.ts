/** A socket as a source saw it, whatever the source: one object that each sighting is written into. */

export const TCP = 6;
export const UDP = 17;
export const IPV4 = 2;
export const IPV6 = 10;

/** Words of {@link Sighting.words}. */
export const PORTS = 0;
export const LOCAL = 1;
export const PEER = 5;
export const COOKIE = 10;
/** As many as `struct inet_diag_sockid` has (include/uapi/linux/inet_diag.h). */
export const WORDS = 12;

export class Sighting {
  /** TCP or UDP. */
  transport = 0;
  /** IPV4 or IPV6. */
  family = 0;
  /** The kernel's number of the state. */
  state = 0;
  /** It only waits for late packets, whatever its state: nobody has it any more. */
  isTimeWait = false;
  /** 0 where no process has it. */
  inode = 0;
  /** Smoothed round-trip time in microseconds; 0 where it is not asked for. */
  rtt_us = 0;
  /** Ports, four words local address, four of the peer's, interface, two of a cookie: as their bytes lie in memory. */
  readonly words = new Uint32Array(WORDS);
}

/** Numbers of ports from the first word, which has them in the order of the network. */
export function localPort(ports: number): number {
  return ((ports & 0xff) << 8) | ((ports >>> 8) & 0xff);
}

export function peerPort(ports: number): number {
  return localPort(ports >>> 16);
}

/** ::ffff:0:0/96: a connection of IPv4 by a socket of IPv6. */
const MAPPED = 0xffff_0000;

export function isMapped(words: Uint32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === MAPPED;
}

/** 127.0.0.0/8 or ::1, mapped or not. */
export function isLoopback(words: Uint32Array, at: number, family: number): boolean {
  if (family === IPV4) return (words[at] & 0xff) === 127;
  if (isMapped(words, at)) return (words[at + 3] & 0xff) === 127;
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0x0100_0000;
}

/** As people write it: a mapped address as the one of IPv4 that it is, IPv6 by RFC 5952. */
export function addressText(words: Uint32Array, at: number, family: number): string {
  if (family === IPV4) return dotted(words[at]);
  if (isMapped(words, at)) return dotted(words[at + 3]);
  const groups: number[] = [];
  for (let i = at; i < at + 4; i++) {
    const word = words[i];
    groups.push(((word & 0xff) << 8) | ((word >>> 8) & 0xff), ((word >>> 8) & 0xff00) | (word >>> 24));
  }
  return compress(groups);
}

function dotted(word: number): string {
  return `${word & 0xff}.${(word >>> 8) & 0xff}.${(word >>> 16) & 0xff}.${word >>> 24}`;
}

/** The first of the longest runs of two zeros or more becomes `::` (RFC 5952, 4.2). */
function compress(groups: readonly number[]): string {
  let start = -1;
  let length = 1;
  for (let from = 0; from < groups.length; from++) {
    let to = from;
    while (to < groups.length && groups[to] === 0) to++;
    if (to - from > length) [start, length] = [from, to - from];
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (start === -1) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}
