/**
 * Events as the kernel writes them, waiting to be looked at: within a number of bytes, beyond which they are counted and
 * a mark says that there is a gap.
 */
import { IN_Q_OVERFLOW } from './inotify.ts';
import { PATH_ENCODING } from './source.ts';

/** One event. The object is reused: valid until the next one is taken. */
export interface RawEvent {
  watch: number;
  mask: number;
  /** Joins the two halves of a rename. */
  cookie: number;
  /** '' for what happens to the watched folder itself. */
  name: string;
  /** When it was read; Unix nanoseconds. */
  time: bigint;
}

/** Nothing but that something happened to the name: what `fs.watch` tells. No bit of inotify's. */
export const CHECK = 0x80_0000;

/** `struct inotify_event`: int wd; uint32 mask, cookie, len; then len bytes of name, padded with NULs. */
const HEADER_BYTES = 16;
/** What each chunk costs beside its bytes. */
const CHUNK_BYTES = 200;

export interface RawQueue {
  readonly event: RawEvent;
  /** Takes the next event into `event`; false where there is none. */
  next(): boolean;
  readonly isEmpty: boolean;
  /** Overflows that are still to come. */
  readonly overflowsAhead: number;
  /** Copies the bytes of one read. */
  push(bytes: Uint8Array): void;
  /** Takes events again after a gap, and says how many were lost in it; 0 where there was none. */
  endGap(): number;
  readonly bytes: number;
}

export function createRawQueue(limit_bytes: number): RawQueue {
  const event: RawEvent = { watch: 0, mask: 0, cookie: 0, name: '', time: 0n };
  let chunks: { readonly bytes: Buffer; readonly time: bigint }[] = [];
  let first = 0;
  let position = 0;
  let held_bytes = 0;
  let overflowsAhead = 0;
  let isGap = false;
  let lost = 0;

  function keep(bytes: Buffer): void {
    chunks.push({ bytes, time: BigInt(Date.now()) * 1_000_000n });
    held_bytes += bytes.length + CHUNK_BYTES;
  }

  function takeFrom(bytes: Buffer, at: number): number {
    event.watch = bytes.readInt32LE(at);
    event.mask = bytes.readUInt32LE(at + 4);
    event.cookie = bytes.readUInt32LE(at + 8);
    const start = at + HEADER_BYTES;
    const end = start + bytes.readUInt32LE(at + 12);
    let stop = start;
    while (stop < end && bytes[stop] !== 0) stop++;
    event.name = stop === start ? '' : bytes.toString(PATH_ENCODING, start, stop);
    return end;
  }

  return {
    event,
    next() {
      if (first === chunks.length) return false;
      const { bytes, time } = chunks[first]!;
      position = takeFrom(bytes, position);
      event.time = time;
      if ((event.mask & IN_Q_OVERFLOW) !== 0) overflowsAhead--;
      if (position >= bytes.length) {
        position = 0;
        first++;
        held_bytes -= bytes.length + CHUNK_BYTES;
        if (first === chunks.length || first === 1024) {
          chunks = chunks.slice(first);
          first = 0;
        }
      }
      return true;
    },
    get isEmpty() {
      return first === chunks.length;
    },
    get overflowsAhead() {
      return overflowsAhead;
    },
    get bytes() {
      return held_bytes;
    },
    push(bytes) {
      if (isGap || held_bytes + bytes.length > limit_bytes) {
        lost += countEvents(bytes).events;
        if (isGap) return;
        isGap = true;
        overflowsAhead++;
        keep(encodeEvent(-1, IN_Q_OVERFLOW, ''));
        return;
      }
      overflowsAhead += countEvents(bytes).overflows;
      keep(Buffer.from(bytes));
    },
    endGap() {
      const count = lost;
      isGap = false;
      lost = 0;
      return count;
    },
  };
}

function countEvents(bytes: Uint8Array): { events: number; overflows: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let events = 0;
  let overflows = 0;
  for (let at = 0; at < bytes.length; at += HEADER_BYTES + view.getUint32(at + 12, true)) {
    events++;
    if ((view.getUint32(at + 4, true) & IN_Q_OVERFLOW) !== 0) overflows++;
  }
  return { events, overflows };
}

/** An event in the kernel's form. */
export function encodeEvent(watch: number, mask: number, name: string, cookie = 0): Buffer {
  // At least one NUL, and the next event begins at a multiple of 16.
  const nameBytes = name === '' ? 0 : (Buffer.byteLength(name, PATH_ENCODING) + 16) & ~15;
  const bytes = Buffer.alloc(HEADER_BYTES + nameBytes);
  bytes.writeInt32LE(watch, 0);
  bytes.writeUInt32LE(mask >>> 0, 4);
  bytes.writeUInt32LE(cookie, 8);
  bytes.writeUInt32LE(nameBytes, 12);
  bytes.write(name, HEADER_BYTES, PATH_ENCODING);
  return bytes;
}
