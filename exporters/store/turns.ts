/** Lets queries run one after the other, with room between them for everything else that the agent does. */
import { ApiError } from './answers.ts';

export interface Turns {
  /**
   * Resolves with what `work` returns, which is told how long it waited.
   * @param isGone nobody wants the result any more
   * @throws {ApiError} too many wait already, or it ends
   */
  run<T>(work: (waited_ms: number) => T, isGone: () => boolean): Promise<T | undefined>;
  readonly waiting: number;
  /** Those that wait are refused. */
  close(): void;
}

interface Turn {
  begin(): void;
  refuse(error: ApiError): void;
}

/** A query that took longer than this is followed by a pause of a quarter of its time, at most {@link MOST_PAUSE_MS}. */
const SHORT_MS = 10;
const PAUSE_PART = 1 / 4;
const MOST_PAUSE_MS = 250;

export function createTurns(most_waiting: number, now: () => number = () => performance.now()): Turns {
  const queue: Turn[] = [];
  /** A turn is under way, or the pause behind it. */
  let isBusy = false;
  let isClosed = false;

  function next(): void {
    const turn = queue.shift();
    if (turn === undefined) {
      isBusy = false;
      return;
    }
    const began_ms = now();
    turn.begin();
    const took_ms = now() - began_ms;
    if (took_ms < SHORT_MS) setImmediate(next);
    else setTimeout(next, Math.min(took_ms * PAUSE_PART, MOST_PAUSE_MS));
  }

  return {
    get waiting() {
      return queue.length;
    },
    run(work, isGone) {
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof work> | undefined>();
      if (isClosed) reject(new ApiError('unavailable', 'Cannot answer: the agent ends'));
      else if (queue.length >= most_waiting) {
        const found = `${queue.length} queries wait already (limit "waiting")`;
        reject(new ApiError('unavailable', `Cannot answer now: ${found}`, { limit: 'waiting' }));
      } else {
        const came_ms = now();
        queue.push({
          begin() {
            if (isGone()) return resolve(undefined);
            try {
              resolve(work(now() - came_ms));
            } catch (error) {
              reject(error as Error);
            }
          },
          refuse: reject,
        });
        if (!isBusy) {
          isBusy = true;
          setImmediate(next);
        }
      }
      return promise;
    },
    close() {
      isClosed = true;
      for (const turn of queue.splice(0)) turn.refuse(new ApiError('unavailable', 'Cannot answer: the agent ends'));
    },
  };
}
