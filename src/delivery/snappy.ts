/** Snappy's block format (google/snappy, format_description.txt), which remote write and Loki demand. */

/** Matches are looked for within blocks of this size, so that an offset takes two bytes. */
const BLOCK_BYTES = 65_536;
const HASH_BITS = 14;
/** No match begins in the last bytes of a block: four bytes can always be read there. */
const MARGIN = 15;
/** After so many misses in a row, each step skips one byte more. */
const MISSES_SHIFT = 5;

const table = new Uint16Array(1 << HASH_BITS);

/** Greedy, as the reference: bytes that do not compress grow by less than a sixth. */
export function snappyCompress(source: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(32 + source.length + Math.ceil(source.length / 6));
  let at = writeLength(out, source.length);
  for (let from = 0; from < source.length; from += BLOCK_BYTES) {
    at = compressBlock(source, from, Math.min(source.length, from + BLOCK_BYTES), out, at);
  }
  return out.subarray(0, at);
}

function writeLength(out: Uint8Array, length: number): number {
  let at = 0;
  for (; length > 127; length >>>= 7) out[at++] = (length & 127) | 128;
  out[at++] = length;
  return at;
}

function compressBlock(source: Uint8Array, from: number, end: number, out: Uint8Array, at: number): number {
  table.fill(0);
  const last = end - MARGIN;
  let literalFrom = from;
  let misses = 1 << MISSES_SHIFT;
  for (let i = from + 1; i < last;) {
    const word = wordAt(source, i);
    const hash = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS);
    const candidate = from + table[hash]!;
    table[hash] = i - from;
    if (wordAt(source, candidate) !== word) {
      i += misses++ >>> MISSES_SHIFT;
      continue;
    }
    let length = 4;
    while (i + length < end && source[candidate + length] === source[i + length]) length++;
    if (literalFrom < i) at = writeLiteral(source, literalFrom, i, out, at);
    at = writeCopy(out, at, i - candidate, length);
    i += length;
    literalFrom = i;
    misses = 1 << MISSES_SHIFT;
  }
  return literalFrom < end ? writeLiteral(source, literalFrom, end, out, at) : at;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** A block is no longer than two bytes of length can say. */
function writeLiteral(source: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  const length = to - from;
  if (length <= 60) {
    out[at++] = (length - 1) << 2;
  } else if (length <= 256) {
    out[at++] = 60 << 2;
    out[at++] = length - 1;
  } else {
    out[at++] = 61 << 2;
    out[at++] = (length - 1) & 255;
    out[at++] = (length - 1) >>> 8;
  }
  out.set(source.subarray(from, to), at);
  return at + length;
}

/** Copies of up to 64 bytes; the rest of a long match is kept at four bytes or more, which the short form needs. */
function writeCopy(out: Uint8Array, at: number, offset: number, length: number): number {
  while (length >= 68) {
    at = writeLongCopy(out, at, offset, 64);
    length -= 64;
  }
  if (length > 64) {
    at = writeLongCopy(out, at, offset, 60);
    length -= 60;
  }
  if (length >= 12 || offset >= 2048) return writeLongCopy(out, at, offset, length);
  out[at++] = ((offset >>> 8) << 5) | ((length - 4) << 2) | 1;
  out[at++] = offset & 255;
  return at;
}

function writeLongCopy(out: Uint8Array, at: number, offset: number, length: number): number {
  out[at++] = ((length - 1) << 2) | 2;
  out[at++] = offset & 255;
  out[at++] = offset >>> 8;
  return at;
}
