/**
 * The journal export format (https://systemd.io/JOURNAL_EXPORT_FORMATS), as `journalctl -o export` writes it: `FIELD=text`
 * lines, or `FIELD`, the size in 8 bytes (little-endian) and the bytes themselves; an empty line ends an entry.
 */

export interface Entry {
  /** Every field in order; a name may come several times. */
  readonly fields: readonly Field[];
  /** Names of the fields of which only the beginning was kept. */
  readonly truncated: readonly string[];
  /** Fields beyond the limit of the entry. */
  readonly droppedFields: number;
  /** Of names and values kept. */
  readonly bytes: number;
}

export interface Field {
  readonly name: string;
  /** The entry's own copy. */
  readonly value: Uint8Array;
}

export interface ExportParserOptions {
  /** Of a longer value the beginning is kept. */
  readonly maxField_bytes: number;
  /** Fields that would make an entry larger are dropped; a position (`__CURSOR`) never is. */
  readonly maxEntry_bytes: number;
  readonly onEntry: (entry: Entry) => void;
  /** Told of a line that is no field. */
  readonly onStray: (line: string) => void;
}

export interface ExportParser {
  /** Takes the next bytes, however they are cut. */
  push(chunk: Uint8Array): void;
}

const LINE_FEED = 0x0a;
const EQUALS = 0x3d;
/** Of a field's name: systemd allows 64 characters. */
const MAX_NAME_BYTES = 64;
const NAME = /^[A-Z_][A-Z0-9_]*$/;

export function createExportParser({
  maxField_bytes,
  maxEntry_bytes,
  onEntry,
  onStray,
}: ExportParserOptions): ExportParser {
  const maxLine_bytes = maxField_bytes + MAX_NAME_BYTES + 1;
  let state: 'line' | 'size' | 'data' | 'end' = 'line';
  /** What was read of a line, a size or a value that goes on in the next chunk. */
  let held: Uint8Array[] = [];
  let held_bytes = 0;
  /** How many there really are of what is held. */
  let seen_bytes = 0;
  let remaining_bytes = 0;
  let name = '';
  let fields: Field[] = [];
  let truncated: string[] = [];
  let droppedFields = 0;
  let bytes = 0;

  function hold(part: Uint8Array, limit: number): void {
    seen_bytes += part.length;
    const room = limit - held_bytes;
    if (room <= 0 || part.length === 0) return;
    // The chunk may be reused, and a part of it would keep all of it alive.
    held.push(new Uint8Array(part.subarray(0, room)));
    held_bytes += Math.min(room, part.length);
  }

  function takeHeld(): Uint8Array {
    const whole = held.length === 1 ? held[0]! : Buffer.concat(held);
    held = [];
    held_bytes = 0;
    return whole;
  }

  function endLine(): void {
    const isCut = seen_bytes > maxLine_bytes;
    const length = seen_bytes;
    const line = takeHeld();
    seen_bytes = 0;
    if (length === 0) return endEntry();
    const equals = line.indexOf(EQUALS);
    const key = Buffer.from(line.buffer, line.byteOffset, equals < 0 ? line.length : equals).toString('latin1');
    if (key.length > MAX_NAME_BYTES || !NAME.test(key)) return onStray(Buffer.from(line).toString('utf8', 0, 200));
    if (equals < 0) {
      name = key;
      state = 'size';
      remaining_bytes = 8;
      return undefined;
    }
    const value = line.subarray(equals + 1);
    add(
      key,
      value.length > maxField_bytes ? value.subarray(0, maxField_bytes) : value,
      isCut || value.length > maxField_bytes,
    );
  }

  function endSize(): void {
    const size = Buffer.from(takeHeld()).readBigUInt64LE();
    seen_bytes = 0;
    state = 'data';
    // A stream that claims more than a number can count is not what it says: all that follows is that value.
    remaining_bytes = Number(size);
  }

  function add(key: string, value: Uint8Array, isCut: boolean): void {
    if (bytes + key.length + value.length > maxEntry_bytes && key !== '__CURSOR') {
      droppedFields++;
      return;
    }
    bytes += key.length + value.length;
    fields.push({ name: key, value });
    if (isCut) truncated.push(key);
  }

  function endEntry(): void {
    const entry = { fields, truncated, droppedFields, bytes };
    fields = [];
    truncated = [];
    droppedFields = 0;
    bytes = 0;
    if (entry.fields.length > 0) onEntry(entry);
  }

  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (state === 'line') {
          const end = chunk.indexOf(LINE_FEED, at);
          hold(chunk.subarray(at, end < 0 ? chunk.length : end), maxLine_bytes);
          if (end < 0) return;
          at = end + 1;
          endLine();
          continue;
        }
        if (state === 'end') {
          // The line feed behind a value.
          at++;
          state = 'line';
          continue;
        }
        const part = chunk.subarray(at, at + remaining_bytes);
        hold(part, state === 'size' ? 8 : maxField_bytes);
        at += part.length;
        remaining_bytes -= part.length;
        if (remaining_bytes > 0) return;
        if (state === 'size') endSize();
        if (state === 'data' && remaining_bytes === 0) {
          const isCut = seen_bytes > maxField_bytes;
          seen_bytes = 0;
          add(name, takeHeld(), isCut);
          state = 'end';
        }
      }
    },
  };
}
