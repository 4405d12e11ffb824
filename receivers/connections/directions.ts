/** Who began a connection: the kernel does not say, once it is established. */
import { isLoopback, LOCAL, localPort, peerPort, PORTS } from './sighting.ts';

export type Direction = 'incoming' | 'outgoing';

/** Ports that the kernel gives to who connects without a choice of his own: ip_local_port_range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What Linux begins with. */
const DEFAULT_RANGE: PortRange = { first: 32_768, last: 60_999 };

/** `32768	60999`; the default where it is something else. */
export function parsePortRange(text: string | undefined): PortRange {
  const match = /^(\d+)\s+(\d+)\s*$/.exec(text ?? '');
  return match === null ? DEFAULT_RANGE : { first: Number(match[1]), last: Number(match[2]) };
}

/** The ports that someone listens at, and what follows from them. */
export class Directions {
  readonly #range: PortRange;
  readonly #listening = new Map<number, number>();
  #listeners = 0;

  constructor(range: PortRange) {
    this.#range = range;
  }

  /** Sockets that listen. */
  get listeners(): number {
    return this.#listeners;
  }

  add(port: number): void {
    this.#listeners++;
    this.#listening.set(port, (this.#listening.get(port) ?? 0) + 1);
  }

  remove(port: number): void {
    this.#listeners--;
    const left = (this.#listening.get(port) ?? 0) - 1;
    if (left > 0) this.#listening.set(port, left);
    else this.#listening.delete(port);
  }

  /** Where someone listens, the connection came in; else only who connects has a port of the range. undefined: not to be told. */
  of(words: Uint32Array, family: number): Direction | undefined {
    const local = localPort(words[PORTS]);
    const peer = peerPort(words[PORTS]);
    if (this.#listening.has(local)) return 'incoming';
    if (this.#listening.has(peer) && isLoopback(words, LOCAL, family)) return 'outgoing';
    const isLocal = this.#isOfRange(local);
    return isLocal === this.#isOfRange(peer) ? undefined : isLocal ? 'outgoing' : 'incoming';
  }

  #isOfRange(port: number): boolean {
    return port >= this.#range.first && port <= this.#range.last;
  }
}
