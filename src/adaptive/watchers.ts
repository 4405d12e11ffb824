/** Whether someone looks at live values: then nothing is left out of what they may look at. */
export interface Watchers {
  /** Notes that someone looks: a query, a page that asks anew every now and then. */
  readonly look: () => void;
  readonly isWatched: boolean;
}

/** Who asks every now and then still looks for so long after the last time. */
const LINGER_MS = 60_000;

/** @param isWatching whether someone looks all the time, as `sonde tap` */
export function createWatchers(isWatching: () => boolean, now_ms: () => number = () => performance.now()): Watchers {
  let lookedAt_ms = -Infinity;
  return {
    look() {
      lookedAt_ms = now_ms();
    },
    get isWatched() {
      return isWatching() || now_ms() - lookedAt_ms < LINGER_MS;
    },
  };
}
