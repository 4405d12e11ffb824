/** One client: where it is in the ring, what it wants, and whether it reads what it is sent. */
import type { LineWriter } from '../../src/text/line_writer.ts';
import type { Filter } from './filter.ts';
import { positionText, type Notice, type Position, type Wire } from './frames.ts';
import type { Block, Ring } from './ring.ts';
import { CLOSE } from './websocket.ts';

/** What a connection tells of. */
export interface ChannelEvents {
  /** What was written is on its way. */
  drained(): void;
  /** Something came, whatever it was. */
  heard(): void;
  message(text: string): void;
  /** The client ends it, or breaks the protocol. */
  leave(code: number, reason: string): void;
  closed(): void;
}

/** A connection to a client. */
export interface Channel {
  /** To be called once, in the turn of the event loop in which it was opened. */
  listen(events: ChannelEvents): void;
  readonly wire: Wire;
  readonly transport: 'websocket' | 'event_source';
  /** Where it comes from. */
  readonly address: string;
  /** Returns false when no more should be written until `drained` was called on the client. */
  write(bytes: Uint8Array): boolean;
  /** Something small, so that neither side nor what lies between takes the connection for dead. */
  keepAlive(): void;
  /** Says goodbye behind what was written. */
  end(code: number, reason: string): void;
  destroy(): void;
}

/** Where a client wants to begin: at the next event, behind one that it has, or with those since a time. */
export type Start =
  | { readonly kind: 'now' }
  | { readonly kind: 'after'; readonly position: Position }
  | { readonly kind: 'since'; readonly time_ms: number };

export interface Account {
  /** Events written to clients. */
  sent: number;
}

/** More ids than a client is told of at once; beyond that it is told again. */
const MOST_RESOURCES = 2000;

export class Client {
  readonly channel: Channel;
  readonly #ring: Ring;
  readonly #writer: LineWriter;
  readonly #account: Account;
  #filter: Filter;
  /** Sequence number of the event that comes next. */
  #next = 1;
  #resources = new Set<string>();
  /** Since when it has not taken what was written; undefined while it keeps up. */
  #blockedSince_ms: number | undefined;
  #lastHeard_ms: number;
  #isOver = false;

  constructor(channel: Channel, ring: Ring, filter: Filter, writer: LineWriter, account: Account, now_ms: number) {
    this.channel = channel;
    this.#ring = ring;
    this.#filter = filter;
    this.#writer = writer;
    this.#account = account;
    this.#lastHeard_ms = now_ms;
  }

  get position(): Position {
    return { epoch: this.#ring.epoch, seq: this.#next - 1 };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Greets it, and tells what it asked for and will never get. */
  begin(start: Start): void {
    const { epoch, last, oldest } = this.#ring;
    const { from, missed } = this.#firstOf(start);
    this.#next = Math.max(from, oldest);
    this.notify({ frame: 'hello', epoch, seq: last, oldest });
    if (missed !== undefined) this.notify({ frame: 'missed', epoch, reason: missed, count: null });
    if (this.#next > from) this.notify({ frame: 'missed', epoch, reason: 'ring', count: this.#next - from });
    this.pump();
  }

  #firstOf(start: Start): { readonly from: number; readonly missed?: 'restart' | 'unknown' | 'ring' } {
    const { epoch, last } = this.#ring;
    if (start.kind === 'now') return { from: last + 1 };
    if (start.kind === 'since') {
      const { seq, isWhole } = this.#ring.firstSince(start.time_ms);
      return isWhole ? { from: seq } : { from: seq, missed: 'ring' };
    }
    const { position } = start;
    // What the run before still had, if it was one, went with it; of this one the client has nothing yet.
    if (position.epoch !== epoch) return { from: 1, missed: 'restart' };
    return position.seq <= last ? { from: position.seq + 1 } : { from: last + 1, missed: 'unknown' };
  }

  /** Writes what it has not had, as long as it takes it. */
  pump(): void {
    while (!this.#isOver && this.#blockedSince_ms === undefined && this.#next <= this.#ring.last) {
      const block = this.#ring.blockOf(this.#next);
      if (block === undefined) return;
      this.#write(block);
    }
  }

  /** What was written is on its way. */
  drained(now_ms: number): void {
    this.#blockedSince_ms = undefined;
    this.#lastHeard_ms = now_ms;
    this.pump();
  }

  heard(now_ms: number): void {
    this.#lastHeard_ms = now_ms;
  }

  /** From the next event on. */
  setFilter(filter: Filter): void {
    this.#filter = filter;
    this.notify({ frame: 'filter', ...this.position, filter: filter.text });
  }

  /** Why it is too slow to be kept; undefined if it is not. */
  slowness(now_ms: number, timeout_ms: number): 'beyond_ring' | 'timeout' | undefined {
    if (this.#next < this.#ring.oldest) return 'beyond_ring';
    const isLate = this.#blockedSince_ms !== undefined && now_ms - this.#blockedSince_ms >= timeout_ms;
    return isLate ? 'timeout' : undefined;
  }

  /** Whether nothing was heard for so long that it must be gone. */
  isSilent(now_ms: number, limit_ms: number): boolean {
    return this.channel.transport === 'websocket' && now_ms - this.#lastHeard_ms >= limit_ms;
  }

  keepAlive(): void {
    if (this.#blockedSince_ms !== undefined) return;
    // The last event that it wanted may be long ago: it can go on from here.
    if (this.#filter.wants !== undefined) this.notify({ frame: 'position', ...this.position });
    this.channel.keepAlive();
  }

  /** Sends it away, and says why. */
  dismiss(code: number, reason: string): void {
    if (this.#isOver) return;
    if (code === CLOSE.tryAgainLater) this.notify({ frame: 'dropped', reason, ...this.position });
    this.#isOver = true;
    this.channel.end(code, reason);
  }

  notify(notice: Notice): void {
    if (this.#isOver) return;
    const writer = this.#writer;
    writer.position = 0;
    const { wire } = this.channel;
    wire.notice(writer, JSON.stringify(notice), notice.frame, positionText(this.position));
    this.#send(writer.take());
  }

  #send(bytes: Uint8Array): void {
    if (!this.channel.write(bytes)) this.#blockedSince_ms ??= performance.now();
  }

  #write(block: Block): void {
    const from = this.#next - block.first;
    this.#next = block.first + block.texts.length;
    const { bytes, ends } = this.#ring.compose(block, this.channel.wire);
    const { wants } = this.#filter;
    if (wants === undefined) {
      this.#tellResources(block);
      this.#account.sent += block.texts.length - from;
      this.#send(from === 0 ? bytes : bytes.subarray(ends[from - 1]));
      return;
    }
    const pieces: Uint8Array[] = [];
    let count = 0;
    for (let index = from, runStart = -1; index <= block.records.length; index++) {
      const isWanted = index < block.records.length && wants(block.records[index]!);
      if (isWanted) count++;
      if (isWanted && runStart === -1) runStart = index;
      if (isWanted || runStart === -1) continue;
      pieces.push(bytes.subarray(runStart === 0 ? 0 : ends[runStart - 1], ends[index - 1]));
      runStart = -1;
    }
    if (count === 0) return;
    this.#tellResources(block);
    this.#account.sent += count;
    this.#send(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
  }

  #tellResources(block: Block): void {
    for (const { id, json } of block.resources) {
      if (this.#resources.has(id)) continue;
      if (this.#resources.size >= MOST_RESOURCES) this.#resources.clear();
      this.#resources.add(id);
      this.#writer.position = 0;
      this.channel.wire.notice(this.#writer, json, 'resource', undefined);
      this.#send(this.#writer.take());
    }
  }
}
