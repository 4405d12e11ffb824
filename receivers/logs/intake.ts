/**
 * From lines to the pipelines: one batch is under way, another is being filled. What is said of positions is written to the
 * checkpoint when the batch with the lines before them was taken, before the next one goes.
 */
import type { ComponentLog, Consumer } from '../../src/component.ts';
import { createHandOver } from '../../src/hand_over.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { sleep } from '../../src/sleep.ts';
import type { Entry } from './entries.ts';

export interface IntakeOptions {
  readonly next: Consumer<LogBatch>;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  readonly maxRecords: number;
  readonly max_bytes: number;
  /** Told when there is room again. */
  readonly onRoom: () => void;
  readonly commit: (entries: readonly Entry[]) => Promise<void>;
}

export interface Intake {
  readonly isFull: boolean;
  add(record: LogRecord, size: number): void;
  /** Holds as soon as all that was added before was taken. */
  moved(entry: Entry): void;
  /** What there is goes, as soon as nothing is under way. */
  flush(): void;
  /** Waits for what is under way, at most so long. What was not taken then will be read again. */
  stop(limit_ms: number): Promise<void>;
}

interface Load {
  readonly records: LogRecord[];
  readonly entries: Map<number, Entry>;
  size: number;
}

export function createIntake({ next, log, drop, maxRecords, max_bytes, onRoom, commit }: IntakeOptions): Intake {
  let filling = emptyLoad();
  let pumping: Promise<void> | undefined;
  const ending = new AbortController();
  const handOver = createHandOver({ next, log, drop, what: 'lines', signal: ending.signal });
  const isFull = (): boolean => filling.records.length >= maxRecords || filling.size >= max_bytes;

  async function pump(): Promise<void> {
    // Whoever begins this remembers it first.
    await undefined;
    while (filling.entries.size + filling.records.length > 0 && !ending.signal.aborted) {
      const { records, entries } = filling;
      filling = emptyLoad();
      onRoom();
      const isTaken = records.length === 0 || (await handOver({ signal: 'logs', count: records.length, records }));
      if (isTaken) await commit([...entries.values()]);
    }
    pumping = undefined;
  }

  return {
    get isFull() {
      return isFull();
    },
    add(record, size) {
      filling.records.push(record);
      filling.size += size;
    },
    moved(entry) {
      filling.entries.set(entry.id, entry);
    },
    flush() {
      pumping ??= pump();
    },
    async stop(limit_ms) {
      const timeUp = new AbortController();
      pumping ??= pump();
      await Promise.race([pumping, sleep(limit_ms, timeUp.signal)]);
      timeUp.abort();
      ending.abort();
    },
  };
}

const emptyLoad = (): Load => ({ records: [], entries: new Map(), size: 0 });
