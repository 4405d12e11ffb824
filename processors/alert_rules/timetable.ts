/** When groups are evaluated: at multiples of their interval, each a little later by its name, so that they do not meet. */
import { nextTick, type Clock } from '../../src/scheduler.ts';
import { sha1 } from '../../src/text/sha1.ts';

export interface Turn {
  /** Of the evaluation: the tick, not when it was reached. */
  readonly time_ms: number;
  /** Ticks that were leapt over since the last one. */
  readonly missed: number;
}

/** @returns what ends it */
export function everyTick(
  clock: Clock,
  identity: string,
  interval_ms: number,
  callback: (turn: Turn) => void,
): () => void {
  const phase_ms = sha1(Buffer.from(identity)).readUIntBE(0, 6) % interval_ms;
  let cancel: () => void;
  const schedule = (last_ms: number): void => {
    const now_ms = clock.now();
    const tick_ms = nextTick(now_ms, interval_ms, phase_ms, last_ms);
    // A timer holds no more than 2^31 milliseconds.
    const wait_ms = Math.min(tick_ms - now_ms, 2_000_000_000);
    cancel = clock.after(wait_ms, () => {
      if (clock.now() < tick_ms - interval_ms / 2) {
        schedule(last_ms);
        return;
      }
      schedule(tick_ms);
      const missed = last_ms === -Infinity ? 0 : Math.round((tick_ms - last_ms) / interval_ms) - 1;
      callback({ time_ms: tick_ms, missed: Math.max(missed, 0) });
    });
  };
  schedule(-Infinity);
  return () => cancel();
}
