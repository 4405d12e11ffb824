/** When the state of alerts is written: at once where alerts change, and soon after each evaluation that leaves some active. */

export interface Keeping {
  /** @param hasChanged whether alerts began or ended @param isAnyActive whether any is pending or fires */
  evaluated(hasChanged: boolean, isAnyActive: boolean): void;
  write(): void;
  stop(): void;
}

/** Groups that are evaluated one after the other are written together. */
const LEAST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
/** Of the time there is, that which writing may take: what takes 20 ms is written every 2 s. */
const MOST_PART = 1 / 100;

/**
 * The age of a pending alert counts from the last time that it was written: after a kill, no more than the last
 * evaluation is lost of it.
 */
export function createKeeping(write: () => void): Keeping {
  let timer: NodeJS.Timeout | undefined;
  let wait_ms = LEAST_WAIT_MS;
  /** Pending alerts go without a word. */
  let wasAnyActive = false;

  function stop(): void {
    clearTimeout(timer);
    timer = undefined;
  }

  function writeNow(): void {
    stop();
    const began_ms = performance.now();
    write();
    const fair_ms = (performance.now() - began_ms) / MOST_PART;
    wait_ms = Math.min(Math.max(LEAST_WAIT_MS, fair_ms), LONGEST_WAIT_MS);
  }

  return {
    evaluated(hasChanged, isAnyActive) {
      if (hasChanged) writeNow();
      else if (isAnyActive || wasAnyActive) timer ??= setTimeout(writeNow, wait_ms).unref();
      wasAnyActive = isAnyActive;
    },
    write: writeNow,
    stop,
  };
}
