/**
 * Pages of the kernel's ring buffer as `trace_pipe_raw` gives them. They are read rather than the text of `trace_pipe`,
 * because that has names and paths unescaped: one with a line break could tell of events that never were.
 * Sources: kernel/trace/ring_buffer.c, include/linux/ring_buffer.h, Documentation/trace/ring-buffer-map.rst
 */

/** Where a field of an event is, counted from the beginning of the event. */
export interface TraceField {
  readonly offset: number;
  readonly size: number;
}

/** What `events/SYSTEM/NAME/format` says. */
export interface TraceFormat {
  readonly id: number;
  readonly fields: ReadonlyMap<string, TraceField>;
}

/**
 * From `ID: 365` and lines as `	field:pid_t pid;	offset:12;	size:4;	signed:1;`.
 * @throws {SyntaxError} no id, or a field that is needed is missing
 */
export function parseFormat(text: string, needed: readonly string[]): TraceFormat {
  const id = /^ID: (\d+)$/m.exec(text)?.[1];
  const fields = new Map<string, TraceField>();
  for (const [, name, offset, size] of text.matchAll(
    /^\tfield:[^;]*?(\w+)(?:\[\w*\])?;\toffset:(\d+);\tsize:(\d+);/gm,
  )) {
    fields.set(name!, { offset: Number(offset), size: Number(size) });
  }
  const missing = needed.find((name) => !fields.has(name));
  if (id === undefined || missing !== undefined) {
    throw new SyntaxError(`Cannot parse the format of an event: ${missing ?? 'ID'} is missing`);
  }
  return { id: Number(id), fields };
}

/** Timestamp and commit: `struct buffer_data_page`. */
const HEADER_BYTES = 16;
/** Bits of commit beside the number of bytes. */
const COMMIT_MASK = 0x7ff_ffff;
const MISSED_EVENTS = 0x8000_0000;
const MISSED_STORED = 0x4000_0000;

const PADDING = 29;
const TIME_EXTEND = 30;
const TIME_STAMP = 31;
const DELTA_SHIFT = 2 ** 27;
/** Absolute times have no more bits: those above are of the time before. */
const STAMP_SPAN = 2 ** 59;

/** Told of each event: where its fields begin and end in the page, and when it was. */
export type VisitEvent = (start: number, end: number, time_ns: number) => void;

/**
 * Visits the events of one page; a page that is cut short, or makes no sense, up to there.
 * @returns how many events were lost before it; NaN where that is not said
 */
export function decodePage(page: Buffer, visit: VisitEvent): number {
  if (page.length < HEADER_BYTES) return 0;
  const commit = page.readUInt32LE(8);
  const end = Math.min(page.length, HEADER_BYTES + (commit & COMMIT_MASK));
  let time_ns = page.readUInt32LE(0) + page.readUInt32LE(4) * 2 ** 32;
  let at = HEADER_BYTES;
  while (at + 4 <= end) {
    const head = page.readUInt32LE(at);
    const type = head & 31;
    const delta = head >>> 5;
    at += 4;
    // Nothing follows.
    if (type === PADDING && delta === 0) break;
    if (type === 0 || type >= PADDING) {
      if (at + 4 > end) break;
      const word = page.readUInt32LE(at);
      if (type === TIME_STAMP) {
        time_ns = time_ns - (time_ns % STAMP_SPAN) + word * DELTA_SHIFT + delta;
        at += 4;
      } else if (type === TIME_EXTEND) {
        time_ns += word * DELTA_SHIFT + delta;
        at += 4;
      } else {
        time_ns += delta;
        // The length counts itself; padding is an event that was taken back.
        if (word < 4 || at + word > end) break;
        if (type === 0) visit(at + 4, at + word, time_ns);
        at += (word + 3) & ~3;
      }
    } else {
      time_ns += delta;
      if (at + type * 4 > end) break;
      visit(at, at + type * 4, time_ns);
      at += type * 4;
    }
  }
  if ((commit & MISSED_EVENTS) === 0) return 0;
  return (commit & MISSED_STORED) !== 0 && end + 8 <= page.length ? Number(page.readBigUInt64LE(end)) : NaN;
}

/** Text of a fixed number of bytes, up to the first NUL. */
export function readText(page: Buffer, start: number, end: number): string {
  let stop = start;
  while (stop < end && page[stop] !== 0) stop++;
  return page.toString('utf8', start, stop);
}
