/**
 * The file that remembers how far a queue was delivered. It has three slots: one that is known to be on the disk, one
 * that may be on its way there, and one to write to; so a power cut at any moment leaves one that is whole.
 */
import { crc32 } from 'node:zlib';
import { messageOf } from '../../errors.ts';
import type { Clock } from '../clock.ts';
import type { Folder, OpenFile } from './folder.ts';
import type { Position } from './format.ts';
import type { Span } from './progress.ts';
import type { Tell } from './segments.ts';

export const CURSOR_NAME = 'cursor';
const SLOT_BYTES = 4096;
const SLOTS = 3;
const SLOT_HEADER_BYTES = 12;
const MAGIC = 0x31435153;

export interface CursorState {
  readonly low: Position;
  readonly spans: readonly Span[];
}

export interface Cursor {
  /**
   * Writes the state of now, which then survives the process, and soon after a power cut; calls while a write is under
   * way share the next one. Failures are told, not thrown: they cost a repetition after a crash.
   */
  save(): Promise<void>;
  /** What was saved survives a power cut from here on. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Positions as `[seq, item]`, which keeps a slot small. */
interface Stored {
  readonly generation: number;
  readonly low: readonly [number, number];
  readonly spans: readonly (readonly [number, number, number, number])[];
}

/** The newest state that is whole; undefined where there is none. */
export async function readCursor(folder: Folder): Promise<CursorState | undefined> {
  const stored = newest(await readSlots(folder))?.stored;
  if (stored === undefined) return undefined;
  return {
    low: { seq: stored.low[0], item: stored.low[1] },
    spans: stored.spans.map(([seq, item, toSeq, toItem]) => ({
      from: { seq, item },
      to: { seq: toSeq, item: toItem },
    })),
  };
}

interface Slot {
  readonly index: number;
  readonly stored: Stored;
}

/** The slots that are whole; none where there is no file. */
async function readSlots(folder: Folder): Promise<Slot[]> {
  if (!(await folder.list()).includes(CURSOR_NAME)) return [];
  const bytes = Buffer.alloc(SLOT_BYTES * SLOTS);
  const file = await folder.open(CURSOR_NAME, 'read');
  try {
    await file.read(bytes, 0);
  } finally {
    await file.close();
  }
  return [0, 1, 2].flatMap((index) => {
    const slot = bytes.subarray(index * SLOT_BYTES, (index + 1) * SLOT_BYTES);
    const size = slot.readUInt32LE(8);
    if (slot.readUInt32LE(0) !== MAGIC || size > SLOT_BYTES - SLOT_HEADER_BYTES) return [];
    const text = slot.subarray(SLOT_HEADER_BYTES, SLOT_HEADER_BYTES + size);
    if (crc32(text) !== slot.readUInt32LE(4)) return [];
    return [{ index, stored: JSON.parse(text.toString()) as Stored }];
  });
}

function newest(slots: readonly Slot[]): Slot | undefined {
  return slots.toSorted((a, b) => b.stored.generation - a.stored.generation)[0];
}

export interface CursorOptions {
  readonly folder: Folder;
  /** The state of now. */
  readonly current: () => CursorState;
  /** Whether it is to survive power cuts. */
  readonly isSynced: boolean;
  readonly clock: Clock;
  readonly tell: Tell;
}

/** A power cut repeats at most what was delivered since. */
const SYNC_MS = 1000;

/** Opens its file when it saves, and again as long as it cannot: on a full disk there may be no room for one. */
export function createCursor({ folder, current, isSynced, clock, tell }: CursorOptions): Cursor {
  let file: OpenFile | undefined;
  let isClosed = false;
  let generation = 0;
  /** Where the next state goes; never the slot that is known to be on the disk. */
  let slot = 0;
  /** Which slots hold a state that was written to its end, by this process. */
  let isWhole = [false, false, false];
  let durable: number | undefined;
  let writing: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let syncing: Promise<void> = Promise.resolve();
  let callOffSync: (() => void) | undefined;
  let isTold = false;

  async function open(): Promise<OpenFile> {
    const last = newest(await readSlots(folder).catch(() => []));
    if (last === undefined) return create();
    const opened = await folder.open(CURSOR_NAME, 'write');
    try {
      // The process before may not have come to that; from here on other slots are overwritten.
      await opened.sync();
    } catch (error) {
      await opened.close().catch(() => undefined);
      throw error;
    }
    generation = last.stored.generation;
    durable = last.index;
    slot = free(durable);
    return opened;
  }

  async function create(): Promise<OpenFile> {
    // What is no file cannot be removed like one.
    const removed = folder.remove(CURSOR_NAME).catch(() => folder.rename(CURSOR_NAME, `${CURSOR_NAME}.bad`));
    await removed.catch(() => undefined);
    const created = await folder.open(CURSOR_NAME, 'create');
    try {
      // All its room at once, so that no later state meets a full disk.
      await created.write([Buffer.alloc(SLOT_BYTES * SLOTS)], 0);
      await folder.sync();
      return created;
    } catch (error) {
      await created.close().catch(() => undefined);
      throw error;
    }
  }

  async function write(): Promise<void> {
    try {
      file ??= await open();
      const to = slot;
      isWhole[to] = false;
      await file.write([encodeSlot(++generation, current())], to * SLOT_BYTES);
      isWhole[to] = true;
      if (isTold) tell('Remembers again what was delivered', { folder: folder.path });
      isTold = false;
      if (isSynced && !isClosed) callOffSync ??= clock.after(SYNC_MS, syncSoon);
    } catch (error) {
      failed(error);
    } finally {
      writing = undefined;
    }
  }

  function syncSoon(): void {
    callOffSync = undefined;
    void sync();
  }

  function sync(): Promise<void> {
    return (syncing = syncing.then(syncNow));
  }

  async function syncNow(): Promise<void> {
    if (file === undefined) return;
    const latest = slot;
    slot = free(latest, durable);
    // A write that is under way may still go to the slot before.
    await writing;
    if (!isWhole[latest]) return;
    try {
      await file.sync();
      durable = latest;
    } catch (error) {
      // What a failed fdatasync leaves may look as if it were on the disk: only what is written anew counts.
      isWhole = [false, false, false];
      failed(error);
    }
  }

  function failed(error: unknown): void {
    if (isTold) return;
    isTold = true;
    const fields = { folder: folder.path, error: messageOf(error) };
    tell('Cannot remember what was delivered: after a crash it is delivered again', fields);
  }

  function begin(): Promise<void> {
    next = undefined;
    return (writing = write());
  }

  function save(): Promise<void> {
    if (isClosed) return Promise.resolve();
    if (next !== undefined) return next;
    // What is being written was made before this call.
    return writing === undefined ? begin() : (next = writing.then(begin));
  }

  return {
    save,
    sync,
    async close() {
      callOffSync?.();
      await save();
      isClosed = true;
      await (isSynced ? sync() : syncing);
      await file?.close();
      file = undefined;
    },
  };
}

function free(...taken: readonly (number | undefined)[]): number {
  return [0, 1, 2].find((slot) => !taken.includes(slot))!;
}

/** With more spans than fit, the last are left out: they are delivered again after a crash, never lost. */
function encodeSlot(generation: number, { low, spans }: CursorState): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  for (let count = spans.length; ; count = Math.floor(count / 2)) {
    const stored: Stored = {
      generation,
      low: [low.seq, low.item],
      spans: spans.slice(0, count).map(({ from, to }) => [from.seq, from.item, to.seq, to.item]),
    };
    const text = Buffer.from(JSON.stringify(stored));
    if (text.length > SLOT_BYTES - SLOT_HEADER_BYTES) continue;
    slot.writeUInt32LE(MAGIC, 0);
    slot.writeUInt32LE(crc32(text), 4);
    slot.writeUInt32LE(text.length, 8);
    text.copy(slot, SLOT_HEADER_BYTES);
    return slot;
  }
}
