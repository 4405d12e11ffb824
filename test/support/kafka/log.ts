/** The log of one partition, with what a broker checks of idempotent producers. */
import { readBatch, type Batch } from './records.ts';

export const OUT_OF_ORDER_SEQUENCE_NUMBER = 45;
export const CORRUPT_MESSAGE = 2;

export interface PartitionLog {
  readonly batches: readonly (Batch & { readonly offset: bigint })[];
  /** Offset of the next record. */
  readonly end: bigint;
  /** A batch that came again is not stored again. */
  append(bytes: Buffer): { readonly error: number; readonly offset: bigint };
  /** Batches from the one that holds `offset` on, at least one and at most `max_bytes`. */
  read(offset: bigint, max_bytes: number): Buffer;
}

export function createPartitionLog(): PartitionLog {
  const batches: (Batch & { readonly offset: bigint })[] = [];
  const producers = new Map<bigint, { next: number; last: number; offset: bigint }>();
  let end = 0n;
  return {
    batches,
    get end() {
      return end;
    },
    append(bytes) {
      const batch = readBatch(bytes);
      const { producerId, firstSequence, records } = batch;
      const known = producers.get(producerId);
      if (producerId >= 0n) {
        if (known !== undefined && firstSequence === known.last) return { error: 0, offset: known.offset };
        if (firstSequence !== (known?.next ?? 0)) return { error: OUT_OF_ORDER_SEQUENCE_NUMBER, offset: -1n };
        producers.set(producerId, { last: firstSequence, next: firstSequence + records.length, offset: end });
      }
      const offset = end;
      batches.push({ ...batch, offset });
      end += BigInt(records.length);
      return { error: 0, offset };
    },
    read(offset, max_bytes) {
      const chunks: Buffer[] = [];
      let size = 0;
      for (const batch of batches) {
        if (batch.offset + BigInt(batch.records.length) <= offset) continue;
        if (chunks.length > 0 && size + batch.bytes.length > max_bytes) break;
        // The checksum begins behind the offset, which only the broker knows.
        const bytes = Buffer.from(batch.bytes);
        bytes.writeBigInt64BE(batch.offset);
        chunks.push(bytes);
        size += bytes.length;
      }
      return Buffer.concat(chunks);
    },
  };
}
