/**
 * How far each partition was taken. Messages are given to the pipelines in order but may be done in another; what is
 * committed is the offset before which all are done. Kafka gives uncommitted messages again after each rebalance: those
 * that are here, or were taken, are known.
 */
import type { OffsetToCommit } from '@platformatic/kafka';

export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly leaderEpoch: number;
}

export interface Progress {
  /** False where the message is under way or was taken already. */
  begin(position: Position): boolean;
  done(position: Position): void;
  /** What can be committed and has not been, of the partitions that are this receiver's now. */
  due(isAssigned: (topic: string, partition: number) => boolean): readonly OffsetToCommit[];
  committed(offsets: readonly OffsetToCommit[]): void;
}

interface Partition {
  readonly topic: string;
  readonly partition: number;
  leaderEpoch: number;
  /** The next offset to be committed is this or a later one. */
  committed: bigint;
  /** Behind the last message that has begun. */
  end: bigint;
  /** Messages under way, in order. */
  readonly open: Set<bigint>;
}

export function createProgress(): Progress {
  const partitions = new Map<string, Partition>();

  return {
    begin({ topic, partition, offset, leaderEpoch }) {
      const key = `${topic} ${partition}`;
      let known = partitions.get(key);
      // Before what was committed comes nothing again, unless someone wound the group back or made the topic anew.
      if (known === undefined || offset < known.committed) {
        known = { topic, partition, leaderEpoch, committed: offset, end: offset, open: new Set() };
        partitions.set(key, known);
      }
      if (offset < known.end) return false;
      known.end = offset + 1n;
      known.leaderEpoch = leaderEpoch;
      known.open.add(offset);
      return true;
    },
    done({ topic, partition, offset }) {
      partitions.get(`${topic} ${partition}`)?.open.delete(offset);
    },
    due(isAssigned) {
      const offsets: OffsetToCommit[] = [];
      for (const { topic, partition, leaderEpoch, committed, end, open } of partitions.values()) {
        const [first = end] = open;
        if (first > committed && isAssigned(topic, partition)) {
          offsets.push({ topic, partition, offset: first, leaderEpoch });
        }
      }
      return offsets;
    },
    committed(offsets) {
      for (const { topic, partition, offset } of offsets) {
        const known = partitions.get(`${topic} ${partition}`);
        if (known !== undefined && offset > known.committed) known.committed = offset;
      }
    },
  };
}
