/**
 * Record batches of version 2 (Kafka documentation, "Record Batch"), read strictly and without the client's code: every
 * length, count and checksum must be right, and nothing left over.
 */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { lz4Decompress } from './lz4.ts';
import { WireReader, WireWriter } from './wire.ts';
import { uncompress } from 'snappyjs';

/** It comes without types. */
export interface Batch {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly compression: Compression;
  readonly records: readonly StoredRecord[];
  /** As it came, to be handed out again. */
  readonly bytes: Buffer;
}

export interface StoredRecord {
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** @throws {RangeError} the bytes are no batch, or hold more than one */
export function readBatch(bytes: Buffer): Batch {
  const reader = new WireReader(bytes);
  same('baseOffset', reader.int64(), 0n);
  same('batchLength', reader.int32(), reader.rest);
  reader.int32();
  same('magic', reader.int8(), 2);
  same('crc', reader.uint32(), crc32c(bytes.subarray(reader.at)));
  const attributes = reader.int16();
  const compression = COMPRESSIONS[attributes & 7];
  if (compression === undefined || attributes >> 3 !== 0) throw new RangeError(`Cannot read attributes ${attributes}`);
  const lastOffsetDelta = reader.int32();
  const firstTimestamp = reader.int64();
  const maxTimestamp = reader.int64();
  if (maxTimestamp < firstTimestamp) throw new RangeError('Cannot read a batch: its times run backwards');
  const producerId = reader.int64();
  const producerEpoch = reader.int16();
  const firstSequence = reader.int32();
  const count = reader.int32();
  same('lastOffsetDelta', lastOffsetDelta, count - 1);
  const inner = new WireReader(decompress(reader.take(reader.rest), compression));
  const records = Array.from({ length: count }, (_, index) => readRecord(inner, index));
  inner.end();
  return { producerId, producerEpoch, firstSequence, compression, records, bytes };
}

function readRecord(outer: WireReader, index: number): StoredRecord {
  const reader = new WireReader(outer.take(outer.varint()));
  same('record attributes', reader.int8(), 0);
  reader.varint();
  same('offsetDelta', reader.varint(), index);
  const bytes = (): Buffer | null => {
    const size = reader.varint();
    return size === -1 ? null : reader.take(size);
  };
  const key = bytes();
  const value = bytes();
  const headers: Record<string, string> = {};
  for (let count = reader.varint(); count > 0; count--) headers[String(bytes())] = String(bytes());
  reader.end();
  return { key: key === null ? null : key.toString(), value, headers };
}

/** A batch as another producer would have sent it, uncompressed. */
export function writeBatch(values: readonly (Uint8Array | null)[]): Buffer {
  const records = new WireWriter();
  for (const [index, value] of values.entries()) {
    const record = new WireWriter().int8(0).unsignedVarint(0).unsignedVarint(zigzag(index)).unsignedVarint(zigzag(-1));
    record.unsignedVarint(zigzag(value === null ? -1 : value.length)).raw(value ?? new Uint8Array());
    const bytes = record.unsignedVarint(0).done();
    records.unsignedVarint(zigzag(bytes.length)).raw(bytes);
  }
  const checked = new WireWriter()
    .int16(0)
    .int32(values.length - 1)
    .int64(1n)
    .int64(1n);
  const body = checked.int64(-1n).int16(-1).int32(-1).int32(values.length).raw(records.done()).done();
  const head = new WireWriter()
    .int64(0n)
    .int32(body.length + 9)
    .int32(0)
    .int8(2);
  return head
    .int32(crc32c(body) | 0)
    .raw(body)
    .done();
}

const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);

function decompress(data: Buffer, compression: Compression): Buffer {
  if (compression === 'gzip') return gunzipSync(data);
  if (compression === 'zstd') return zstdDecompressSync(data);
  if (compression === 'snappy') return Buffer.from(uncompress(data));
  return compression === 'lz4' ? lz4Decompress(data) : data;
}

function same<T>(what: string, found: T, expected: T): void {
  if (found !== expected) throw new RangeError(`Cannot read a batch: ${what} is ${found}, not ${expected}`);
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32C (Castagnoli), RFC 3720 appendix B.4. */
export function crc32c(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
