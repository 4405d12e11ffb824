/** The two protocols of carbon: lines of text, and lists of pickled tuples. */
import type { LineWriter } from '../../src/text/line_writer.ts';

export interface Format {
  /** What a path is written as. */
  path(text: string): Uint8Array;
  /** Begins a body. */
  begin(writer: LineWriter): void;
  write(writer: LineWriter, path: Uint8Array, value: number | bigint, time_s: number): void;
  /** Ends the body that began at 0. */
  end(writer: LineWriter): void;
  /** Most bytes that {@link Format.end} adds. */
  readonly endSize: number;
}

const SPACE = 0x20;
const NEWLINE = 0x0a;

/** `path value seconds\n`. Infinities as Python and Go read them. */
export function createPlaintext(): Format {
  let lastTime = -1;
  let timeText: Uint8Array = Buffer.alloc(0);
  return {
    path: (text) => Buffer.from(`${text} `),
    begin() {},
    write(writer, path, value, time_s) {
      writer.raw(path);
      if (typeof value === 'bigint') writer.integer(value);
      else if (value === Infinity || value === -Infinity) writer.text(value > 0 ? 'inf' : '-inf');
      else writer.double(value);
      writer.byte(SPACE);
      if (time_s !== lastTime) {
        lastTime = time_s;
        timeText = Buffer.from(String(time_s));
      }
      writer.raw(timeText);
      writer.byte(NEWLINE);
    },
    end() {},
    endSize: 0,
  };
}

/** Length of a message, 4 bytes; then PROTO 2, EMPTY_LIST, MARK. */
const PICKLE_START = [0, 0, 0, 0, 0x80, 2, 0x5d, 0x28];
const HEADER_SIZE = 4;
const BINUNICODE = 0x58;
const BININT = 0x4a;
const BINFLOAT = 0x47;
const TUPLE2 = 0x86;
const APPENDS = 0x65;
const STOP = 0x2e;
const MAX_INT = 2 ** 31 - 1;

/** `[(path, (seconds, value)), …]` in pickle protocol 2, which Python 2 and 3 read; values are doubles. */
export function createPickle(): Format {
  return {
    path(text) {
      const bytes = Buffer.from(text);
      const path = Buffer.allocUnsafe(5 + bytes.length);
      path[0] = BINUNICODE;
      path.writeUInt32LE(bytes.length, 1);
      path.set(bytes, 5);
      return path;
    },
    begin: (writer) => writer.raw(Uint8Array.from(PICKLE_START)),
    write(writer, path, value, time_s) {
      writer.raw(path);
      if (time_s <= MAX_INT) {
        writer.reserve(5);
        writer.bytes[writer.position] = BININT;
        writer.bytes.writeInt32LE(time_s, writer.position + 1);
        writer.position += 5;
      } else writeDouble(writer, time_s);
      writeDouble(writer, Number(value));
      writer.byte(TUPLE2);
      writer.byte(TUPLE2);
    },
    end(writer) {
      writer.byte(APPENDS);
      writer.byte(STOP);
      writer.bytes.writeUInt32BE(writer.position - HEADER_SIZE, 0);
    },
    endSize: 2,
  };
}

function writeDouble(writer: LineWriter, value: number): void {
  writer.reserve(9);
  writer.bytes[writer.position] = BINFLOAT;
  writer.bytes.writeDoubleBE(value, writer.position + 1);
  writer.position += 9;
}
