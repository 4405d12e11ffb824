/** Whether a queue on disk takes another block, and what it says when it does not. */
import { messageOf } from '../../errors.ts';
import { StoreError, type NewBlock } from '../store.ts';
import { isFullError } from './folder.ts';
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './format.ts';
import type { Volume } from './volume.ts';

export interface Admission {
  /** Bytes that were put and are not yet in a segment. */
  readonly reserved_bytes: number;
  hasRoom(bytes: number): boolean;
  /** Whether the last time that it had no room was the volume's fault. */
  readonly isVolumeShort: boolean;
  reserve(block: NewBlock): void;
  /**
   * A block whose room was reserved before it was known what the queue holds.
   * @throws {StoreError} there is none; it is not reserved any more
   */
  admit(block: NewBlock): void;
  /** A block is in a segment now. */
  arrived(block: NewBlock): void;
  /** Blocks could not be stored: what their owners are told. */
  refuse(blocks: readonly NewBlock[], error: unknown): StoreError;
}

/** Of a block: its record's header, and that of the segment that it may have to begin. */
const OVERHEAD_BYTES = RECORD_HEADER_BYTES + SEGMENT_HEADER_BYTES;

/** `stored_bytes` are those in segments; `place` is for messages. */
export function createAdmission(
  capacity_bytes: number,
  place: string,
  stored_bytes: () => number,
  volume: () => Volume | undefined,
): Admission {
  let reserved_bytes = 0;
  let isVolumeShort = false;

  function arrived({ body }: NewBlock): void {
    reserved_bytes -= body.byteLength + OVERHEAD_BYTES;
  }

  return {
    get reserved_bytes() {
      return reserved_bytes;
    },
    hasRoom(bytes) {
      const size = bytes + OVERHEAD_BYTES;
      isVolumeShort = volume()?.isShort(size) === true;
      return !isVolumeShort && stored_bytes() + reserved_bytes + size <= capacity_bytes;
    },
    get isVolumeShort() {
      return isVolumeShort;
    },
    reserve({ body }) {
      reserved_bytes += body.byteLength + OVERHEAD_BYTES;
    },
    admit(block) {
      if (stored_bytes() + reserved_bytes <= capacity_bytes) return;
      arrived(block);
      throw new StoreError(`Cannot write to ${place}: it is full already`, true, undefined);
    },
    arrived,
    refuse(blocks, error) {
      blocks.forEach(arrived);
      const isFull = isFullError(error);
      if (isFull) volume()?.refused();
      return new StoreError(`Cannot write to ${place}: ${messageOf(error)}`, isFull, error);
    },
  };
}
