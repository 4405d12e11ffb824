/** A wait that can be cut short, also by who rang before it began. */
export interface Alarm {
  wait(time_ms: number): Promise<void>;
  ring(): void;
}

export function createAlarm(): Alarm {
  let hasRung = false;
  let wake: (() => void) | undefined;
  return {
    async wait(time_ms) {
      if (!hasRung) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, time_ms);
        await promise;
        clearTimeout(timer);
        wake = undefined;
      }
      hasRung = false;
    },
    ring() {
      hasRung = true;
      wake?.();
    },
  };
}
