/** Bytes as text: where its lines end, and how it is decoded, for each encoding. Places count in bytes. */
import { isAscii, isUtf8 } from 'node:buffer';

export const ENCODINGS = ['utf-8', 'utf-16le', 'utf-16be', 'latin1'] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** A piece of a file. */
export interface TextWindow {
  /** Without the bytes at the end that are no whole unit. */
  readonly length: number;
  /** Bytes of a newline. */
  readonly unit: 1 | 2;
  /** Of the next newline; -1 if there is none. */
  newline(from: number): number;
  isReturn(at: number): boolean;
  isZero(at: number): boolean;
  decode(from: number, to: number): string;
  /** Whether what {@link decode} makes of it holds U+FFFD for bytes that mean nothing. */
  isBroken(from: number, to: number): boolean;
  /** The last place up to `to` where no character is divided; `to` where none is found. */
  boundary(from: number, to: number): number;
  /** Bytes of a byte order mark at the beginning. */
  readonly mark: number;
}

/** A window on `data`, which it may change in place. */
export function openWindow(data: Buffer, encoding: Encoding): TextWindow {
  if (encoding === 'latin1') return singleBytes(data);
  if (encoding === 'utf-8') return isAscii(data) ? singleBytes(data) : utf8(data);
  const whole = data.subarray(0, data.length & ~1);
  if (encoding === 'utf-16be') whole.swap16();
  return utf16(whole);
}

/** ASCII as Latin-1, too: decoding that is copying. */
function singleBytes(data: Buffer): TextWindow {
  return {
    length: data.length,
    unit: 1,
    mark: 0,
    newline: (from) => data.indexOf(10, from),
    isReturn: (at) => data[at] === 13,
    isZero: (at) => data[at] === 0,
    decode: (from, to) => data.toString('latin1', from, to),
    isBroken: () => false,
    boundary: (_, to) => to,
  };
}

function utf8(data: Buffer): TextWindow {
  // The last character may be divided, so that a sound window fails this, too: then each line is looked at.
  const isSound = isUtf8(data);
  return {
    length: data.length,
    unit: 1,
    mark: data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf ? 3 : 0,
    newline: (from) => data.indexOf(10, from),
    isReturn: (at) => data[at] === 13,
    isZero: (at) => data[at] === 0,
    decode: (from, to) => data.toString('utf8', from, to),
    isBroken: (from, to) => !isSound && !isUtf8(data.subarray(from, to)),
    boundary(from, to) {
      // A character's first byte says how long it is (RFC 3629, section 3).
      for (let at = to - 1; at >= Math.max(from, to - 3); at--) {
        const byte = data[at]!;
        if ((byte & 0xc0) === 0x80) continue;
        const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        return at + length > to && at > from ? at : to;
      }
      return to;
    },
  };
}

function utf16(data: Buffer): TextWindow {
  const text = data.toString('utf16le');
  return {
    length: data.length,
    unit: 2,
    mark: text.charCodeAt(0) === 0xfeff ? 2 : 0,
    newline(from) {
      const at = text.indexOf('\n', from / 2);
      return at === -1 ? -1 : at * 2;
    },
    isReturn: (at) => text.charCodeAt(at / 2) === 13,
    isZero: (at) => text.charCodeAt(at / 2) === 0,
    // A copy of its own: a part would keep the whole window.
    decode: (from, to) => data.toString('utf16le', from, to).toWellFormed(),
    isBroken: (from, to) => !text.slice(from / 2, to / 2).isWellFormed(),
    boundary(from, to) {
      const even = to - ((to - from) & 1);
      // The first half of a pair of surrogates.
      return (text.charCodeAt(even / 2 - 1) & 0xfc00) === 0xd800 && even - 2 > from ? even - 2 : even;
    },
  };
}
