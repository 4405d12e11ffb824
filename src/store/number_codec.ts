/**
 * Numbers of a chunk in few bits. What a host measures is mostly whole (bytes, counts) or whole hundredths (CPU time,
 * load): then what remains of a prediction is written, in Rice codes, whose parameter each chunk chooses. Others are
 * left to `double_codec.ts`.
 */
import { bitLength, trailingZeros, unzigzag, zigzag, type BitReader, type BitWriter } from './bits.ts';
import { decodeDoubles, encodeDoubles } from './double_codec.ts';

/** Numbers in a chunk, at most. */
export const CHUNK_LENGTH = 32;

/** Whole numbers beyond it would not stay exact: differences of differences need three bits more. */
const MAX_WHOLE = 2 ** 50;
const POWERS = Array.from({ length: 10 }, (_, power) => 10 ** power);

/** First byte: bits 0–1 the order of the prediction, 2 whether signs are kept, 3–6 decimals, 7 whether a shift follows. */
const SIGNED = 0x04;
const SHIFTED = 0x80;
/** In place of the first byte's decimals: no whole numbers at all. */
const DOUBLES = 15 << 3;
/** In place of Rice's parameter: nothing remains. */
const NOTHING = 63;
/** So many ones say that the number itself follows, with its length before it. */
const ESCAPE = 8;
/** Below it, numbers are what V8 calculates with fastest. */
const MAX_SHORT = 2 ** 31;

const whole = new Float64Array(CHUNK_LENGTH);
const differences = new Float64Array(CHUNK_LENGTH);
const seconds = new Float64Array(CHUNK_LENGTH);
const remainders = new Float64Array(CHUNK_LENGTH);
const signedCodes = new Float64Array(CHUNK_LENGTH);
const aboveCodes = new Float64Array(CHUNK_LENGTH);
const lengths = new Uint8Array(64);
/** Bits of the largest code. */
const MAX_LENGTH = 54;
const riceBits = makeRiceBits();

/** Writes `count` numbers, at least one. */
export function encodeNumbers(writer: BitWriter, values: Float64Array, count: number): void {
  const decimals = toWhole(values, count);
  // Most of what a host measures does not change.
  if (decimals !== undefined && isConstant(count)) return encodeConstant(writer, decimals);
  if (decimals === undefined) {
    writer.byte(DOUBLES);
    encodeDoubles(writer, values, count);
  } else encodeWhole(writer, count, decimals);
}

/** Reads what {@link encodeNumbers} wrote into `values`, from `start`. */
export function decodeNumbers(reader: BitReader, values: Float64Array, start: number, count: number): void {
  const head = reader.byte();
  if ((head & 0x78) === DOUBLES) decodeDoubles(reader, values, start, count);
  else decodeWhole(reader, head, values, start, count);
}

/** Fills `whole`, and returns by which power of ten it was made so. */
function toWhole(values: Float64Array, count: number): number | undefined {
  let decimals = 0;
  let factor = 1;
  for (let i = 0; i < count;) {
    const value = values[i]!;
    const scaled = Math.round(value * factor);
    if (scaled / factor === value && Math.abs(scaled) <= MAX_WHOLE && (value !== 0 || 1 / value > 0)) {
      whole[i++] = scaled;
    } else if (decimals < 9 && Number.isFinite(value) && (value !== 0 || 1 / value > 0)) {
      // What came before is whole at this power too, or is found not to be.
      factor = POWERS[++decimals]!;
      i = 0;
    } else return undefined;
  }
  return decimals;
}

function isConstant(count: number): boolean {
  const start = whole[0]!;
  for (let i = 1; i < count; i++) if (whole[i] !== start) return false;
  return true;
}

function encodeConstant(writer: BitWriter, decimals: number): void {
  writeHead(writer, 0, decimals, 0, false);
  writer.byte(NOTHING);
  writer.signed(whole[0]!);
  writer.signed(0);
}

function encodeWhole(writer: BitWriter, count: number, decimals: number): void {
  const order = predict(count);
  const source = order === 0 ? whole : order === 1 ? differences : seconds;
  const first = order === 2 ? 2 : 1;
  let least = Infinity;
  let most = -Infinity;
  for (let i = first; i < count; i++) {
    // Distances from the first number are what order 0 leaves.
    const remainder = (remainders[i] = order === 0 ? source[i]! - whole[0]! : source[i]!);
    if (remainder < least) least = remainder;
    if (remainder > most) most = remainder;
  }
  if (least >= most || first >= count) {
    if (first >= count) least = 0;
    writeHead(writer, order, decimals, 0, false);
    writer.byte(NOTHING);
    writeStart(writer, order, count);
    writer.signed(least);
    return;
  }
  let lowBits = 0;
  let lowBitsAbove = 0;
  for (let i = first; i < count; i++) {
    lowBits |= remainders[i]!;
    lowBitsAbove |= remainders[i]! - least;
  }
  const signed = costOf(signedCodes, count, first, 0, trailingZeros(lowBits), true);
  const above = costOf(aboveCodes, count, first, least, trailingZeros(lowBitsAbove), false);
  const best = signed.bits < above.bits + 8 * varintLength(zigzag(least)) ? signed : above;
  writeHead(writer, order, decimals, best.shift, best.isSigned);
  writer.byte(best.parameter);
  writeStart(writer, order, count);
  if (!best.isSigned) writer.signed(least);
  writeRice(writer, best.codes, count, first, best.parameter);
}

function writeHead(writer: BitWriter, order: number, decimals: number, shift: number, isSigned: boolean): void {
  writer.byte(order | (isSigned ? SIGNED : 0) | (decimals << 3) | (shift > 0 ? SHIFTED : 0));
  if (shift > 0) writer.byte(shift);
}

function writeStart(writer: BitWriter, order: number, count: number): void {
  writer.signed(whole[0]!);
  if (order === 2 && count > 1) writer.signed(differences[1]!);
}

/** Which differences are the smallest: 0 from the first number, 1 from the one before, 2 from the difference before. */
function predict(count: number): 0 | 1 | 2 {
  const start = whole[0]!;
  for (let i = 1; i < count; i++) differences[i] = whole[i]! - whole[i - 1]!;
  const middle = differences[count >> 1]!;
  let [fromStart, fromPrevious, fromRate, fromDifference] = [0, 0, 0, 0];
  seconds[1] = 0;
  for (let i = 1; i < count; i++) {
    fromStart += magnitude(whole[i]! - start);
    fromPrevious += magnitude(differences[i]!);
    fromRate += magnitude(differences[i]! - middle);
    if (i > 1) fromDifference += magnitude((seconds[i] = differences[i]! - differences[i - 1]!));
  }
  const one = Math.min(fromPrevious, fromRate);
  if (fromStart <= one && fromStart <= fromDifference) return 0;
  return one <= fromDifference ? 1 : 2;
}

function magnitude(value: number): number {
  return value === 0 ? 0 : 1 + bitLength(Math.abs(value));
}

interface Rice {
  /** What is written of each remainder. */
  readonly codes: Float64Array;
  readonly isSigned: boolean;
  readonly shift: number;
  readonly parameter: number;
  readonly bits: number;
}

/** The best parameter, by how many of the numbers have which length. */
function costOf(
  codes: Float64Array,
  count: number,
  first: number,
  least: number,
  shift: number,
  isSigned: boolean,
): Rice {
  lengths.fill(0);
  let longest = 0;
  let shortest = MAX_LENGTH;
  const scale = 1 / 2 ** shift;
  for (let i = first; i < count; i++) {
    const remainder = (remainders[i]! - least) * scale;
    const code = (codes[i] = isSigned ? zigzag(remainder) : remainder);
    const length = bitLength(code);
    lengths[length]!++;
    if (length > longest) longest = length;
    if (length < shortest) shortest = length;
  }
  let parameter = 0;
  let bits = Infinity;
  // A smaller one only makes all of them longer.
  for (let candidate = Math.max(0, shortest - 1); candidate <= longest; candidate++) {
    let sum = 0;
    for (let length = shortest; length <= longest; length++)
      sum += lengths[length]! * riceBits[candidate * 64 + length]!;
    if (sum < bits) {
      bits = sum;
      parameter = candidate;
    }
  }
  return { codes, isSigned, shift, parameter, bits };
}

/** About how many bits a number of `length` bits takes with a parameter, at parameter × 64 + length. */
function makeRiceBits(): Float64Array {
  const table = new Float64Array(64 * 64);
  for (let parameter = 0; parameter <= MAX_LENGTH; parameter++) {
    for (let length = 0; length <= MAX_LENGTH; length++) {
      const beyond = length - parameter;
      let bits = parameter + 1;
      // Between 2^(n-1) and 2^n - 1 ones, for n bits beyond the parameter's.
      if (beyond > 3) bits = ESCAPE + 6 + length;
      else if (beyond > 0) bits += 0.72 * (1 << beyond);
      table[parameter * 64 + length] = bits;
    }
  }
  return table;
}

function writeRice(writer: BitWriter, codes: Float64Array, count: number, first: number, parameter: number): void {
  const divisor = 2 ** parameter;
  for (let i = first; i < count; i++) {
    const code = codes[i]!;
    if (code < MAX_SHORT && parameter <= 15 && code >>> parameter < ESCAPE) {
      const ones = code >>> parameter;
      // The ones, a zero, and what the parameter leaves: 24 bits at most, in one piece.
      writer.bits((((2 << ones) - 2) << parameter) | (code & (divisor - 1)), ones + 1 + parameter);
      continue;
    }
    const quotient = Math.floor(code / divisor);
    if (quotient < ESCAPE) {
      writer.bits((2 << quotient) - 2, quotient + 1);
      writer.bits(code % divisor, parameter);
    } else {
      const length = bitLength(code);
      writer.bits(255, ESCAPE);
      writer.bits(length, 6);
      writer.bits(code, length);
    }
  }
  writer.align();
}

function decodeWhole(reader: BitReader, head: number, values: Float64Array, start: number, count: number): void {
  const order = head & 3;
  const isSigned = (head & SIGNED) !== 0;
  const factor = POWERS[(head >> 3) & 15]!;
  const unit = (head & SHIFTED) === 0 ? 1 : 2 ** reader.byte();
  const parameter = reader.byte();
  const divisor = 2 ** parameter;
  const base = reader.signed();
  let value = base;
  values[start] = value / factor;
  let difference = 0;
  let i = 1;
  if (order === 2 && count > 1) {
    difference = reader.signed();
    value += difference;
    values[start + i++] = value / factor;
  }
  const least = isSigned ? 0 : reader.signed();
  for (; i < count; i++) {
    let remainder = least;
    if (parameter !== NOTHING) {
      const quotient = reader.ones();
      let code: number;
      if (quotient === ESCAPE) code = reader.bits(reader.bits(6));
      else code = parameter === 0 ? quotient : quotient * divisor + reader.bits(parameter);
      remainder += (isSigned ? unzigzag(code) : code) * unit;
    }
    if (order === 0) value = base + remainder;
    else if (order === 1) value += remainder;
    else value += difference += remainder;
    values[start + i] = factor === 1 ? value : value / factor;
  }
  if (parameter !== NOTHING) reader.align();
}

function varintLength(value: number): number {
  return Math.max(1, Math.ceil(bitLength(value) / 7));
}
