/**
 * Looks after the files of one device, one after the other, so that a volume that hangs holds up no other, and none of many
 * files the rest: each is read one stretch at a time.
 */
import { performance } from 'node:perf_hooks';
import { sleep } from '../../src/sleep.ts';
import { createAlarm } from './alarm.ts';
import type { Intake } from './intake.ts';
import type { Tracked } from './tracked.ts';

export interface LaneOptions {
  readonly intake: Pick<Intake, 'isFull' | 'flush'>;
  readonly poll_ms: number;
  /** Looks at the file, which sets `hasMore`. */
  poll(file: Tracked, now_ms: number): Promise<void>;
  /** Reads a stretch. */
  read(file: Tracked, now_ms: number): Promise<void>;
}

export interface Lane {
  readonly files: ReadonlySet<Tracked>;
  add(file: Tracked): void;
  remove(file: Tracked): void;
  /** There may be room for what is read. */
  wake(): void;
  /** Nothing is read any more; waits for what is being read. */
  stop(limit_ms: number): Promise<void>;
}

/** A file in which nothing happens is looked at less often: a tenth of that time later, and at least so often. */
const RAREST_POLL_MS = 1000;

export function createLane({ intake, poll_ms, poll, read }: LaneOptions): Lane {
  const files = new Set<Tracked>();
  const alarm = createAlarm();
  let isEnding = false;
  let running: Promise<void> | undefined;
  const rarest_ms = Math.max(poll_ms, RAREST_POLL_MS);

  const isDue = (file: Tracked, now_ms: number): boolean => {
    if (now_ms < file.retry_ms) return false;
    const quiet_ms = Math.min(rarest_ms, Math.max(poll_ms, (now_ms - file.grown_ms) / 10));
    return now_ms - file.polled_ms >= (file.detached_ms === undefined ? quiet_ms : poll_ms);
  };

  /** @returns whether more waits to be read */
  async function round(): Promise<boolean> {
    let hasMore = false;
    const inTurn = [...files];
    for (const file of inTurn) {
      if (isEnding) return false;
      if (!files.has(file)) continue;
      const now_ms = performance.now();
      if (isDue(file, now_ms)) {
        file.polled_ms = now_ms;
        await poll(file, now_ms);
      }
      if (!file.hasMore || now_ms < file.retry_ms) continue;
      // Without room it is looked at all the same: what is renamed meanwhile has to be open by then.
      if (intake.isFull) continue;
      await read(file, performance.now());
      hasMore ||= file.hasMore;
      // Whoever took the last of the room is asked last when there is room again: others have waited.
      if (intake.isFull && files.delete(file)) files.add(file);
    }
    return hasMore;
  }

  async function run(): Promise<void> {
    while (!isEnding && files.size > 0) {
      const hasMore = await round();
      intake.flush();
      if (hasMore) continue;
      await alarm.wait(poll_ms);
    }
    running = undefined;
  }

  return {
    files,
    add(file) {
      files.add(file);
      alarm.ring();
      running ??= run();
    },
    remove: (file) => void files.delete(file),
    wake: () => alarm.ring(),
    async stop(limit_ms) {
      isEnding = true;
      alarm.ring();
      const timeUp = new AbortController();
      await Promise.race([running, sleep(limit_ms, timeUp.signal)]);
      timeUp.abort();
    },
  };
}
