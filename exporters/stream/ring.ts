/** The latest events, encoded once for all clients, which read them at their own pace. */
import type { LogRecord, Resource } from '../../src/model/batch.ts';
import { attributesKey } from '../../src/model/attributes.ts';
import { LineWriter } from '../../src/text/line_writer.ts';
import { eventFrame, resourceFrame, type KnownResource, type Wire } from './frames.ts';

export interface RingOptions {
  readonly epoch: string;
  readonly max_events: number;
  readonly max_bytes: number;
  readonly max_event_bytes: number;
  /** Milliseconds since the epoch of Unix. */
  readonly now_ms: () => number;
}

/** Events that came together: what is written at once. */
export interface Block {
  /** Sequence number of the first. */
  readonly first: number;
  readonly records: LogRecord[];
  readonly texts: string[];
  readonly resources: Set<KnownResource>;
  readonly opened_ms: number;
  bytes: number;
}

/** A block on the wire: event `i` is from `ends[i - 1]` to `ends[i]`. */
export interface Composed {
  readonly bytes: Buffer;
  readonly ends: Uint32Array;
}

const MOST_EVENTS_A_BLOCK = 1000;
const MOST_BYTES_A_BLOCK = 256 * 1024;
/** Blocks that stay composed: clients that keep up are sent the newest, and those that catch up go through all of them. */
const MOST_COMPOSED = 8;
/** What a record takes beside its text: objects, the key in an array. */
const RECORD_BYTES = 256;
const MOST_RESOURCES = 1000;

export class Ring {
  readonly epoch: string;
  /** Of the last event. */
  head = 0;
  readonly #options: RingOptions;
  readonly #block_events: number;
  /** Those before `#start` are gone. */
  #blocks: Block[] = [];
  #start = 0;
  #open: Block | undefined;
  #events = 0;
  #bytes = 0;
  readonly #resources = new Map<string, KnownResource>();
  readonly #byIdentity = new WeakMap<Resource, KnownResource>();
  #resourceCount = 0;
  readonly #composed = new Map<Wire, Map<Block, Composed>>();
  readonly #writer = new LineWriter();

  constructor(options: RingOptions) {
    this.epoch = options.epoch;
    this.#options = options;
    this.#block_events = Math.min(MOST_EVENTS_A_BLOCK, Math.max(1, Math.floor(options.max_events / 10)));
  }

  /** Returns true when a block is full: it should be {@link seal}ed. */
  append(record: LogRecord): boolean {
    const resource = this.#resourceOf(record.resource);
    const position = { epoch: this.epoch, seq: ++this.head };
    const text = eventFrame(position, resource.id, record, this.#options.max_event_bytes);
    const block = (this.#open ??= {
      first: this.head,
      records: [],
      texts: [],
      resources: new Set(),
      opened_ms: this.#options.now_ms(),
      bytes: 0,
    });
    block.records.push(record);
    block.texts.push(text);
    block.resources.add(resource);
    block.bytes += 2 * text.length + RECORD_BYTES;
    return block.texts.length >= this.#block_events || block.bytes >= MOST_BYTES_A_BLOCK;
  }

  /** Makes what was appended visible to clients. */
  seal(): void {
    const block = this.#open;
    if (block === undefined) return;
    this.#open = undefined;
    this.#blocks.push(block);
    this.#events += block.texts.length;
    this.#bytes += block.bytes;
  }

  /** Forgets the oldest, as its bounds demand; clients that keep up must have been sent the newest before. */
  evict(): void {
    const { max_events, max_bytes } = this.#options;
    while (this.#start < this.#blocks.length - 1 && (this.#events > max_events || this.#bytes > max_bytes)) {
      const block = this.#blocks[this.#start]!;
      this.#events -= block.texts.length;
      this.#bytes -= block.bytes;
      for (const composed of this.#composed.values()) composed.delete(block);
      this.#start++;
    }
    // Moving them one by one would cost each time as much as there are.
    if (this.#start < 64 && this.#start < this.#blocks.length) return this.#clear();
    this.#blocks = this.#blocks.slice(this.#start);
    this.#start = 0;
  }

  /** Drops references to what is gone. */
  #clear(): void {
    for (let index = this.#start - 1; index >= 0; index--) this.#blocks[index] = NO_BLOCK;
  }

  get size(): { readonly events: number; readonly bytes: number } {
    return { events: this.#events, bytes: this.#bytes };
  }

  /** Sequence number of the last event that clients can see. */
  get last(): number {
    return this.#open === undefined ? this.head : this.#open.first - 1;
  }

  /** Sequence number of the oldest event that is there, or would be the next. */
  get oldest(): number {
    return this.#blocks[this.#start]?.first ?? this.last + 1;
  }

  /** The block that holds an event; undefined where it is gone or not yet there. */
  blockOf(seq: number): Block | undefined {
    let low = this.#start;
    let high = this.#blocks.length - 1;
    // Clients that keep up want the newest.
    if (high >= low && this.#blocks[high]!.first <= seq) low = high;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#blocks[middle]!.first <= seq) low = middle;
      else high = middle - 1;
    }
    const block = this.#blocks[low];
    return block !== undefined && seq >= block.first && seq < block.first + block.texts.length ? block : undefined;
  }

  /** Sequence number of the first event that came at that time or later, and whether all these are still there. */
  firstSince(time_ms: number): { readonly seq: number; readonly isWhole: boolean } {
    const kept = this.#blocks.slice(this.#start);
    const seq = kept.find(({ opened_ms }) => opened_ms >= time_ms)?.first ?? this.last + 1;
    return { seq, isWhole: this.oldest === 1 || kept[0]!.opened_ms <= time_ms };
  }

  /** The bytes of a block on a wire, made once for all clients while it is among the newest or latest used. */
  compose(block: Block, wire: Wire): Composed {
    let composed = this.#composed.get(wire);
    if (composed === undefined) this.#composed.set(wire, (composed = new Map()));
    const known = composed.get(block);
    if (known !== undefined) return known;
    const writer = this.#writer;
    const ends = new Uint32Array(block.texts.length);
    writer.position = 0;
    block.texts.forEach((text, index) => {
      wire.event(writer, text, { epoch: this.epoch, seq: block.first + index });
      ends[index] = writer.position;
    });
    const made = { bytes: writer.take(), ends };
    composed.set(block, made);
    if (composed.size > MOST_COMPOSED) composed.delete(composed.keys().next().value!);
    return made;
  }

  /** Equal resources have one id, as long as they are among the newest. */
  #resourceOf(resource: Resource): KnownResource {
    const sameObject = this.#byIdentity.get(resource);
    if (sameObject !== undefined) return sameObject;
    const key = JSON.stringify([attributesKey(resource.attributes), resource.schemaUrl]);
    let known = this.#resources.get(key);
    if (known === undefined) {
      const id = `r${++this.#resourceCount}`;
      this.#resources.set(key, (known = { id, json: resourceFrame(id, resource) }));
      if (this.#resources.size > MOST_RESOURCES) this.#resources.delete(this.#resources.keys().next().value!);
    }
    this.#byIdentity.set(resource, known);
    return known;
  }
}

const NO_BLOCK: Block = { first: 0, records: [], texts: [], resources: new Set(), opened_ms: 0, bytes: 0 };
