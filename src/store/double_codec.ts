/** Numbers that are no decimals, as Gorilla writes them (Pelkonen et al., VLDB 2015): the bits that differ from the number before. */
import { trailingZeros, type BitReader, type BitWriter } from './bits.ts';

const pair = new Float64Array(1);
const words = new Uint32Array(pair.buffer);
/** Of the number that a machine keeps first: the low half, wherever Node.js runs. */
const LOW = 0;
const HIGH = 1;

/** `0`: as before. `10`: bits within the last window. `11`: a window, 5 bits of leading zeros and 6 of length, and its bits. */
export function encodeDoubles(writer: BitWriter, values: Float64Array, count: number): void {
  let [high, low] = [0, 0];
  let [leading, length] = [0, 0];
  for (let i = 0; i < count; i++) {
    pair[0] = values[i]!;
    const differentHigh = (words[HIGH]! ^ high) >>> 0;
    const differentLow = (words[LOW]! ^ low) >>> 0;
    high = words[HIGH]!;
    low = words[LOW]!;
    if (differentHigh === 0 && differentLow === 0) {
      writer.bits(0, 1);
      continue;
    }
    const zerosBefore = Math.min(31, differentHigh === 0 ? 31 : Math.clz32(differentHigh));
    const zerosAfter = differentLow === 0 ? 32 + trailingZeros(differentHigh) : trailingZeros(differentLow);
    const own = 64 - zerosBefore - zerosAfter;
    const fits = length > 0 && zerosBefore >= leading && zerosAfter >= 64 - leading - length;
    if (fits && length <= own + 11) writer.bits(2, 2);
    else {
      [leading, length] = [zerosBefore, own];
      writer.bits(3, 2);
      writer.bits(leading, 5);
      writer.bits(length - 1, 6);
    }
    writeWindow(writer, differentHigh, differentLow, 64 - leading - length, length);
  }
  writer.align();
}

/** `length` bits above the lowest `shift`. */
function writeWindow(writer: BitWriter, high: number, low: number, shift: number, length: number): void {
  if (shift >= 32) {
    writer.bits(high >>> (shift - 32), length);
    return;
  }
  const inLow = Math.min(length, 32 - shift);
  if (length > inLow) writer.bits(high, length - inLow);
  writer.bits(low >>> shift, inLow);
}

export function decodeDoubles(reader: BitReader, values: Float64Array, start: number, count: number): void {
  let [high, low] = [0, 0];
  let [leading, length] = [0, 0];
  for (let i = 0; i < count; i++) {
    if (reader.bits(1) === 1) {
      if (reader.bits(1) === 1) {
        leading = reader.bits(5);
        length = reader.bits(6) + 1;
      }
      const shift = 64 - leading - length;
      if (shift >= 32) high = (high ^ (reader.bits(length) << (shift - 32))) >>> 0;
      else {
        const inLow = Math.min(length, 32 - shift);
        if (length > inLow) high = (high ^ reader.bits(length - inLow)) >>> 0;
        low = (low ^ (reader.bits(inLow) << shift)) >>> 0;
      }
    }
    words[HIGH] = high;
    words[LOW] = low;
    values[start + i] = pair[0]!;
  }
  reader.align();
}
