/** Something that goes wrong, and is over, in the log: at the edge of a full queue it comes and goes with every request. */
import type { ComponentLog } from '../component.ts';
import type { Clock } from './clock.ts';

export interface Trouble {
  /** It is so now: said when it begins, but not again within a minute. */
  has(message: string): void;
  /** It is over: said if its beginning was. */
  isOver(message: string): void;
}

const SILENCE_MS = 60_000;

/** `topic` tells it from the component's others. */
export function createTrouble(topic: string, log: ComponentLog, clock: Clock): Trouble {
  let said_ms: number | undefined;
  return {
    has(message) {
      const now = clock.now();
      if (said_ms !== undefined && now - said_ms < SILENCE_MS) return;
      said_ms = now;
      log.once(topic, message);
    },
    isOver: (message) => log.over(topic, message),
  };
}
