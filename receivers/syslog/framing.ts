/**
 * Syslog messages in a stream of bytes (RFC 6587): each with its length before it (octet counting), or each ended by a line
 * feed. A sender keeps to one of them, which its first bytes tell.
 */

export interface FramerOptions {
  /** Of a longer message the beginning is kept. */
  readonly maxMessage_bytes: number;
  /** The bytes are valid during the call only. */
  readonly onMessage: (bytes: Uint8Array, isTruncated: boolean) => void;
  /** Where a length should stand is none: from here on lines are read. */
  readonly onBadFrame: () => void;
}

export interface Framer {
  push(chunk: Uint8Array): void;
  /** The stream is over: gives what is left. @param isWhole whether the sender ended it */
  end(isWhole: boolean): void;
}

const LINE_FEED = 0x0a;
const SPACE = 0x20;
/** A message begins with its priority, so that a line such as `12 monkeys` is not taken for a length. */
const COUNTED = /^[1-9]\d{0,8} </;
const PERHAPS_COUNTED = /^[1-9]\d{0,8} ?$/;
const MAX_DIGITS = 9;
const NOTHING = new Uint8Array(0);

export function createFramer({ maxMessage_bytes, onMessage, onBadFrame }: FramerOptions): Framer {
  let mode: 'detect' | 'count' | 'message' | 'line' = 'detect';
  /** The beginning of a message that goes on in the next chunk. */
  let held: Uint8Array = NOTHING;
  /** How long what is held really was. */
  let seen_bytes = 0;
  let digits = '';
  let remaining_bytes = 0;

  function hold(part: Uint8Array): void {
    seen_bytes += part.length;
    const room = maxMessage_bytes - held.length;
    if (room > 0 && part.length > 0) held = Buffer.concat([held, part.subarray(0, room)]);
  }

  function emit(part: Uint8Array, isIncomplete = false): void {
    if (seen_bytes > 0) {
      hold(part);
      const whole = held;
      const isTruncated = isIncomplete || seen_bytes > held.length;
      held = NOTHING;
      seen_bytes = 0;
      onMessage(whole, isTruncated);
    } else if (part.length > 0) {
      const isLong = part.length > maxMessage_bytes;
      onMessage(isLong ? part.subarray(0, maxMessage_bytes) : part, isLong || isIncomplete);
    }
  }

  /** @returns where the length ended in the chunk */
  function readCount(chunk: Uint8Array, start: number): number {
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte >= 0x30 && byte <= 0x39 && digits.length < MAX_DIGITS) {
        digits += String.fromCharCode(byte);
      } else if (byte === SPACE && digits !== '') {
        remaining_bytes = Number(digits);
        digits = '';
        if (remaining_bytes > 0) mode = 'message';
        return at + 1;
      } else if (digits !== '' || byte !== LINE_FEED) {
        // Some senders end counted messages with a line feed all the same; anything else is no length.
        onBadFrame();
        mode = 'line';
        hold(Buffer.from(digits));
        digits = '';
        return at;
      }
    }
    return chunk.length;
  }

  return {
    push(bytes) {
      if (bytes.length === 0) return;
      let chunk = bytes;
      if (mode === 'detect') {
        chunk = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
        const head = Buffer.from(chunk.subarray(0, MAX_DIGITS + 2)).toString('latin1');
        if (PERHAPS_COUNTED.test(head)) {
          held = new Uint8Array(chunk);
          return;
        }
        held = NOTHING;
        mode = COUNTED.test(head) ? 'count' : 'line';
      }
      for (let at = 0; at < chunk.length;) {
        if (mode === 'count') {
          at = readCount(chunk, at);
        } else if (mode === 'message') {
          const part = chunk.subarray(at, at + remaining_bytes);
          at += part.length;
          remaining_bytes -= part.length;
          if (remaining_bytes > 0) return hold(part);
          emit(part);
          mode = 'count';
        } else {
          const end = chunk.indexOf(LINE_FEED, at);
          if (end < 0) return hold(chunk.subarray(at));
          emit(chunk.subarray(at, end));
          at = end + 1;
        }
      }
    },
    end(isWhole) {
      if (mode === 'detect') {
        const rest = held;
        held = NOTHING;
        emit(rest, !isWhole);
      } else {
        // The last line may do without its end; a message with a length may not.
        emit(Buffer.from(digits), mode !== 'line' || !isWhole);
      }
      digits = '';
    },
  };
}
