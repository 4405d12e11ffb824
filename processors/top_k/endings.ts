/** Tells what follows that series which were kept have ended: from now on they are in the remainder. */
import type { Consumer } from '../../src/component.ts';
import { NO_RECORDED_VALUE, type Series } from '../../src/model/batch.ts';

/** An end that cannot be told now is told later; so many wait. */
const MAX_WAITING = 10_000;

export interface Endings {
  /** Told after the batch under way: the books take them for items of this processor's own. */
  add(ended: readonly Series[], time: bigint): void;
  stop(): Promise<void>;
}

export function createEndings(own: Consumer): Endings {
  let waiting: Series[] = [];
  let time = 0n;
  let scheduled: NodeJS.Immediate | undefined;
  let telling: Promise<void> = Promise.resolve();

  async function tell(): Promise<void> {
    scheduled = undefined;
    if (waiting.length === 0) return;
    const series = waiting;
    waiting = [];
    const values = new Float64Array(series.length).fill(NaN);
    const flags = new Uint32Array(series.length).fill(NO_RECORDED_VALUE);
    try {
      await own.consume({ signal: 'metrics', count: series.length, series, values, time, flags });
    } catch {
      // Refused, and counted so by the books: a back end that does not hear of an end finds it out by itself, later.
      waiting = [...series, ...waiting].slice(-MAX_WAITING);
    }
  }

  return {
    add(ended, at) {
      if (ended.length > 0) {
        waiting = [...waiting, ...ended].slice(-MAX_WAITING);
        time = at;
      }
      if (waiting.length === 0) return;
      scheduled ??= setImmediate(() => {
        telling = telling.then(tell);
      });
    },
    async stop() {
      if (scheduled !== undefined) clearImmediate(scheduled);
      await telling;
      await tell();
    },
  };
}
