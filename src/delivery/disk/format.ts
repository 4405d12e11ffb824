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
  /** Of the queue: 32 hexadecimal digits, the same in all its segments. */
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
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) {
    throw new Error('does not begin as a segment does');
  }
  const version = bytes.readUInt32LE(8);
  if (version !== FORMAT_VERSION) throw new Error(`is of format ${version}, and this agent knows ${FORMAT_VERSION}`);
  const sum = crc32(bytes.subarray(16, SEGMENT_HEADER_BYTES), crc32(bytes.subarray(0, 12)));
  if (bytes.readUInt32LE(12) !== sum) throw new Error('has a damaged header');
  return { seq: readUint53(bytes, 16), item: readUint53(bytes, 24), queue: bytes.toString('hex', 32, 48) };
}

export function encodeRecordHeader({ seq, item, count, time_ms, signal }: RecordHeader, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  bytes.writeUInt32LE(RECORD_MAGIC, 0);
  bytes.writeUInt32LE(body.byteLength, 8);
  bytes.writeUInt32LE(count, 12);
  writeUint53(bytes, seq, 16);
  writeUint53(bytes, item, 24);
  writeUint53(bytes, time_ms, 32);
  bytes.fill(0, 40);
  bytes[40] = SIGNALS.indexOf(signal);
  bytes.writeUInt32LE(crc32(body, crc32(bytes.subarray(8))), 4);
  return bytes;
}

/** The header at `at`, not yet checked against its sum; undefined where none can be. */
export function decodeRecordHeader(bytes: Buffer, at: number): RecordHeader | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length || bytes.readUInt32LE(at) !== RECORD_MAGIC) return undefined;
  const length = bytes.readUInt32LE(at + 8);
  const signal = SIGNALS[bytes[at + 40]!];
  if (length > MAX_RECORD_BYTES || signal === undefined) return undefined;
  return {
    length,
    count: bytes.readUInt32LE(at + 12),
    seq: readUint53(bytes, at + 16),
    item: readUint53(bytes, at + 24),
    time_ms: readUint53(bytes, at + 32),
    signal,
  };
}

/** Whether the record at `at`, which lies in `bytes` as a whole, is as it was written. */
export function isIntact(bytes: Buffer, at: number, { length }: RecordHeader): boolean {
  return crc32(bytes.subarray(at + 8, at + RECORD_HEADER_BYTES + length)) === bytes.readUInt32LE(at + 4);
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
