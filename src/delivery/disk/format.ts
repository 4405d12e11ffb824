/**
 * The bytes of a queue on disk, format 1; docs/queue_format.md says the same in words. A segment is a header and
 * records one behind the other, little-endian. Every record knows its number and how many items came before it, so
 * whoever finds a gap knows what is missing.
 */
import { crc32 } from 'node:zlib';
import type { Signal } from '../../model/batch.ts';

/** A place between two records: `seq` of the one behind it, and the items of all before it. */
export interface Position {
  readonly seq: number;
  readonly item: number;
}

export interface SegmentHeader extends Position {
  /** Of the process that wrote it: 32 hexadecimal digits. */
  readonly queue: string;
}

export interface RecordHeader extends Position {
  /** Bytes of the body. */
  readonly length: number;
  /** Points, records or spans in it. */
  readonly count: number;
  /** When it was queued, in milliseconds since 1970. */
  readonly time_ms: number;
  readonly signal: Signal;
}

/** A record's header as it was found. */
export interface FoundHeader extends RecordHeader {
  /** CRC-32 of the record. */
  readonly sum: number;
}

export const FORMAT_VERSION = 1;
export const SEGMENT_HEADER_BYTES = 64;
export const RECORD_HEADER_BYTES = 48;
/** Longer ones are damage: requests are split long before. */
export const MAX_RECORD_BYTES = 2 ** 30;

const SEGMENT_MAGIC = Buffer.from('SONDEQ1\n');
const RECORD_MAGIC = 0x31525153;
const RECORD_MAGIC_BYTES = Buffer.from('SQR1');
const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];
const SEGMENT_NAME = /^(\d{16})\.queue$/;

/** The place behind a record. */
export function behind({ seq, item, count }: Position & { readonly count: number }): Position {
  return { seq: seq + 1, item: item + count };
}

/** `0000000000000042.queue`, so that names sort as the records do. */
export function segmentName(seq: number): string {
  return `${String(seq).padStart(16, '0')}.queue`;
}

/** The number of the first record, where it is the name of a segment. */
export function seqOfSegment(name: string): number | undefined {
  const match = SEGMENT_NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function encodeSegmentHeader({ seq, item, queue }: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  SEGMENT_MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  writeUint53(bytes, seq, 16);
  writeUint53(bytes, item, 24);
  bytes.write(queue, 32, 16, 'hex');
  bytes.writeUInt32LE(crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), 12);
  return bytes;
}

/** @throws {Error} it is none, damaged, or of a format of the future: in words that fit behind "it …" */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader & { readonly sum: number } {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) {
    throw new Error('does not begin as a segment does');
  }
  const version = bytes.readUInt32LE(8);
  if (version !== FORMAT_VERSION) throw new Error(`is of format ${version}, and this agent knows ${FORMAT_VERSION}`);
  const sum = crc32(bytes.subarray(16, SEGMENT_HEADER_BYTES), crc32(bytes.subarray(0, 12)));
  if (segmentSum(bytes) !== sum) throw new Error('has a damaged header');
  return { seq: readUint53(bytes, 16), item: readUint53(bytes, 24), queue: bytes.toString('hex', 32, 48), sum };
}

/**
 * The sum of a segment's header, from which those of its records go on: a record of another segment, or one that
 * someone made up and sent us as a body, is none in it.
 */
export function segmentSum(bytes: Buffer): number {
  return bytes.readUInt32LE(12);
}

/** `segment` is the sum of its segment. */
export function encodeRecordHeader(
  { seq, item, count, time_ms, signal }: Omit<RecordHeader, 'length'>,
  body: Uint8Array,
  segment: number,
): Buffer {
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  bytes.writeUInt32LE(RECORD_MAGIC, 0);
  bytes.writeUInt32LE(body.byteLength, 8);
  bytes.writeUInt32LE(count, 12);
  writeUint53(bytes, seq, 16);
  writeUint53(bytes, item, 24);
  writeUint53(bytes, time_ms, 32);
  bytes.fill(0, 40);
  bytes[40] = SIGNALS.indexOf(signal);
  bytes.writeUInt32LE(crc32(body, crc32(bytes.subarray(8), segment)), 4);
  return bytes;
}

/** The sum of a record, at the beginning of its header. */
export function recordSum(header: Buffer): number {
  return header.readUInt32LE(4);
}

/**
 * What a block is known by outside: the same in every process that finds it. Two records that were given the same number,
 * which a power cut can bring about, differ in their sums.
 */
export function recordId(queue: string, seq: number, sum: number): string {
  return `${queue}-${seq}-${sum.toString(36)}`;
}

/** The header at `at`, not yet checked against its sum; undefined where none can be. */
export function decodeRecordHeader(bytes: Buffer, at: number): FoundHeader | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length || bytes.readUInt32LE(at) !== RECORD_MAGIC) return undefined;
  const length = bytes.readUInt32LE(at + 8);
  const signal = SIGNALS[bytes[at + 40]!];
  if (length > MAX_RECORD_BYTES || signal === undefined) return undefined;
  return {
    sum: bytes.readUInt32LE(at + 4),
    length,
    count: bytes.readUInt32LE(at + 12),
    seq: readUint53(bytes, at + 16),
    item: readUint53(bytes, at + 24),
    time_ms: readUint53(bytes, at + 32),
    signal,
  };
}

/** Whether the record at `at`, which lies in `bytes` as a whole, is as it was written into the segment of that sum. */
export function isIntact(bytes: Buffer, at: number, { length, sum }: FoundHeader, segment: number): boolean {
  return crc32(bytes.subarray(at + 8, at + RECORD_HEADER_BYTES + length), segment) === sum;
}

/** The header of a record that lies at `at` as a whole and is as it was written. */
export function intactRecord(bytes: Buffer, at: number, segment: number): FoundHeader | undefined {
  const header = decodeRecordHeader(bytes, at);
  if (header === undefined || at + RECORD_HEADER_BYTES + header.length > bytes.length) return undefined;
  return isIntact(bytes, at, header, segment) ? header : undefined;
}

/** Where the next record may begin, behind damage: at `from` or later, or -1. */
export function findRecord(bytes: Buffer, from: number): number {
  return bytes.indexOf(RECORD_MAGIC_BYTES, from);
}

function writeUint53(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

/** Damage may say more than a number holds: what is checked afterwards need not be exact. */
function readUint53(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
